//! Arrow batches in, one published write out: partitioned, encoded on several threads, in bounded memory.
//!
//! 1. [`TableWriter::push`] finds the partition of every row (`partitions`) and keeps the batch as it is, next to a
//!    list of *runs*: which rows of which batch go where (`buffer`, `runs`).
//! 2. When the buffer is full, or holds whole row groups and partitions that seem to be done (`fill`), it is sealed:
//!    its runs are ordered by partition and cut into row groups. Partitions with few rows wait for more.
//! 3. Worker threads (`pool`) gather the rows of one row group each, bring them into the table's order if it has one
//!    (`sort`), encode the columns (`encode`) and hand it to the partition's `stream`, which appends row groups in the order of the rows, whichever was encoded first.
//! 4. A `data_file` is open for as long as its partition may get more rows, and holds little meanwhile. Complete
//!    files are staged in the `transaction`, which publishes all of them at the end, or none.
//!
//! Memory: what is buffered and what is being encoded each take up to half of the budget; on top comes one row group a
//! worker, and one more column of it while it is sorted. The footers of open files take up to half of the budget again; beyond that, files are closed early and
//! their partitions go on in further files.

mod buffer;
mod data_file;
mod encode;
mod encoding;
mod fill;
mod partitions;
mod pool;
mod runs;
mod sort;
mod stream;
mod transaction;

#[cfg(test)]
mod bench;
#[cfg(test)]
mod option_tests;
#[cfg(test)]
mod test_storage;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use arrow::record_batch::RecordBatch;

use self::buffer::Buffer;
use self::encode::Encoder;
use self::partitions::Partitions;
use self::pool::{Job, Pool};
use self::stream::FileRules;
use self::transaction::Transaction;
use crate::error::{Error, Result};
use crate::storage::FileMeta;
use crate::store::journal::{BatchName, CommittedBatch, Journal};
use crate::store::table::Table;
use crate::store::table_options::TableOptions;

/// What a write does to the rows that are there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteMode {
    /// They stay.
    Append,
    /// Those of every partition that the records name are replaced; an unpartitioned table's all.
    Overwrite,
}

/// How a write works. [`WriteOptions::new`] gives what suits most.
#[derive(Debug, Clone)]
pub struct WriteOptions {
    /// What happens to older rows.
    pub mode: WriteMode,
    /// Threads that encode, besides the one that pushes. At least 1.
    pub threads: usize,
    /// What buffered rows may take; see the module's page.
    pub memory_budget_bytes: usize,
    /// A file that has grown to this size is closed, and its partition goes on in the next one.
    pub target_file_bytes: u64,
    /// What the table's user asked for.
    pub table_options: TableOptions,
    /// The batch that it is the only commit of.
    pub batch: Option<BatchName>,
}

impl WriteOptions {
    /// The defaults, on `threads` threads.
    pub fn new(mode: WriteMode, threads: usize) -> Self {
        Self {
            mode,
            threads,
            memory_budget_bytes: 256 << 20,
            target_file_bytes: 512 << 20,
            table_options: TableOptions::default(),
            batch: None,
        }
    }

    /// Rows of a full row group, which has no more of them.
    fn row_group_rows(&self) -> usize {
        /// As DuckDB's own.
        const DEFAULT: usize = 122_880;
        self.table_options.row_group_rows.unwrap_or(DEFAULT)
    }
}

/// What a write has published.
#[derive(Debug, Clone, Default)]
pub struct WriteReport {
    /// Rows written.
    pub rows: u64,
    /// Every file that appeared, in no particular order.
    pub files: Vec<FileMeta>,
    /// The files' sizes together.
    pub bytes: u64,
}

/// One write to one table. Nothing is visible before [`TableWriter::finish`]; dropped without it, nothing remains.
#[derive(Debug)]
pub struct TableWriter {
    // The order of the fields is the order in which they are dropped: workers stop before what they work on goes.
    pool: Pool,
    buffer: Buffer,
    partitions: Partitions,
    transaction: Arc<Transaction>,
    table: Arc<Table>,
    data_schema: SchemaRef,
    mode: WriteMode,
    /// The commit that this write would repeat: its rows are not written again.
    repeats: Option<CommittedBatch>,
    rows: u64,
}

impl TableWriter {
    /// Begins a write to the table of `journal`.
    pub fn begin(journal: Journal, table: Arc<Table>, options: WriteOptions) -> Result<Self> {
        let repeats = options.batch.as_ref().map(|batch| journal.committed_batch(batch)).transpose()?.flatten();
        let columns: Vec<usize> = table.data_columns().collect();
        let data_schema = Arc::new(table.schema().project(&columns)?);
        let encoder = Encoder::new(&table, &data_schema, &options.table_options)?;
        let transaction = Arc::new(Transaction::new(journal, table.clone(), options.mode, options.batch.clone()));
        let half = options.memory_budget_bytes / 2;
        let rules = FileRules { target_bytes: options.target_file_bytes, open_footers_bytes: half };
        Ok(Self {
            pool: Pool::new(options.threads, half, encoder, rules, transaction.clone()),
            buffer: Buffer::new(data_schema.clone(), options.row_group_rows(), half),
            partitions: Partitions::new(table.clone())?,
            transaction,
            table,
            data_schema,
            mode: options.mode,
            repeats,
            rows: 0,
        })
    }

    /// Takes rows: all of the table's columns in registered order and canonical types, NOT NULL columns and partition
    /// keys without NULLs. Rows of one partition keep the order in which they come.
    ///
    /// Blocks while the memory budget is used up. After an error, which may stem from an earlier batch, the write
    /// cannot be finished.
    pub fn push(&mut self, batch: &RecordBatch) -> Result<()> {
        self.pool.check()?;
        if batch.num_rows() == 0 || self.repeats.is_some() {
            return Ok(());
        }
        self.check_columns(batch)?;
        let runs = self.partitions.assign(batch)?;
        let data = self.table.data_columns().map(|column| batch.column(column).clone()).collect();
        self.buffer.add(RecordBatch::try_new(self.data_schema.clone(), data)?, runs)?;
        self.rows += batch.num_rows() as u64;
        if self.buffer.is_due() {
            self.send(false)?;
        }
        Ok(())
    }

    /// Encodes what is left and publishes the write.
    ///
    /// # Errors
    /// `InvalidInput` where an overwrite has no rows, and whatever went wrong on a worker. Nothing is published then.
    pub fn finish(mut self) -> Result<WriteReport> {
        if let Some(CommittedBatch { rows, .. }) = self.repeats {
            return Ok(WriteReport { rows, ..WriteReport::default() });
        }
        if self.rows == 0 {
            return match self.mode {
                WriteMode::Append => Ok(WriteReport::default()),
                WriteMode::Overwrite => Err(Error::invalid(
                    "overwrite needs at least one record: it replaces the partitions that the records name",
                )),
            };
        }
        self.send(true)?;
        self.pool.finish()?;
        let (committed, files) = self.transaction.commit(self.partitions.directories(), self.rows)?;
        let bytes = files.iter().map(|file| file.size).sum();
        Ok(WriteReport { rows: committed.rows, files, bytes })
    }

    /// Hands the buffered rows to the workers. `last`: all of them, and every partition's file ends after them.
    fn send(&mut self, last: bool) -> Result<()> {
        let sealed = self.buffer.seal(last)?;
        // The last ones are done by this thread, too.
        self.pool.staff(sealed.len().saturating_sub(usize::from(last)))?;
        let memory = self.pool.reserve(sealed.bytes);
        let mut groups = sealed.row_groups(memory).peekable();
        while let Some((partition, rows)) = groups.next() {
            let ends = last && groups.peek().is_none_or(|(next, _)| *next != partition);
            let (stream, sequence) = self.partitions.next_job(partition);
            self.pool.send(Job { stream, sequence, rows: Some(rows), last: ends });
            if ends {
                self.partitions.end(partition);
            }
        }
        if last {
            for (stream, sequence) in self.partitions.unended() {
                self.pool.send(Job { stream, sequence, rows: None, last: true });
            }
        }
        Ok(())
    }

    /// That `batch` has the registered columns: whoever calls casts first.
    fn check_columns(&self, batch: &RecordBatch) -> Result<()> {
        let (expected, actual): (&Schema, &Schema) = (self.table.schema(), batch.schema_ref());
        let same = expected.fields().len() == actual.fields().len()
            && expected.fields().iter().zip(actual.fields()).all(|(a, b)| a.data_type() == b.data_type());
        if same {
            return Ok(());
        }
        Err(Error::internal(format!(
            "A batch for table \"{}\" has the columns {actual:?}, not the registered {expected:?}",
            self.table.name()
        )))
    }
}
