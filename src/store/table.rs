//! A registered table: its name, its columns and which of them are partition keys.

use std::fmt;

use arrow::datatypes::{Field, SchemaRef};

use crate::error::{Error, ErrorKind, Result, near_or_all};

/// The name of a table: `[A-Za-z0-9][A-Za-z0-9_.-]*`, at most 200 bytes, so that it is a directory name on every
/// file system and can never leave the root.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TableName(String);

impl TableName {
    const MAX_BYTES: usize = 200;

    /// # Errors
    /// `InvalidInput` where the text is no table name.
    pub fn parse(text: &str) -> Result<Self> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric();
        let valid = text.bytes().next().is_some_and(plain)
            && text.bytes().all(|byte| plain(byte) || matches!(byte, b'_' | b'.' | b'-'))
            && text.len() <= Self::MAX_BYTES;
        if valid {
            return Ok(Self(text.to_owned()));
        }
        Err(Error::invalid(format!("\"{}\" cannot be a table name!", text.escape_debug())).with_hint(
            "A table name starts with a letter or digit and goes on with letters, digits, \"_\", \".\" or \"-\", at most 200 of them.",
        ))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A registered table, its columns in canonical types (see [`crate::store::types`]).
#[derive(Debug, Clone)]
pub struct Table {
    name: TableName,
    schema: SchemaRef,
    partition_by: Vec<usize>,
}

impl Table {
    /// `partition_by` holds positions in `schema`, in the order of the directory levels.
    pub fn new(name: TableName, schema: SchemaRef, partition_by: Vec<usize>) -> Self {
        Self { name, schema, partition_by }
    }

    /// The table's name; also the name of its directory below the root.
    pub fn name(&self) -> &TableName {
        &self.name
    }

    /// Every column in registered order, partition keys included.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Positions of the partition keys in [`Table::schema`], in the order of the directory levels.
    pub fn partition_by(&self) -> &[usize] {
        &self.partition_by
    }

    /// The partition keys, in the order of the directory levels.
    pub fn partition_fields(&self) -> impl ExactSizeIterator<Item = &Field> {
        self.partition_by.iter().map(|&column| self.schema.field(column))
    }

    /// The directory level (0-based) that `column` makes, or `None` where it is no partition key.
    pub fn partition_level(&self, column: usize) -> Option<usize> {
        self.partition_by.iter().position(|&key| key == column)
    }

    /// Positions of the columns that data files hold: all but the partition keys.
    pub fn data_columns(&self) -> impl Iterator<Item = usize> {
        (0..self.schema.fields().len()).filter(|column| !self.partition_by.contains(column))
    }

    /// The position of a column by name, whose case does not matter.
    pub fn find_column(&self, name: &str) -> Option<usize> {
        find_field(self.schema.fields().iter().map(|field| field.name().as_str()), name)
    }

    /// [`Table::find_column`], or an error that names the nearest columns.
    pub fn column(&self, name: &str) -> Result<usize> {
        self.find_column(name).ok_or_else(|| {
            let message = format!("Table \"{}\" has no column \"{name}\"!", self.name);
            let names = self.schema.fields().iter().map(|field| field.name().as_str());
            Error::new(ErrorKind::NotFound, message).with_hint(near_or_all(name, names, "Its columns are"))
        })
    }
}

/// Where `name` is among `names`: the same spelling first, else the same but for case, as DuckDB resolves names.
pub fn find_field<'a>(names: impl Iterator<Item = &'a str> + Clone, name: &str) -> Option<usize> {
    let mut exact = names.clone();
    exact.position(|candidate| candidate == name).or_else(|| {
        let wanted = name.to_lowercase();
        let mut names = names;
        names.position(|candidate| candidate.to_lowercase() == wanted)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_names_cannot_leave_the_root() {
        for bad in ["", ".", "..", "../x", "a/b", "a\\b", "x/../../victim", "_registry", ".hidden", "a\0b", "a b", "ä"]
        {
            assert!(TableName::parse(bad).is_err(), "{bad:?}");
        }
        for good in ["images", "a..b", "0", "Geo-Index_v1.2"] {
            assert_eq!(TableName::parse(good).unwrap().as_str(), good);
        }
        assert!(TableName::parse(&"a".repeat(201)).is_err());
    }
}
