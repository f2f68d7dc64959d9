//! `amplify_count(table, filters =>, root =>)`: how many rows, from file metadata alone where the filters allow it.

use std::sync::Arc;

use arrow::array::Int64Array;
use arrow::datatypes::{DataType, Field, Schema};
use arrow::record_batch::RecordBatch;

use crate::error::Result;
use crate::ffi::{BindInput, Bound, Parameter, TableFunction};
use crate::sql::{arguments, rows};
use crate::store::{plan, scan};

/// The function.
#[derive(Debug)]
pub struct Count;

impl TableFunction for Count {
    fn name(&self) -> &'static str {
        "amplify_count"
    }

    fn parameters(&self) -> Vec<Parameter> {
        vec![Parameter::varchar(), Parameter::named_any("filters"), Parameter::named_varchar("root")]
    }

    fn bind(&self, input: &BindInput) -> Result<Bound> {
        let (session, store, table) = arguments::table(input)?;
        let filters = arguments::filters(input, "filters", &table)?;
        let schema = Arc::new(Schema::new(vec![Field::new("count", DataType::Int64, true)]));
        rows::bound(&schema.clone(), (1, true), move || {
            let files = plan::plan(&store.journal(&table), &table, &filters)?;
            let count = scan::count(&store.reading(&table), &table, &filters, files, session.threads)?;
            let counts = Int64Array::from(vec![i64::try_from(count).unwrap_or(i64::MAX)]);
            Ok(RecordBatch::try_new(schema.clone(), vec![Arc::new(counts)])?)
        })
    }
}
