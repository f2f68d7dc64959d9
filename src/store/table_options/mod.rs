//! How the files of a table are written, as its user asked for it in `amplify_create_table`.
//!
//! Options hold for files written from then on; files that are there stay as they are, and are read just as well.
//! Nothing that reads depends on them: a file says itself how it is compressed, sorted and filtered.

mod codec;
#[cfg(test)]
mod tests;

use arrow::datatypes::{DataType, Field};
use serde::Deserialize;
use serde_json::{Map, Value};

pub use self::codec::Codec;
use crate::error::{Error, ErrorKind, Result, near_or_all};
use crate::store::table::{Table, find_field};
use crate::store::types;

/// Limits of `row_group_rows`: below, a file is mostly footer; above, a reader cannot share a row group's work.
const ROW_GROUP_ROWS: std::ops::RangeInclusive<i64> = 1_000..=10_000_000;

/// Options as a user writes them and the registry keeps them. `None`: not given.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct OptionTexts {
    /// Columns to sort by, each perhaps with `ASC` or `DESC` behind it.
    pub sort_by: Option<Vec<String>>,
    /// Columns that get bloom filters.
    pub bloom_filter: Option<Vec<String>>,
    /// See [`Codec::parse`].
    pub compression: Option<String>,
    /// The most rows of a row group.
    pub row_group_rows: Option<i64>,
}

impl OptionTexts {
    /// The options' names.
    pub const KEYS: [&str; 4] = ["sort_by", "bloom_filter", "compression", "row_group_rows"];

    /// These, and those of `others` that are not given here.
    pub fn or(self, others: Self) -> Self {
        Self {
            sort_by: self.sort_by.or(others.sort_by),
            bloom_filter: self.bloom_filter.or(others.bloom_filter),
            compression: self.compression.or(others.compression),
            row_group_rows: self.row_group_rows.or(others.row_group_rows),
        }
    }

    /// What is given, by name.
    pub fn to_json(&self) -> Map<String, Value> {
        let values = [
            self.sort_by.as_ref().map(|columns| columns.as_slice().into()),
            self.bloom_filter.as_ref().map(|columns| columns.as_slice().into()),
            self.compression.as_deref().map(Value::from),
            self.row_group_rows.map(Value::from),
        ];
        let given = |(key, value): (&str, Option<Value>)| Some((key.to_owned(), value?));
        Self::KEYS.into_iter().zip(values).filter_map(given).collect()
    }
}

/// Options that fit their table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TableOptions {
    /// What the rows of each row group are sorted by, the first column first; empty for the order they came in.
    pub sort_by: Vec<SortColumn>,
    /// Columns with a bloom filter in each row group.
    pub bloom_filter: Vec<String>,
    /// How pages are compressed; `None` for the default.
    pub compression: Option<Codec>,
    /// The most rows of a row group; `None` for the default.
    pub row_group_rows: Option<usize>,
}

/// A column to sort by. NULLs come last either way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SortColumn {
    /// The column's name, as registered.
    pub column: String,
    /// The largest first.
    pub descending: bool,
}

impl TableOptions {
    /// The options that `texts` spell for `table`.
    ///
    /// # Errors
    /// Naming option and column, or the value: a column that is not there, or twice, or of a type that the option is
    /// not for, a partition key, an unknown compression or a level of it that does not exist, a number out of range.
    pub fn resolve(texts: &OptionTexts, table: &Table) -> Result<Self> {
        let mut sort_by: Vec<SortColumn> = Vec::new();
        for text in texts.sort_by.iter().flatten() {
            let (name, descending) = split_direction(text, table);
            let column = column("sort_by", name, table, sort_by.iter().map(|sort| sort.column.as_str()))?;
            sort_by.push(SortColumn { column: check_sortable(column)?.name().clone(), descending });
        }
        let mut bloom_filter: Vec<String> = Vec::new();
        for name in texts.bloom_filter.iter().flatten() {
            let column = column("bloom_filter", name, table, bloom_filter.iter().map(String::as_str))?;
            bloom_filter.push(check_hashable(column)?.name().clone());
        }
        let row_group_rows = texts.row_group_rows.map(check_row_group_rows).transpose()?;
        Ok(Self {
            sort_by,
            bloom_filter,
            compression: texts.compression.as_deref().map(Codec::parse).transpose()?,
            row_group_rows,
        })
    }

    /// The one spelling of these options. An empty list is none.
    pub fn to_texts(&self) -> OptionTexts {
        let spell = |sort: &SortColumn| format!("{}{}", sort.column, if sort.descending { " DESC" } else { "" });
        let sort_by: Vec<String> = self.sort_by.iter().map(spell).collect();
        OptionTexts {
            sort_by: Some(sort_by).filter(|columns| !columns.is_empty()),
            bloom_filter: Some(self.bloom_filter.clone()).filter(|columns| !columns.is_empty()),
            compression: self.compression.map(|codec| codec.to_string()),
            row_group_rows: self.row_group_rows.map(|rows| rows as i64),
        }
    }
}

/// The column and direction of `timestamp DESC`. A column of exactly that name goes first.
fn split_direction<'a>(text: &'a str, table: &Table) -> (&'a str, bool) {
    if table.find_column(text).is_none()
        && let Some((name, direction)) = text.trim_end().rsplit_once(' ')
    {
        for (word, descending) in [("ASC", false), ("DESC", true)] {
            if direction.eq_ignore_ascii_case(word) {
                return (name.trim_end(), descending);
            }
        }
    }
    (text, false)
}

/// The column that `option` names, which is neither a partition key nor among those `before`.
fn column<'a>(
    option: &str,
    name: &str,
    table: &'a Table,
    mut before: impl Iterator<Item = &'a str>,
) -> Result<&'a Field> {
    let names = || table.schema().fields().iter().map(|field| field.name().as_str());
    let refuse = |what: &str| Error::invalid(format!("Option \"{option}\" names \"{name}\", which is {what}!"));
    let Some(position) = find_field(names(), name) else {
        let hint = near_or_all(name, names(), "The columns are");
        return Err(refuse(&format!("not a column of table \"{}\"", table.name())).with_hint(hint));
    };
    if table.partition_level(position).is_some() {
        return Err(refuse("a partition key").with_hint(
            "All rows of a file have the same value of it, and it is not stored in the file: leave it out.",
        ));
    }
    let field = table.schema().field(position);
    match before.any(|earlier| earlier == field.name()) {
        false => Ok(field),
        true => Err(Error::invalid(format!("Option \"{option}\" names column \"{name}\" twice!"))),
    }
}

fn check_sortable(field: &Field) -> Result<&Field> {
    if !types::is_nested(field.data_type()) {
        return Ok(field);
    }
    Err(unfit("sort_by", field).with_hint("Rows can be sorted by any column but lists, structs and maps."))
}

/// Bloom filters are asked for whole values by their bytes: 0.0 and -0.0 are equal and have different ones, and of two
/// truth values both are nearly always there.
fn check_hashable(field: &Field) -> Result<&Field> {
    let data_type = field.data_type();
    let unfit_type = matches!(data_type, DataType::Boolean | DataType::Float32 | DataType::Float64);
    if !unfit_type && !types::is_nested(data_type) {
        return Ok(field);
    }
    let hint = "A bloom filter finds equal values: of any type but BOOLEAN, FLOAT, DOUBLE, lists, structs and maps.";
    Err(unfit("bloom_filter", field).with_hint(hint))
}

fn unfit(option: &str, field: &Field) -> Error {
    let (name, kind) = (field.name(), types::sql_name(field));
    Error::new(ErrorKind::Unsupported, format!("Option \"{option}\" names column \"{name}\", which is {kind}!"))
}

fn check_row_group_rows(rows: i64) -> Result<usize> {
    let refuse = || {
        Error::invalid(format!(
            "Option \"row_group_rows\" must be between {} and {}, not {rows}!",
            ROW_GROUP_ROWS.start(),
            ROW_GROUP_ROWS.end()
        ))
    };
    usize::try_from(rows).ok().filter(|_| ROW_GROUP_ROWS.contains(&rows)).ok_or_else(refuse)
}
