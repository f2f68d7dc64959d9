//! Decoding one row group, batch by batch.

mod fetching;
mod whole;
mod zstd_pages;

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{ArrayRef, BooleanArray, new_null_array};
use arrow::error::ArrowError;
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use bytes::Bytes;
use parquet::DecodeResult;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowPredicate, ArrowPredicateFn, RowFilter, RowSelectionPolicy};
use parquet::arrow::push_decoder::{ParquetPushDecoder, ParquetPushDecoderBuilder};
use parquet::errors::ParquetError;

use self::fetching::Fetched;
pub(super) use self::fetching::fetch;
use self::whole::WholeGroup;
use super::columns::{self, Target};
use super::open::{ColumnTest, GroupPlan, OpenFile};
use super::{BATCH_ROWS, ScanContext};
use crate::error::{Error, Result};

/// Where filters leave runs of rows (passing or not) that are shorter than this on average, all rows are decoded and
/// then filtered; else what lies between is skipped. The library's own limit of 32 made one row in 50 slower to read.
const MASK_BELOW_RUN_ROWS: usize = 8;

/// Decodes some of the wanted columns of a row group.
///
/// A row group too large to be decoded ahead of its consumer is split into several lanes, so that several threads can
/// work on it while few of its rows are in memory. Batch for batch, the lanes of a row group have the same rows.
#[derive(Debug)]
pub(super) struct Lane {
    file: Arc<OpenFile>,
    /// Position in [`OpenFile::groups`].
    group: usize,
    /// Positions among the wanted columns.
    columns: Vec<usize>,
    progress: Progress,
    fetched: Fetched,
    /// An error of ours on its way through the decoder, which would make it text.
    failure: Failure,
}

/// What a lane comes to when it goes on.
#[derive(Debug)]
pub(super) enum Decoded {
    Part(Part),
    /// Something has to be fetched first.
    Short,
    End,
}

type Failure = Arc<Mutex<Option<Error>>>;

#[derive(Debug)]
enum Progress {
    Waiting,
    /// Nothing to decode: so many rows are left to be counted.
    Counting(u64),
    /// The decoder, and where each column of the lane is in its batches (`None`: not in this file).
    Decoding(Decoder, Vec<Option<usize>>),
    Finished,
}

#[derive(Debug)]
enum Decoder {
    /// Of all rows.
    Whole(Box<WholeGroup>),
    /// Of rows that tests or the page index leave.
    Selecting(Box<ParquetPushDecoder>),
}

impl Decoder {
    fn try_decode(&mut self) -> Result<DecodeResult<RecordBatch>, ParquetError> {
        match self {
            Self::Whole(decoder) => decoder.try_decode(),
            Self::Selecting(decoder) => decoder.try_decode(),
        }
    }

    /// Takes the bytes of the `ranges` that it asked for.
    fn push(&mut self, ranges: Vec<Range<u64>>, answers: Vec<Bytes>) -> Result<(), ParquetError> {
        match self {
            Self::Whole(decoder) => decoder.push(answers),
            Self::Selecting(decoder) => decoder.push_ranges(ranges, answers),
        }
    }
}

/// The columns of a lane for some rows.
#[derive(Debug)]
pub(super) struct Part {
    rows: usize,
    /// Each with its position among the wanted columns.
    columns: Vec<(usize, ArrayRef)>,
}

impl Part {
    /// What it takes in memory, in bytes; what it shares with others counts for each.
    pub(super) fn memory_bytes(&self) -> u64 {
        self.columns.iter().map(|(_, array)| array.get_array_memory_size() as u64).sum()
    }
}

impl Lane {
    /// The lanes of row group `group` (a position in [`OpenFile::groups`]), at most `max_lanes`.
    pub(super) fn split(context: &ScanContext, file: &Arc<OpenFile>, group: usize, max_lanes: usize) -> Vec<Self> {
        let all: Vec<usize> = (0..context.targets.len()).collect();
        // Each lane would repeat the tests.
        let testing = !file.groups[group].tests.is_empty();
        let lanes = if testing { vec![all] } else { balance(file, group, &all, max_lanes) };
        let is_remote = context.access.remote && !file.source.is_whole();
        let lane = |columns: Vec<usize>| {
            let decodes = testing || columns.iter().any(|&column| file.wanted[column].is_some());
            let lane = Self {
                file: file.clone(),
                group,
                columns,
                progress: Progress::Waiting,
                fetched: Fetched::default(),
                failure: Failure::default(),
            };
            if is_remote && decodes { lane.falls_short() } else { lane }
        };
        lanes.into_iter().map(lane).collect()
    }

    /// The next rows of the lane. Where bytes have to travel they are not waited for: see [`Lane::is_short`].
    pub(super) fn next(&mut self, context: &ScanContext) -> Result<Decoded> {
        let next = self.guarded(|lane| lane.decode(context));
        if !matches!(next, Ok(Decoded::Part(_) | Decoded::Short)) {
            self.progress = Progress::Finished;
            self.fetched = Fetched::default();
        }
        next
    }

    fn guarded<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        // The decoder panics on some damaged files.
        catch_unwind(AssertUnwindSafe(|| work(self)))
            .unwrap_or_else(|_| Err(self.file.source.corrupt("its pages make no sense")))
    }

    fn decode(&mut self, context: &ScanContext) -> Result<Decoded> {
        loop {
            match &mut self.progress {
                Progress::Waiting => self.progress = self.begin()?,
                Progress::Finished => return Ok(Decoded::End),
                Progress::Counting(left) => {
                    // Rows without columns take no memory, however many.
                    let most = if self.columns.is_empty() { u64::MAX } else { BATCH_ROWS as u64 };
                    let rows = (*left).min(most);
                    *left -= rows;
                    let part = Part { rows: rows as usize, columns: Vec::new() };
                    return Ok(if rows > 0 { Decoded::Part(part) } else { Decoded::End });
                }
                Progress::Decoding(decoder, places) => {
                    let source = &self.file.source;
                    if !self.fetched.asked.is_empty() {
                        let ranges = std::mem::take(&mut self.fetched.asked);
                        let answers = self.fetched.answer(source, &ranges).ok_or_else(|| {
                            Error::internal(format!("What was fetched of \"{}\" is not all", source.location()))
                        })?;
                        decoder.push(ranges, answers).map_err(|error| source.corrupt(error))?;
                    }
                    let decoded = match self.fetched.early.take() {
                        Some(batch) => Ok(DecodeResult::Data(batch)),
                        None => decoder.try_decode(),
                    };
                    match decoded {
                        Ok(DecodeResult::Data(batch)) => {
                            return part(&self.file, &self.columns, places, &context.targets, &batch)
                                .map(Decoded::Part);
                        }
                        Ok(DecodeResult::Finished) => return Ok(Decoded::End),
                        Ok(DecodeResult::NeedsData(ranges)) if source.access().remote => {
                            self.fetched.is_short = self.fetched.answer(source, &ranges).is_none();
                            self.fetched.asked = ranges;
                            if self.fetched.is_short {
                                return Ok(Decoded::Short);
                            }
                        }
                        Ok(DecodeResult::NeedsData(ranges)) => {
                            let answers = source.fetch(&ranges)?;
                            decoder.push(ranges, answers).map_err(|error| source.corrupt(error))?;
                        }
                        Err(error) => return Err(self.failed(error)),
                    }
                }
            }
        }
    }

    fn begin(&self) -> Result<Progress> {
        let group = &self.file.groups[self.group];
        let mut roots: Vec<usize> = self.columns.iter().filter_map(|&column| self.file.wanted[column]).collect();
        if roots.is_empty() && group.tests.is_empty() {
            return Ok(Progress::Counting(group.rows));
        }
        roots.sort_unstable();
        roots.dedup();
        let place = |&column: &usize| self.file.wanted[column].and_then(|root| roots.binary_search(&root).ok());
        let places = self.columns.iter().map(place).collect();

        let mask = ProjectionMask::roots(self.file.reader.parquet_schema(), roots.iter().copied());
        if group.selection.is_none() && group.tests.is_empty() {
            let decoder = WholeGroup::new(self.file.reader.clone(), group.row_group, mask);
            return Ok(Progress::Decoding(Decoder::Whole(Box::new(decoder)), places));
        }
        let mut builder = ParquetPushDecoderBuilder::new_with_metadata(self.file.reader.clone())
            .with_batch_size(BATCH_ROWS)
            .with_projection(mask)
            .with_row_groups(vec![group.row_group]);
        if let Some(selection) = &group.selection {
            builder = builder.with_row_selection(selection.clone());
        }
        if !group.tests.is_empty() {
            let policy = RowSelectionPolicy::Auto { threshold: MASK_BELOW_RUN_ROWS };
            builder = builder.with_row_filter(self.row_filter(group)).with_row_selection_policy(policy);
            if group.selection.is_some() && self.file.source.access().remote {
                // To keep what a test decoded for later, the decoder would also ask for pages that are ruled out, up to
                // the ends of batches.
                builder = builder.with_max_predicate_cache_size(0);
            }
        }
        let decoder = builder.build().map_err(|error| self.failed(error))?;
        Ok(Progress::Decoding(Decoder::Selecting(Box::new(decoder)), places))
    }

    fn row_filter(&self, group: &GroupPlan) -> RowFilter {
        let tests = group.tests.iter().map(|&test| {
            let test = self.file.tests[test].clone();
            let field = self.file.field(test.root).clone();
            let mask = ProjectionMask::roots(self.file.reader.parquet_schema(), [test.root]);
            let (file, failure) = (self.file.clone(), self.failure.clone());
            let passes = move |batch: RecordBatch| {
                let column = test.target.convert(batch.column(0), &field).map_err(|error| file.locate(error));
                column.and_then(|column| evaluate(&test, &column)).map_err(|error| {
                    *failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                    ArrowError::ComputeError("a filter failed".to_owned())
                })
            };
            Box::new(ArrowPredicateFn::new(mask, passes)) as Box<dyn ArrowPredicate>
        });
        RowFilter::new(tests.collect())
    }

    fn failed(&self, error: ParquetError) -> Error {
        let own = self.failure.lock().unwrap_or_else(PoisonError::into_inner).take();
        own.unwrap_or_else(|| self.file.source.corrupt(error))
    }
}

/// Which of a column's rows pass all its tests.
fn evaluate(test: &ColumnTest, column: &ArrayRef) -> Result<BooleanArray> {
    let mut passing: Option<BooleanArray> = None;
    for predicate in test.predicates.iter() {
        let passes = predicate.evaluate(column)?;
        passing = Some(match passing {
            Some(before) => arrow::compute::and(&before, &passes)?,
            None => passes,
        });
    }
    passing.ok_or_else(|| Error::internal("A test without a condition"))
}

fn part(
    file: &OpenFile,
    columns: &[usize],
    places: &[Option<usize>],
    targets: &[Target],
    batch: &RecordBatch,
) -> Result<Part> {
    let schema = batch.schema();
    let mut given = Vec::with_capacity(columns.len());
    for (&column, place) in columns.iter().zip(places) {
        if let Some(place) = *place {
            let array = targets[column].convert(batch.column(place), schema.field(place));
            given.push((column, array.map_err(|error| file.locate(error))?));
        }
    }
    Ok(Part { rows: batch.num_rows(), columns: given })
}

/// The whole batch, from what each lane of the row group has of it. A column that no lane has is NULL.
pub(super) fn assemble(context: &ScanContext, parts: Vec<Part>) -> Result<RecordBatch> {
    let rows = parts.first().map_or(0, |part| part.rows);
    let mut columns: Vec<Option<ArrayRef>> = vec![None; context.targets.len()];
    for part in parts {
        if part.rows != rows {
            return Err(Error::internal("The columns of a row group fell out of step"));
        }
        for (position, array) in part.columns {
            columns[position] = Some(array);
        }
    }
    let filled: Vec<ArrayRef> = columns
        .into_iter()
        .zip(&context.targets)
        .map(|(column, target)| column.unwrap_or_else(|| new_null_array(target.output.data_type(), rows)))
        .collect();
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    Ok(RecordBatch::try_new_with_options(columns::schema_of(&context.schema, &filled), filled, &options)?)
}

/// Splits columns into at most `max_lanes` lists that take about the same time to decode.
fn balance(file: &OpenFile, group: usize, columns: &[usize], max_lanes: usize) -> Vec<Vec<usize>> {
    let metadata = file.metadata().row_group(file.groups[group].row_group);
    let schema = file.reader.parquet_schema();
    let cost = |root: usize| -> i64 {
        let leaves = (0..schema.num_columns()).filter(|&leaf| schema.get_column_root_idx(leaf) == root);
        leaves.map(|leaf| metadata.column(leaf).uncompressed_size()).sum()
    };
    let mut present: Vec<(i64, usize)> =
        columns.iter().filter_map(|&column| file.wanted[column].map(|root| (cost(root), column))).collect();
    present.sort_unstable_by(|a, b| b.cmp(a));
    let mut lanes: Vec<(i64, Vec<usize>)> = vec![(0, Vec::new()); max_lanes.min(present.len()).max(1)];
    for (cost, column) in present {
        if let Some((load, lane)) = lanes.iter_mut().min_by_key(|(load, _)| *load) {
            *load += cost.max(1);
            lane.push(column);
        }
    }
    // Where the file has none of the columns there is still one lane, which counts the rows.
    if let [(_, only)] = lanes.as_mut_slice() {
        *only = columns.to_vec();
    }
    lanes.into_iter().map(|(_, lane)| lane).collect()
}
