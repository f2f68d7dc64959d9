//! Table functions whose whole answer is one batch, made when it is first asked for.

use std::sync::{Arc, Mutex};

use arrow::array::RecordBatchOptions;
use arrow::datatypes::Schema;
use arrow::record_batch::RecordBatch;

use crate::convert;
use crate::error::{Error, Result};
use crate::ffi::{BatchReader, Bound, BoundFunction, LogicalType, OutputBatch, OutputColumn, TableScan};

type MakeRows = dyn Fn() -> Result<RecordBatch> + Send + Sync;

/// A bound call that answers with the batch that `make` gives, anew for each run. `schema` is the batch's.
pub fn bound(
    schema: &Schema,
    cardinality: (u64, bool),
    make: impl Fn() -> Result<RecordBatch> + Send + Sync + 'static,
) -> Result<Bound> {
    Ok(Bound { columns: columns(schema)?, cardinality, function: Box::new(Rows(Arc::new(make))) })
}

/// Names and DuckDB types of canonical columns.
pub fn columns(schema: &Schema) -> Result<Vec<(String, LogicalType)>> {
    schema.fields().iter().map(|field| Ok((field.name().clone(), convert::logical_type(field)?))).collect()
}

struct Rows(Arc<MakeRows>);

impl BoundFunction for Rows {
    fn open(&self, projection: &[usize]) -> Result<Box<dyn TableScan>> {
        Ok(Box::new(RowsScan {
            pending: Mutex::new(Some(Pending { make: self.0.clone(), projection: projection.into() })),
        }))
    }
}

/// What the only reader takes away.
struct RowsScan {
    pending: Mutex<Option<Pending>>,
}

struct Pending {
    make: Arc<MakeRows>,
    projection: Vec<usize>,
}

impl TableScan for RowsScan {
    fn reader(&self) -> Result<Box<dyn BatchReader>> {
        let mut pending = self.pending.lock().map_err(|_| Error::internal("An earlier reader failed"))?;
        Ok(Box::new(RowsReader { pending: pending.take() }))
    }
}

struct RowsReader {
    pending: Option<Pending>,
}

impl BatchReader for RowsReader {
    fn next(&mut self) -> Result<Option<OutputBatch>> {
        let Some(Pending { make, projection }) = self.pending.take() else { return Ok(None) };
        let batch = make()?;
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        let schema = Arc::new(batch.schema().project(&projection)?);
        let columns = projection.iter().map(|&column| batch.column(column).clone()).collect();
        let batch = RecordBatch::try_new_with_options(schema, columns, &options)?;
        let columns = (0..batch.num_columns()).map(OutputColumn::Array).collect();
        Ok(Some(OutputBatch::Arrow { batch, columns }))
    }
}
