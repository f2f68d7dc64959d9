mod create;
mod evolution;
mod json_schema;
mod load;
mod options;
mod types;

use arrow::datatypes::{DataType, Field};
use tempfile::TempDir;

use super::*;
use crate::storage::Local;

/// A registry as the Python library writes it; see test/data/registry/make.py.
const PYARROW: &str = include_str!("../../../../test/data/registry/pyarrow.json");

/// A store whose registry is the text, if any.
fn store(registry: Option<&str>) -> (TempDir, Local) {
    let dir = TempDir::new().unwrap();
    let storage = Local::open(dir.path(), false).unwrap();
    if let Some(text) = registry {
        storage.put_if_absent(PATH, text.as_bytes()).unwrap();
    }
    (dir, storage)
}

/// The registry file as it is.
fn file(storage: &Local) -> String {
    String::from_utf8(storage.read(PATH).unwrap().unwrap().to_vec()).unwrap()
}

fn json(storage: &Local) -> Value {
    serde_json::from_str(&file(storage)).unwrap()
}

fn name(text: &str) -> TableName {
    TableName::parse(text).unwrap()
}

fn required(name: &str, data_type: DataType) -> Field {
    Field::new(name, data_type, false)
}

fn nullable(name: &str, data_type: DataType) -> Field {
    Field::new(name, data_type, true)
}

fn definition(table: &str, fields: Vec<Field>, keys: &[&str]) -> TableDefinition {
    let keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
    TableDefinition::new(name(table), fields, &keys).unwrap()
}
