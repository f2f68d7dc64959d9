//! Registering a table, or extending it: one compare-and-swap of the registry.

use arrow::datatypes::{Field, Schema};
use serde_json::{Map, Value};

use super::entry::{Columns, Entry};
use super::evolve::{evolve, removed_column};
use super::{PATH, Registry, TableDefinition, options};
use crate::error::{Error, ErrorKind, Result};
use crate::storage::Storage;
use crate::store::table::{TableName, find_field};

/// What [`create_table`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CreateOutcome {
    /// It was not there, and now is.
    Created,
    /// It has more columns now, takes NULL where it did not, or has other options.
    Extended,
    /// It was there just so; nothing was written.
    Unchanged,
}

impl CreateOutcome {
    /// What `amplify_create_table` answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Extended => "extended",
            Self::Unchanged => "unchanged",
        }
    }
}

/// Registers the table, or extends a registered one to the definition. A column keeps the place, the spelling and the
/// Arrow type it was registered with; new ones come behind. Options that the definition gives replace the registered
/// ones, the others stay.
///
/// # Errors
/// `Constraint`, naming the column or keys, where the registered table may not become this one; see
/// [`Registry::table`] for the others. A refused call has changed nothing.
pub fn create_table(storage: &dyn Storage, definition: &TableDefinition) -> Result<CreateOutcome> {
    let mut outcome = CreateOutcome::Unchanged;
    storage.update(PATH, &mut |bytes| {
        let mut registry = Registry::parse(storage, bytes)?;
        outcome = registry.register(definition)?;
        if outcome == CreateOutcome::Unchanged { Ok(None) } else { registry.to_bytes().map(Some) }
    })?;
    Ok(outcome)
}

impl Registry {
    fn register(&mut self, definition: &TableDefinition) -> Result<CreateOutcome> {
        let name = definition.name();
        let keys: Vec<&str> = definition.partition_by().collect();
        let Some(mut entry) = self.entry(name)? else {
            self.check_free(name)?;
            let mut object = Map::new();
            Entry::write(definition.schema(), &keys, &mut object)?;
            options::write(definition.options(), &mut object, &definition.table())?;
            self.entries.insert(name.as_str().to_owned(), Value::Object(object));
            return Ok(CreateOutcome::Created);
        };
        let had_types = matches!(entry.columns, Columns::Typed(_));
        let raw = match entry.columns {
            Columns::Typed(raw) => raw,
            Columns::Names(names) => give_types(&names, definition)?,
        };
        entry.columns = Columns::Typed(raw.clone());
        let current = entry.table(name).map_err(|error| self.damaged(name, error))?;
        let evolved = evolve(&raw, &current, definition)?;
        let mut changed = evolved.is_some() || !had_types;
        entry.columns = Columns::Typed(evolved.unwrap_or(raw));
        let table = entry.table(name).map_err(|error| self.damaged(name, error))?;
        let written = self.entries.get_mut(name.as_str()).and_then(Value::as_object_mut).map(|object| {
            if let (true, Columns::Typed(schema)) = (changed, &entry.columns) {
                Entry::write(schema, &keys, object)?;
            }
            options::write(definition.options(), object, &table)
        });
        changed |= written.transpose().map_err(|error| self.damaged(name, error))?.unwrap_or(false);
        Ok(if changed { CreateOutcome::Extended } else { CreateOutcome::Unchanged })
    }

    /// Refuses a name that another entry has, or that a file system could take for another table's.
    fn check_free(&self, name: &TableName) -> Result<()> {
        if self.entries.contains_key(name.as_str()) {
            let message = format!("\"{}\" holds an entry \"{name}\" that is not a table!", self.file);
            return Err(Error::corrupt(message).with_hint("Choose another name for the table."));
        }
        let same = |other: &TableName| other.as_str().eq_ignore_ascii_case(name.as_str());
        let Some(other) = self.table_names().find(same) else { return Ok(()) };
        let message = format!("Table \"{name}\" cannot be created: table \"{other}\" is registered in {}!", self.root);
        let hint = "Names of tables must differ in more than case: they are directories, and some file systems do not \
                    tell them apart.";
        Err(Error::new(ErrorKind::Constraint, message).with_hint(hint))
    }
}

/// The columns of an entry without types, with those of the definition.
fn give_types(names: &[String], definition: &TableDefinition) -> Result<Schema> {
    let fields = definition.schema().fields();
    let give = |name: &String| {
        let position = find_field(fields.iter().map(|field| field.name().as_str()), name);
        let field = position.map(|position| fields[position].as_ref().clone().with_name(name));
        field.ok_or_else(|| removed_column(definition.name(), name))
    };
    Ok(Schema::new(names.iter().map(give).collect::<Result<Vec<Field>>>()?))
}
