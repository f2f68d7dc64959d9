//! What a lane needs of a file on the far side of a network: fetched by other threads than those that decode.

use std::ops::Range;

use arrow::record_batch::RecordBatch;
use bytes::Bytes;
use parquet::DecodeResult;
use parquet::file::metadata::ColumnChunkMetaData;

use super::{Decoder, Lane, Progress};
use crate::error::Result;
use crate::store::scan::ahead::{Ahead, Charge};
use crate::store::scan::fetch::FileSource;
use crate::store::scan::pieces::Pieces;

/// What a decoded value takes at least, in bytes: a view of a text takes 16.
const KEPT_VALUE_BYTES: u64 = 16;

/// Fetches what lanes of one row group wait for, together; each comes with its position.
pub(in crate::store::scan) fn fetch(lanes: &mut [(usize, Box<Lane>)]) -> Result<()> {
    let mut ranges = Vec::new();
    for (_, lane) in lanes.iter_mut() {
        let little_bytes = lane.file.source.access().coalesce_gap_bytes;
        ranges.extend(lane.guarded(|lane| lane.ask(little_bytes))?);
    }
    let Some((_, first)) = lanes.first() else { return Ok(()) };
    // Pages that are ruled out are not read as gaps between others either.
    let pruned = first.file.groups[first.group].selection.is_some();
    let gap_bytes = if pruned { 0 } else { first.file.source.access().coalesce_gap_bytes };
    let pieces = first.file.source.fetch_pieces(&ranges, gap_bytes)?;
    let share = pieces.size() / lanes.len() as u64;
    for (_, lane) in lanes {
        let kept = lane.kept_bytes();
        let fetched = &mut lane.fetched;
        if let Some(charge) = &mut fetched.charge {
            // The first answer replaces the estimate.
            let before = if fetched.pieces.is_empty() { kept } else { charge.bytes() };
            charge.set(before.saturating_add(share));
        }
        fetched.pieces.push(pieces.clone());
        fetched.is_short = false;
    }
    Ok(())
}

/// What a lane of a file on the far side of a network has got, and waits for.
#[derive(Debug, Default)]
pub(super) struct Fetched {
    /// Whether nothing can be decoded before something is fetched.
    pub(super) is_short: bool,
    /// What the decoder asked for and has not got yet.
    pub(super) asked: Vec<Range<u64>>,
    pieces: Vec<Pieces>,
    /// A batch that came where the decoder was to say what it needs.
    pub(super) early: Option<RecordBatch>,
    estimated_bytes: u64,
    charge: Option<Charge>,
}

impl Lane {
    /// Whether nothing can be decoded before [`fetch`].
    pub(in crate::store::scan) fn is_short(&self) -> bool {
        self.fetched.is_short
    }

    /// Whether what it fetches is counted already.
    pub(in crate::store::scan) fn is_charged(&self) -> bool {
        self.fetched.charge.is_some()
    }

    /// What it is going to fetch, and to keep besides, in bytes: an estimate.
    pub(in crate::store::scan) fn estimated_bytes(&self) -> u64 {
        self.fetched.estimated_bytes
    }

    /// Counts that, until it is known.
    pub(in crate::store::scan) fn charge(&mut self, ahead: &Ahead) {
        let bytes = self.fetched.estimated_bytes;
        self.fetched.charge.get_or_insert_with(|| ahead.charge(bytes));
    }

    /// Of a lane that has nothing yet, that everything is to be fetched.
    pub(super) fn falls_short(mut self) -> Self {
        self.fetched.is_short = true;
        self.fetched.estimated_bytes = self.kept_bytes().saturating_add(self.stored_bytes());
        self
    }

    /// What the lane reads of its row group, in bytes: an estimate.
    pub(in crate::store::scan) fn stored_bytes(&self) -> u64 {
        let group = &self.file.groups[self.group];
        let read = self.columns.iter().filter_map(|&column| self.file.wanted[column]);
        let mut roots: Vec<usize> = read.chain(self.tested_roots()).collect();
        roots.sort_unstable();
        roots.dedup();
        let bytes = total(self.chunks_of(&roots).map(|chunk| chunk.compressed_size().unsigned_abs()));
        match &group.selection {
            Some(selection) => (bytes as f64 * (selection.row_count() as f64 / group.rows.max(1) as f64)) as u64,
            None => bytes,
        }
    }

    /// What the decoder keeps of tested columns until the wanted ones of the same rows have come, in bytes.
    fn kept_bytes(&self) -> u64 {
        let group = &self.file.groups[self.group];
        if group.selection.is_some() {
            return 0;
        }
        let tested: Vec<usize> = self.tested_roots().collect();
        let least = group.rows.saturating_mul(KEPT_VALUE_BYTES);
        total(self.chunks_of(&tested).map(|chunk| chunk.uncompressed_size().unsigned_abs().max(least)))
    }

    fn tested_roots(&self) -> impl Iterator<Item = usize> {
        self.file.groups[self.group].tests.iter().map(|&test| self.file.tests[test].root)
    }

    /// The column chunks of some top-level columns.
    fn chunks_of(&self, roots: &[usize]) -> impl Iterator<Item = &ColumnChunkMetaData> {
        let schema = self.file.reader.parquet_schema();
        let columns = self.file.metadata().row_group(self.file.groups[self.group].row_group).columns();
        let is_of = |leaf: usize| leaf < schema.num_columns() && roots.contains(&schema.get_column_root_idx(leaf));
        columns.iter().enumerate().filter(move |(leaf, _)| is_of(*leaf)).map(|(_, chunk)| chunk)
    }

    /// What has to be fetched before more can be decoded. Over a network, where all that may be asked for later is
    /// little, that too.
    fn ask(&mut self, little_bytes: u64) -> Result<Vec<Range<u64>>> {
        if matches!(self.progress, Progress::Waiting) {
            self.progress = self.begin()?;
        }
        let Progress::Decoding(decoder, _) = &mut self.progress else { return Ok(Vec::new()) };
        if self.fetched.asked.is_empty() {
            match decoder.try_decode() {
                Ok(DecodeResult::NeedsData(ranges)) => self.fetched.asked = ranges,
                Ok(DecodeResult::Data(batch)) => self.fetched.early = Some(batch),
                Ok(DecodeResult::Finished) => self.progress = Progress::Finished,
                Err(error) => return Err(self.failed(error)),
            }
        }
        let mut ranges = self.fetched.asked.clone();
        if let Progress::Decoding(Decoder::Selecting(decoder), _) = &self.progress
            && !self.file.groups[self.group].tests.is_empty()
        {
            let mut bytes = 0;
            let mut later = Vec::new();
            for planned in decoder.scan_plan() {
                bytes += planned.len();
                if bytes > little_bytes {
                    return Ok(ranges);
                }
                later.push(planned.range);
            }
            ranges.extend(later);
        }
        Ok(ranges)
    }
}

impl Fetched {
    /// The bytes of `ranges`, where all are here.
    pub(super) fn answer(&self, source: &FileSource, ranges: &[Range<u64>]) -> Option<Vec<Bytes>> {
        let cut = |range| source.at_hand(range).or_else(|| self.pieces.iter().find_map(|pieces| pieces.cut(range)));
        ranges.iter().map(cut).collect()
    }
}

/// A damaged footer may claim any sizes.
fn total(sizes: impl Iterator<Item = u64>) -> u64 {
    sizes.fold(0, u64::saturating_add)
}
