//! Casts without loss: arrays of any Arrow type -> the canonical type of a column, or an error that shows the value.
//!
//! A value is cast only where the column then holds the same value; what "the same" means, by pair of types:
//!
//! | from | to | rule |
//! |---|---|---|
//! | integer, decimal | integer, decimal | same number, in range |
//! | FLOAT, DOUBLE | integer | integral and in range |
//! | FLOAT, DOUBLE | DECIMAL | the decimal reads back as the same float |
//! | integer | FLOAT, DOUBLE | exact |
//! | DOUBLE, DECIMAL | FLOAT, DOUBLE | the nearest float: a FLOAT column stores the nearest FLOAT; never infinity for a finite number |
//! | text | scalars but BLOB | parsed: numbers in any spelling, ISO 8601, DuckDB's own; text into nested types is parsed as JSON |
//! | scalars but BLOB | VARCHAR | as DuckDB prints it |
//! | TIMESTAMP, TIMESTAMPTZ, TIME of any unit | another unit | exact; a timestamp without zone is UTC; infinite stays infinite |
//! | TIMESTAMP | DATE | at midnight (UTC) only |
//! | STRUCT | STRUCT | by name, whose case does not matter; missing fields are NULL, unknown ones an error |
//! | LIST, ARRAY, MAP | LIST, ARRAY, MAP | value by value; LIST -> ARRAY where the length fits |
//! | STRUCT, LIST, ARRAY, MAP | VARCHAR of JSON origin | JSON text; NaN and infinity are an error |
//!
//! All other pairs are refused whatever the values: BOOLEAN is no number, and BLOB is no text. NULL goes everywhere.
//! Values that hide under a NULL, at any level, are never looked at.

mod calendar;
mod decode;
mod failure;
pub mod json;
pub(in crate::store) mod json_keys;
mod nested;
mod number;
mod parse;
mod parse_time;
mod print;
mod temporal;
mod text;
mod to_json;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, PrimitiveArray, new_empty_array, new_null_array};
use arrow::buffer::NullBuffer;
use arrow::compute::cast as arrow_cast;
use arrow::datatypes::{DataType, Field};

pub(in crate::store) use self::failure::Failure;
use self::print::Style;
use super::types;
use crate::error::Result;

/// Casts `array` to the canonical type of the column `to`; see the module's page for the rules.
///
/// `from` describes the array: its extension types (UUID, `arrow.opaque`, …) are read there. The answer has exactly
/// `to.data_type()`. Where that is the array's own type, nothing is copied or looked at.
///
/// # Errors
/// `Conversion`, naming the column `to`, the field within it, the row (1-based, of several) and the value; or the two
/// types, where no value of the one can be cast to the other.
pub fn cast_lossless(array: &ArrayRef, from: &Field, to: &Field) -> Result<ArrayRef> {
    try_cast(array, from, to)
        .map_err(|failure| failure.into_error(&format!("Column \"{}\"", to.name()), array.len() > 1))
}

/// [`cast_lossless`] for a caller that knows better what to call the column.
pub(in crate::store) fn try_cast(array: &ArrayRef, from: &Field, to: &Field) -> Result<ArrayRef, Failure> {
    cast(array, None, from, to)
}

/// Whether any value of the type of `from` can be cast to the type of `to` at all.
///
/// DuckDB 1.5 gives a bare NULL the type INTEGER: an INTEGER may turn out to be nothing but NULLs.
pub(in crate::store) fn check_castable(from: &Field, to: &Field) -> Result<(), Failure> {
    let check = |from: &Field| try_cast(&new_empty_array(from.data_type()), from, to).map(drop);
    check(from).or_else(|failure| {
        let nulls = integers_as_nulls(from);
        if nulls == *from { Err(failure) } else { check(&nulls).map_err(|_| failure) }
    })
}

/// The field with the type NULL wherever it is INTEGER: itself, or in a STRUCT.
fn integers_as_nulls(field: &Field) -> Field {
    let data_type = match field.data_type() {
        DataType::Int32 => DataType::Null,
        DataType::Struct(children) => DataType::Struct(children.iter().map(|child| integers_as_nulls(child)).collect()),
        other => other.clone(),
    };
    field.clone().with_data_type(data_type)
}

/// Casts what is not NULL in `array` nor, slot by slot, in `parent`: the NULLs of the STRUCT or ARRAY around it.
fn cast(array: &ArrayRef, parent: Option<&NullBuffer>, from: &Field, to: &Field) -> Result<ArrayRef, Failure> {
    if let Some(numbers) = decode::hugeint(array, from, to) {
        return cast(&numbers?, parent, &decode::hugeint_field(from), to);
    }
    if decode::is_opaque(from) {
        let hint = "Cast it first, for example to BIGINT, DECIMAL(38, 0) or VARCHAR.";
        return Err(Failure::types(from, to).with_hint(hint));
    }
    if decode::is_bool8(from) {
        let booleans = decode::bool8(array)?;
        return cast(&booleans, parent, &Field::new(from.name(), DataType::Boolean, true), to);
    }
    if array.data_type() == to.data_type() {
        return Ok(array.clone());
    }
    if array.data_type() == &DataType::Int32 && !array.is_empty() && array.null_count() == array.len() {
        return Ok(new_null_array(to.data_type(), array.len())); // a bare NULL: see `check_castable`
    }
    let array = decode::plain(array, parent, from, to)?;
    match (array.data_type(), to.data_type()) {
        (DataType::Null, target) => Ok(new_null_array(target, array.len())),
        (source, target) if source == target => Ok(array),
        (DataType::Utf8, _) => text::cast_text(&array, from, to),
        (source, DataType::LargeUtf8) if types::is_nested(source) => to_json::cast_to_json(&array, to),
        (source, DataType::Utf8) if types::is_nested(source) => Err(Failure::types(from, to)
            .with_hint(format!("Write it as text, for example with to_json(\"{}\")::VARCHAR.", from.name()))),
        (source, DataType::Utf8 | DataType::LargeUtf8) if print::is_printable(source) => {
            let texts: ArrayRef = Arc::new(print::to_text(&array, Style::DuckDb)?);
            Ok(arrow_cast(&texts, to.data_type())?)
        }
        (source, target) if number::is_number(source) && number::is_number(target) => number::cast_number(&array, to),
        (source, target) if types::is_nested(source) && types::is_nested(target) => {
            nested::cast_nested(&array, from, to)
        }
        _ => temporal::cast_temporal(&array, from, to),
    }
}

/// Maps every valid value of `typed`; `None` from `map` is a loss, reported with the value that `source` shows.
fn map_exact<I: ArrowPrimitiveType, O: ArrowPrimitiveType>(
    source: &ArrayRef,
    typed: &PrimitiveArray<I>,
    to: &Field,
    map: impl Fn(I::Native) -> Option<O::Native>,
) -> Result<PrimitiveArray<O>, Failure> {
    typed.try_unary(|value| map(value).ok_or(())).map_err(|()| {
        let lost = |row: &usize| typed.is_valid(*row) && map(typed.value(*row)).is_none();
        Failure::at_first(source, (0..typed.len()).find(lost), to)
    })
}

/// Arrow's cast, which answers NULL for a value that does not fit, with that NULL made an error.
fn cast_fitting(source: &ArrayRef, to: &Field) -> Result<ArrayRef, Failure> {
    let cast = arrow_cast(source, to.data_type())?;
    if cast.null_count() == source.null_count() {
        return Ok(cast);
    }
    let lost = |row: &usize| source.is_valid(*row) && cast.is_null(*row);
    Err(Failure::at_first(source, (0..source.len()).find(lost), to))
}
