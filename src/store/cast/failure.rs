//! Why a cast failed, while it is not yet known what column it was for.

use std::fmt::Display;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Field};
use arrow::error::ArrowError;

use super::print::{self, Style};
use crate::error::{Error, ErrorKind};
use crate::store::types;

/// Longer texts are cut in messages.
const SHOWN_CHARS: usize = 80;

/// A value or a pair of types that cannot be cast. The nested casts on the way out add where it was.
#[derive(Debug)]
pub(in crate::store) struct Failure(Box<Details>);

#[derive(Debug)]
struct Details {
    what: String,
    /// Names of the fields around it, the innermost first.
    fields: Vec<String>,
    row: Option<usize>,
    hint: Option<String>,
    source: Option<ArrowError>,
}

impl Failure {
    pub(super) fn new(what: impl Into<String>) -> Self {
        Self(Box::new(Details { what: what.into(), fields: Vec::new(), row: None, hint: None, source: None }))
    }

    /// `value`, as a message shows it, does not fit `to`.
    pub(super) fn value(value: impl Display, to: &Field) -> Self {
        Self::new(format!("value {value} cannot be cast to {} without loss", target_name(to)))
    }

    /// No value of the type of `from` fits `to`.
    pub(super) fn types(from: &Field, to: &Field) -> Self {
        Self::new(format!("type {} cannot be cast to {}", source_name(from), target_name(to)))
    }

    /// The value in `row` of `source` does not fit `to`.
    pub(super) fn at(source: &ArrayRef, row: usize, to: &Field) -> Self {
        Self::value(shown(source, row), to).in_row(row)
    }

    /// [`Failure::at`] for a search that must have found the row.
    pub(super) fn at_first(source: &ArrayRef, row: Option<usize>, to: &Field) -> Self {
        row.map_or_else(|| Self::value("(unknown)", to), |row| Self::at(source, row, to))
    }

    pub(super) fn in_row(mut self, row: usize) -> Self {
        self.0.row = Some(row);
        self
    }

    /// The same failure with the element's row replaced by that of the value around it.
    pub(super) fn lift(mut self, row_of: impl Fn(usize) -> usize) -> Self {
        self.0.row = self.0.row.map(row_of);
        self
    }

    pub(super) fn in_field(mut self, name: &str) -> Self {
        self.0.fields.push(name.to_owned());
        self
    }

    pub(super) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// The row (0-based) of the value, or `None` where it is the types that do not fit.
    pub(super) fn row(&self) -> Option<usize> {
        self.0.row
    }

    /// The error for the user; `subject` names the column: `Column "depth"`.
    pub(in crate::store) fn into_error(self, subject: &str, show_row: bool) -> Error {
        let Details { what, mut fields, row, hint, source } = *self.0;
        let mut message = subject.to_owned();
        if !fields.is_empty() {
            fields.reverse();
            message += &format!(" (field {})", fields.join("."));
        }
        if let Some(row) = row.filter(|_| show_row) {
            message += &format!(", row {}", row + 1);
        }
        message += &format!(": {what}!");
        let mut error = Error::new(ErrorKind::Conversion, message);
        if let Some(source) = source {
            error = error.with_source(source);
        }
        match hint {
            Some(hint) => error.with_hint(hint),
            None => error,
        }
    }
}

impl From<ArrowError> for Failure {
    fn from(source: ArrowError) -> Self {
        let mut failure = Self::new("the values could not be converted");
        failure.0.source = Some(source);
        failure
    }
}

/// A value of a decoded array as a message shows it: text in quotes, long ones cut.
pub(super) fn shown(array: &ArrayRef, row: usize) -> String {
    if array.is_null(row) {
        return "NULL".to_owned();
    }
    match array.data_type() {
        DataType::Utf8 => shown_text(array.as_string::<i32>().value(row)),
        _ => match print::to_text(&array.slice(row, 1), Style::DuckDb) {
            Ok(text) => cut(text.value(0)),
            Err(_) => format!("in row {}", row + 1),
        },
    }
}

/// A text as a message shows it.
pub(super) fn shown_text(text: &str) -> String {
    format!("'{}'", cut(&text.escape_debug().to_string().replace("\\'", "'").replace("\\\"", "\"")))
}

/// The first characters of a text.
pub(super) fn cut(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

fn target_name(to: &Field) -> String {
    types::sql_name(to)
}

/// DuckDB's name for a source's type: the opaque one's own, the canonical type's, or Arrow's name.
fn source_name(from: &Field) -> String {
    if let Some(name) = super::decode::opaque_name(from) {
        return name.to_uppercase();
    }
    match from.data_type() {
        DataType::Interval(_) => return "INTERVAL".to_owned(),
        DataType::Union(members, _) => {
            let members = members.iter().map(|(_, member)| format!("{} {}", member.name(), source_name(member)));
            return format!("UNION({})", members.collect::<Vec<_>>().join(", "));
        }
        _ => {}
    }
    let without_values = types::canonical(from).unwrap_or_else(|_| from.clone());
    types::sql_name(&without_values)
}
