//! Records of any shape -> the columns of a table: which source column is which, and the rules every record must keep.
//!
//! By name, columns may come in any order and any case, and a nullable column may be absent; by position, they must be
//! exactly the registered ones. Either way values are cast without loss ([`super::cast`]), NULL stays out of NOT NULL
//! columns and partition keys, and what comes out has the table's schema.

mod json;
mod rules;

use std::collections::HashSet;

use arrow::array::{Array, ArrayRef, RecordBatch, RecordBatchOptions, StructArray, new_null_array};
use arrow::datatypes::FieldRef;

pub use self::json::records_from_json;
use super::cast::{self, Failure};
use super::table::Table;
use super::types;
use crate::error::{Error, ErrorKind, Result};

/// What to do with a source column that the table does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnknownColumns {
    /// Refuse the records.
    Error,
    /// Leave it out.
    Drop,
}

/// Which column of the source goes into which of the table, and how; made once for all batches of one source.
#[derive(Debug, Clone)]
pub struct RecordMapping {
    table: Table,
    /// For each registered column, its source: position and description.
    sources: Vec<Option<(usize, FieldRef)>>,
}

impl RecordMapping {
    /// Maps source columns to registered ones of the same name, whose case does not matter.
    ///
    /// # Errors
    /// `NotFound` for a column the table does not have, unless such are dropped; `Constraint` for two columns that are
    /// one, and where a NOT NULL column or a partition key has none; `Conversion` for a type that cannot be cast.
    pub fn by_name(table: &Table, fields: &[FieldRef], unknown: UnknownColumns) -> Result<Self> {
        let mut sources: Vec<Option<(usize, FieldRef)>> = vec![None; table.schema().fields().len()];
        let mut unknown_names = Vec::new();
        for (position, field) in fields.iter().enumerate() {
            match table.find_column(field.name()) {
                None => unknown_names.push(field.name().as_str()),
                Some(column) => {
                    if let Some((_, earlier)) = sources[column].replace((position, field.clone())) {
                        return Err(rules::same_column(table, column, earlier.name(), field.name()));
                    }
                }
            }
        }
        if unknown == UnknownColumns::Error {
            rules::refuse_unknown(table, &unknown_names)?;
        }
        let given: HashSet<usize> =
            sources.iter().enumerate().filter(|(_, source)| source.is_some()).map(|(column, _)| column).collect();
        rules::refuse_missing(table, |column| given.contains(&column))?;
        Self::checked(table, sources)
    }

    /// Maps source columns to registered ones in order, as INSERT does.
    ///
    /// # Errors
    /// `Constraint` where the counts differ; `Conversion` for a type that cannot be cast.
    pub fn by_position(table: &Table, fields: &[FieldRef]) -> Result<Self> {
        let registered = table.schema().fields();
        if fields.len() != registered.len() {
            let columns: Vec<String> =
                registered.iter().map(|field| format!("{} {}", field.name(), types::sql_name(field))).collect();
            let message = format!(
                "Table \"{}\" has {}, but the records have {}!",
                table.name(),
                rules::counted(registered.len(), "column"),
                fields.len()
            );
            return Err(Error::new(ErrorKind::Constraint, message)
                .with_hint(format!("Without names they must be, in this order: {}.", columns.join(", "))));
        }
        Self::checked(table, fields.iter().cloned().enumerate().map(Some).collect())
    }

    fn checked(table: &Table, sources: Vec<Option<(usize, FieldRef)>>) -> Result<Self> {
        for (to, source) in table.schema().fields().iter().zip(&sources) {
            if let Some((_, from)) = source {
                cast::check_castable(from, to).map_err(|failure| named(failure, table, to.name(), false))?;
            }
        }
        Ok(Self { table: table.clone(), sources })
    }

    /// Makes a batch of the table's schema out of source columns of `rows` rows.
    ///
    /// # Errors
    /// `Conversion` for a value that cannot be cast without loss; `Constraint` for NULL in a NOT NULL column or a
    /// partition key, and for NaN in a partition key. Rows are counted from 1 in this batch.
    pub fn apply(&self, columns: &[ArrayRef], rows: usize) -> Result<RecordBatch> {
        let fields = self.table.schema().fields();
        let mut cast_columns = Vec::with_capacity(fields.len());
        for (to, source) in fields.iter().zip(&self.sources) {
            let Some((position, from)) = source else {
                cast_columns.push(new_null_array(to.data_type(), rows));
                continue;
            };
            let column = columns.get(*position).filter(|column| column.len() == rows).ok_or_else(|| {
                Error::internal(format!("Column {position} of the records is missing or not {rows} rows long"))
            })?;
            let cast =
                cast::try_cast(column, from, to).map_err(|failure| named(failure, &self.table, to.name(), rows > 1))?;
            cast_columns.push(cast);
        }
        finish(&self.table, cast_columns, rows)
    }

    /// [`RecordMapping::apply`] to records that are one STRUCT each; the mapping is of the STRUCT's fields.
    ///
    /// # Errors
    /// Also `Constraint` where a record itself is NULL.
    pub fn apply_struct(&self, records: &StructArray) -> Result<RecordBatch> {
        if let Some(record) = (0..records.len()).find(|&record| records.is_null(record)) {
            let message = format!("Record {} for table \"{}\" is NULL!", record + 1, self.table.name());
            return Err(Error::new(ErrorKind::Constraint, message));
        }
        self.apply(records.columns(), records.len())
    }
}

/// The failure with its table and column named.
fn named(failure: Failure, table: &Table, column: &str, show_row: bool) -> Error {
    failure.into_error(&format!("Column \"{column}\" of table \"{}\"", table.name()), show_row)
}

/// Checks cast columns against the table's rules and puts them together.
fn finish(table: &Table, columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch> {
    rules::check_values(table, &columns)?;
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    Ok(RecordBatch::try_new_with_options(table.schema().clone(), columns, &options)?)
}

#[cfg(test)]
mod tests;
