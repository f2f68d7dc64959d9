//! `amplify_schema(table, root =>)`: the columns of a table.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Int32Array, StringArray};
use arrow::datatypes::{DataType, Field};
use arrow::record_batch::RecordBatch;

use crate::error::Result;
use crate::ffi::{BindInput, Bound, Parameter, TableFunction};
use crate::sql::{arguments, rows};
use crate::store::types;

/// The function.
#[derive(Debug)]
pub struct Schema;

impl TableFunction for Schema {
    fn name(&self) -> &'static str {
        "amplify_schema"
    }

    fn parameters(&self) -> Vec<Parameter> {
        vec![Parameter::varchar(), Parameter::named_varchar("root")]
    }

    fn bind(&self, input: &BindInput) -> Result<Bound> {
        let (_, _, table) = arguments::table(input)?;
        let schema = Arc::new(arrow::datatypes::Schema::new(vec![
            Field::new("column_name", DataType::Utf8, true),
            Field::new("column_type", DataType::Utf8, true),
            Field::new("nullable", DataType::Boolean, true),
            Field::new("partition_key", DataType::Int32, true),
        ]));
        let fields = table.schema().fields().clone();
        rows::bound(&schema.clone(), (fields.len() as u64, true), move || {
            let names: StringArray = fields.iter().map(|field| Some(field.name())).collect();
            let kinds: StringArray = fields.iter().map(|field| Some(types::sql_name(field))).collect();
            let nullable: BooleanArray = fields.iter().map(|field| Some(field.is_nullable())).collect();
            let keys: Int32Array =
                (0..fields.len()).map(|column| table.partition_level(column).map(|level| level as i32 + 1)).collect();
            let columns: Vec<ArrayRef> = vec![Arc::new(names), Arc::new(kinds), Arc::new(nullable), Arc::new(keys)];
            Ok(RecordBatch::try_new(schema.clone(), columns)?)
        })
    }
}
