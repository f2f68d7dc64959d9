//! Partition paths: key values as names of directories, `images/instrument=IFCB107/year=2024`.
//!
//! One directory level a key, named `<key>=<value>`. The value is written with the bytes pyarrow writes, so that the
//! Python library and we put the rows of one key into one directory:
//!
//! | type | text | then, outside `A-Z a-z 0-9 - _ . ~` |
//! |---|---|---|
//! | VARCHAR, BLOB | its UTF-8, its bytes; `''` is `k=` | `%20` |
//! | BOOLEAN | `true`, `false` | |
//! | integers | `7`, `-5` | |
//! | FLOAT, DOUBLE | the fewest digits: `1.5`, `2`, `-0`, `0.000001`; `1e-7` and `1e+10` beyond | `1e%2B10` |
//! | DECIMAL(10, 2) | `1.50`; below 1e-6 as `1.2E-9` | |
//! | DATE | `2024-01-02` | |
//! | TIME, TIMESTAMP | `03:04:05.000000`, `2024-01-02 03:04:05.000000`: all the decimals of the unit | `%3A`, `%20` |
//! | TIMESTAMP WITH TIME ZONE | `2024-01-02 03:04:05.000000Z` | |
//! | UUID (pyarrow has none) | `12345678-1234-5678-1234-567812345678` | |
//!
//! The name of the key is written as it is, which is what pyarrow does and what DuckDB can read; only `/`, `\`, `=`, `%`
//! and control characters in it are escaped, and pyarrow reads those back.
//!
//! So a segment holds no `/` and no NUL, and is never `.` or `..`, whatever the value. What would not come back is
//! refused: NULL and the text that stands for it, NaN, names longer than a file system takes.
//!
//! Reading goes by the registered type and accepts what other writers make of a value (`month=01`, `True`,
//! `2024-01-02 03:04:05+00`, lower-case or missing escapes). Two spellings of one value are two directories and equal
//! scalars, so nobody who needs every row of a value may construct its directory instead of listing.

mod decode;
mod encode;

use std::borrow::Cow;

use arrow::datatypes::Field;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, percent_encode, percent_encode_byte};

use crate::error::{Error, ErrorKind, Result};
use crate::store::scalar::Scalar;
use crate::store::table::Table;
use crate::store::types::sql_name;

/// The value that stands for NULL in every Hive-partitioned store.
pub const HIVE_NULL: &str = "__HIVE_DEFAULT_PARTITION__";

/// What the common file systems allow a name to have.
const MAX_SEGMENT_BYTES: usize = 255;

/// How much of a value an error message quotes.
const MAX_QUOTED_CHARS: usize = 80;

const ESCAPED_IN_VALUES: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// The directory name of one key's value: `year=2024`.
///
/// # Errors
/// `Constraint`, naming the key, for a value that has no directory name: NULL, NaN, the text that stands for NULL, a date
/// or time without calendar form, more than 255 bytes. `Internal` where the value is not of the key's type.
pub fn encode_segment(field: &Field, value: &Scalar) -> Result<String> {
    let bytes = match value {
        Scalar::Null => {
            return Err(refused(field, "NULL")
                .with_hint("Give every record a value for it, or leave the records without one out."));
        }
        value => encode::bytes(field, value)?,
    };
    if bytes.as_ref() == HIVE_NULL.as_bytes() {
        return Err(refused(field, &format!("\"{HIVE_NULL}\", which stands for NULL in directory names")));
    }
    let segment = format!("{}={}", escaped_name(field.name()), percent_encode(&bytes, ESCAPED_IN_VALUES));
    if segment.len() > MAX_SEGMENT_BYTES {
        let shown: String = value.display(field).chars().take(MAX_QUOTED_CHARS).collect();
        let what = format!(
            "\"{}…\", whose directory name would have {} bytes, where file systems allow {MAX_SEGMENT_BYTES}",
            shown.escape_debug(),
            segment.len()
        );
        return Err(refused(field, &what)
            .with_hint("All but A-Z, a-z, 0-9, \"-\", \"_\", \".\" and \"~\" takes three bytes or more a character."));
    }
    Ok(segment)
}

/// The value of the directory name `segment` as key `field`; `None` where the name has no `=` or is another key's.
///
/// # Errors
/// `Corrupt`, naming directory, key and type, where the value is none of the key's type.
pub fn decode_segment(field: &Field, segment: &str) -> Result<Option<Scalar>> {
    let Some(value) = value_of(field.name(), segment) else {
        return Ok(None);
    };
    if value == HIVE_NULL {
        return Ok(Some(Scalar::Null));
    }
    let bytes: Cow<'_, [u8]> = percent_decode_str(value).into();
    decode::value(field, &bytes).map(Some).ok_or_else(|| {
        let (name, type_name) = (field.name(), sql_name(field));
        Error::corrupt(format!("Directory \"{segment}\" holds no value of partition key \"{name}\" ({type_name})!"))
    })
}

/// The directory of a partition, relative to the root: `images/instrument=IFCB107/year=2024`. `values` in `partition_by`
/// order, one a key.
///
/// # Errors
/// Those of [`encode_segment`].
pub fn directory(table: &Table, values: &[Scalar]) -> Result<String> {
    let keys = table.partition_by().len();
    if values.len() != keys {
        return Err(Error::internal(format!(
            "{} values for the {keys} keys of table \"{}\"",
            values.len(),
            table.name()
        )));
    }
    let mut path = table.name().as_str().to_owned();
    for (field, value) in table.partition_fields().zip(values) {
        path.push('/');
        path.push_str(&encode_segment(field, value)?);
    }
    Ok(path)
}

/// The error for a value that has no directory name.
fn refused(field: &Field, what: &str) -> Error {
    Error::new(ErrorKind::Constraint, format!("Partition key \"{}\" cannot be {what}!", field.name()))
}

fn escaped_name(name: &str) -> String {
    let mut escaped = String::with_capacity(name.len());
    for character in name.chars() {
        match u8::try_from(character) {
            Ok(byte) if byte.is_ascii_control() || matches!(byte, b'/' | b'\\' | b'=' | b'%') => {
                escaped.push_str(percent_encode_byte(byte));
            }
            _ => escaped.push(character),
        }
    }
    escaped
}

/// What stands behind `<name>=` in a segment: the name as it is, escaped by whatever rule, or in another case, as DuckDB
/// resolves names.
fn value_of<'a>(name: &str, segment: &'a str) -> Option<&'a str> {
    if let Some(value) = segment.strip_prefix(name).and_then(|rest| rest.strip_prefix('=')) {
        return Some(value);
    }
    let (found, value) = segment.split_once('=')?;
    let found = percent_decode_str(found).decode_utf8().ok()?;
    (found.to_lowercase() == name.to_lowercase()).then_some(value)
}

#[cfg(test)]
mod tests;
