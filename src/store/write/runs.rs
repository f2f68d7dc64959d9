//! Which rows of which batch belong to which partition, and how to bring those of one partition together.

use std::ops::Range;

use arrow::compute::{concat_batches, interleave_record_batch};
use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;

use crate::error::Result;

/// Consecutive rows of one batch that belong to one partition.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Run {
    pub(super) partition: u32,
    /// Position in the list of batches that goes with the list of runs.
    pub(super) batch: u32,
    pub(super) start: u32,
    pub(super) rows: u32,
}

impl Run {
    /// The rows in `range` of a batch; a batch has no more rows than a `u32` counts.
    pub(super) fn new(partition: u32, batch: u32, range: Range<usize>) -> Self {
        Self { partition, batch, start: range.start as u32, rows: range.len() as u32 }
    }
}

/// The runs, those of one partition next to each other and in the order they came. Partitions are below `partitions`.
pub(super) fn by_partition(runs: &[Run], partitions: usize) -> Vec<Run> {
    let mut next = vec![0_usize; partitions + 1];
    for run in runs {
        next[run.partition as usize + 1] += 1;
    }
    for id in 1..next.len() {
        next[id] += next[id - 1];
    }
    let mut sorted = vec![Run::default(); runs.len()];
    for run in runs {
        let place = &mut next[run.partition as usize];
        sorted[*place] = *run;
        *place += 1;
    }
    sorted
}

/// The partitions of `runs`, ordered by partition, and where each one's rows are once `runs` is [`gather`]ed.
pub(super) fn gathered_ranges(runs: &[Run]) -> impl Iterator<Item = (u32, Range<usize>)> {
    let mut end = 0;
    runs.chunk_by(|a, b| a.partition == b.partition).map(move |runs| {
        let start = end;
        end += total_rows(runs);
        (runs[0].partition, start..end)
    })
}

fn total_rows(runs: &[Run]) -> usize {
    runs.iter().map(|run| run.rows as usize).sum()
}

/// Cuts the first `goes` rows of one partition into row groups of about equal size, none above `group_rows`. The runs of
/// the other rows go to `kept`.
pub(super) fn cut(
    partition: &[Run],
    goes: usize,
    group_rows: usize,
    runs: &mut Vec<Run>,
    groups: &mut Vec<(u32, Range<usize>)>,
    kept: &mut Vec<Run>,
) {
    let count = goes.div_ceil(group_rows);
    let size_of_group = |group: usize| (goes * (group + 1) / count - goes * group / count) as u32;
    let (mut first, mut group) = (runs.len(), 0);
    let mut room = if count == 0 { 0 } else { size_of_group(0) };
    for run in partition {
        let mut rest = *run;
        while rest.rows > 0 && group < count {
            let rows = rest.rows.min(room);
            runs.push(Run { rows, ..rest });
            rest.start += rows;
            rest.rows -= rows;
            room -= rows;
            if room == 0 {
                groups.push((run.partition, first..runs.len()));
                (first, group) = (runs.len(), group + 1);
                room = if group < count { size_of_group(group) } else { 0 };
            }
        }
        if rest.rows > 0 {
            kept.push(rest);
        }
    }
}

/// The rows of `runs` as one batch.
pub(super) fn gather(schema: &SchemaRef, batches: &[RecordBatch], runs: &[Run]) -> Result<RecordBatch> {
    /// From this length on, copying runs one by one beats copying row by row.
    const LONG_RUN_ROWS: usize = 32;
    let rows = total_rows(runs);
    if let [run] = runs {
        return Ok(batches[run.batch as usize].slice(run.start as usize, rows));
    }
    if rows >= runs.len() * LONG_RUN_ROWS {
        let slices: Vec<RecordBatch> =
            runs.iter().map(|run| batches[run.batch as usize].slice(run.start as usize, run.rows as usize)).collect();
        return Ok(concat_batches(schema, &slices)?);
    }
    // Only the batches that the runs are in: a small row group should not pay for a large buffer.
    let mut used: Vec<u32> = runs.iter().map(|run| run.batch).collect();
    used.sort_unstable();
    used.dedup();
    let first = used.first().copied().unwrap_or_default();
    let mut sources = vec![0; used.last().map_or(0, |last| (last - first) as usize + 1)];
    for (source, batch) in used.iter().enumerate() {
        sources[(batch - first) as usize] = source;
    }
    let mut indices = Vec::with_capacity(rows);
    for run in runs {
        let source = sources[(run.batch - first) as usize];
        indices.extend((run.start as usize..(run.start + run.rows) as usize).map(|row| (source, row)));
    }
    let used: Vec<&RecordBatch> = used.iter().map(|batch| &batches[*batch as usize]).collect();
    Ok(interleave_record_batch(&used, &indices)?)
}
