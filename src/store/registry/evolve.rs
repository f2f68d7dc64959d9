//! How a registered table may change: nullable columns come behind, NOT NULL goes. Nothing else, since files that were
//! written before must still be read as what the table says they are.

use std::sync::Arc;

use arrow::datatypes::{Field, FieldRef, Schema};

use super::TableDefinition;
use crate::error::{Error, ErrorKind, Result};
use crate::store::table::{Table, TableName, find_field};
use crate::store::types::{same_type, sql_name};

/// The registered schema of `current` (`raw`: the same columns in the Arrow types they were registered with) extended
/// to `definition`, or `None` where there is nothing to extend.
///
/// # Errors
/// `Constraint`, naming the column or keys, where it may not become that.
pub(super) fn evolve(raw: &Schema, current: &Table, definition: &TableDefinition) -> Result<Option<Schema>> {
    let table = definition.name();
    check_partition_by(current, definition)?;
    let wanted = definition.schema().fields();
    let mut fields: Vec<FieldRef> = Vec::with_capacity(wanted.len());
    let mut kept = vec![false; wanted.len()];
    let mut changed = false;
    for (registered, field) in raw.fields().iter().zip(current.schema().fields()) {
        let position = find_field(names(wanted), field.name()).ok_or_else(|| removed_column(table, field.name()))?;
        kept[position] = true;
        check_type(table, field, &wanted[position])?;
        let relaxed = wanted[position].is_nullable() && !registered.is_nullable();
        changed |= relaxed;
        fields.push(if relaxed {
            Arc::new(registered.as_ref().clone().with_nullable(true))
        } else {
            registered.clone()
        });
    }
    for (field, _) in wanted.iter().zip(kept).filter(|(_, kept)| !kept) {
        if !field.is_nullable() {
            let message = format!("Column \"{}\" cannot be added to table \"{table}\" as NOT NULL!", field.name());
            return Err(refused(message, "What is written already has no value of it: make it nullable."));
        }
        changed = true;
        fields.push(field.clone());
    }
    Ok(changed.then(|| Schema::new_with_metadata(fields, raw.metadata.clone())))
}

/// The error for a registered column that the definition leaves out.
pub(super) fn removed_column(table: &TableName, column: &str) -> Error {
    let message = format!("Table \"{table}\" has a column \"{column}\", which the new schema leaves out!");
    refused(message, "Columns cannot be removed: list all of them, the new ones too.")
}

fn check_type(table: &TableName, registered: &Field, wanted: &Field) -> Result<()> {
    let name = registered.name();
    if !same_type(registered, wanted) {
        let (old, new) = (sql_name(registered), sql_name(wanted));
        let message = format!("Column \"{name}\" of table \"{table}\" is {old} and cannot become {new}!");
        return Err(refused(message, "Types cannot be changed: add a column of another name."));
    }
    if registered.is_nullable() && !wanted.is_nullable() {
        let message = format!("Column \"{name}\" of table \"{table}\" is nullable and cannot become NOT NULL!");
        return Err(refused(message, "What is written already may hold NULL: leave out NOT NULL."));
    }
    Ok(())
}

/// Keys are compared in order; their case does not matter.
fn check_partition_by(current: &Table, definition: &TableDefinition) -> Result<()> {
    let old: Vec<&str> = current.partition_fields().map(|field| field.name().as_str()).collect();
    let new: Vec<&str> = definition.partition_by().collect();
    if old.len() == new.len() && old.iter().zip(&new).all(|(old, new)| old.to_lowercase() == new.to_lowercase()) {
        return Ok(());
    }
    let show = |keys: &[&str]| if keys.is_empty() { "nothing".to_owned() } else { format!("({})", keys.join(", ")) };
    let (table, old, new) = (definition.name(), show(&old), show(&new));
    let message = format!("Table \"{table}\" is partitioned by {old} and cannot be partitioned by {new}!");
    Err(refused(message, "Partition keys and their order are the directories of the table: they cannot be changed."))
}

fn refused(message: String, hint: &str) -> Error {
    Error::new(ErrorKind::Constraint, message).with_hint(hint)
}

fn names(fields: &[FieldRef]) -> impl Iterator<Item = &str> + Clone {
    fields.iter().map(|field| field.name().as_str())
}
