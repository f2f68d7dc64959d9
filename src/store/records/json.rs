//! Records given as JSON text.

use std::collections::HashMap;

use arrow::array::{ArrayRef, RecordBatch};
use serde_json::Value;

use super::{UnknownColumns, finish, named, rules};
use crate::error::Result;
use crate::store::cast::json::{from_json, parse_records};
use crate::store::table::Table;

/// Makes a batch of the table's schema out of JSON text: an array of objects, one object, or newline-delimited objects.
///
/// A key that a record does not have is NULL in it. Where an object names a key twice, the last one counts.
///
/// # Errors
/// `InvalidInput` where the text holds no records, else as [`super::RecordMapping::by_name`] and
/// [`super::RecordMapping::apply`].
pub fn records_from_json(table: &Table, text: &str, unknown: UnknownColumns) -> Result<RecordBatch> {
    let records = parse_records(text)?;
    let mut columns: Vec<Option<Vec<Option<&Value>>>> = vec![None; table.schema().fields().len()];
    let mut known: HashMap<&str, Option<usize>> = HashMap::new();
    let mut unknown_names: Vec<&str> = Vec::new();
    let mut given: Vec<Option<&str>> = vec![None; columns.len()];
    for (row, record) in records.iter().enumerate() {
        given.fill(None);
        for (name, value) in record {
            let column = *known.entry(name).or_insert_with(|| {
                let column = table.find_column(name);
                if column.is_none() {
                    unknown_names.push(name);
                }
                column
            });
            let Some(column) = column else { continue };
            if let Some(earlier) = given[column].replace(name) {
                return Err(rules::same_column(table, column, earlier, name));
            }
            columns[column].get_or_insert_with(|| vec![None; records.len()])[row] = Some(value);
        }
    }
    if unknown == UnknownColumns::Error {
        rules::refuse_unknown(table, &unknown_names)?;
    }
    if !records.is_empty() {
        rules::refuse_missing(table, |column| columns[column].is_some())?;
    }
    let arrays: Result<Vec<ArrayRef>> = table
        .schema()
        .fields()
        .iter()
        .zip(columns)
        .map(|(field, values)| {
            let values = values.unwrap_or_else(|| vec![None; records.len()]);
            from_json(&values, field).map_err(|failure| named(failure, table, field.name(), records.len() > 1))
        })
        .collect();
    finish(table, arrays?, records.len())
}
