//! The keys of a join's small side as a filter of the other side.
//!
//! A join of few rows with many reads the many for little: most have no partner. So the side that promises to be small
//! is read first, as far as it stays small. Its rows are kept, which is all that is read of it, and its distinct keys
//! become conditions (`IN`) on the other side, where they rule out partitions, row groups, pages and rows.
//!
//! The join itself stays as it is, and looks at every row that is left. What the conditions leave out has no partner:
//! they are pushed only where both columns are of one type, and membership is equality as the join has it (NULL equals
//! nothing; NaN equals itself, 0.0 equals -0.0).

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};

use crate::error::{Error, Result};
use crate::sql::functions::read::ReadPlan;
use crate::store::filter::Predicate;
use crate::store::plan::PlannedFile;
use crate::store::scalar::Scalar;
use crate::store::scan::{Scan, ScanBatch};
use crate::store::types;

/// A side of more rows is not small.
const MAX_ROWS: usize = 1_000_000;

/// Nor is one that takes more memory.
const MAX_BYTES: usize = 64 << 20;

/// More keys than these are not pushed into the other side.
const MAX_KEYS: usize = 4096;

/// A side without conditions is tried only where the files of the other are so many times as large.
const MIN_RATIO: u64 = 4;

/// A read whose files are known.
#[derive(Clone)]
pub struct PlannedRead {
    /// What is read.
    pub read: ReadPlan,
    /// Its files, as of one state of the table.
    pub files: Vec<PlannedFile>,
    /// All its rows, where they were read already: the columns are those of [`ReadPlan::data_columns`].
    pub rows: Option<Arc<[ScanBatch]>>,
}

impl PlannedRead {
    /// Finds out the files.
    pub fn new(read: ReadPlan) -> Result<Self> {
        Ok(Self { files: read.files()?, read, rows: None })
    }

    /// How many rows it gives, where that is known, else a guess: (rows, exact).
    pub fn cardinality(&self) -> (u64, bool) {
        match &self.rows {
            Some(batches) => (batches.iter().map(|batch| batch.batch.num_rows() as u64).sum(), true),
            None => self.read.cardinality(),
        }
    }

    fn size_bytes(&self) -> u64 {
        self.files.iter().map(|file| file.meta.size).sum()
    }

    fn is_filtered(&self) -> bool {
        !self.read.filters.all_on_keys(&self.read.table)
    }

    /// Reads the rows and keeps them, as far as they are few.
    fn keep_rows(&mut self) -> Result<()> {
        let scan = Scan::start(self.read.request(self.read.data_columns(), self.files.clone()))?;
        let mut consumer = scan.consumer();
        let (mut batches, mut rows, mut bytes) = (Vec::new(), 0, 0);
        while let Some(batch) = consumer.next()? {
            let batch = ScanBatch { batch: compact(&batch.batch)?, ..batch };
            rows += batch.batch.num_rows();
            bytes += batch.batch.get_array_memory_size();
            if rows > MAX_ROWS || bytes > MAX_BYTES {
                return Ok(());
            }
            batches.push(batch);
        }
        self.rows = Some(batches.into());
        Ok(())
    }

    /// The distinct values of a column of the kept rows, without NULL; `None` where they are too many to be pushed.
    fn keys(&self, rows: &[ScanBatch], column: usize) -> Result<Option<Vec<Scalar>>> {
        let mut keys = BTreeSet::new();
        let level = self.read.table.partition_level(column);
        let position = self.read.data_columns().iter().position(|&known| known == column);
        for batch in rows {
            match (level, position) {
                (Some(level), _) => keys.extend(batch.partition.get(level).cloned()),
                (None, Some(position)) => {
                    let array = batch.batch.column(position);
                    for row in 0..array.len() {
                        keys.insert(Scalar::from_array(array, row)?);
                        if keys.len() > MAX_KEYS + 1 {
                            return Ok(None);
                        }
                    }
                }
                (None, None) => return Err(Error::internal(format!("Join column {column} is not read"))),
            }
        }
        keys.remove(&Scalar::Null);
        Ok((keys.len() <= MAX_KEYS).then(|| keys.into_iter().collect()))
    }

    /// Adds that the column is one of `keys`.
    fn narrow(&mut self, column: usize, keys: Vec<Scalar>) {
        let filters = Arc::new(self.read.filters.and(column, Predicate::In(keys)));
        if let Some(level) = self.read.table.partition_level(column) {
            self.files.retain(|file| file.partition.get(level).is_some_and(|key| filters.key_matches(column, key)));
        }
        self.read.filters = filters;
    }
}

/// The same rows without the pages that their text was decoded from.
fn compact(batch: &RecordBatch) -> Result<RecordBatch> {
    let columns = batch.columns().iter().map(|column| -> ArrayRef {
        match column.as_string_view_opt() {
            Some(text) => Arc::new(text.gc()),
            None => column.clone(),
        }
    });
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    Ok(RecordBatch::try_new_with_options(batch.schema(), columns.collect(), &options)?)
}

/// Narrows one of two sides, which are joined where `keys` (positions in each table) are equal, by what is in the
/// other.
pub fn push_keys(left: &mut PlannedRead, right: &mut PlannedRead, keys: &[(usize, usize)]) -> Result<()> {
    let (left_bytes, right_bytes) = (left.size_bytes(), right.size_bytes());
    let left_first = match (left.is_filtered(), right.is_filtered()) {
        (true, false) => true,
        (false, true) => false,
        _ => left_bytes <= right_bytes,
    };
    let (small, large) = if left_first { (left, right) } else { (right, left) };
    if !small.is_filtered() && small.size_bytes().saturating_mul(MIN_RATIO) > large.size_bytes() {
        return Ok(());
    }
    small.keep_rows()?;
    let Some(rows) = small.rows.clone() else { return Ok(()) };
    for &(left_key, right_key) in keys {
        let (from, to) = if left_first { (left_key, right_key) } else { (right_key, left_key) };
        let (from_field, to_field) = (small.read.table.schema().field(from), large.read.table.schema().field(to));
        if from_field.data_type().is_nested() || !types::same_type(from_field, to_field) {
            continue;
        }
        if let Some(keys) = small.keys(&rows, from)? {
            large.narrow(to, keys);
        }
    }
    Ok(())
}
