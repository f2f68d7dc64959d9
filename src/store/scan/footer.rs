//! Footers: what a Parquet file says about itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use parquet::DecodeResult;
use parquet::errors::ParquetError;
use parquet::file::metadata::{ColumnChunkMask, PageIndexPolicy, ParquetMetaData, ParquetMetaDataPushDecoder};

use super::fetch::FileSource;
use crate::error::{Error, Result};
use crate::storage::{FileMeta, Storage};

/// At least this many files a thread, where only their footers are read.
const FOOTERS_PER_THREAD: usize = 8;

/// The footer of a file, without page indexes.
pub(super) fn read_footer(source: &FileSource) -> Result<ParquetMetaData> {
    let decoder = || {
        let mut decoder =
            ParquetMetaDataPushDecoder::try_new(source.size())?.with_page_index_policy(PageIndexPolicy::Skip);
        let (range, bytes) = source.tail();
        decoder.push_range(range, bytes)?;
        Ok(decoder)
    };
    drive(source, decoder().map_err(|error: ParquetError| source.corrupt(error))?)
}

/// The footer with the page indexes of some row groups and columns, where the file has them.
pub(super) fn read_page_index(
    source: &FileSource,
    footer: ParquetMetaData,
    columns_to_test: &[usize],
    columns_to_read: &[usize],
    row_groups: &[usize],
) -> Result<ParquetMetaData> {
    let mask = |columns: &[usize]| ColumnChunkMask::row_groups_and_columns(row_groups.to_vec(), columns.to_vec());
    let decoder = ParquetMetaDataPushDecoder::try_new_with_metadata(source.size(), footer)
        .map_err(|error| source.corrupt(error))?
        .with_page_index_policy(PageIndexPolicy::Optional)
        .with_column_index_mask(mask(columns_to_test))
        .with_offset_index_mask(mask(columns_to_read));
    drive(source, decoder)
}

fn drive(source: &FileSource, mut decoder: ParquetMetaDataPushDecoder) -> Result<ParquetMetaData> {
    loop {
        match decoder.try_decode().map_err(|error| source.corrupt(error))? {
            DecodeResult::Data(metadata) => return Ok(metadata),
            DecodeResult::NeedsData(ranges) => {
                let answers: Vec<Bytes> = source.fetch(&ranges)?;
                decoder.push_ranges(ranges, answers).map_err(|error| source.corrupt(error))?;
            }
            DecodeResult::Finished => return Err(source.corrupt("it has no footer")),
        }
    }
}

/// How many rows a data file has, by its footer.
///
/// # Errors
/// `Corrupt`, naming the path, where it is no whole Parquet file; what reading fails with.
pub fn file_row_count(storage: &Arc<dyn Storage>, file: &FileMeta) -> Result<u64> {
    let source = FileSource::open(storage.clone(), file.clone(), 0)?;
    let rows = read_footer(&source)?.file_metadata().num_rows();
    u64::try_from(rows).map_err(|_| source.corrupt(format!("its footer counts {rows} rows")))
}

/// [`file_row_count`] of many files, in their order, on up to `threads` threads.
///
/// # Errors
/// As [`file_row_count`], for the first file that fails.
pub fn file_row_counts(storage: &Arc<dyn Storage>, files: &[&FileMeta], threads: usize) -> Result<Vec<u64>> {
    let threads = threads.min(files.len() / FOOTERS_PER_THREAD).max(1);
    let next = AtomicUsize::new(0);
    let work = || -> Result<Vec<(usize, u64)>> {
        let mut counts = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(file) = files.get(index) else { return Ok(counts) };
            match file_row_count(storage, file) {
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
