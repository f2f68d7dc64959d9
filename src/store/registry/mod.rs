//! The registry: which tables a store has, in `_registry/tables.json`.
//!
//! The file maps a table to an *entry*:
//!
//! | key | value |
//! |---|---|
//! | `schema_ipc` | the columns as base64 of an Arrow IPC schema message, as pyarrow's `schema.serialize()` writes it; authoritative |
//! | `columns` | their names |
//! | `schema_fields` | a list of `{name, type, nullable}`, the type as pyarrow prints it, for legacy readers |
//! | `partition_by` | the partition keys in order, or null |
//! | `amplify` | how files are written, see [`crate::store::table_options`]; ours alone, and may be missing |
//!
//! Three generations are read: with `schema_ipc`, with `schema_fields` alone, and with `columns` alone, which has no
//! types and can only be registered anew. All of it is written. Keys that are not known are kept, in an entry and at
//! the top, and so is every entry that is not being changed, in order and to the letter.
//!
//! What is wrong with the file is told, never mended: JSON that is broken is an error for every table and is never
//! overwritten; an entry that is damaged is an error for that table alone. An object without any of the first three
//! keys, or anything else, is no table: it is kept, and its name cannot be taken. An entry whose name is no
//! [`TableName`] is kept, but neither listed nor usable, since its directory could lie anywhere.

mod columns;
mod create;
mod definition;
mod entry;
mod evolve;
pub mod json_schema;
mod options;
mod schema_ipc;
#[cfg(test)]
mod tests;
mod type_text;

use serde_json::{Map, Value};

pub use self::create::{CreateOutcome, create_table};
pub use self::definition::TableDefinition;
use self::entry::Entry;
use crate::error::{Error, ErrorKind, Result, did_you_mean};
use crate::storage::Storage;
use crate::store::table::{Table, TableName, find_field};
use crate::store::table_options::TableOptions;

/// Where the registry is, relative to the root.
pub const PATH: &str = "_registry/tables.json";

/// How many tables a message names at most.
const MAX_NAMED: usize = 10;

/// The tables of one store, as they were registered when it was read.
#[derive(Debug, Clone)]
pub struct Registry {
    /// The root and the file in full, for messages.
    root: String,
    file: String,
    entries: Map<String, Value>,
}

impl Registry {
    /// Reads the registry; a root without one has no tables.
    ///
    /// # Errors
    /// `Corrupt`, naming the file, where it is not a JSON object.
    pub fn load(storage: &dyn Storage) -> Result<Self> {
        Self::parse(storage, storage.read(PATH)?.as_deref())
    }

    /// [`Registry::load`] from bytes that were read of `storage`.
    fn parse(storage: &dyn Storage, bytes: Option<&[u8]>) -> Result<Self> {
        let file = storage.location(PATH);
        let entries = match bytes.map(serde_json::from_slice::<Value>) {
            None => Map::new(),
            Some(Ok(Value::Object(entries))) => entries,
            Some(Ok(_)) => return Err(foreign(&file)),
            Some(Err(error)) => return Err(foreign(&file).with_source(error)),
        };
        Ok(Self { root: storage.location(""), file, entries })
    }

    /// The registered table called `name`: the same spelling first, else the same but for case.
    ///
    /// # Errors
    /// `NotFound` with the nearest names; `InvalidInput` where `name` cannot be a table; `Corrupt` or `Unsupported`,
    /// naming table and column, where its entry is damaged or has a type that a store cannot hold.
    pub fn table(&self, name: &str) -> Result<Table> {
        let names: Vec<TableName> = self.table_names().collect();
        match find_field(names.iter().map(TableName::as_str), name) {
            Some(position) => self.read(&names[position]),
            None => Err(self.not_registered(name, &names)),
        }
    }

    /// How the files of a registered table are written.
    ///
    /// # Errors
    /// `Corrupt`, naming the file, where its options are damaged; reading the table does not need them.
    pub fn options(&self, table: &Table) -> Result<TableOptions> {
        let entry = self.entries.get(table.name().as_str()).and_then(Entry::object);
        let options = entry.map_or_else(|| Ok(TableOptions::default()), |entry| options::read(entry, table));
        options.map_err(|error| self.damaged(table.name(), error))
    }

    /// The options of a table as JSON, as they are registered; `None` where it has none.
    pub fn options_json(&self, name: &TableName) -> Option<String> {
        let entry = self.entries.get(name.as_str()).and_then(Entry::object)?;
        options::object(entry).map(Value::to_string)
    }

    /// The names of the tables, in the order in which they were registered; damaged ones too.
    pub fn table_names(&self) -> impl Iterator<Item = TableName> {
        let tables = self.entries.iter().filter(|(_, value)| Entry::object(value).is_some());
        tables.filter_map(|(name, _)| TableName::parse(name).ok())
    }

    /// Every table, or what is wrong with it, in the order in which they were registered.
    pub fn tables(&self) -> impl Iterator<Item = (TableName, Result<Table>)> {
        self.table_names().map(|name| {
            let table = self.read(&name);
            (name, table)
        })
    }

    fn read(&self, name: &TableName) -> Result<Table> {
        let entry = self.entry(name)?.ok_or_else(|| self.not_registered(name.as_str(), &[]))?;
        entry.table(name).map_err(|error| self.damaged(name, error))
    }

    /// The entry of exactly that name, or `None` where there is no such table.
    fn entry(&self, name: &TableName) -> Result<Option<Entry>> {
        let object = self.entries.get(name.as_str()).and_then(Entry::object);
        object.map(Entry::read).transpose().map_err(|error| self.damaged(name, error))
    }

    fn damaged(&self, name: &TableName, error: Error) -> Error {
        Error::new(error.kind(), format!("Table \"{name}\" cannot be used as registered in \"{}\"", self.file))
            .with_source(error)
    }

    fn not_registered(&self, name: &str, names: &[TableName]) -> Error {
        if let Err(error) = TableName::parse(name) {
            return error;
        }
        let names = || names.iter().map(TableName::as_str);
        let hint = did_you_mean(name, names()).unwrap_or_else(|| match names().count() {
            0 => "No table is registered there; create one with amplify_create_table.".to_owned(),
            count => {
                let first: Vec<String> = names().take(MAX_NAMED).map(|name| format!("\"{name}\"")).collect();
                let more = if count > MAX_NAMED { ", …" } else { "" };
                format!("Registered there: {}{more}.", first.join(", "))
            }
        });
        Error::new(ErrorKind::NotFound, format!("Table \"{name}\" is not registered in {}!", self.root)).with_hint(hint)
    }

    /// The file's bytes: JSON, indented by 2.
    fn to_bytes(&self) -> Result<Vec<u8>> {
        let bytes = serde_json::to_vec_pretty(&self.entries);
        bytes.map_err(|error| Error::internal("The registry cannot be written as JSON").with_source(error))
    }
}

fn foreign(file: &str) -> Error {
    Error::corrupt(format!("\"{file}\" is not a registry: it is cut off, or something else wrote it"))
        .with_hint("It was left as it is. Restore it from a backup, or mend it by hand.")
}
