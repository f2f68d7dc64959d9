//! Parquet -> Arrow batches: in order, on several threads, in bounded memory.
//!
//! A scan gets its files from [`crate::store::plan`]. For each it
//!
//! 1. gets the footer when the file's turn comes: from [`cache`], or from the file (small files whole, in one request),
//! 2. rules out row groups by statistics and bloom filters, and pages by the page index,
//! 3. decodes the tested columns first, and the wanted ones only in the rows that pass,
//! 4. casts what the file holds to the registered types, without loss.
//!
//! Files differ: columns are found by name, one that a file lacks is NULL (unless it is NOT NULL: then the file is
//! another table's, and an error), one that the registry lacks is ignored, and
//! so is a column inside a file that the table has as a partition key (the path wins).
//!
//! Who decodes what is decided in [`schedule`]: one consumer gets the rows in the order of the files, helped by
//! background threads; several consumers share the row groups between them. Where bytes have to travel, threads of their
//! own fetch what will be decoded next, as far [`ahead`] as memory and the query's appetite allow.

mod ahead;
mod bloom;
mod cache;
mod columns;
mod count;
mod decode;
mod fetch;
mod footer;
mod open;
mod pieces;
mod prune;
mod rows;
mod schedule;
mod slots;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use arrow::array::new_null_array;
use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;

pub use self::cache::{DEFAULT_FOOTER_CACHE_BYTES, FooterCacheStats, footer_cache_stats, set_footer_cache_bytes};
use self::columns::Target;
pub use self::columns::{output_schema, text_dictionary};
pub use self::count::count;
use self::fetch::TailGuess;
pub use self::rows::{file_row_count, file_row_counts};
use self::schedule::{Claim, Schedule};
use crate::error::{Error, Result};
use crate::storage::{self, Access, Cancel, Storage};
use crate::store::filter::{Filters, Predicate};
use crate::store::plan::PlannedFile;
use crate::store::scalar::Scalar;
use crate::store::table::Table;

/// Rows of a batch, at most.
pub const BATCH_ROWS: usize = 8192;

/// What to read.
#[derive(Debug)]
pub struct ScanRequest {
    /// Where the files are.
    pub storage: Arc<dyn Storage>,
    /// The table that they belong to.
    pub table: Arc<Table>,
    /// What must hold of a row. Conditions on partition keys are taken to be met by every file.
    pub filters: Arc<Filters>,
    /// The files, in the order in which their rows are wanted.
    pub files: Vec<PlannedFile>,
    /// Positions in the table of the columns wanted, in their order; partition keys cannot be among them.
    pub columns: Vec<usize>,
    /// How many threads may decode at once, the consumers' own included.
    pub threads: usize,
    /// Whether the consumer takes a top-level VARCHAR of few different values as a file has it: as [`text_dictionary`]
    /// in place of Utf8View, in some batches and not in others.
    pub dictionaries: bool,
}

/// A running scan, shared by those who consume it. Dropping it (and its consumers) stops the background threads: those
/// that decode after the batch that they are at, those that wait for an answer as soon as the storage can give it up.
#[derive(Debug)]
pub struct Scan {
    schedule: Arc<Schedule>,
}

/// One of the threads that take batches from a scan.
///
/// A single consumer gets the rows in order. As soon as a second one asks, each decodes row groups of its own, and every
/// row comes to exactly one of them.
#[derive(Debug)]
pub struct Consumer {
    scan: Arc<Scan>,
    claim: Claim,
}

/// Some rows of one file.
#[derive(Debug, Clone)]
pub struct ScanBatch {
    /// The wanted columns, of [`Scan::schema`] but for dictionaries; the row count is right also where no column is
    /// wanted.
    pub batch: RecordBatch,
    /// The values of the partition keys for all of these rows.
    pub partition: Arc<[Scalar]>,
    /// Position in the request's files.
    pub file: usize,
}

impl Scan {
    /// Prepares a scan; nothing is read before a consumer asks.
    ///
    /// # Errors
    /// `Internal` where a column is none of the table's data columns.
    pub fn start(request: ScanRequest) -> Result<Arc<Self>> {
        let context = ScanContext::new(request)?;
        Ok(Arc::new(Self { schedule: Arc::new(Schedule::new(context)) }))
    }

    /// The schema of every batch, where dictionaries were not asked for: see [`output_schema`].
    pub fn schema(&self) -> &SchemaRef {
        &self.schedule.context().schema
    }

    /// Another consumer of the same rows.
    pub fn consumer(self: &Arc<Self>) -> Consumer {
        Consumer { scan: self.clone(), claim: Claim::default() }
    }
}

impl Drop for Scan {
    fn drop(&mut self) {
        self.schedule.stop();
    }
}

impl Consumer {
    /// The next rows, or `None` where there are no more for this consumer.
    ///
    /// # Errors
    /// `Corrupt` for a damaged file, `Conversion` for one that does not fit the registered types, what reading fails
    /// with; each names the file. An error ends the scan for all its consumers, and is given to one of them.
    #[expect(clippy::should_implement_trait, reason = "an iterator cannot fail and go on")]
    pub fn next(&mut self) -> Result<Option<ScanBatch>> {
        self.scan.schedule.next(&mut self.claim)
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        self.scan.schedule.release(&mut self.claim);
    }
}

/// A request, made ready.
#[derive(Debug)]
struct ScanContext {
    /// Calls end when `cancel` is thrown.
    storage: Arc<dyn Storage>,
    cancel: Cancel,
    access: Access,
    tail_guess: TailGuess,
    files: Vec<PlannedFile>,
    /// The wanted columns.
    targets: Vec<Target>,
    /// What must hold of columns in the files, one entry a column.
    conditions: Vec<ColumnCondition>,
    /// The table's data columns: name, and whether a file must have it.
    registered: Vec<(String, bool)>,
    schema: SchemaRef,
    threads: usize,
}

/// Everything that must hold of one column.
#[derive(Debug)]
struct ColumnCondition {
    target: Arc<Target>,
    predicates: Arc<[Predicate]>,
    /// Whether NULL passes: then so does every row of a file that lacks the column.
    passes_null: bool,
}

impl ScanContext {
    fn new(request: ScanRequest) -> Result<Self> {
        let ScanRequest { storage, table, filters, files, columns, threads, dictionaries } = request;
        let is_data =
            |column: &usize| *column < table.schema().fields().len() && table.partition_level(*column).is_none();
        if let Some(column) = columns.iter().find(|column| !is_data(column)) {
            return Err(Error::internal(format!("Column {column} of table \"{}\" is in no file", table.name())));
        }
        let targets = columns.iter().map(|&column| Target::new(&table, column, dictionaries)).collect();
        let mut by_column: Vec<(usize, Vec<Predicate>)> = Vec::new();
        for condition in filters.on_data(&table) {
            let predicate = condition.predicate.clone();
            match by_column.iter_mut().find(|(column, _)| *column == condition.column) {
                Some((_, predicates)) => predicates.push(predicate),
                None => by_column.push((condition.column, vec![predicate])),
            }
        }
        let conditions: Result<Vec<ColumnCondition>> = by_column
            .into_iter()
            .map(|(column, predicates)| ColumnCondition::new(&table, column, predicates, dictionaries))
            .collect();
        let schema = output_schema(&table, &columns);
        let cancel = Cancel::new();
        let field = |column| table.schema().field(column);
        let registered =
            table.data_columns().map(|column| (field(column).name().clone(), !field(column).is_nullable()));
        Ok(Self {
            registered: registered.collect(),
            access: storage.access(),
            tail_guess: TailGuess::default(),
            storage: storage::cancellable(storage, &cancel),
            cancel,
            files,
            targets,
            conditions: conditions?,
            schema,
            threads: threads.max(1),
        })
    }

    /// Whether only row counts are asked for, and nothing is tested.
    fn is_metadata_only(&self) -> bool {
        self.targets.is_empty() && self.conditions.is_empty()
    }

    /// The columns to read, to give out or to test; a column may come twice.
    fn all_targets(&self) -> impl Iterator<Item = &Target> {
        self.targets.iter().chain(self.conditions.iter().map(|condition| condition.target.as_ref()))
    }
}

impl ColumnCondition {
    fn new(table: &Table, column: usize, predicates: Vec<Predicate>, dictionaries: bool) -> Result<Self> {
        let target = Arc::new(Target::new(table, column, dictionaries));
        let null = new_null_array(target.output.data_type(), 1);
        let mut passes_null = true;
        for predicate in &predicates {
            passes_null &= predicate.evaluate(&null)?.value(0);
        }
        Ok(Self { target, predicates: predicates.into(), passes_null })
    }
}
