//! `amplify_distinct(table, fields, filters =>, root =>)`: distinct combinations of values, in their order.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::Schema;
use arrow::record_batch::RecordBatch;

use crate::error::{Error, Result};
use crate::ffi::{BindInput, Bound, LogicalType, Parameter, TableFunction, TypeId};
use crate::sql::engine::{EngineQuery, quoted};
use crate::sql::functions::read::ReadPlan;
use crate::sql::{arguments, rows};
use crate::store::plan;
use crate::store::scalar::Scalar;

/// The function.
#[derive(Debug)]
pub struct Distinct;

impl TableFunction for Distinct {
    fn name(&self) -> &'static str {
        "amplify_distinct"
    }

    fn parameters(&self) -> Vec<Parameter> {
        vec![
            Parameter::varchar(),
            Parameter::Positional(LogicalType::list(&LogicalType::new(TypeId::Varchar))),
            Parameter::named_any("filters"),
            Parameter::named_varchar("root"),
        ]
    }

    fn bind(&self, input: &BindInput) -> Result<Bound> {
        let (session, store, table) = arguments::table(input)?;
        let filters = arguments::filters(input, "filters", &table)?;
        let fields = input.positional(1).ok_or_else(|| Error::invalid("The fields must not be NULL!"))?;
        let columns = arguments::columns(&table, &arguments::names(&fields, "fields")?, "fields")?;
        let read = ReadPlan { store, table, filters, columns, threads: session.threads };
        let schema = read.schema();
        if read.filters.all_on_keys(&read.table)
            && read.columns.iter().all(|&column| read.table.partition_level(column).is_some())
        {
            return rows::bound(&schema.clone(), (1_000, false), move || from_listings(&read, &schema));
        }
        let names: Vec<String> = schema.fields().iter().map(|field| quoted(field.name())).collect();
        let sql = format!("SELECT DISTINCT {} FROM distinct_source() ORDER BY ALL", names.join(", "));
        Ok(Bound {
            columns: rows::columns(&schema)?,
            cardinality: (1_000, false),
            function: Box::new(EngineQuery { reads: vec![("distinct_source", read)], keys: Vec::new(), sql, session }),
        })
    }
}

/// Combinations of partition keys: no file is opened.
fn from_listings(read: &ReadPlan, schema: &Arc<Schema>) -> Result<RecordBatch> {
    let partitions = plan::partitions(&read.store.journal(&read.table), &read.table, &read.filters)?;
    let levels: Vec<usize> = read.columns.iter().filter_map(|&column| read.table.partition_level(column)).collect();
    let combinations: BTreeSet<Vec<&Scalar>> = partitions
        .iter()
        .map(|partition| levels.iter().filter_map(|&level| partition.values.get(level)).collect())
        .collect();
    let columns: Result<Vec<ArrayRef>> = schema
        .fields()
        .iter()
        .enumerate()
        .map(|(column, field)| {
            let values: Vec<&Scalar> = combinations.iter().map(|values| values[column]).collect();
            Scalar::column(&values, field)
        })
        .collect();
    Ok(RecordBatch::try_new(schema.clone(), columns?)?)
}
