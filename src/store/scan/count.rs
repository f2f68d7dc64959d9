//! Counting rows, with as little decoding as the filters allow.

use std::sync::Arc;

use super::{Scan, ScanRequest, file_row_counts};
use crate::error::{Error, Result};
use crate::storage::{FileMeta, Storage};
use crate::store::filter::Filters;
use crate::store::plan::PlannedFile;
use crate::store::table::Table;

/// How many rows of `files` match `filters`, counted on up to `threads` threads.
///
/// Without a filter on a data column, by footers alone. With one, only the columns it tests are decoded, and only in
/// row groups of which statistics tell neither that all rows match nor that none does.
///
/// # Errors
/// As [`super::Consumer::next`].
pub fn count(
    storage: &Arc<dyn Storage>,
    table: &Arc<Table>,
    filters: &Arc<Filters>,
    files: Vec<PlannedFile>,
    threads: usize,
) -> Result<u64> {
    if filters.on_data(table).next().is_none() {
        let files: Vec<&FileMeta> = files.iter().map(|file| &file.meta).collect();
        return Ok(file_row_counts(storage, &files, threads)?.iter().sum());
    }
    let scan = Scan::start(ScanRequest {
        storage: storage.clone(),
        table: table.clone(),
        filters: filters.clone(),
        files,
        columns: Vec::new(),
        threads,
        dictionaries: true,
    })?;
    let work = || -> Result<u64> {
        let mut consumer = scan.consumer();
        let mut rows = 0;
        while let Some(batch) = consumer.next()? {
            rows += batch.batch.num_rows() as u64;
        }
        Ok(rows)
    };
    std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        let mut total = work();
        for thread in others {
            let rows = thread.join().unwrap_or_else(|_| Err(Error::internal("A thread that counts rows panicked")));
            total = total.and_then(|total| Ok(total + rows?));
        }
        total
    })
}
