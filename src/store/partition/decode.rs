//! Key values from text, whoever wrote it.

use arrow::datatypes::{DataType, Field, TimeUnit};
use chrono::NaiveDate;
use uuid::Uuid;

use crate::store::scalar::Scalar;
use crate::store::scalar::calendar::{NANOS_PER_SECOND, SECONDS_PER_DAY, per_second};
use crate::store::types::is_uuid;

const NANOS_PER_DAY: i64 = SECONDS_PER_DAY * NANOS_PER_SECOND;

/// The value of the key's type that the unescaped `bytes` spell; `None` where they spell none, or one that the type
/// cannot hold without loss.
pub(super) fn value(field: &Field, bytes: &[u8]) -> Option<Scalar> {
    if field.data_type() == &DataType::Binary {
        return Some(Scalar::Bytes(bytes.into()));
    }
    let text = std::str::from_utf8(bytes).ok()?;
    Some(match field.data_type() {
        DataType::Utf8 | DataType::LargeUtf8 => Scalar::Text(text.into()),
        DataType::Boolean => Scalar::Boolean(boolean(text)?),
        DataType::Int8 => Scalar::Int(integer::<i8>(text)?.into()),
        DataType::Int16 => Scalar::Int(integer::<i16>(text)?.into()),
        DataType::Int32 => Scalar::Int(integer::<i32>(text)?.into()),
        DataType::Int64 => Scalar::Int(integer(text)?),
        DataType::UInt8 => Scalar::UInt(integer::<u8>(text)?.into()),
        DataType::UInt16 => Scalar::UInt(integer::<u16>(text)?.into()),
        DataType::UInt32 => Scalar::UInt(integer::<u32>(text)?.into()),
        DataType::UInt64 => Scalar::UInt(integer(text)?),
        DataType::Float32 => Scalar::Float(text.parse::<f32>().ok()?.into()),
        DataType::Float64 => Scalar::Float(text.parse().ok()?),
        DataType::Decimal128(precision, scale) => Scalar::Decimal(decimal(text, *precision, *scale)?),
        DataType::Date32 => Scalar::Int(days(text).or_else(|| midnight(text))?),
        DataType::Time64(unit) => Scalar::Int(in_unit(clock(text)?.into(), *unit)?),
        DataType::Timestamp(unit, _) => Scalar::Int(in_unit(timestamp(text)?, *unit)?),
        DataType::FixedSizeBinary(16) if is_uuid(field) => {
            Scalar::Bytes(Uuid::try_parse(text).ok()?.into_bytes().into())
        }
        _ => return None,
    })
}

fn boolean(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "t" | "1" => Some(true),
        "false" | "f" | "0" => Some(false),
        _ => None,
    }
}

/// An integer with or without leading zeros; pandas writes `7.0` where other rows had none.
fn integer<T: std::str::FromStr>(text: &str) -> Option<T> {
    let whole = match text.split_once('.') {
        Some((whole, zeros)) if zeros.bytes().all(|digit| digit == b'0') => whole,
        Some(_) => return None,
        None => text,
    };
    whole.parse().ok()
}

/// A decimal in plain or scientific notation, unscaled; no digit may be lost.
fn decimal(text: &str, precision: u8, scale: i8) -> Option<i128> {
    let (number, exponent) = match text.split_once(['e', 'E']) {
        Some((number, exponent)) => (number, exponent.parse::<i16>().ok()?),
        None => (text, 0),
    };
    let (negative, number) = match number.strip_prefix('-') {
        Some(number) => (true, number),
        None => (false, number.strip_prefix('+').unwrap_or(number)),
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let all = format!("{whole}{fraction}");
    if all.is_empty() || !all.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let significant = all.trim_start_matches('0').trim_end_matches('0');
    if significant.is_empty() {
        return Some(0);
    }
    let trailing = i64::try_from(all.len() - all.trim_end_matches('0').len()).ok()?;
    let shift = i64::from(exponent) - i64::try_from(fraction.len()).ok()? + trailing + i64::from(scale);
    let zeros = usize::try_from(shift).ok()?;
    if significant.len() + zeros > usize::from(precision) {
        return None;
    }
    let value: i128 = format!("{significant}{}", "0".repeat(zeros)).parse().ok()?;
    Some(if negative { -value } else { value })
}

/// Days since 1970-01-01 of `2024-01-02`, `-0044-03-15` or `12024-01-02`. A year of two digits could be any.
fn days(text: &str) -> Option<i64> {
    let (sign, text) = match text.strip_prefix('-') {
        Some(text) => (-1, text),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let mut parts = text.split('-');
    let year = parts.next().filter(|year| year.len() >= 4)?;
    let (month, day) = (parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let year: i32 = digits(year, 9)?.try_into().ok()?;
    let date = NaiveDate::from_ymd_opt(sign * year, digits(month, 2)?, digits(day, 2)?)?;
    Some(date.to_epoch_days().into())
}

/// Days since 1970-01-01 of a timestamp at midnight, as pandas writes a date.
fn midnight(text: &str) -> Option<i64> {
    let nanos = timestamp(text)?;
    (nanos % i128::from(NANOS_PER_DAY) == 0).then(|| i64::try_from(nanos / i128::from(NANOS_PER_DAY)).ok())?
}

/// Nanoseconds since midnight of `03:04`, `03:04:05` or `03:04:05.678`; `24:00:00` is the end of the day.
fn clock(text: &str) -> Option<i64> {
    let mut parts = text.split(':');
    let (hour, minute) = (digits(parts.next()?, 2)?, digits(parts.next()?, 2)?);
    let (second, fraction) = match parts.next() {
        Some(second) => second.split_once('.').unwrap_or((second, "0")),
        None => ("0", "0"),
    };
    let second = digits(second, 2)?;
    let fraction = match fraction.trim_end_matches('0') {
        "" if fraction.is_empty() => return None,
        "" => 0,
        fraction => digits(fraction, 9)? * 10u32.pow(9 - u32::try_from(fraction.len()).ok()?),
    };
    let nanos = i64::from(hour * 3600 + minute * 60 + second) * NANOS_PER_SECOND + i64::from(fraction);
    (parts.next().is_none() && minute < 60 && second < 60 && nanos <= NANOS_PER_DAY).then_some(nanos)
}

/// Nanoseconds since 1970-01-01 UTC of a date and, behind a space or `T`, a time with or without zone. Without a zone it
/// is UTC.
fn timestamp(text: &str) -> Option<i128> {
    let (date, time) = match text.split_once([' ', 'T']) {
        Some((date, time)) => (date, time),
        None => (text, "00:00:00"),
    };
    let zone_at = time.find(|c: char| !(c.is_ascii_digit() || matches!(c, ':' | '.'))).unwrap_or(time.len());
    let (time, zone) = time.split_at(zone_at);
    let time = clock(time).filter(|nanos| *nanos < NANOS_PER_DAY)?;
    let seconds = days(date)? * SECONDS_PER_DAY - offset_seconds(zone)?;
    Some(i128::from(seconds) * i128::from(NANOS_PER_SECOND) + i128::from(time))
}

/// How far east of UTC ``, `Z`, `UTC`, `+00`, `+0530` or `-05:30` is.
fn offset_seconds(zone: &str) -> Option<i64> {
    let zone = zone.trim_start_matches(' ');
    let (sign, zone) = match zone.as_bytes().first() {
        None => return Some(0),
        Some(b'+') => (1, &zone[1..]),
        Some(b'-') => (-1, &zone[1..]),
        Some(_) => return matches!(zone, "Z" | "z" | "UTC").then_some(0),
    };
    let (hours, minutes) = match zone.split_once(':') {
        Some(parts) => parts,
        None if zone.len() == 4 => zone.split_at_checked(2)?,
        None => (zone, "0"),
    };
    let (hours, minutes) = (digits(hours, 2)?, digits(minutes, 2)?);
    (hours < 24 && minutes < 60).then_some(sign * i64::from(hours * 3600 + minutes * 60))
}

/// An unsigned number of one to `most` digits (at most 9, so that it fits).
fn digits(text: &str, most: usize) -> Option<u32> {
    let plain = (1..=most).contains(&text.len()) && text.bytes().all(|digit| digit.is_ascii_digit());
    if plain { text.parse().ok() } else { None }
}

/// Nanoseconds in the unit, if that loses nothing.
fn in_unit(nanos: i128, unit: TimeUnit) -> Option<i64> {
    let nanos_per_unit = i128::from(NANOS_PER_SECOND / per_second(unit));
    (nanos % nanos_per_unit == 0).then(|| i64::try_from(nanos / nanos_per_unit).ok())?
}
