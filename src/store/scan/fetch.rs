//! Bytes of one Parquet file, in few requests.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use crate::error::{Error, Result};
use crate::storage::{FileMeta, Storage};

/// Files up to this size are fetched whole, in one request: stores hold thousands of small ones.
pub(super) const WHOLE_FILE_MAX_BYTES: u64 = 1024 * 1024;

/// The same where a request costs next to nothing, and copying columns that nobody wants does not.
pub(super) const LOCAL_WHOLE_FILE_MAX_BYTES: u64 = 128 * 1024;

/// What is read of the end of a file to find its footer; few footers are larger.
const FOOTER_GUESS_BYTES: u64 = 64 * 1024;

/// Ranges with at most this much between them are read as one.
const COALESCE_GAP_BYTES: u64 = 64 * 1024;

/// Coalescing stops here, so that a remote backend can still fetch the parts of a row group concurrently.
const COALESCED_MAX_BYTES: u64 = 8 * 1024 * 1024;

/// A file of the store, of which the end (or all of it) is in memory.
#[derive(Debug)]
pub(super) struct FileSource {
    storage: Arc<dyn Storage>,
    meta: FileMeta,
    /// Where `tail` starts; 0 where the whole file is in memory.
    tail_start: u64,
    tail: Bytes,
}

impl FileSource {
    /// Opens a file by reading its end; all of it where it has at most `whole_max_bytes`.
    pub(super) fn open(storage: Arc<dyn Storage>, meta: FileMeta, whole_max_bytes: u64) -> Result<Self> {
        let tail_start = if meta.size <= whole_max_bytes { 0 } else { meta.size.saturating_sub(FOOTER_GUESS_BYTES) };
        let mut source = Self { storage, meta, tail_start: u64::MAX, tail: Bytes::new() };
        source.tail = source.fetch(std::slice::from_ref(&(tail_start..source.meta.size)))?.swap_remove(0);
        source.tail_start = tail_start;
        Ok(source)
    }

    /// The size of the file in bytes.
    pub(super) fn size(&self) -> u64 {
        self.meta.size
    }

    /// What is in memory: a range that ends with the file, and its bytes.
    pub(super) fn tail(&self) -> (Range<u64>, Bytes) {
        (self.tail_start..self.meta.size, self.tail.clone())
    }

    /// Where the file is, for messages.
    pub(super) fn location(&self) -> String {
        self.storage.location(&self.meta.path)
    }

    /// An error for a file that cannot be understood.
    pub(super) fn corrupt(&self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
        Error::corrupt(format!("Parquet file \"{}\" is damaged", self.location())).with_source(source)
    }

    /// The bytes of `ranges`, in their order.
    pub(super) fn fetch(&self, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        if let Some(range) = ranges.iter().find(|range| range.start > range.end || range.end > self.meta.size) {
            let message = format!("it refers to bytes {} to {} of {}", range.start, range.end, self.meta.size);
            return Err(self.corrupt(message));
        }
        let in_tail = |range: &Range<u64>| range.start >= self.tail_start;
        let missing: Vec<Range<u64>> = ranges.iter().filter(|range| !in_tail(range)).cloned().collect();
        let requests = coalesce(missing);
        let answers = match requests.is_empty() {
            true => Vec::new(),
            false => self.storage.read_ranges(&self.meta.path, &requests)?,
        };
        let cut = |bytes: &Bytes, start: u64, range: &Range<u64>| {
            let (from, to) = ((range.start - start) as usize, (range.end - start) as usize);
            match to <= bytes.len() {
                true => Ok(bytes.slice(from..to)),
                false => Err(self.corrupt("it became shorter while it was read")),
            }
        };
        ranges
            .iter()
            .map(|range| {
                if in_tail(range) {
                    return cut(&self.tail, self.tail_start, range);
                }
                let index = requests.partition_point(|request| request.start <= range.start).saturating_sub(1);
                match (requests.get(index), answers.get(index)) {
                    (Some(request), Some(bytes)) => cut(bytes, request.start, range),
                    _ => Err(Error::internal(format!("No answer for a range of \"{}\"", self.location()))),
                }
            })
            .collect()
    }
}

/// The fewest ranges to read that contain all of `ranges`: sorted, apart from each other.
fn coalesce(mut ranges: Vec<Range<u64>>) -> Vec<Range<u64>> {
    ranges.sort_by_key(|range| (range.start, range.end));
    let mut merged: Vec<Range<u64>> = Vec::new();
    for range in ranges {
        match merged.last_mut() {
            Some(last)
                if range.end <= last.end
                    || range.start < last.end
                    || (range.start <= last.end.saturating_add(COALESCE_GAP_BYTES)
                        && range.end - last.start <= COALESCED_MAX_BYTES) =>
            {
                last.end = last.end.max(range.end);
            }
            _ => merged.push(range),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_ranges_become_one_far_and_huge_ones_stay_apart() {
        let gap = COALESCE_GAP_BYTES;
        assert_eq!(coalesce(vec![10 + gap..20 + gap, 0..10]), vec![0..20 + gap]);
        assert_eq!(coalesce(vec![0..10, 11 + gap..12 + gap]), vec![0..10, 11 + gap..12 + gap]);
        let half = COALESCED_MAX_BYTES / 2 + 1;
        assert_eq!(coalesce(vec![0..half, half..2 * half]), vec![0..half, half..2 * half]);
        assert_eq!(coalesce(vec![0..100, 20..30, 90..120]), vec![0..120]);
    }
}
