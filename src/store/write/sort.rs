//! The order of the rows within a row group.
//!
//! A row group is sorted when it is encoded, by the thread that does it: what of a partition is buffered at that time
//! comes into order, not the partition as a whole. Rows that are equal in the sorted columns keep the order they came
//! in.

use arrow::array::{ArrayRef, UInt32Array};
use arrow::compute::{SortOptions, take};
use arrow::datatypes::Schema;
use arrow::record_batch::RecordBatch;
use arrow::row::{RowConverter, SortField};
use parquet::file::metadata::SortingColumn;
use parquet::schema::types::SchemaDescriptor;

use crate::error::{Error, Result};
use crate::store::table::find_field;
use crate::store::table_options::SortColumn;

/// What rows are sorted by; nothing leaves them as they came.
#[derive(Debug, Default)]
pub(super) struct Order {
    /// Positions among the data columns, the first one first.
    columns: Vec<(usize, SortOptions)>,
}

impl Order {
    pub(super) fn new(sort_by: &[SortColumn], data_schema: &Schema) -> Result<Self> {
        let position = |sort: &SortColumn| {
            let names = data_schema.fields().iter().map(|field| field.name().as_str());
            let options = SortOptions { descending: sort.descending, nulls_first: false };
            let position = find_field(names, &sort.column);
            position.map(|position| (position, options)).ok_or_else(|| no_column(sort))
        };
        Ok(Self { columns: sort_by.iter().map(position).collect::<Result<_>>()? })
    }

    /// The order as a row group's metadata tells it; `None` where there is none.
    pub(super) fn sorting_columns(
        &self,
        sort_by: &[SortColumn],
        parquet_schema: &SchemaDescriptor,
    ) -> Result<Option<Vec<SortingColumn>>> {
        let sorting = |sort: &SortColumn| {
            let leaf = parquet_schema.columns().iter().position(|leaf| leaf.path().parts() == [sort.column.as_str()]);
            let column_idx = leaf.and_then(|leaf| i32::try_from(leaf).ok()).ok_or_else(|| no_column(sort))?;
            Ok(SortingColumn { column_idx, descending: sort.descending, nulls_first: false })
        };
        let columns: Vec<SortingColumn> = sort_by.iter().map(sorting).collect::<Result<_>>()?;
        Ok(Some(columns).filter(|columns| !columns.is_empty()))
    }

    /// The rows in order. Besides them, no more than one column is held twice at a time.
    pub(super) fn sort(&self, rows: RecordBatch) -> Result<RecordBatch> {
        if self.columns.is_empty() {
            return Ok(rows);
        }
        let Some(indices) = self.indices(&rows)? else { return Ok(rows) };
        let (schema, columns, _) = rows.into_parts();
        let sorted = columns.into_iter().map(|column| Ok(take(&column, &indices, None)?));
        Ok(RecordBatch::try_new(schema, sorted.collect::<Result<Vec<ArrayRef>>>()?)?)
    }

    /// Where each row in order is now, or `None` where they are in order already.
    fn indices(&self, rows: &RecordBatch) -> Result<Option<UInt32Array>> {
        let count = u32::try_from(rows.num_rows()).map_err(|_| Error::internal("A row group has too many rows"))?;
        let columns: Vec<ArrayRef> = self.columns.iter().map(|&(column, _)| rows.column(column).clone()).collect();
        let field = |(column, (_, options)): (&ArrayRef, &(usize, SortOptions))| {
            SortField::new_with_options(column.data_type().clone(), *options)
        };
        let fields = columns.iter().zip(&self.columns).map(field).collect();
        let keys = RowConverter::new(fields)?.convert_columns(&columns)?;
        if keys.iter().is_sorted() {
            return Ok(None);
        }
        let mut indices: Vec<u32> = (0..count).collect();
        indices.sort_by_key(|&row| keys.row(row as usize));
        Ok(Some(indices.into()))
    }
}

fn no_column(sort: &SortColumn) -> Error {
    Error::internal(format!("The files have no column \"{}\" to sort by", sort.column))
}
