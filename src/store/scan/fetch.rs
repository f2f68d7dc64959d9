//! Bytes of one Parquet file, in few requests.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;

use super::ahead::Charge;
use super::pieces::{Pieces, Requests};
use crate::error::{Error, Result};
use crate::storage::{Access, FileMeta, Storage};

/// Files up to this size are fetched whole, in one request: stores hold thousands of small ones.
pub(super) const WHOLE_FILE_MAX_BYTES: u64 = 1024 * 1024;

/// The same where a request costs next to nothing, and copying columns that nobody wants does not.
pub(super) const LOCAL_WHOLE_FILE_MAX_BYTES: u64 = 128 * 1024;

/// What is read of the end of a file to find its footer; few footers are larger.
const TAIL_BYTES: u64 = 64 * 1024;

/// Bounds for what is read of the end of a file where it is known how much other files needed.
const LEARNT_TAIL_BYTES: Range<u64> = 16 * 1024..1024 * 1024;

/// A file of the store, of which the end (or all of it) may be in memory.
#[derive(Debug)]
pub(super) struct FileSource {
    storage: Arc<dyn Storage>,
    access: Access,
    meta: FileMeta,
    /// Where `tail` starts; 0 where the whole file is in memory, its size where nothing is.
    tail_start: u64,
    tail: Pieces,
    /// For what is in memory.
    charge: Option<Charge>,
}

impl FileSource {
    /// A file of which nothing is in memory yet. What comes to be is noted in `charge`.
    pub(super) fn new(storage: &Arc<dyn Storage>, access: Access, meta: &FileMeta, charge: Option<Charge>) -> Self {
        let (storage, meta) = (storage.clone(), meta.clone());
        Self { storage, access, tail_start: meta.size, tail: Pieces::default(), meta, charge }
    }

    /// Whether a file of `size` bytes is fetched whole.
    pub(super) fn is_small(size: u64, access: &Access) -> bool {
        // Where requests cost more than bytes, what is left out of the middle of a file is no gain either.
        let most = if access.remote {
            WHOLE_FILE_MAX_BYTES.max(access.coalesce_gap_bytes)
        } else {
            LOCAL_WHOLE_FILE_MAX_BYTES
        };
        size <= most
    }

    /// Brings the last `bytes` of the file into memory.
    pub(super) fn read_tail(&mut self, bytes: u64) -> Result<()> {
        let start = self.meta.size.saturating_sub(bytes);
        if start < self.tail_start || self.tail.size() == 0 {
            let tail = self.fetch(std::slice::from_ref(&(start..self.meta.size)))?.swap_remove(0);
            self.tail = Pieces::one(start, tail);
            self.tail_start = start;
        }
        if let Some(charge) = &mut self.charge {
            charge.set(self.tail.size());
        }
        Ok(())
    }

    /// Brings a small file into memory, all of it.
    pub(super) fn read_whole_if_small(&mut self) -> Result<()> {
        if Self::is_small(self.meta.size, &self.access) { self.read_tail(self.meta.size) } else { Ok(()) }
    }

    /// The file as it was listed.
    pub(super) fn meta(&self) -> &FileMeta {
        &self.meta
    }

    /// How it is best read.
    pub(super) fn access(&self) -> &Access {
        &self.access
    }

    /// What is in memory: a range that ends with the file, and its bytes.
    pub(super) fn tail(&self) -> (Range<u64>, Bytes) {
        let range = self.tail_start..self.meta.size;
        let bytes = self.tail.cut(&range).unwrap_or_default();
        (range, bytes)
    }

    /// Whether all of the file is in memory.
    pub(super) fn is_whole(&self) -> bool {
        self.tail_start == 0
    }

    /// Where the file is, for messages.
    pub(super) fn location(&self) -> String {
        self.storage.location(&self.meta.path)
    }

    /// An error for a file that cannot be understood.
    pub(super) fn corrupt(&self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
        Error::corrupt(format!("Parquet file \"{}\" is damaged", self.location())).with_source(source)
    }

    /// The bytes of `range`, where they are in memory.
    pub(super) fn at_hand(&self, range: &Range<u64>) -> Option<Bytes> {
        self.tail.cut(range)
    }

    /// The bytes of `ranges`, in their order.
    pub(super) fn fetch(&self, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        let pieces = self.fetch_pieces(ranges, self.access.coalesce_gap_bytes)?;
        let cut = |range| self.at_hand(range).or_else(|| pieces.cut(range));
        let missing = || Error::internal(format!("No answer for a range of \"{}\"", self.location()));
        ranges.iter().map(|range| cut(range).ok_or_else(missing)).collect()
    }

    /// What of `ranges` is not in memory, read over gaps of up to `gap_bytes`.
    pub(super) fn fetch_pieces(&self, ranges: &[Range<u64>], gap_bytes: u64) -> Result<Pieces> {
        if let Some(range) = ranges.iter().find(|range| range.start > range.end || range.end > self.meta.size) {
            let message = format!("it refers to bytes {} to {} of {}", range.start, range.end, self.meta.size);
            return Err(self.corrupt(message));
        }
        let missing: Vec<Range<u64>> = ranges.iter().filter(|range| range.start < self.tail_start).cloned().collect();
        let requests = Requests::new(missing, gap_bytes, &self.access);
        if requests.parts().is_empty() {
            return Ok(Pieces::default());
        }
        let answers = self.storage.read_listed(&self.meta, requests.parts())?;
        requests.put_together(answers).ok_or_else(|| self.corrupt("it became shorter while it was read"))
    }
}

/// How much to read of the end of a file, so that footer and page index come in one request: learnt, over a network,
/// from the files before it.
#[derive(Debug, Default)]
pub(super) struct TailGuess {
    /// The most that a file needed; 0 where none is known.
    most_bytes: AtomicU64,
}

impl TailGuess {
    /// How many bytes to read.
    pub(super) fn bytes(&self, access: &Access) -> u64 {
        match self.most_bytes.load(Ordering::Relaxed) {
            most if most > 0 && access.remote => {
                most.saturating_add(most / 4).clamp(LEARNT_TAIL_BYTES.start, LEARNT_TAIL_BYTES.end)
            }
            _ => TAIL_BYTES,
        }
    }

    /// Notes that the last `bytes` of a file were needed.
    pub(super) fn learn(&self, bytes: u64) {
        // A page index far from the footer is no reason to read what lies between.
        if bytes <= LEARNT_TAIL_BYTES.end {
            self.most_bytes.fetch_max(bytes, Ordering::Relaxed);
        }
    }
}
