//! Scalars as SQL prints them.

use arrow::datatypes::{DataType, Decimal128Type, DecimalType, Field, TimeUnit};
use chrono::Datelike;
use uuid::Uuid;

use super::{Scalar, calendar};
use crate::store::types::is_uuid;

impl Scalar {
    /// The value as `SELECT` prints one of column `field`: text without quotes, `NULL`, `1.50`, `2024-01-02 03:04:05+00`.
    pub fn display(&self, field: &Field) -> String {
        match (self, field.data_type()) {
            (Self::Null, _) => "NULL".to_owned(),
            (Self::Boolean(value), _) => value.to_string(),
            (Self::Int(days), DataType::Date32) => date(*days),
            (Self::Int(time), DataType::Time64(unit)) => clock(*time, *unit),
            (Self::Int(value), DataType::Timestamp(unit, zone)) => {
                timestamp(*value, *unit, if zone.is_some() { "+00" } else { "" })
            }
            (Self::Int(value), _) => value.to_string(),
            (Self::UInt(value), _) => value.to_string(),
            (Self::Float(value), data_type) => float(*value, data_type),
            (Self::Decimal(value), DataType::Decimal128(precision, scale)) => {
                Decimal128Type::format_decimal(*value, *precision, *scale)
            }
            (Self::Decimal(value), _) => value.to_string(),
            (Self::Text(text), _) => text.to_string(),
            (Self::Bytes(bytes), _) => match Uuid::from_slice(bytes) {
                Ok(uuid) if is_uuid(field) => uuid.to_string(),
                _ => blob(bytes),
            },
        }
    }
}

/// A date; DuckDB's infinite ones are the two ends of 32 bits.
fn date(days: i64) -> String {
    if days.unsigned_abs() == u64::from(i32::MAX.unsigned_abs()) {
        return infinity(days);
    }
    match calendar::date(days) {
        // There is no year 0: before year 1 comes 1 BC.
        Some(date) if date.year() < 1 => {
            format!("{:04}-{:02}-{:02} (BC)", 1 - date.year(), date.month(), date.day())
        }
        Some(date) => calendar::date_text(date),
        None => format!("1970-01-01 and {days} days"),
    }
}

/// A timestamp and, if it is not infinite (the two ends of 64 bits), its zone.
fn timestamp(value: i64, unit: TimeUnit, zone: &str) -> String {
    if value.unsigned_abs() == i64::MAX.unsigned_abs() {
        return infinity(value);
    }
    let (days, time) = calendar::split_timestamp(value, unit);
    format!("{} {}{zone}", date(days), clock(time, unit))
}

fn infinity(value: i64) -> String {
    if value > 0 { "infinity" } else { "-infinity" }.to_owned()
}

/// A time of day without the zeros its decimals end in.
fn clock(time: i64, unit: TimeUnit) -> String {
    let text = calendar::clock_text(time, unit);
    match text.split_once('.') {
        Some(_) => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        None => text,
    }
}

/// The fewest digits that make the same number, in plain notation from 1e-4 to below 1e16.
fn float(value: f64, data_type: &DataType) -> String {
    if value.is_nan() {
        return "nan".to_owned();
    }
    let (plain, scientific) = match data_type {
        DataType::Float32 => (format!("{}", value as f32), format!("{:e}", value as f32)),
        _ => (format!("{value}"), format!("{value:e}")),
    };
    let exponent = scientific.split_once('e').and_then(|(digits, exponent)| Some((digits, exponent.parse().ok()?)));
    match exponent {
        Some((_, -4..16)) if plain.contains('.') => plain,
        Some((_, -4..16)) => format!("{plain}.0"),
        Some((digits, exponent)) => {
            let sign = if exponent < 0 { '-' } else { '+' };
            format!("{digits}e{sign}{:02}", i32::unsigned_abs(exponent))
        }
        None => plain, // infinite
    }
}

/// Printable ASCII as it is, other bytes as `\x00`.
fn blob(bytes: &[u8]) -> String {
    let mut text = String::new();
    for &byte in bytes {
        match byte {
            b'\\' | b'\'' | b'"' => text.push_str(&format!("\\x{byte:02X}")),
            b' '..=b'~' => text.push(char::from(byte)),
            _ => text.push_str(&format!("\\x{byte:02X}")),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::types::{timestamptz, uuid_field};

    fn shown(value: Scalar, data_type: DataType) -> String {
        value.display(&Field::new("c", data_type, true))
    }

    #[test]
    fn prints_what_duckdb_prints() {
        let seconds = 1_704_164_645; // 2024-01-02 03:04:05
        assert_eq!(shown(Scalar::Null, DataType::Int8), "NULL");
        assert_eq!(shown(Scalar::Boolean(true), DataType::Boolean), "true");
        assert_eq!(shown(Scalar::Int(19_724), DataType::Date32), "2024-01-02");
        assert_eq!(shown(Scalar::Int(-735_160), DataType::Date32), "0044-03-15 (BC)");
        assert_eq!(shown(Scalar::Int(i32::MAX.into()), DataType::Date32), "infinity");
        let zoned = shown(Scalar::Int(seconds * 1_000_000 + 100_000), timestamptz());
        assert_eq!(zoned, "2024-01-02 03:04:05.1+00");
        assert_eq!(shown(Scalar::Int(-i64::MAX), timestamptz()), "-infinity");
        let nanos = DataType::Timestamp(TimeUnit::Nanosecond, None);
        assert_eq!(shown(Scalar::Int(seconds * 1_000_000_000 + 1), nanos.clone()), "2024-01-02 03:04:05.000000001");
        assert_eq!(shown(Scalar::Int(seconds * 1_000_000_000), nanos), "2024-01-02 03:04:05");
        let whole = DataType::Timestamp(TimeUnit::Second, None);
        assert_eq!(shown(Scalar::Int(-1), whole.clone()), "1969-12-31 23:59:59");
        assert_eq!(shown(Scalar::Int(1_704_164_640 + 20), whole), "2024-01-02 03:04:20");
        assert_eq!(shown(Scalar::Int(86_400_000_000), DataType::Time64(TimeUnit::Microsecond)), "24:00:00");
        assert_eq!(shown(Scalar::Decimal(-5), DataType::Decimal128(10, 2)), "-0.05");
        assert_eq!(shown(Scalar::Text("it's".into()), DataType::Utf8), "it's");
        assert_eq!(shown(Scalar::Bytes(b"a\\\0".as_slice().into()), DataType::Binary), "a\\x5C\\x00");
        let uuid = Scalar::Bytes([0x12; 16].into()).display(&uuid_field("u", true));
        assert_eq!(uuid, "12121212-1212-1212-1212-121212121212");
    }

    #[test]
    fn prints_floats_as_duckdb_does() {
        for (value, text) in [
            (1.0, "1.0"),
            (-0.0, "-0.0"),
            (1e15, "1000000000000000.0"),
            (1e16, "1e+16"),
            (1.5e20, "1.5e+20"),
            (0.0001, "0.0001"),
            (1e-5, "1e-05"),
            (1e-300, "1e-300"),
            (f64::NEG_INFINITY, "-inf"),
            (f64::NAN, "nan"),
        ] {
            assert_eq!(shown(Scalar::Float(value), DataType::Float64), text);
        }
        assert_eq!(shown(Scalar::Float(0.1f32.into()), DataType::Float32), "0.1");
    }
}
