//! JSON text -> Arrow, by the type that is wanted: nothing is guessed from the values.
//!
//! Numbers keep the text they were written as until they meet their column, so a DECIMAL(38, 2) or a BIGINT arrives
//! exactly. An object that names a key twice is refused.

use std::borrow::Cow;
use std::sync::Arc;

use arrow::array::{ArrayRef, FixedSizeListArray, ListArray, StringArray, StructArray, new_null_array};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::{DataType, Field, FieldRef, Fields};
use serde_json::{Map, Value};

use super::failure::{cut, shown_text};
use super::json_keys::check_keys;
use super::nested::{map_fields, map_of, row_of, target_field, twice, wrong_length};
use super::{Failure, text};
use crate::error::{Error, Result};
use crate::store::types;

/// Reads records: an array of objects, one object, or objects one after the other (newline-delimited JSON). Text that
/// is empty but for white space holds no record.
///
/// # Errors
/// `InvalidInput` with line and column where the text is no JSON, or with the number of the record (from 1) that is
/// something else than an object.
pub fn parse_records(text: &str) -> Result<Vec<Map<String, Value>>> {
    let parse = || -> Result<Vec<Value>, serde_json::Error> {
        if text.trim_start().starts_with('[') {
            serde_json::from_str(text)
        } else {
            serde_json::Deserializer::from_str(text).into_iter().collect()
        }
    };
    let values = parse().and_then(|values| check_keys(text).map(|()| values)).map_err(|error| {
        Error::invalid("The records are no valid JSON")
            .with_source(error)
            .with_hint("Records are a JSON array of objects, one object, or objects one a line.")
    })?;
    let records = values.into_iter().enumerate().map(|(row, value)| match value {
        Value::Object(record) => Ok(record),
        Value::Null => Err(Error::invalid(format!("Record {} is NULL!", row + 1))),
        other => {
            Err(Error::invalid(format!("Record {} is {}, not an object: {}!", row + 1, kind_of(&other), shown(&other)))
                .with_hint("Records are a JSON array of objects, one object, or objects one a line."))
        }
    });
    records.collect()
}

/// Makes an array of the canonical type of the column `to`; `None` is NULL, as JSON's `null` is.
///
/// Scalars are cast from their text as [`super::cast_lossless`] casts VARCHAR, but a JSON number is no BOOLEAN and a
/// JSON boolean no number. Objects are STRUCT (by name, as there) or MAP, which an array of `{"key": …, "value": …}`
/// is too; arrays are LIST or ARRAY. In a VARCHAR of JSON origin, objects and arrays become JSON text.
///
/// # Errors
/// `Conversion`, as from [`super::cast_lossless`].
pub fn json_to_array(values: &[Option<&Value>], to: &Field) -> Result<ArrayRef> {
    from_json(values, to).map_err(|failure| failure.into_error(&format!("Column \"{}\"", to.name()), values.len() > 1))
}

/// [`json_to_array`] for a caller that knows better what to call the column.
pub(in crate::store) fn from_json(values: &[Option<&Value>], to: &Field) -> Result<ArrayRef, Failure> {
    if values.iter().all(|value| present(value).is_none()) {
        return Ok(new_null_array(to.data_type(), values.len())); // also where JSON can give no value, as of a BLOB
    }
    match to.data_type() {
        DataType::List(element) => lists(values, element, to),
        DataType::FixedSizeList(element, size) => arrays(values, element, *size, to),
        DataType::Struct(fields) => structs(values, fields, to),
        DataType::Map(entries, sorted) => maps(values, entries, *sorted, to),
        _ => scalars(values, to),
    }
}

/// The value, or `None` for NULL of either kind.
fn present<'a>(value: &Option<&'a Value>) -> Option<&'a Value> {
    value.filter(|value| !value.is_null())
}

fn presence(values: &[Option<&Value>]) -> Option<NullBuffer> {
    let nulls: NullBuffer = values.iter().map(|value| present(value).is_some()).collect();
    (nulls.null_count() > 0).then_some(nulls)
}

fn refused(values: &[Option<&Value>], row: usize, to: &Field) -> Failure {
    let value = values.get(row).and_then(present).map_or_else(|| "NULL".to_owned(), shown);
    Failure::value(value, to).in_row(row)
}

fn scalars(values: &[Option<&Value>], to: &Field) -> Result<ArrayRef, Failure> {
    let is_boolean = to.data_type() == &DataType::Boolean;
    let is_text = matches!(to.data_type(), DataType::Utf8 | DataType::LargeUtf8);
    let mut texts: Vec<Option<Cow<'_, str>>> = Vec::with_capacity(values.len());
    for (row, value) in values.iter().enumerate() {
        texts.push(match present(value) {
            None => None,
            Some(Value::String(text)) => Some(text.into()),
            Some(Value::Number(number)) if !is_boolean => Some(number.as_str().into()),
            Some(Value::Bool(value)) if is_boolean || is_text => Some(value.to_string().into()),
            Some(nested @ (Value::Object(_) | Value::Array(_))) if types::is_json(to) => {
                Some(nested.to_string().into())
            }
            Some(Value::Object(_) | Value::Array(_)) if is_text => {
                return Err(refused(values, row, to).with_hint("A VARCHAR takes nested JSON as a string only."));
            }
            Some(_) => return Err(refused(values, row, to)),
        });
    }
    let bytes: usize = texts.iter().flatten().map(|text| text.len()).sum();
    if i32::try_from(bytes).is_err() {
        return Err(Failure::new("it has more than 2 GiB of text").with_hint("Give fewer records at once."));
    }
    let texts: ArrayRef = Arc::new(texts.into_iter().collect::<StringArray>());
    text::cast_text(&texts, &Field::new(to.name(), DataType::Utf8, true), to).map_err(|failure| match failure.row() {
        // The text does not show whether it was a string or a number.
        Some(row) => refused(values, row, to),
        None => failure,
    })
}

/// The elements of all arrays, and where each array has its own.
fn elements<'a>(
    values: &[Option<&'a Value>],
    to: &Field,
) -> Result<(Vec<Option<&'a Value>>, OffsetBuffer<i32>), Failure> {
    let mut all = Vec::new();
    let mut lengths = Vec::with_capacity(values.len());
    for (row, value) in values.iter().enumerate() {
        match present(value) {
            None => lengths.push(0),
            Some(Value::Array(items)) => {
                all.extend(items.iter().map(Some));
                lengths.push(items.len());
            }
            Some(_) => return Err(refused(values, row, to)),
        }
    }
    Ok((all, offsets_of(lengths)?))
}

fn lists(values: &[Option<&Value>], element: &FieldRef, to: &Field) -> Result<ArrayRef, Failure> {
    let (items, offsets) = elements(values, to)?;
    let items = from_json(&items, element).map_err(|failure| failure.lift(row_of(&offsets)))?;
    Ok(Arc::new(ListArray::try_new(element.clone(), offsets, items, presence(values))?))
}

/// Offsets, or a failure where there are more elements than they can count.
fn offsets_of(lengths: Vec<usize>) -> Result<OffsetBuffer<i32>, Failure> {
    if i32::try_from(lengths.iter().sum::<usize>()).is_err() {
        return Err(Failure::new("its lists have too many elements").with_hint("Give fewer records at once."));
    }
    Ok(OffsetBuffer::from_lengths(lengths))
}

fn arrays(values: &[Option<&Value>], element: &FieldRef, size: i32, to: &Field) -> Result<ArrayRef, Failure> {
    let length = size.unsigned_abs() as usize;
    let mut items: Vec<Option<&Value>> = Vec::with_capacity(values.len() * length);
    for (row, value) in values.iter().enumerate() {
        match present(value) {
            None => items.extend(std::iter::repeat_n(None, length)),
            Some(Value::Array(found)) if found.len() == length => items.extend(found.iter().map(Some)),
            Some(Value::Array(found)) => return Err(wrong_length(found.len(), to).in_row(row)),
            Some(_) => return Err(refused(values, row, to)),
        }
    }
    let items = from_json(&items, element).map_err(|failure| failure.lift(|item| item / length.max(1)))?;
    let nulls = presence(values);
    Ok(Arc::new(FixedSizeListArray::try_new_with_length(element.clone(), size, items, nulls, values.len())?))
}

fn structs(values: &[Option<&Value>], fields: &Fields, to: &Field) -> Result<ArrayRef, Failure> {
    let mut children: Vec<Vec<Option<&Value>>> = vec![vec![None; values.len()]; fields.len()];
    for (row, value) in values.iter().enumerate() {
        match present(value) {
            None => {}
            Some(Value::Object(object)) => {
                let mut names: Vec<Option<&str>> = vec![None; fields.len()];
                for (name, child) in object {
                    let field = target_field(name, fields).map_err(|failure| failure.in_row(row))?;
                    if let Some(earlier) = names[field].replace(name) {
                        return Err(twice(earlier, name).in_row(row));
                    }
                    children[field][row] = Some(child);
                }
            }
            Some(_) => return Err(refused(values, row, to)),
        }
    }
    let columns: Result<Vec<ArrayRef>, Failure> = fields
        .iter()
        .zip(&children)
        .map(|(field, child)| match child.iter().any(Option::is_some) {
            true => from_json(child, field).map_err(|failure| failure.in_field(field.name())),
            false => Ok(new_null_array(field.data_type(), values.len())),
        })
        .collect();
    Ok(Arc::new(StructArray::try_new_with_length(fields.clone(), columns?, presence(values), values.len())?))
}

fn maps(values: &[Option<&Value>], entries: &FieldRef, sorted: bool, to: &Field) -> Result<ArrayRef, Failure> {
    let (key, value) = map_fields(entries)?;
    let mut keys: Vec<Value> = Vec::new();
    let mut items: Vec<Option<&Value>> = Vec::new();
    let mut lengths = Vec::with_capacity(values.len());
    for (row, map) in values.iter().enumerate() {
        let before = keys.len();
        match present(map) {
            None => {}
            Some(Value::Object(object)) => {
                keys.extend(object.keys().map(|key| Value::from(key.as_str())));
                items.extend(object.values().map(Some));
            }
            Some(Value::Array(pairs)) => {
                for pair in pairs {
                    let entry = pair.as_object().filter(|pair| pair.len() == 2);
                    let entry = entry.and_then(|pair| Some((pair.get("key")?, pair.get("value")?)));
                    let (key, item) = entry.ok_or_else(|| refused(values, row, to))?;
                    keys.push(key.clone());
                    items.push(Some(item));
                }
            }
            Some(_) => return Err(refused(values, row, to)),
        }
        lengths.push(keys.len() - before);
    }
    let offsets = offsets_of(lengths)?;
    let lift = |failure: Failure, field: &str| failure.in_field(field).lift(row_of(&offsets));
    let keys = from_json(&keys.iter().map(Some).collect::<Vec<_>>(), key).map_err(|failure| lift(failure, "key"))?;
    let items = from_json(&items, value).map_err(|failure| lift(failure, "value"))?;
    map_of(entries, offsets, keys, items, presence(values), sorted)
}

/// A JSON value as a message shows it: strings in quotes, the rest as JSON, long ones cut.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => shown_text(text),
        other => cut(&other.to_string()),
    }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}
