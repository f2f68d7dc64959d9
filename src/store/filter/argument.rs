//! What a user gave as a filter, before columns and types come in: one tree for STRUCT, MAP and JSON text.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringArray, StructArray};
use arrow::datatypes::{DataType, Field};
use serde_json::Value;

use crate::error::{Error, Result};
use crate::store::cast::json_keys::check_keys;

/// A value, or values with names: the argument itself, what stands behind a column, what stands behind an operator.
#[derive(Debug)]
pub(super) enum Operand {
    /// NULL, or `null`.
    Null,
    /// One scalar: an array of one row and its field.
    Value(ArrayRef, Field),
    /// The elements of a list and their field.
    List(ArrayRef, Field),
    /// A JSON array that holds arrays or objects: no list of values.
    NestedList,
    /// The entries of a STRUCT, a MAP or a JSON object, in their order.
    Object(Vec<(String, Operand)>),
}

impl Operand {
    /// The argument in row 0 of `array`; text is JSON.
    ///
    /// # Errors
    /// `InvalidInput` where the text is not JSON or a MAP has keys that are not text.
    pub(super) fn of_argument(array: &ArrayRef, field: &Field) -> Result<Self> {
        if array.is_empty() {
            return Err(Error::internal("The filters argument has no row"));
        }
        match Self::of_row(array, field, 0)? {
            Self::Value(array, field) => match text(&array, 0) {
                Some(json) => Self::of_json_text(json),
                None => Ok(Self::Value(array, field)),
            },
            operand => Ok(operand),
        }
    }

    fn of_row(array: &ArrayRef, field: &Field, row: usize) -> Result<Self> {
        let array = array.slice(row, 1);
        if array.logical_null_count() > 0 {
            return Ok(Self::Null);
        }
        match field.data_type() {
            DataType::Struct(_) => Self::of_struct(array.as_struct()),
            DataType::Map(_, _) => Self::of_map(&array.as_map().value(0)),
            DataType::List(element) => Ok(Self::List(array.as_list::<i32>().value(0), element.as_ref().clone())),
            DataType::LargeList(element) => Ok(Self::List(array.as_list::<i64>().value(0), element.as_ref().clone())),
            DataType::FixedSizeList(element, _) => {
                Ok(Self::List(array.as_fixed_size_list().value(0), element.as_ref().clone()))
            }
            _ => match text(&array, 0) {
                Some(json) if is_json_type(field) => Self::of_json_text(json),
                _ => Ok(Self::Value(array, field.clone())),
            },
        }
    }

    fn of_struct(entries: &StructArray) -> Result<Self> {
        let named = entries.fields().iter().zip(entries.columns());
        let entries = named.map(|(field, column)| Ok((field.name().clone(), Self::of_row(column, field, 0)?)));
        entries.collect::<Result<_>>().map(Self::Object)
    }

    fn of_map(entries: &StructArray) -> Result<Self> {
        let (keys, values, field) = (entries.column(0), entries.column(1), &entries.fields()[1]);
        let entries = (0..entries.len()).map(|row| {
            let key = text(keys, row).ok_or_else(|| {
                let message = format!("The keys of a MAP of filters must be text, not {}!", keys.data_type());
                Error::invalid(message).with_hint("Give column names, as in MAP {'year': 2024}.")
            })?;
            Ok((key.to_owned(), Self::of_row(values, field, row)?))
        });
        let mut entries = entries.collect::<Result<Vec<_>>>()?;
        drop_fillers(&mut entries);
        Ok(Self::Object(entries))
    }

    fn of_json_text(json: &str) -> Result<Self> {
        let parsed = serde_json::from_str(json).and_then(|value| check_keys(json).map(|()| value));
        let value: Value = parsed.map_err(|source| {
            Error::invalid("The filters are not valid JSON")
                .with_source(source)
                .with_hint("Give a STRUCT such as {year: 2024}, or JSON text such as '{\"year\": 2024}'.")
        })?;
        Ok(Self::of_json(value))
    }

    fn of_json(value: Value) -> Self {
        match value {
            Value::Object(entries) => {
                Self::Object(entries.into_iter().map(|(name, value)| (name, Self::of_json(value))).collect())
            }
            Value::Array(elements) if elements.iter().any(|element| element.is_array() || element.is_object()) => {
                Self::NestedList
            }
            Value::Array(elements) => {
                Self::List(Arc::new(elements.into_iter().map(json_scalar).collect::<StringArray>()), text_field())
            }
            value => match json_scalar(value) {
                Some(text) => Self::Value(Arc::new(StringArray::from(vec![text])), text_field()),
                None => Self::Null,
            },
        }
    }
}

/// A MAP has one type of value: of the structs behind its columns DuckDB makes one type with everybody's operators, and
/// fills those with NULL that a column did not have. Such a NULL is known by another column having the operator.
fn drop_fillers(entries: &mut [(String, Operand)]) {
    let mut used = Vec::new();
    for (_, operand) in entries.iter() {
        if let Operand::Object(operators) = operand {
            let given = operators.iter().filter(|(_, operand)| !matches!(operand, Operand::Null));
            used.extend(given.map(|(name, _)| name.clone()));
        }
    }
    for (_, operand) in entries {
        if let Operand::Object(operators) = operand {
            operators.retain(|(name, operand)| !matches!(operand, Operand::Null) || !used.contains(name));
        }
    }
}

/// A JSON string's text, the digits of a number, `true` or `false`; `None` for null.
fn json_scalar(value: Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text),
        other => Some(other.to_string()),
    }
}

fn text_field() -> Field {
    Field::new("value", DataType::Utf8, true)
}

/// Whether DuckDB calls the type JSON.
fn is_json_type(field: &Field) -> bool {
    field.extension_type_name() == Some("arrow.json")
}

fn text(array: &ArrayRef, row: usize) -> Option<&str> {
    if array.is_null(row) {
        return None;
    }
    match array.data_type() {
        DataType::Utf8 => Some(array.as_string::<i32>().value(row)),
        DataType::LargeUtf8 => Some(array.as_string::<i64>().value(row)),
        DataType::Utf8View => Some(array.as_string_view().value(row)),
        _ => None,
    }
}
