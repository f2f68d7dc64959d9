//! `amplify_read(table, filters =>, columns =>, root =>)`: the rows of a table.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow::datatypes::{Schema, SchemaRef};

use crate::convert;
use crate::error::{Error, Result};
use crate::ffi::{
    BatchReader, BindInput, Bound, BoundFunction, OutputBatch, OutputColumn, Parameter, TableFunction, TableScan,
};
use crate::sql::session::Store;
use crate::sql::{arguments, rows};
use crate::store::filter::Filters;
use crate::store::plan::{self, PlannedFile};
use crate::store::scalar::Scalar;
use crate::store::scan::{Consumer, Scan, ScanBatch, ScanRequest};
use crate::store::table::Table;

/// The function.
#[derive(Debug)]
pub struct Read;

impl TableFunction for Read {
    fn name(&self) -> &'static str {
        "amplify_read"
    }

    fn parameters(&self) -> Vec<Parameter> {
        vec![
            Parameter::varchar(),
            Parameter::named_any("filters"),
            Parameter::named_any("columns"),
            Parameter::named_varchar("root"),
        ]
    }

    fn bind(&self, input: &BindInput) -> Result<Bound> {
        let (session, store, table) = arguments::table(input)?;
        let filters = arguments::filters(input, "filters", &table)?;
        let columns = match input.named("columns") {
            None => (0..table.schema().fields().len()).collect(),
            Some(value) => arguments::columns(&table, &arguments::names(&value, "columns")?, "columns")?,
        };
        let read = ReadPlan { store, table, filters, columns, threads: session.threads };
        Ok(Bound { columns: rows::columns(&read.schema())?, cardinality: read.cardinality(), function: Box::new(read) })
    }
}

/// A read that knows its table, filters and columns, and can be run many times.
#[derive(Debug, Clone)]
pub struct ReadPlan {
    /// Where the table is.
    pub store: Store,
    /// What is read.
    pub table: Arc<Table>,
    /// Which rows.
    pub filters: Arc<Filters>,
    /// Which columns: positions in the table's schema.
    pub columns: Vec<usize>,
    /// How many threads decode.
    pub threads: usize,
}

impl ReadPlan {
    /// Rows that the optimizer is told to expect of a table whose files have not been listed: large, so that it does
    /// not build a hash table of them.
    const EXPECTED_ROWS: u64 = 10_000_000;
    /// The same where filters are given.
    const EXPECTED_FILTERED_ROWS: u64 = 100_000;

    /// The columns it gives.
    pub fn schema(&self) -> SchemaRef {
        let fields: Vec<_> = self.columns.iter().map(|&column| self.table.schema().fields()[column].clone()).collect();
        Arc::new(Schema::new(fields))
    }

    /// How many rows to expect: a guess, for binding lists no files.
    pub fn cardinality(&self) -> (u64, bool) {
        let filtered = !self.filters.conditions().is_empty();
        (if filtered { Self::EXPECTED_FILTERED_ROWS } else { Self::EXPECTED_ROWS }, false)
    }
}

impl ReadPlan {
    /// Those of its columns that are in the files.
    pub fn data_columns(&self) -> Vec<usize> {
        self.columns.iter().copied().filter(|&column| self.table.partition_level(column).is_none()).collect()
    }

    /// The files that may hold rows of it, as of now.
    pub fn files(&self) -> Result<Vec<PlannedFile>> {
        plan::plan(&self.store.journal(&self.table), &self.table, &self.filters)
    }

    /// A scan of `columns` (positions in the table) of `files`.
    pub fn request(&self, columns: Vec<usize>, files: Vec<PlannedFile>) -> ScanRequest {
        ScanRequest {
            storage: self.store.reading(&self.table),
            table: self.table.clone(),
            filters: self.filters.clone(),
            files,
            columns,
            threads: self.threads,
            dictionaries: true,
        }
    }

    /// Starts a run over `files`.
    pub fn open_files(&self, projection: &[usize], files: Vec<PlannedFile>) -> Result<Box<dyn TableScan>> {
        let (layout, data_columns) = self.layout(projection)?;
        let rows = Rows::Scanned(Scan::start(self.request(data_columns, files))?);
        Ok(self.scan_of(rows, layout))
    }

    /// Starts a run over rows that were read already, with the columns of [`ReadPlan::data_columns`].
    pub fn open_rows(&self, projection: &[usize], batches: Arc<[ScanBatch]>) -> Result<Box<dyn TableScan>> {
        let (layout, wanted) = self.layout(projection)?;
        let known = self.data_columns();
        let place = |column: &usize| known.iter().position(|known| known == column);
        let places: Option<Vec<usize>> = wanted.iter().map(place).collect();
        let places = places.ok_or_else(|| Error::internal("A column was not read"))?;
        let rows = Rows::Kept { batches, places: places.into(), next: Arc::default() };
        Ok(self.scan_of(rows, layout))
    }

    fn scan_of(&self, rows: Rows, layout: Vec<Source>) -> Box<dyn TableScan> {
        Box::new(ReadScan { rows, table: self.table.clone(), layout: layout.into(), threads: self.threads })
    }

    /// Where each projected column comes from, and the data columns to read for them.
    fn layout(&self, projection: &[usize]) -> Result<(Vec<Source>, Vec<usize>)> {
        let mut data_columns: Vec<usize> = Vec::new();
        let mut layout = Vec::with_capacity(projection.len());
        for &projected in projection {
            let column = *self
                .columns
                .get(projected)
                .ok_or_else(|| Error::internal(format!("DuckDB asks for column {projected}, which was not bound")))?;
            layout.push(match self.table.partition_level(column) {
                Some(level) => Source::Key(level),
                None => Source::Data(data_columns.iter().position(|&known| known == column).unwrap_or_else(|| {
                    data_columns.push(column);
                    data_columns.len() - 1
                })),
            });
        }
        Ok((layout, data_columns))
    }
}

impl BoundFunction for ReadPlan {
    fn open(&self, projection: &[usize]) -> Result<Box<dyn TableScan>> {
        self.open_files(projection, self.files()?)
    }
}

/// Where an output column comes from.
#[derive(Debug, Clone, Copy)]
enum Source {
    /// The data column at this position of the scan.
    Data(usize),
    /// The partition key of this level.
    Key(usize),
}

/// What the rows of a run come from.
enum Rows {
    Scanned(Arc<Scan>),
    Kept {
        batches: Arc<[ScanBatch]>,
        /// The columns of the batches that are wanted.
        places: Arc<[usize]>,
        /// The first batch that no reader has taken.
        next: Arc<AtomicUsize>,
    },
}

impl Rows {
    fn reader(&self) -> RowsReader {
        match self {
            Self::Scanned(scan) => RowsReader::Scanned(scan.consumer()),
            Self::Kept { batches, places, next } => {
                RowsReader::Kept { batches: batches.clone(), places: places.clone(), next: next.clone() }
            }
        }
    }
}

/// One thread's share of them.
enum RowsReader {
    Scanned(Consumer),
    Kept { batches: Arc<[ScanBatch]>, places: Arc<[usize]>, next: Arc<AtomicUsize> },
}

impl RowsReader {
    fn next(&mut self) -> Result<Option<ScanBatch>> {
        match self {
            Self::Scanned(consumer) => consumer.next(),
            Self::Kept { batches, places, next } => {
                let Some(kept) = batches.get(next.fetch_add(1, Ordering::Relaxed)) else { return Ok(None) };
                Ok(Some(ScanBatch { batch: kept.batch.project(places)?, ..kept.clone() }))
            }
        }
    }
}

struct ReadScan {
    rows: Rows,
    table: Arc<Table>,
    layout: Arc<[Source]>,
    threads: usize,
}

impl TableScan for ReadScan {
    fn max_threads(&self) -> usize {
        self.threads
    }

    fn reader(&self) -> Result<Box<dyn BatchReader>> {
        Ok(Box::new(ReadReader {
            rows: self.rows.reader(),
            table: self.table.clone(),
            layout: self.layout.clone(),
            current: None,
        }))
    }
}

/// A partition and its output columns.
type Current = (Arc<[Scalar]>, Arc<[OutputColumn]>);

struct ReadReader {
    rows: RowsReader,
    table: Arc<Table>,
    layout: Arc<[Source]>,
    /// The output columns of the partition that rows last came from.
    current: Option<Current>,
}

impl ReadReader {
    /// The output columns for rows of `partition`: its keys are constants.
    fn columns(&mut self, partition: &Arc<[Scalar]>) -> Result<Arc<[OutputColumn]>> {
        if let Some((known, columns)) = &self.current
            && Arc::ptr_eq(known, partition)
        {
            return Ok(columns.clone());
        }
        let keys: Vec<_> = self.table.partition_fields().collect();
        let columns: Result<Arc<[OutputColumn]>> = self
            .layout
            .iter()
            .map(|source| match source {
                Source::Data(position) => Ok(OutputColumn::Array(*position)),
                Source::Key(level) => match (partition.get(*level), keys.get(*level)) {
                    (Some(value), Some(field)) => convert::constant(value, field).map(OutputColumn::Constant),
                    _ => Err(Error::internal("A partition has fewer keys than its table")),
                },
            })
            .collect();
        let columns = columns?;
        self.current = Some((partition.clone(), columns.clone()));
        Ok(columns)
    }
}

impl BatchReader for ReadReader {
    fn next(&mut self) -> Result<Option<OutputBatch>> {
        let Some(next) = self.rows.next()? else { return Ok(None) };
        Ok(Some(OutputBatch::Arrow { columns: self.columns(&next.partition)?, batch: next.batch }))
    }
}
