//! Text -> every type but BLOB.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, AsArray, BooleanBuilder, FixedSizeBinaryBuilder, PrimitiveBuilder, StringArray,
};
use arrow::compute::cast as arrow_cast;
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, DecimalType, Field, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use serde_json::Value;

use super::failure::shown_text;
use super::temporal::nanos_per_unit;
use super::{Failure, json, parse, parse_time};
use crate::store::types;

/// Parses an array of text (Utf8) as values of the type of `to`.
pub(super) fn cast_text(source: &ArrayRef, from: &Field, to: &Field) -> Result<ArrayRef, Failure> {
    let texts = source.as_string::<i32>();
    match to.data_type() {
        DataType::Utf8 | DataType::LargeUtf8 => Ok(arrow_cast(source, to.data_type())?),
        DataType::Boolean => {
            let mut values = BooleanBuilder::with_capacity(texts.len());
            each(texts, to, parse::boolean, |value| values.append_option(value))?;
            Ok(Arc::new(values.finish()))
        }
        DataType::Int8 => integers::<Int8Type>(texts, to),
        DataType::Int16 => integers::<Int16Type>(texts, to),
        DataType::Int32 => integers::<Int32Type>(texts, to),
        DataType::Int64 => integers::<Int64Type>(texts, to),
        DataType::UInt8 => integers::<UInt8Type>(texts, to),
        DataType::UInt16 => integers::<UInt16Type>(texts, to),
        DataType::UInt32 => integers::<UInt32Type>(texts, to),
        DataType::UInt64 => integers::<UInt64Type>(texts, to),
        DataType::Float32 => primitives::<Float32Type>(texts, to, parse::float),
        DataType::Float64 => primitives::<Float64Type>(texts, to, parse::float),
        DataType::Decimal128(precision, scale) => primitives::<Decimal128Type>(texts, to, |text| {
            parse::decimal(text, scale.unsigned_abs())
                .filter(|value| Decimal128Type::is_valid_decimal_precision(*value, *precision))
        }),
        DataType::Date32 => primitives::<Date32Type>(texts, to, parse_time::date),
        DataType::Time64(unit) => {
            let units = primitives::<Int64Type>(texts, to, |text| parse_time::time(text, nanos_per_unit(*unit)))?;
            Ok(arrow_cast(&units, to.data_type())?)
        }
        DataType::Timestamp(unit, _) => {
            let units = primitives::<Int64Type>(texts, to, |text| parse_time::timestamp(text, nanos_per_unit(*unit)))?;
            Ok(arrow_cast(&units, to.data_type())?)
        }
        DataType::FixedSizeBinary(16) => {
            let mut uuids = FixedSizeBinaryBuilder::with_capacity(texts.len(), 16);
            let parse = |text: &str| uuid::Uuid::parse_str(text.trim()).ok();
            let mut appended = Ok(());
            each(texts, to, parse, |uuid| match uuid {
                Some(uuid) if appended.is_ok() => appended = uuids.append_value(uuid.as_bytes()),
                _ => uuids.append_null(),
            })?;
            appended?;
            Ok(Arc::new(uuids.finish()))
        }
        target if types::is_nested(target) => json_values(texts, to),
        DataType::Binary => Err(Failure::types(from, to)
            .with_hint("Text has no bytes of its own: give a BLOB, for example with encode(…) or from_base64(…).")),
        _ => Err(Failure::types(from, to)),
    }
}

/// Calls `append` for every row with what `parse` made of its text.
fn each<T>(
    texts: &StringArray,
    to: &Field,
    parse: impl Fn(&str) -> Option<T>,
    mut append: impl FnMut(Option<T>),
) -> Result<(), Failure> {
    for (row, text) in texts.iter().enumerate() {
        match text {
            None => append(None),
            Some(text) => match parse(text) {
                Some(value) => append(Some(value)),
                None => return Err(Failure::value(shown_text(text), to).in_row(row)),
            },
        }
    }
    Ok(())
}

/// Numbers, or units of a type that is cast from them.
fn primitives<T: ArrowPrimitiveType>(
    texts: &StringArray,
    to: &Field,
    parse: impl Fn(&str) -> Option<T::Native>,
) -> Result<ArrayRef, Failure> {
    let mut values = PrimitiveBuilder::<T>::with_capacity(texts.len());
    each(texts, to, parse, |value| values.append_option(value))?;
    let values = values.finish();
    Ok(match to.data_type() {
        DataType::Decimal128(_, _) => Arc::new(values.with_data_type(to.data_type().clone())),
        _ => Arc::new(values),
    })
}

/// Integers, also as `2024.0` and `2e3`.
fn integers<T: ArrowPrimitiveType>(texts: &StringArray, to: &Field) -> Result<ArrayRef, Failure>
where
    T::Native: std::str::FromStr + TryFrom<i128>,
{
    primitives::<T>(texts, to, |text| text.parse().ok().or_else(|| parse::decimal(text, 0)?.try_into().ok()))
}

/// Nested values, given as JSON text.
fn json_values(texts: &StringArray, to: &Field) -> Result<ArrayRef, Failure> {
    let mut values: Vec<Option<Value>> = Vec::with_capacity(texts.len());
    for (row, text) in texts.iter().enumerate() {
        let value = text.map(serde_json::from_str).transpose().map_err(|error| {
            Failure::value(shown_text(text.unwrap_or_default()), to)
                .in_row(row)
                .with_hint(format!("Text for a nested column must be JSON: {error}."))
        })?;
        values.push(value);
    }
    json::from_json(&values.iter().map(Option::as_ref).collect::<Vec<_>>(), to)
}
