//! `amplify_tables(root =>)`: the registered tables.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, ListBuilder, StringArray, StringBuilder};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::record_batch::RecordBatch;

use crate::error::Result;
use crate::ffi::{BindInput, Bound, Parameter, TableFunction};
use crate::sql::{arguments, rows};
use crate::store::types;

/// The function.
#[derive(Debug)]
pub struct Tables;

impl TableFunction for Tables {
    fn name(&self) -> &'static str {
        "amplify_tables"
    }

    fn parameters(&self) -> Vec<Parameter> {
        vec![Parameter::named_varchar("root")]
    }

    fn bind(&self, input: &BindInput) -> Result<Bound> {
        let (_, store) = arguments::store(input)?;
        let element = Field::new("element", DataType::Utf8, true);
        let schema = Arc::new(Schema::new(vec![
            Field::new("table_name", DataType::Utf8, true),
            Field::new("partition_by", types::list_of(element.clone()), true),
            Field::new("column_count", DataType::Int64, true),
            Field::new("options", DataType::Utf8, true),
        ]));
        rows::bound(&schema.clone(), (10, false), move || {
            let registry = store.registry()?;
            // A table whose entry is damaged is listed with NULLs: reading it says what is wrong.
            let mut tables: Vec<_> = registry.tables().map(|(name, table)| (name, table.ok())).collect();
            tables.sort_by(|(a, _), (b, _)| a.cmp(b));
            let names: StringArray = tables.iter().map(|(name, _)| Some(name.as_str())).collect();
            let mut keys = ListBuilder::new(StringBuilder::new()).with_field(element.clone());
            for (_, table) in &tables {
                for field in table.iter().flat_map(|table| table.partition_fields()) {
                    keys.values().append_value(field.name());
                }
                keys.append(table.is_some());
            }
            let counts: Int64Array = tables
                .iter()
                .map(|(_, table)| table.as_ref().map(|table| table.schema().fields().len() as i64))
                .collect();
            let options: StringArray = tables.iter().map(|(name, _)| registry.options_json(name)).collect();
            let columns: Vec<ArrayRef> =
                vec![Arc::new(names), Arc::new(keys.finish()), Arc::new(counts), Arc::new(options)];
            Ok(RecordBatch::try_new(schema.clone(), columns)?)
        })
    }
}
