//! One table's entry: JSON <-> columns and partition keys.

use std::sync::Arc;

use arrow::datatypes::{Field, Schema};
use serde_json::{Map, Value, json};

use super::columns::resolve_keys;
use super::{schema_ipc, type_text};
use crate::error::{Error, Result};
use crate::store::table::{Table, TableName};
use crate::store::types;

const SCHEMA_IPC: &str = "schema_ipc";
const SCHEMA_FIELDS: &str = "schema_fields";
const COLUMNS: &str = "columns";
const PARTITION_BY: &str = "partition_by";

/// A table as it is registered.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub columns: Columns,
    /// Names, in the order of the directory levels.
    pub partition_by: Vec<String>,
}

/// The columns of an entry, by its generation.
#[derive(Debug, Clone)]
pub(super) enum Columns {
    /// In the Arrow types they were registered with.
    Typed(Schema),
    /// Names alone.
    Names(Vec<String>),
}

impl Entry {
    /// The JSON object of an entry that is a table.
    pub fn object(value: &Value) -> Option<&Map<String, Value>> {
        let is_table =
            |object: &&Map<_, _>| [SCHEMA_IPC, SCHEMA_FIELDS, COLUMNS].iter().any(|key| object.contains_key(*key));
        value.as_object().filter(is_table)
    }

    /// # Errors
    /// `Corrupt`, naming the key that is damaged; `Unsupported` for a type in `schema_fields` that is not known.
    pub fn read(object: &Map<String, Value>) -> Result<Self> {
        let get = |key: &str| object.get(key).filter(|value| !value.is_null());
        let columns = if let Some(value) = get(SCHEMA_IPC) {
            let text = value.as_str().ok_or_else(|| Error::corrupt(format!("\"{SCHEMA_IPC}\" is not a string")))?;
            Columns::Typed(schema_ipc::decode(text)?)
        } else if let Some(value) = get(SCHEMA_FIELDS) {
            let fields =
                value.as_array().ok_or_else(|| Error::corrupt(format!("\"{SCHEMA_FIELDS}\" is not a list")))?;
            Columns::Typed(Schema::new(fields.iter().map(read_field).collect::<Result<Vec<_>>>()?))
        } else if let Some(value) = get(COLUMNS) {
            Columns::Names(names(COLUMNS, value)?)
        } else {
            return Err(Error::corrupt("it has no columns"));
        };
        let partition_by = get(PARTITION_BY).map_or(Ok(Vec::new()), |value| names(PARTITION_BY, value))?;
        Ok(Self { columns, partition_by })
    }

    /// Writes the columns in all generations, and the partition keys where `object` has none yet. Other keys stay.
    pub fn write(schema: &Schema, partition_by: &[&str], object: &mut Map<String, Value>) -> Result<()> {
        let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
        let field = |field: &Arc<Field>| json!({ "name": field.name(), "type": type_text::print(field), "nullable": field.is_nullable() });
        object.insert(SCHEMA_IPC.into(), schema_ipc::encode(schema)?.into());
        object.insert(COLUMNS.into(), names.into());
        object.insert(SCHEMA_FIELDS.into(), schema.fields().iter().map(field).collect());
        let keys = || if partition_by.is_empty() { Value::Null } else { partition_by.into() };
        object.entry(PARTITION_BY).or_insert_with(keys);
        Ok(())
    }

    /// The table in canonical types.
    pub fn table(&self, name: &TableName) -> Result<Table> {
        let raw = match &self.columns {
            Columns::Typed(raw) => raw,
            Columns::Names(_) => {
                return Err(Error::corrupt("it has names but no types of its columns").with_hint(
                    "Register it again with amplify_create_table, giving all its columns with their types.",
                ));
            }
        };
        let fields: Result<Vec<Field>> = raw.fields().iter().map(|field| types::canonical(field)).collect();
        let schema = Schema::new(fields?);
        for (position, field) in schema.fields().iter().enumerate() {
            if schema.fields()[..position].iter().any(|other| other.name() == field.name()) {
                return Err(Error::corrupt(format!("column \"{}\" is there twice", field.name())));
            }
        }
        let partition_by = resolve_keys(&schema, &self.partition_by).map_err(damage)?;
        Ok(Table::new(name.clone(), Arc::new(schema), partition_by))
    }
}

/// What would be a wrong argument in a call is damage in a file.
fn damage(error: Error) -> Error {
    if error.kind() == crate::error::ErrorKind::InvalidInput { Error::corrupt(error.to_string()) } else { error }
}

fn read_field(value: &Value) -> Result<Field> {
    let damaged = || Error::corrupt(format!("\"{SCHEMA_FIELDS}\" holds {value}, which is not a name and a type"));
    let text = |key: &str| value.get(key).and_then(Value::as_str).ok_or_else(damaged);
    let nullable = match value.get("nullable") {
        None => true,
        Some(nullable) => nullable.as_bool().ok_or_else(damaged)?,
    };
    let (name, type_name) = (text("name")?, text("type")?);
    let field = type_text::parse(type_name).ok_or_else(|| types::unsupported(name, type_name, None))?;
    Ok(field.with_name(name).with_nullable(nullable))
}

fn names(key: &str, value: &Value) -> Result<Vec<String>> {
    let names = value.as_array().map(|names| names.iter().map(|name| name.as_str().map(str::to_owned)));
    let names: Option<Vec<String>> = names.and_then(Iterator::collect);
    names.ok_or_else(|| Error::corrupt(format!("\"{key}\" is not a list of names")))
}
