//! A table's options in its entry, under a key of ours: `"amplify": {"sort_by": ["timestamp"], …}`.
//!
//! The Python library passes the key over, and drops it where it registers the table anew: the defaults hold then.
//! Options that are not known here are kept.

use serde_json::{Map, Value};

use crate::error::{Error, Result};
use crate::store::table::Table;
use crate::store::table_options::{OptionTexts, TableOptions};

const KEY: &str = "amplify";

/// The options as they are in the entry, known or not; `None` where it has none.
pub(super) fn object(entry: &Map<String, Value>) -> Option<&Value> {
    entry.get(KEY).filter(|value| !value.is_null())
}

/// The options in the entry of `table`.
///
/// # Errors
/// `Corrupt` where they are damaged or do not fit the table.
pub(super) fn read(entry: &Map<String, Value>, table: &Table) -> Result<TableOptions> {
    TableOptions::resolve(&texts(entry)?, table).map_err(damaged)
}

/// Puts the options that `given` has in place of those of the entry of `table`, and says whether that changed any.
pub(super) fn write(given: &OptionTexts, entry: &mut Map<String, Value>, table: &Table) -> Result<bool> {
    if *given == OptionTexts::default() {
        return Ok(false);
    }
    let before = read(entry, table)?;
    let after = TableOptions::resolve(&given.clone().or(before.to_texts()), table)?;
    if after == before {
        return Ok(false);
    }
    let mut options = object(entry).and_then(Value::as_object).cloned().unwrap_or_default();
    options.retain(|key, _| !OptionTexts::KEYS.contains(&key.as_str()));
    options.extend(after.to_texts().to_json());
    if options.is_empty() {
        entry.shift_remove(KEY);
    } else {
        entry.insert(KEY.into(), options.into());
    }
    Ok(true)
}

fn texts(entry: &Map<String, Value>) -> Result<OptionTexts> {
    object(entry)
        .map_or_else(|| Ok(OptionTexts::default()), |value| serde_json::from_value(value.clone()).map_err(damaged))
}

fn damaged(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::corrupt(format!("its options, \"{KEY}\", are damaged"))
        .with_source(error)
        .with_hint("Mend them by hand, or take that key out of the table's entry: its defaults hold then.")
}
