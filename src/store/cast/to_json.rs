//! STRUCT, LIST, ARRAY and MAP -> JSON text, for the VARCHAR columns that the Python library registers for a `dict`.
//!
//! Numbers are numbers, DECIMAL with all its digits; BOOLEAN and NULL are JSON's own; VARCHAR and UUID are strings;
//! DATE, TIME and TIMESTAMP are ISO 8601 strings (`2024-01-02T03:04:05.5`, with time zone `…Z`); BLOB is a base64
//! string. A MAP with text keys is an object, any other an array of `{"key": …, "value": …}`. JSON has no NaN and no
//! infinity: they are an error, not a silent null.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, LargeStringBuilder, StringArray};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::compute::cast as arrow_cast;
use arrow::datatypes::{DataType, Field, Float32Type, Float64Type};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::nested::{fixed_list_parts, list_parts, map_fields, map_parts, row_of};
use super::print::{self, Style, is_printable};
use super::{Failure, decode};

/// Casts a decoded nested array to JSON text (LargeUtf8).
pub(super) fn cast_to_json(source: &ArrayRef, to: &Field) -> Result<ArrayRef, Failure> {
    let tree = Tree::of_plain(source, to)?;
    let mut texts = LargeStringBuilder::with_capacity(source.len(), source.len() * 32);
    let mut text = String::new();
    for row in 0..source.len() {
        if source.is_null(row) {
            texts.append_null();
        } else {
            text.clear();
            tree.write(row, &mut text);
            texts.append_value(&text);
        }
    }
    Ok(Arc::new(texts.finish()))
}

/// Columns of ready-made texts, and how they are put together.
enum Tree {
    Null,
    /// Texts that are JSON themselves.
    Bare(StringArray),
    /// Texts that become strings.
    Quoted(StringArray),
    List(OffsetBuffer<i32>, Option<NullBuffer>, Box<Tree>),
    /// Each name is quoted, with a colon.
    Struct(Vec<(String, Tree)>, Option<NullBuffer>),
    /// With the texts of the keys.
    Object(OffsetBuffer<i32>, Option<NullBuffer>, StringArray, Box<Tree>),
}

impl Tree {
    fn of(array: &ArrayRef, parent: Option<&NullBuffer>, from: &Field, to: &Field) -> Result<Self, Failure> {
        if let Some(numbers) = decode::hugeint(array, from, to) {
            return Self::of(&numbers?, parent, &decode::hugeint_field(from), to);
        }
        if decode::is_opaque(from) {
            return Err(Failure::types(from, to));
        }
        let array = if decode::is_bool8(from) { decode::bool8(array)? } else { array.clone() };
        Self::of_plain(&decode::plain(&array, parent, from, to)?, to)
    }

    fn of_plain(array: &ArrayRef, to: &Field) -> Result<Self, Failure> {
        let nulls = array.nulls().cloned();
        match array.data_type() {
            DataType::Null => Ok(Self::Null),
            DataType::Float32 => {
                let finite = |row: usize| array.as_primitive::<Float32Type>().value(row).is_finite();
                refuse_infinite(array, finite, to)?;
                Ok(Self::Bare(
                    array.as_primitive::<Float32Type>().iter().map(|v| v.map(|v| format!("{v:?}"))).collect(),
                ))
            }
            DataType::Float64 => {
                let finite = |row: usize| array.as_primitive::<Float64Type>().value(row).is_finite();
                refuse_infinite(array, finite, to)?;
                Ok(Self::Bare(
                    array.as_primitive::<Float64Type>().iter().map(|v| v.map(|v| format!("{v:?}"))).collect(),
                ))
            }
            data_type
                if data_type.is_integer() || matches!(data_type, DataType::Boolean | DataType::Decimal128(_, _)) =>
            {
                Ok(Self::Bare(arrow_cast(array, &DataType::Utf8)?.as_string::<i32>().clone()))
            }
            DataType::Binary => {
                let texts = array.as_binary::<i32>().iter().map(|bytes| bytes.map(|bytes| STANDARD.encode(bytes)));
                Ok(Self::Quoted(texts.collect()))
            }
            DataType::Utf8 => Ok(Self::Quoted(array.as_string::<i32>().clone())),
            data_type if is_printable(data_type) => Ok(Self::Quoted(print::to_text(array, Style::Iso)?)),
            DataType::List(_) => {
                let (offsets, values, element) = list_parts(array.as_list())?;
                let values = Self::of(&values, None, &element, to).map_err(|failure| failure.lift(row_of(&offsets)))?;
                Ok(Self::List(offsets, nulls, Box::new(values)))
            }
            DataType::FixedSizeList(_, _) => {
                let (offsets, values, element) = fixed_list_parts(array.as_fixed_size_list())?;
                let values = Self::of(&values, None, &element, to).map_err(|failure| failure.lift(row_of(&offsets)))?;
                Ok(Self::List(offsets, nulls, Box::new(values)))
            }
            DataType::Struct(fields) => {
                let columns = fields.iter().zip(array.as_struct().columns());
                let children = columns.map(|(field, column)| {
                    let child = Self::of(column, nulls.as_ref(), field, to)
                        .map_err(|failure| failure.in_field(field.name()))?;
                    Ok((format!("{}:", quoted(field.name())), child))
                });
                Ok(Self::Struct(children.collect::<Result<_, Failure>>()?, nulls))
            }
            DataType::Map(entries, _) => {
                let (key, value) = map_fields(entries)?;
                let (offsets, keys, values) = map_parts(array.as_map())?;
                let lift = |failure: Failure| failure.lift(row_of(&offsets));
                let values = Self::of(&values, None, value, to).map_err(lift)?;
                Ok(match Self::of(&keys, None, key, to).map_err(lift)? {
                    Self::Quoted(texts) if is_text(key.data_type()) => {
                        Self::Object(offsets, nulls, texts, Box::new(values))
                    }
                    keys => {
                        let pairs = vec![("\"key\":".to_owned(), keys), ("\"value\":".to_owned(), values)];
                        Self::List(offsets, nulls, Box::new(Self::Struct(pairs, None)))
                    }
                })
            }
            other => Err(Failure::types(&Field::new(to.name(), other.clone(), true), to)),
        }
    }

    fn write(&self, row: usize, out: &mut String) {
        let is_null = |nulls: &Option<NullBuffer>| nulls.as_ref().is_some_and(|nulls| nulls.is_null(row));
        match self {
            Self::Bare(texts) if texts.is_valid(row) => out.push_str(texts.value(row)),
            Self::Quoted(texts) if texts.is_valid(row) => out.push_str(&quoted(texts.value(row))),
            Self::List(offsets, nulls, values) if !is_null(nulls) => {
                out.push('[');
                for element in offsets[row]..offsets[row + 1] {
                    separate(out, element == offsets[row]);
                    values.write(element as usize, out);
                }
                out.push(']');
            }
            Self::Struct(children, nulls) if !is_null(nulls) => {
                out.push('{');
                for (position, (name, child)) in children.iter().enumerate() {
                    separate(out, position == 0);
                    out.push_str(name);
                    child.write(row, out);
                }
                out.push('}');
            }
            Self::Object(offsets, nulls, keys, values) if !is_null(nulls) => {
                out.push('{');
                for entry in offsets[row]..offsets[row + 1] {
                    separate(out, entry == offsets[row]);
                    out.push_str(&quoted(keys.value(entry as usize)));
                    out.push(':');
                    values.write(entry as usize, out);
                }
                out.push('}');
            }
            _ => out.push_str("null"),
        }
    }
}

fn separate(out: &mut String, first: bool) {
    if !first {
        out.push(',');
    }
}

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

fn is_text(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(_, values) => is_text(values),
        other => matches!(other, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View),
    }
}

fn refuse_infinite(array: &ArrayRef, is_finite: impl Fn(usize) -> bool, to: &Field) -> Result<(), Failure> {
    match (0..array.len()).find(|&row| array.is_valid(row) && !is_finite(row)) {
        Some(row) => Err(Failure::at(array, row, to)
            .with_hint("It goes into JSON text, and JSON has neither NaN nor infinity: give NULL instead.")),
        None => Ok(()),
    }
}
