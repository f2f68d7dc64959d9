//! Key values as text, to the byte as pyarrow prints them.

use std::borrow::Cow;

use arrow::datatypes::{DataType, Decimal128Type, DecimalType, Field};
use uuid::Uuid;

use super::refused;
use crate::error::{Error, Result};
use crate::store::scalar::{Scalar, calendar};

/// The bytes of a value other than NULL, before anything is escaped.
pub(super) fn bytes<'a>(field: &Field, value: &'a Scalar) -> Result<Cow<'a, [u8]>> {
    match (value, field.data_type()) {
        (Scalar::Text(text), DataType::Utf8 | DataType::LargeUtf8) => Ok(Cow::Borrowed(text.as_bytes())),
        (Scalar::Bytes(bytes), DataType::Binary) => Ok(Cow::Borrowed(bytes)),
        _ => text(field, value).map(|text| Cow::Owned(text.into_bytes())),
    }
}

fn text(field: &Field, value: &Scalar) -> Result<String> {
    // The infinite dates and timestamps, and those some 262,000 years away.
    let no_date = || refused(field, &format!("{}, which is no date of the calendar", value.display(field)));
    Ok(match (value, field.data_type()) {
        (Scalar::Boolean(value), DataType::Boolean) => value.to_string(),
        (Scalar::Int(days), DataType::Date32) => calendar::date(*days).map(calendar::date_text).ok_or_else(no_date)?,
        (Scalar::Int(time), DataType::Time64(unit)) => calendar::clock_text(*time, *unit),
        (Scalar::Int(value), DataType::Timestamp(unit, zone)) => {
            let (days, time) = calendar::split_timestamp(*value, *unit);
            let date = calendar::date(days).map(calendar::date_text).ok_or_else(no_date)?;
            let zone = if zone.is_some() { "Z" } else { "" };
            format!("{date} {}{zone}", calendar::clock_text(time, *unit))
        }
        (Scalar::Int(value), data_type) if data_type.is_signed_integer() => value.to_string(),
        (Scalar::UInt(value), data_type) if data_type.is_unsigned_integer() => value.to_string(),
        (Scalar::Float(value), DataType::Float32 | DataType::Float64) if value.is_nan() => {
            return Err(refused(field, "NaN"));
        }
        (Scalar::Float(value), DataType::Float32) => {
            let value = *value as f32;
            float(format!("{value}"), &format!("{value:e}"))
        }
        (Scalar::Float(value), DataType::Float64) => float(format!("{value}"), &format!("{value:e}")),
        (Scalar::Decimal(value), DataType::Decimal128(precision, scale)) => decimal(*value, *precision, *scale),
        (Scalar::Bytes(bytes), DataType::FixedSizeBinary(16)) => {
            Uuid::from_slice(bytes).map_err(|_| unfit(field, value))?.to_string()
        }
        _ => return Err(unfit(field, value)),
    })
}

fn unfit(field: &Field, value: &Scalar) -> Error {
    Error::internal(format!("{value:?} is no value of partition key \"{}\"", field.name()))
}

/// The shorter of two forms of a number: plain for exponents from -6 to 9, else scientific with a sign.
fn float(plain: String, scientific: &str) -> String {
    match scientific.split_once('e') {
        Some((digits, exponent)) => match exponent.parse() {
            Ok(-6..10) => plain,
            _ if exponent.starts_with('-') => scientific.to_owned(),
            _ => format!("{digits}e+{exponent}"),
        },
        None => plain, // infinite
    }
}

/// Plain, or scientific where the first digit stands behind the sixth decimal: `0E-7`, `-1.2E-9`.
fn decimal(value: i128, precision: u8, scale: i8) -> String {
    let digits = value.unsigned_abs().to_string();
    let exponent = digits.len() as i64 - 1 - i64::from(scale);
    if exponent >= -6 {
        return Decimal128Type::format_decimal(value, precision, scale);
    }
    let sign = if value < 0 { "-" } else { "" };
    let (first, rest) = digits.split_at(1);
    let point = if rest.is_empty() { "" } else { "." };
    format!("{sign}{first}{point}{rest}E{exponent}")
}
