//! What every record of a table must keep, however it was given, and how the user is told.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Float32Type, Float64Type};

use crate::error::{Error, ErrorKind, Result, near_or_all};
use crate::store::table::Table;

/// Refuses source columns that the table does not have.
pub(super) fn refuse_unknown(table: &Table, names: &[&str]) -> Result<()> {
    let Some(first) = names.first() else { return Ok(()) };
    let message = match names {
        [name] => format!("Table \"{}\" has no column \"{name}\"!", table.name()),
        _ => format!("Table \"{}\" has no columns \"{}\"!", table.name(), names.join("\", \"")),
    };
    let registered = table.schema().fields().iter().map(|field| field.name().as_str());
    let candidates = near_or_all(first, registered, "Its columns are");
    let hint = format!("{candidates}\nSay unknown_columns: 'drop' to leave out what the table does not have.");
    Err(Error::new(ErrorKind::NotFound, message).with_hint(hint))
}

/// Refuses two source columns for one registered one.
pub(super) fn same_column(table: &Table, column: usize, first: &str, second: &str) -> Error {
    let registered = table.schema().field(column).name();
    let message = if first == second {
        format!("The records give column \"{registered}\" of table \"{}\" twice!", table.name())
    } else {
        format!("\"{first}\" and \"{second}\" are the same column \"{registered}\" of table \"{}\"!", table.name())
    };
    Error::new(ErrorKind::Constraint, message)
        .with_hint("The case of a column's name does not matter: give one of them.")
}

/// Refuses records that lack a partition key or a NOT NULL column.
pub(super) fn refuse_missing(table: &Table, is_given: impl Fn(usize) -> bool) -> Result<()> {
    for (column, field) in table.schema().fields().iter().enumerate() {
        let role = match table.partition_level(column) {
            Some(_) => "partition key",
            None if !field.is_nullable() => "NOT NULL column",
            None => continue,
        };
        if !is_given(column) {
            let message = format!("The records for table \"{}\" lack the {role} \"{}\"!", table.name(), field.name());
            return Err(Error::new(ErrorKind::Constraint, message));
        }
    }
    Ok(())
}

/// Refuses NULL where there can be none, and NaN in partition keys; `columns` are those of the table, cast.
pub(super) fn check_values(table: &Table, columns: &[ArrayRef]) -> Result<()> {
    for (position, (field, column)) in table.schema().fields().iter().zip(columns).enumerate() {
        let is_key = table.partition_level(position).is_some();
        if column.null_count() > 0 && (is_key || !field.is_nullable()) {
            let role = if is_key { "is a partition key" } else { "is NOT NULL" };
            let message = format!(
                "Column \"{}\" of table \"{}\" {role}, but NULL in {}!",
                field.name(),
                table.name(),
                counted(column.null_count(), "record")
            );
            return Err(Error::new(ErrorKind::Constraint, message));
        }
        let nans = if is_key { count_nan(column) } else { 0 };
        if nans > 0 {
            let message = format!(
                "Column \"{}\" of table \"{}\" is a partition key, but NaN in {}!",
                field.name(),
                table.name(),
                counted(nans, "record")
            );
            return Err(Error::new(ErrorKind::Constraint, message).with_hint("NaN equals nothing, not even itself."));
        }
    }
    Ok(())
}

fn count_nan(column: &ArrayRef) -> usize {
    match column.data_type() {
        DataType::Float32 => column.as_primitive::<Float32Type>().iter().flatten().filter(|v| v.is_nan()).count(),
        DataType::Float64 => column.as_primitive::<Float64Type>().iter().flatten().filter(|v| v.is_nan()).count(),
        _ => 0,
    }
}

/// `1 record`, `2 records`.
pub(super) fn counted(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}
