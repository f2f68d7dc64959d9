//! Rows that wait to be encoded: batches as they came, and runs that say which rows belong to which partition.
//!
//! Keeping runs instead of a batch a partition makes 100,000 partitions with few rows each cost 16 bytes a row. The
//! rows of a row group are brought together when it is encoded, by the thread that does it. Only where rows of many
//! partitions alternate are they ordered by partition at once, while they are in the processor's cache: picking single
//! rows out of the whole buffer would take longer than encoding them.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::Array;
use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;

use super::fill::Fills;
use super::pool::Reservation;
use super::runs::{Run, by_partition, cut, gather, gathered_ranges};
use crate::error::{Error, Result};

/// Rows of all partitions, in the order they came.
#[derive(Debug)]
pub(super) struct Buffer {
    schema: SchemaRef,
    /// The most rows of a row group.
    group_rows: usize,
    /// How large the buffer may grow.
    limit_bytes: usize,
    batches: Vec<RecordBatch>,
    runs: Vec<Run>,
    /// What is buffered, by partition.
    fills: Fills,
    rows: usize,
    bytes: usize,
    /// How many of the batches, and of their runs, have been looked at by [`Buffer::order_recent`].
    settled: (usize, usize),
}

impl Buffer {
    /// Rows that are ordered by partition together.
    const BLOCK_ROWS: usize = 1 << 14;
    /// Runs that are shorter on average are worth ordering, where that makes them longer than this.
    const SHORT_RUN_ROWS: usize = 8;
    /// A row group's share of the limit: rows may be so wide that full row groups would be too large to work on.
    const ROW_GROUPS_IN_LIMIT: usize = 4;
    /// An array is an object and some allocations, besides its values.
    const ARRAY_OVERHEAD_BYTES: usize = 256;

    pub(super) fn new(schema: SchemaRef, group_rows: usize, limit_bytes: usize) -> Self {
        let group_rows = group_rows.max(1);
        Self {
            schema,
            group_rows,
            limit_bytes,
            batches: Vec::new(),
            runs: Vec::new(),
            fills: Fills::new(group_rows),
            rows: 0,
            bytes: 0,
            settled: (0, 0),
        }
    }

    /// Takes a batch; `runs` covers its rows, each with the number of its partition.
    pub(super) fn add(
        &mut self,
        batch: RecordBatch,
        runs: impl IntoIterator<Item = (u32, Range<usize>)>,
    ) -> Result<()> {
        self.fills.advance(batch.num_rows());
        self.insert(batch, runs)?;
        self.fills.check();
        self.order_recent()
    }

    fn insert(&mut self, batch: RecordBatch, runs: impl IntoIterator<Item = (u32, Range<usize>)>) -> Result<()> {
        let index = small(self.batches.len())?;
        small(batch.num_rows())?;
        let runs_before = self.runs.len();
        for (partition, range) in runs {
            self.runs.push(Run::new(partition, index, range.clone()));
            self.fills.add(partition, range.len());
        }
        self.rows += batch.num_rows();
        self.bytes += batch_bytes(&batch) + (self.runs.len() - runs_before) * size_of::<Run>();
        self.batches.push(batch);
        Ok(())
    }

    /// Orders the batches that came last by partition, once they are many enough.
    fn order_recent(&mut self) -> Result<()> {
        let (first_batch, first_run) = self.settled;
        let rows: usize = self.batches[first_batch..].iter().map(RecordBatch::num_rows).sum();
        if rows < Self::BLOCK_ROWS {
            return Ok(());
        }
        let runs = self.runs.len() - first_run;
        let (short, partitions) = (runs * Self::SHORT_RUN_ROWS > rows, self.fills.partitions());
        if short && partitions * Self::SHORT_RUN_ROWS < rows {
            let sorted = by_partition(&self.runs[first_run..], partitions);
            let block = gather(&self.schema, &self.batches, &sorted)?;
            self.runs.truncate(first_run);
            self.batches.truncate(first_batch);
            let batch = small(first_batch)?;
            self.runs.extend(gathered_ranges(&sorted).map(|(partition, range)| Run::new(partition, batch, range)));
            self.batches.push(block);
        }
        self.settled = (self.batches.len(), self.runs.len());
        Ok(())
    }

    /// Whether it is full, or most of its rows need not wait for others.
    pub(super) fn is_due(&self) -> bool {
        let ready = self.fills.ready_rows();
        self.bytes >= self.limit_bytes || (ready > 0 && ready >= self.rows / 4 * 3)
    }

    /// Empties the buffer into row groups. Unless `everything` is asked for, what would be the smallest row groups, a
    /// quarter of the rows at most, stays: the rows of seldom partitions, and what full row groups leave of others.
    pub(super) fn seal(&mut self, everything: bool) -> Result<Sealed> {
        let (rows, bytes) = (self.rows.max(1), self.bytes);
        let share = self.limit_bytes / Self::ROW_GROUPS_IN_LIMIT;
        let group_rows = self.group_rows.min(share / bytes.div_ceil(rows).max(1)).max(1);
        let stay = if everything { Vec::new() } else { self.fills.rests(group_rows, self.rows / 4) };

        let sorted = by_partition(&self.runs, self.fills.partitions());
        let (mut runs, mut groups, mut kept) = (Vec::with_capacity(sorted.len()), Vec::new(), Vec::new());
        for partition in sorted.chunk_by(|a, b| a.partition == b.partition) {
            let id = partition[0].partition;
            let goes = self.fills.rows(id) - stay.get(id as usize).copied().unwrap_or(0);
            cut(partition, goes, group_rows, &mut runs, &mut groups, &mut kept);
        }
        let mut batches = std::mem::take(&mut self.batches);
        self.runs.clear();
        (self.rows, self.bytes, self.settled) = (0, 0, (0, 0));
        let before = self.fills.clear();
        self.keep(&mut batches, kept)?;
        self.fills.remember(&before);
        Ok(Sealed { schema: self.schema.clone(), batches, runs, groups, bytes: bytes.saturating_sub(self.bytes) })
    }

    /// Takes the rows of `kept` back. Batches of which every row stays move over as they are; the others' rows are
    /// copied, so that they do not hold on to what goes.
    fn keep(&mut self, batches: &mut [RecordBatch], mut kept: Vec<Run>) -> Result<()> {
        kept.sort_unstable_by_key(|run| (run.batch, run.start));
        let mut parts: Vec<Run> = Vec::new();
        for runs in kept.chunk_by(|a, b| a.batch == b.batch) {
            let index = runs[0].batch as usize;
            if runs.iter().map(|run| run.rows as usize).sum::<usize>() < batches[index].num_rows() {
                parts.extend_from_slice(runs);
                continue;
            }
            self.keep_parts(batches, &mut parts)?;
            let batch = std::mem::replace(&mut batches[index], RecordBatch::new_empty(self.schema.clone()));
            let range = |run: &Run| (run.partition, run.start as usize..(run.start + run.rows) as usize);
            self.insert(batch, runs.iter().map(range))?;
        }
        self.keep_parts(batches, &mut parts)?;
        self.settled = (self.batches.len(), self.runs.len());
        Ok(())
    }

    fn keep_parts(&mut self, batches: &[RecordBatch], parts: &mut Vec<Run>) -> Result<()> {
        if !parts.is_empty() {
            parts.sort_by_key(|run| run.partition);
            self.insert(gather(&self.schema, batches, parts)?, gathered_ranges(parts))?;
            parts.clear();
        }
        Ok(())
    }
}

/// A buffer's rows, ordered by partition and cut into row groups.
pub(super) struct Sealed {
    schema: SchemaRef,
    batches: Vec<RecordBatch>,
    runs: Vec<Run>,
    /// Partition and runs of each row group.
    groups: Vec<(u32, Range<usize>)>,
    /// What it takes.
    pub(super) bytes: usize,
}

impl Sealed {
    /// How many row groups there are.
    pub(super) fn len(&self) -> usize {
        self.groups.len()
    }

    /// The row groups with the number of their partition; a partition's are in order and next to each other.
    /// `memory` is given back when the last of them is gone.
    pub(super) fn row_groups(self, memory: Reservation) -> impl Iterator<Item = (u32, RowGroupRows)> {
        let rows =
            Arc::new(SharedRows { schema: self.schema, batches: self.batches, runs: self.runs, _memory: memory });
        self.groups.into_iter().map(move |(partition, runs)| (partition, RowGroupRows { rows: rows.clone(), runs }))
    }
}

#[derive(Debug)]
struct SharedRows {
    schema: SchemaRef,
    batches: Vec<RecordBatch>,
    runs: Vec<Run>,
    _memory: Reservation,
}

/// The rows of one row group, still spread over the batches they came in.
#[derive(Debug)]
pub(super) struct RowGroupRows {
    rows: Arc<SharedRows>,
    runs: Range<usize>,
}

impl RowGroupRows {
    /// Brings the rows together, in order.
    pub(super) fn gather(&self) -> Result<RecordBatch> {
        gather(&self.rows.schema, &self.rows.batches, &self.rows.runs[self.runs.clone()])
    }
}

/// What a batch takes. Buffers that slices share count once a slice, for the part it uses.
fn batch_bytes(batch: &RecordBatch) -> usize {
    let column = |array: &Arc<dyn Array>| {
        let values = array.to_data().get_slice_memory_size().unwrap_or_else(|_| array.get_array_memory_size());
        values + Buffer::ARRAY_OVERHEAD_BYTES
    };
    batch.columns().iter().map(column).sum()
}

fn small(number: usize) -> Result<u32> {
    u32::try_from(number).map_err(|_| Error::invalid(format!("A batch of {number} rows is too large!")))
}
