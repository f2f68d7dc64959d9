//! Column types: which ones a store can hold, in which Arrow form, and what they are called in SQL.
//!
//! A registered type may come in many Arrow spellings (pyarrow's `large_string`, a dictionary, `date64`). Above the
//! registry there is one spelling a type, the *canonical* one, made by [`canonical`]:
//!
//! | SQL | canonical Arrow | in Parquet |
//! |---|---|---|
//! | BOOLEAN, TINYINT … BIGINT, UTINYINT … UBIGINT | Boolean, Int8 … Int64, UInt8 … UInt64 | the same |
//! | FLOAT, DOUBLE | Float32, Float64 | the same |
//! | DECIMAL(p, s) | Decimal128(p, s) | the same |
//! | VARCHAR | Utf8; LargeUtf8 marks JSON text, as the Python library registers a `dict` | the same |
//! | BLOB | Binary | the same |
//! | UUID | FixedSizeBinary(16), extension `arrow.uuid` | the same, logical type UUID |
//! | DATE | Date32 | the same |
//! | TIME, TIME_NS | Time64(us), Time64(ns) | the same |
//! | TIMESTAMP_S, _MS, TIMESTAMP, _NS | Timestamp(s, ms, us, ns) | seconds as milliseconds: Parquet has none |
//! | TIMESTAMP WITH TIME ZONE | Timestamp(us, "UTC") | the same |
//! | T[] | List(element: T) | the same |
//! | T\[n\] | FixedSizeList(element: T, n) | the same |
//! | STRUCT(…), MAP(k, v) | Struct, Map(entries: key, value) | the same |
//!
//! What is below a nested column is always nullable: DuckDB knows NOT NULL for whole columns only.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, Fields, TimeUnit};

use crate::error::{Error, ErrorKind, Result};

/// The Arrow metadata key that names an extension type.
const EXTENSION_NAME: &str = "ARROW:extension:name";
const UUID_EXTENSION: &str = "arrow.uuid";

/// The time zone of every canonical timestamp with time zone.
pub const UTC: &str = "UTC";

/// The canonical TIMESTAMP WITH TIME ZONE.
pub fn timestamptz() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some(UTC.into()))
}

/// A field of the canonical UUID type.
pub fn uuid_field(name: &str, nullable: bool) -> Field {
    Field::new(name, DataType::FixedSizeBinary(16), nullable)
        .with_metadata(HashMap::from([(EXTENSION_NAME.to_owned(), UUID_EXTENSION.to_owned())]))
}

/// A field of a VARCHAR that holds JSON text: STRUCT, LIST and MAP values written to it become JSON.
pub fn json_field(name: &str, nullable: bool) -> Field {
    Field::new(name, DataType::LargeUtf8, nullable)
}

/// Whether the (canonical or registered) field is a VARCHAR that holds JSON text.
pub fn is_json(field: &Field) -> bool {
    field.data_type() == &DataType::LargeUtf8
}

/// Whether the field is a UUID.
pub fn is_uuid(field: &Field) -> bool {
    field.data_type() == &DataType::FixedSizeBinary(16)
        && field.metadata().get(EXTENSION_NAME).is_some_and(|name| name == UUID_EXTENSION)
}

/// Whether values of the type have fields or elements of their own.
pub fn is_nested(data_type: &DataType) -> bool {
    matches!(data_type, DataType::List(_) | DataType::FixedSizeList(_, _) | DataType::Struct(_) | DataType::Map(_, _))
}

/// How many nested types lie in one another; 0 for a scalar.
pub fn nesting(data_type: &DataType) -> usize {
    match data_type {
        DataType::List(child)
        | DataType::LargeList(child)
        | DataType::ListView(child)
        | DataType::LargeListView(child)
        | DataType::FixedSizeList(child, _)
        | DataType::Map(child, _) => 1 + nesting(child.data_type()),
        DataType::Struct(children) => 1 + children.iter().map(|child| nesting(child.data_type())).max().unwrap_or(0),
        _ => 0,
    }
}

/// Whether values of the type can be spelt as a directory name: every scalar but BLOB.
pub fn can_be_partition_key(field: &Field) -> bool {
    !is_nested(field.data_type()) && field.data_type() != &DataType::Binary
}

/// The one spelling of a registered field that the rest of the store works with.
///
/// # Errors
/// `Unsupported`, naming the column and the type, where a store cannot hold it.
pub fn canonical(field: &Field) -> Result<Field> {
    canonical_at(field, field.name()).map(|canonical| canonical.with_nullable(field.is_nullable()))
}

/// [`canonical`] for a field inside the column called `column`; the answer is nullable.
fn canonical_at(field: &Field, column: &str) -> Result<Field> {
    let plain = |data_type| Ok(Field::new(field.name(), data_type, true));
    match field.data_type() {
        DataType::Boolean
        | DataType::Int8
        | DataType::Int16
        | DataType::Int32
        | DataType::Int64
        | DataType::UInt8
        | DataType::UInt16
        | DataType::UInt32
        | DataType::UInt64
        | DataType::Float32
        | DataType::Float64
        | DataType::Date32
        | DataType::LargeUtf8
        | DataType::Time64(_)
        | DataType::Timestamp(_, None) => plain(field.data_type().clone()),
        DataType::Float16 => plain(DataType::Float32),
        DataType::Date64 => plain(DataType::Date32),
        DataType::Time32(_) => plain(DataType::Time64(TimeUnit::Microsecond)),
        DataType::Utf8 | DataType::Utf8View => plain(DataType::Utf8),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => plain(DataType::Binary),
        DataType::FixedSizeBinary(16) if is_uuid(field) => Ok(uuid_field(field.name(), true)),
        DataType::FixedSizeBinary(_) => plain(DataType::Binary),
        DataType::Timestamp(_, Some(_)) => plain(timestamptz()),
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale)
        | DataType::Decimal256(precision, scale)
            if *precision <= 38 && *scale >= 0 =>
        {
            plain(DataType::Decimal128(*precision, *scale))
        }
        DataType::Dictionary(_, value) => canonical_at(&Field::new(field.name(), value.as_ref().clone(), true), column),
        DataType::List(element)
        | DataType::LargeList(element)
        | DataType::ListView(element)
        | DataType::LargeListView(element) => plain(DataType::List(canonical_child(element, "element", column)?)),
        DataType::FixedSizeList(element, size) => {
            plain(DataType::FixedSizeList(canonical_child(element, "element", column)?, *size))
        }
        DataType::Struct(children) if !children.is_empty() => {
            let children: Result<Fields> =
                children.iter().map(|child| canonical_child(child, child.name(), column)).collect();
            plain(DataType::Struct(children?))
        }
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(pair) if pair.len() == 2 => {
                let key = canonical_child(&pair[0], "key", column)?;
                let value = canonical_child(&pair[1], "value", column)?;
                plain(map_of(key, value))
            }
            _ => Err(unsupported(column, &field.data_type().to_string(), None)),
        },
        other => Err(unsupported(column, &other.to_string(), None)),
    }
}

fn canonical_child(child: &Field, name: &str, column: &str) -> Result<FieldRef> {
    canonical_at(child, column).map(|child| Arc::new(child.with_name(name).with_nullable(true)))
}

/// The canonical list of elements like `element`.
pub fn list_of(element: Field) -> DataType {
    DataType::List(Arc::new(element.with_name("element").with_nullable(true)))
}

/// The canonical map; keys cannot be NULL.
pub fn map_of(key: FieldRef, value: FieldRef) -> DataType {
    let key = Arc::new(key.as_ref().clone().with_name("key").with_nullable(false));
    let value = Arc::new(value.as_ref().clone().with_name("value").with_nullable(true));
    DataType::Map(Arc::new(Field::new("entries", DataType::Struct(vec![key, value].into()), false)), false)
}

/// The error for a column whose type a store cannot hold.
pub fn unsupported(column: &str, type_name: &str, hint: Option<&str>) -> Error {
    let error = Error::new(
        ErrorKind::Unsupported,
        format!("Column \"{column}\" has type {type_name}, which a store cannot hold!"),
    );
    match hint {
        Some(hint) => error.with_hint(hint),
        None => error,
    }
}

/// The form of a canonical field in a Parquet file: seconds become milliseconds, at every level.
pub fn storage_field(field: &Field) -> Field {
    let data_type = match field.data_type() {
        DataType::Timestamp(TimeUnit::Second, None) => DataType::Timestamp(TimeUnit::Millisecond, None),
        DataType::List(element) => DataType::List(Arc::new(storage_field(element))),
        DataType::FixedSizeList(element, size) => DataType::FixedSizeList(Arc::new(storage_field(element)), *size),
        DataType::Struct(children) => DataType::Struct(children.iter().map(|child| storage_field(child)).collect()),
        DataType::Map(entries, sorted) => DataType::Map(Arc::new(storage_field(entries)), *sorted),
        other => other.clone(),
    };
    field.clone().with_data_type(data_type)
}

/// Whether two canonical fields are the same column type to a user; JSON text and VARCHAR are.
pub fn same_type(left: &Field, right: &Field) -> bool {
    match (left.data_type(), right.data_type()) {
        (DataType::Utf8 | DataType::LargeUtf8, DataType::Utf8 | DataType::LargeUtf8) => true,
        (DataType::List(a), DataType::List(b)) => same_type(a, b),
        (DataType::FixedSizeList(a, n), DataType::FixedSizeList(b, m)) => n == m && same_type(a, b),
        (DataType::Struct(a), DataType::Struct(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.name() == b.name() && same_type(a, b))
        }
        (DataType::Map(a, _), DataType::Map(b, _)) => same_type(a, b),
        (a, b) => a == b && is_uuid(left) == is_uuid(right),
    }
}

/// DuckDB's name for the type of a canonical field: `DECIMAL(10,2)`, `STRUCT(x INTEGER, y INTEGER)[]`.
pub fn sql_name(field: &Field) -> String {
    match field.data_type() {
        DataType::Boolean => "BOOLEAN".into(),
        DataType::Int8 => "TINYINT".into(),
        DataType::Int16 => "SMALLINT".into(),
        DataType::Int32 => "INTEGER".into(),
        DataType::Int64 => "BIGINT".into(),
        DataType::UInt8 => "UTINYINT".into(),
        DataType::UInt16 => "USMALLINT".into(),
        DataType::UInt32 => "UINTEGER".into(),
        DataType::UInt64 => "UBIGINT".into(),
        DataType::Float32 => "FLOAT".into(),
        DataType::Float64 => "DOUBLE".into(),
        DataType::Decimal128(precision, scale) => format!("DECIMAL({precision},{scale})"),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "VARCHAR".into(),
        DataType::Binary | DataType::BinaryView => "BLOB".into(),
        DataType::FixedSizeBinary(16) if is_uuid(field) => "UUID".into(),
        DataType::Date32 => "DATE".into(),
        DataType::Time64(TimeUnit::Nanosecond) => "TIME_NS".into(),
        DataType::Time64(_) => "TIME".into(),
        DataType::Timestamp(_, Some(_)) => "TIMESTAMP WITH TIME ZONE".into(),
        DataType::Timestamp(TimeUnit::Second, None) => "TIMESTAMP_S".into(),
        DataType::Timestamp(TimeUnit::Millisecond, None) => "TIMESTAMP_MS".into(),
        DataType::Timestamp(TimeUnit::Microsecond, None) => "TIMESTAMP".into(),
        DataType::Timestamp(TimeUnit::Nanosecond, None) => "TIMESTAMP_NS".into(),
        DataType::List(element) => format!("{}[]", sql_name(element)),
        DataType::FixedSizeList(element, size) => format!("{}[{size}]", sql_name(element)),
        DataType::Struct(children) => {
            let children: Vec<String> =
                children.iter().map(|child| format!("{} {}", quote_if_needed(child.name()), sql_name(child))).collect();
            format!("STRUCT({})", children.join(", "))
        }
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(pair) if pair.len() == 2 => format!("MAP({}, {})", sql_name(&pair[0]), sql_name(&pair[1])),
            other => other.to_string(),
        },
        other => other.to_string(),
    }
}

/// A name as SQL needs it: in double quotes unless it is a plain lower-case identifier.
fn quote_if_needed(name: &str) -> String {
    let plain = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if plain { name.to_owned() } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_types_as_duckdb_does() {
        let point = DataType::Struct(
            vec![Field::new("x", DataType::Int32, true), Field::new("Y", DataType::Float64, true)].into(),
        );
        let list = Field::new("p", list_of(Field::new("element", point, true)), true);
        assert_eq!(sql_name(&list), "STRUCT(x INTEGER, \"Y\" DOUBLE)[]");
        assert_eq!(sql_name(&uuid_field("u", true)), "UUID");
        assert_eq!(sql_name(&Field::new("t", timestamptz(), true)), "TIMESTAMP WITH TIME ZONE");
    }

    #[test]
    fn every_spelling_has_one_canonical_form() {
        let dictionary = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
        let field = canonical(&Field::new("c", dictionary, false)).unwrap();
        assert_eq!(field, Field::new("c", DataType::Utf8, false));
        let zoned = DataType::Timestamp(TimeUnit::Millisecond, Some("Europe/Oslo".into()));
        assert_eq!(canonical(&Field::new("t", zoned, true)).unwrap().data_type(), &timestamptz());
        let item = DataType::LargeList(Arc::new(Field::new("item", DataType::LargeBinary, false)));
        let list = canonical(&Field::new("l", item, true)).unwrap();
        assert_eq!(list.data_type(), &list_of(Field::new("x", DataType::Binary, true)));
    }

    #[test]
    fn refuses_what_parquet_or_duckdb_cannot_hold() {
        let interval = DataType::Interval(arrow::datatypes::IntervalUnit::MonthDayNano);
        let error = canonical(&Field::new("age", list_of(Field::new("element", interval, true)), true)).unwrap_err();
        assert!(error.to_string().contains("Column \"age\""), "{error}");
    }

    #[test]
    fn seconds_are_stored_as_milliseconds_at_every_level() {
        let seconds = DataType::Timestamp(TimeUnit::Second, None);
        let stored = storage_field(&Field::new("l", list_of(Field::new("element", seconds, true)), true));
        let milliseconds = DataType::Timestamp(TimeUnit::Millisecond, None);
        assert_eq!(stored.data_type(), &list_of(Field::new("element", milliseconds, true)));
    }
}
