//! `amplify_partitions(table, filters =>, root =>)`: one row a partition, from listings alone.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::record_batch::RecordBatch;

use crate::error::{Error, Result};
use crate::ffi::{BindInput, Bound, Parameter, TableFunction};
use crate::sql::{arguments, rows};
use crate::store::plan;
use crate::store::scalar::Scalar;
use crate::store::table::{Table, find_field};

/// The function.
#[derive(Debug)]
pub struct Partitions;

impl TableFunction for Partitions {
    fn name(&self) -> &'static str {
        "amplify_partitions"
    }

    fn parameters(&self) -> Vec<Parameter> {
        vec![Parameter::varchar(), Parameter::named_any("filters"), Parameter::named_varchar("root")]
    }

    fn bind(&self, input: &BindInput) -> Result<Bound> {
        let (_, store, table) = arguments::table(input)?;
        let filters = arguments::filters(input, "filters", &table)?;
        if let Some(condition) = filters.on_data(&table).next() {
            let column = table.schema().field(condition.column).name();
            return Err(Error::invalid(format!(
                "amplify_partitions filters by partition keys only, and \"{column}\" is none of table \"{}\"!",
                table.name()
            ))
            .with_hint("amplify_distinct finds partitions by what is in their rows."));
        }
        let mut fields: Vec<Field> = table.partition_fields().cloned().collect();
        push_free(&mut fields, Field::new("file_count", DataType::Int64, true));
        push_free(&mut fields, Field::new("size_bytes", DataType::Int64, true));
        let schema = Arc::new(Schema::new(fields));
        rows::bound(&schema.clone(), (1_000, false), move || {
            let partitions = plan::partitions(&store.journal(&table), &table, &filters)?;
            let mut columns = key_columns(&table, partitions.iter().map(|partition| &*partition.values))?;
            let numbers = |number: fn(&plan::PlannedPartition) -> u64| -> ArrayRef {
                Arc::new(partitions.iter().map(|partition| number(partition) as i64).collect::<Int64Array>())
            };
            columns.push(numbers(|partition| partition.file_count));
            columns.push(numbers(|partition| partition.size_bytes));
            Ok(RecordBatch::try_new(schema.clone(), columns)?)
        })
    }
}

/// Adds a column of ours behind columns of the user's; `_1` is put behind its name for as long as that is taken.
pub fn push_free(fields: &mut Vec<Field>, field: Field) {
    let mut name = field.name().clone();
    while find_field(fields.iter().map(|field| field.name().as_str()), &name).is_some() {
        name.push_str("_1");
    }
    fields.push(field.with_name(name));
}

/// One column a partition key, in their order, with a row for each of `partitions`.
pub fn key_columns<'a>(table: &Table, partitions: impl Iterator<Item = &'a [Scalar]> + Clone) -> Result<Vec<ArrayRef>> {
    table
        .partition_fields()
        .enumerate()
        .map(|(level, field)| {
            let missing = || Error::internal("A partition has fewer keys than its table");
            let values: Result<Vec<&Scalar>> =
                partitions.clone().map(|values| values.get(level).ok_or_else(missing)).collect();
            Scalar::column(&values?, field)
        })
        .collect()
}
