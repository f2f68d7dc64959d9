//! How many rows files have, by their footers alone.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::cache::{self, Key};
use super::fetch::{FileSource, TailGuess};
use super::footer::Footer;
use crate::error::{Error, Result};
use crate::storage::{Access, FileMeta, Storage};

/// At least this many files a thread, where footers are on this machine.
const LOCAL_FILES_PER_THREAD: usize = 8;

/// Footers that are asked for at one time over a network, at most.
const MAX_REQUESTS: usize = 64;

/// How many rows a data file has, by its footer.
///
/// # Errors
/// `Corrupt`, naming the path, where it is no whole Parquet file; what reading fails with.
pub fn file_row_count(storage: &Arc<dyn Storage>, file: &FileMeta) -> Result<u64> {
    count_one(storage, storage.access(), &TailGuess::default(), file)
}

/// [`file_row_count`] of many files, in their order, on up to `threads` threads, or as many as wait for answers where
/// these have to travel.
///
/// # Errors
/// As [`file_row_count`], for the first file that fails.
pub fn file_row_counts(storage: &Arc<dyn Storage>, files: &[&FileMeta], threads: usize) -> Result<Vec<u64>> {
    let access = storage.access();
    let threads = match access.remote {
        true => access.concurrency.min(MAX_REQUESTS).min(files.len()),
        false => threads.min(files.len() / LOCAL_FILES_PER_THREAD),
    };
    let guess = TailGuess::default();
    let next = AtomicUsize::new(0);
    let work = || -> Result<Vec<(usize, u64)>> {
        let mut counts = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(file) = files.get(index) else { return Ok(counts) };
            match count_one(storage, access, &guess, file) {
                Ok(rows) => counts.push((index, rows)),
                Err(error) => {
                    next.store(files.len(), Ordering::Relaxed);
                    return Err(error);
                }
            }
        }
    };
    let parts: Vec<Result<Vec<(usize, u64)>>> = std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        let own = work();
        let joined = others.into_iter().map(|thread| {
            thread.join().unwrap_or_else(|_| Err(Error::internal("A thread that reads Parquet footers panicked")))
        });
        std::iter::once(own).chain(joined).collect()
    });
    let mut counts = vec![0; files.len()];
    for part in parts {
        for (index, rows) in part? {
            counts[index] = rows;
        }
    }
    Ok(counts)
}

fn count_one(storage: &Arc<dyn Storage>, access: Access, guess: &TailGuess, file: &FileMeta) -> Result<u64> {
    let key = Key::of(storage.location(&file.path), file);
    let mut source = FileSource::new(storage, access, file, None);
    let rows = match key.as_ref().and_then(cache::look_up_rows) {
        Some(rows) => rows,
        None => Footer::read(&mut source, guess, false, key)?.metadata().file_metadata().num_rows(),
    };
    u64::try_from(rows).map_err(|_| source.corrupt(format!("its footer counts {rows} rows")))
}
