//! What can be a column, and what can be a partition key.

use arrow::datatypes::{Field, Schema};

use crate::error::{Error, ErrorKind, Result, near_or_all};
use crate::store::table::find_field;
use crate::store::types;

/// Refuses columns that no table can have: none at all, one without a name, one twice (case does not matter).
pub(super) fn check_names(fields: &[Field]) -> Result<()> {
    if fields.is_empty() {
        return Err(Error::invalid("A table needs at least one column!"));
    }
    for (position, field) in fields.iter().enumerate() {
        let name = field.name();
        if name.is_empty() {
            return Err(Error::invalid(format!("Column {} has no name!", position + 1)));
        }
        if name.contains('\0') {
            return Err(Error::invalid(format!("Column \"{}\" has a NUL in its name!", name.escape_debug())));
        }
        let before = fields[..position].iter().find(|other| other.name().to_lowercase() == name.to_lowercase());
        if let Some(other) = before {
            let error = Error::invalid(format!("Column \"{name}\" is there twice!"));
            let clash = format!("\"{}\" and \"{name}\" are the same name: case does not matter.", other.name());
            return Err(if other.name() == name { error } else { error.with_hint(clash) });
        }
    }
    Ok(())
}

/// Positions of the partition keys among canonical columns.
pub(super) fn resolve_keys(schema: &Schema, keys: &[String]) -> Result<Vec<usize>> {
    let mut positions = Vec::with_capacity(keys.len());
    for key in keys {
        let names = schema.fields().iter().map(|field| field.name().as_str());
        let Some(position) = find_field(names.clone(), key) else {
            let error = Error::invalid(format!("Partition key \"{key}\" is not a column!"));
            return Err(error.with_hint(near_or_all(key, names, "The columns are")));
        };
        if positions.contains(&position) {
            return Err(Error::invalid(format!("Partition key \"{key}\" is there twice!")));
        }
        check_key(schema.field(position))?;
        positions.push(position);
    }
    Ok(positions)
}

/// Refuses a key that cannot be spelt as a directory `key=value`.
fn check_key(field: &Field) -> Result<()> {
    let name = field.name();
    if !types::can_be_partition_key(field) {
        let message = format!("Column \"{name}\" cannot be a partition key: it is {}!", types::sql_name(field));
        let hint = "Partition keys become directory names: any type but BLOB, lists, structs and maps can be one.";
        return Err(Error::new(ErrorKind::Unsupported, message).with_hint(hint));
    }
    // The name is written as it is, and engines pass over directories that start with "_" or ".".
    if name.starts_with(['_', '.']) || name.contains(['/', '\\', '=', '%']) || name.contains(char::is_control) {
        let message =
            format!("Column \"{}\" cannot be a partition key: its name is no directory name!", name.escape_debug());
        let hint =
            "The name of a partition key cannot start with \"_\" or \".\", nor hold \"/\", \"\\\", \"=\" or \"%\".";
        return Err(Error::new(ErrorKind::Unsupported, message).with_hint(hint));
    }
    Ok(())
}
