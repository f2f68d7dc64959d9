//! What a table is to be: the checked arguments of `amplify_create_table`.

use std::sync::Arc;

use arrow::datatypes::{Field, Schema};

use super::columns::{check_names, resolve_keys};
use crate::error::{Error, Result};
use crate::store::table::{Table, TableName};
use crate::store::table_options::{OptionTexts, TableOptions};
use crate::store::types;

/// A table as its user wants it. Its columns are canonical and its keys are columns of it; whether a registered table
/// may become it is for [`super::create_table`] to say.
#[derive(Debug, Clone)]
pub struct TableDefinition {
    name: TableName,
    schema: Schema,
    partition_by: Vec<usize>,
    options: OptionTexts,
}

impl TableDefinition {
    /// `fields` in any Arrow spelling; `partition_by` names columns in the order of the directory levels.
    ///
    /// # Errors
    /// Naming the column or key: one without a name or there twice, a type that a store cannot hold or that cannot be
    /// a partition key, a key that is no column, nothing but keys, no columns at all.
    pub fn new(name: TableName, fields: Vec<Field>, partition_by: &[String]) -> Result<Self> {
        check_names(&fields)?;
        check_depth(&fields)?;
        let schema = Schema::new(fields.iter().map(types::canonical).collect::<Result<Vec<_>>>()?);
        let partition_by = resolve_keys(&schema, partition_by)?;
        if partition_by.len() == schema.fields().len() {
            return Err(Error::invalid(format!("Every column of table \"{name}\" is a partition key!"))
                .with_hint("At least one column must be left to store in the files."));
        }
        Ok(Self { name, schema, partition_by, options: OptionTexts::default() })
    }

    /// With options for its files.
    ///
    /// # Errors
    /// See [`TableOptions::resolve`].
    pub fn with_options(self, options: OptionTexts) -> Result<Self> {
        TableOptions::resolve(&options, &self.table())?;
        Ok(Self { options, ..self })
    }

    /// The table's name.
    pub fn name(&self) -> &TableName {
        &self.name
    }

    /// The columns, in canonical types.
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// The partition keys' names, in the order of the directory levels.
    pub fn partition_by(&self) -> impl ExactSizeIterator<Item = &str> {
        self.partition_by.iter().map(|&column| self.schema.field(column).name().as_str())
    }

    /// The options that are given.
    pub fn options(&self) -> &OptionTexts {
        &self.options
    }

    /// The table, as it is where it is not registered yet.
    pub(super) fn table(&self) -> Table {
        Table::new(self.name.clone(), Arc::new(self.schema.clone()), self.partition_by.clone())
    }
}

/// How deep types may be nested. Readers of Arrow schemas give up a little beyond it, and the table would be lost.
const MAX_NESTING: usize = 50;

fn check_depth(fields: &[Field]) -> Result<()> {
    match fields.iter().find(|field| types::nesting(field.data_type()) > MAX_NESTING) {
        None => Ok(()),
        Some(field) => Err(Error::invalid(format!(
            "The type of column \"{}\" is nested more than {MAX_NESTING} levels deep!",
            field.name()
        ))),
    }
}
