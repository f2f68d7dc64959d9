//! Values -> text, as DuckDB's casts to VARCHAR print them.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringArray};
use arrow::compute::cast as arrow_cast;
use arrow::datatypes::{DataType, Date32Type, Float32Type, Float64Type, Int64Type, TimeUnit};
use arrow::util::display::array_value_to_string;

use super::Failure;
use super::calendar::{date_of, is_infinite_date, is_infinite_timestamp};
use super::number::is_number;
use super::temporal::nanos_per_unit;

/// How a timestamp is spelt.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    /// `2024-01-02 03:04:05.5`, with time zone `2024-01-02 03:04:05.5+00`.
    DuckDb,
    /// `2024-01-02T03:04:05.5`, with time zone `2024-01-02T03:04:05.5Z`.
    Iso,
}

/// Whether values of the decoded type have a text that can be cast back to them.
pub(super) fn is_printable(data_type: &DataType) -> bool {
    is_number(data_type)
        || matches!(
            data_type,
            DataType::Boolean
                | DataType::FixedSizeBinary(16)
                | DataType::Date32
                | DataType::Time64(_)
                | DataType::Timestamp(_, _)
        )
}

/// The text of every value of a decoded array; a scalar's can be cast back to it.
pub(super) fn to_text(array: &ArrayRef, style: Style) -> Result<StringArray, Failure> {
    let texts = match array.data_type() {
        DataType::Float32 => array.as_primitive::<Float32Type>().iter().map(|v| v.map(float)).collect(),
        DataType::Float64 => array.as_primitive::<Float64Type>().iter().map(|v| v.map(float)).collect(),
        DataType::FixedSizeBinary(16) => array
            .as_fixed_size_binary()
            .iter()
            .map(|bytes| Some(uuid::Uuid::from_slice(bytes?).ok()?.to_string()))
            .collect(),
        DataType::Date32 => array.as_primitive::<Date32Type>().iter().map(|v| v.map(date)).collect(),
        DataType::Time64(unit) => {
            let units = arrow_cast(array, &DataType::Int64)?;
            units.as_primitive::<Int64Type>().iter().map(|v| v.map(|v| time(v, *unit))).collect()
        }
        DataType::Timestamp(unit, zone) => {
            let suffix = match style {
                _ if zone.is_none() => "",
                Style::DuckDb => "+00",
                Style::Iso => "Z",
            };
            let units = arrow_cast(array, &DataType::Int64)?;
            units.as_primitive::<Int64Type>().iter().map(|v| v.map(|v| timestamp(v, *unit, style, suffix))).collect()
        }
        DataType::Decimal128(precision, scale) if precision.cast_signed() == *scale => {
            // DuckDB leaves out the zero that no digit of the type stands for.
            let texts = arrow_cast(array, &DataType::Utf8)?;
            texts.as_string::<i32>().iter().map(|text| text.map(|text| text.replacen("0.", ".", 1))).collect()
        }
        DataType::Utf8 => array.as_string::<i32>().clone(),
        data_type if data_type.is_integer() || matches!(data_type, DataType::Boolean | DataType::Decimal128(_, _)) => {
            arrow_cast(array, &DataType::Utf8)?.as_string::<i32>().clone()
        }
        _ => (0..array.len())
            .map(|row| array.is_valid(row).then(|| array_value_to_string(&Arc::clone(array), row)).transpose())
            .collect::<Result<_, _>>()?,
    };
    Ok(texts)
}

/// `2.0`, `0.0001`, `1e-05`, `1e+16`, `nan`, `-inf`: the fewest digits that read back as the same float.
/// (Where two spellings tie, DuckDB sometimes prints another that reads back the same, or a digit more.)
fn float<T: std::fmt::Display + std::fmt::LowerExp + Into<f64> + Copy>(value: T) -> String {
    let wide: f64 = value.into();
    if wide.is_nan() {
        return "nan".to_owned();
    }
    let text = format!("{value:e}");
    match text.split_once('e').and_then(|(digits, exponent)| Some((digits, exponent.parse::<i32>().ok()?))) {
        Some((digits, exponent)) if !(-4..16).contains(&exponent) => {
            let sign = if exponent < 0 { '-' } else { '+' };
            format!("{digits}e{sign}{:02}", exponent.abs())
        }
        Some(_) => {
            let plain = value.to_string();
            if plain.contains('.') { plain } else { plain + ".0" }
        }
        None => value.to_string(),
    }
}

fn infinity(above: bool) -> String {
    if above { "infinity" } else { "-infinity" }.to_owned()
}

fn date(days: i32) -> String {
    if is_infinite_date(days) { infinity(days > 0) } else { day(i64::from(days)) }
}

/// A date; the year 0 is 1 BC.
fn day(days: i64) -> String {
    let (year, month, day) = date_of(days);
    if year > 0 {
        format!("{year:04}-{month:02}-{day:02}")
    } else {
        format!("{:04}-{month:02}-{day:02} (BC)", 1 - year)
    }
}

/// `03:04:05.5`, without zeros at the end.
fn time(value: i64, unit: TimeUnit) -> String {
    let units_per_second = 1_000_000_000 / nanos_per_unit(unit);
    let (seconds, fraction) = (value.div_euclid(units_per_second), value.rem_euclid(units_per_second));
    let mut text = format!("{:02}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60);
    if fraction != 0 {
        let nanos = fraction * nanos_per_unit(unit);
        text += format!(".{nanos:09}").trim_end_matches('0');
    }
    text
}

fn timestamp(value: i64, unit: TimeUnit, style: Style, suffix: &str) -> String {
    if is_infinite_timestamp(value) {
        return infinity(value > 0);
    }
    let units_per_day = 86_400 * (1_000_000_000 / nanos_per_unit(unit));
    let separator = if style == Style::Iso { 'T' } else { ' ' };
    let (days, in_day) = (value.div_euclid(units_per_day), value.rem_euclid(units_per_day));
    format!("{}{separator}{}{suffix}", day(days), time(in_day, unit))
}

#[cfg(test)]
mod tests {
    use super::super::calendar::days_of;
    use super::*;

    /// Each expected text is what DuckDB 1.5.6 prints.
    #[test]
    fn prints_floats_as_duckdb_does() {
        for (value, text) in [
            (1e15, "1000000000000000.0"),
            (1e16, "1e+16"),
            (123456789012345678.0, "1.2345678901234568e+17"),
            (1e-4, "0.0001"),
            (1.5e-5, "1.5e-05"),
            (1e300, "1e+300"),
            (5e-324, "5e-324"),
            (100000.0, "100000.0"),
            (0.0, "0.0"),
            (f64::NAN, "nan"),
            (f64::NEG_INFINITY, "-inf"),
        ] {
            assert_eq!(float(value), text);
        }
        assert_eq!(float(16777217f32), "16777216.0");
        assert_eq!(float(f32::MAX), "3.4028235e+38");
        assert_eq!(float(1.1f32), "1.1");
    }

    #[test]
    fn prints_times_as_duckdb_does() {
        assert_eq!(date(0), "1970-01-01");
        assert_eq!(days_of(-43, 3, 15).map(day).as_deref(), Some("0044-03-15 (BC)"));
        assert_eq!(date(-i32::MAX), "-infinity");
        assert_eq!(time(86_400_000_000, TimeUnit::Microsecond), "24:00:00");
        assert_eq!(time(3_723_120_000, TimeUnit::Microsecond), "01:02:03.12");
        let end = i64::MAX - 1;
        assert_eq!(timestamp(end, TimeUnit::Microsecond, Style::DuckDb, ""), "294247-01-10 04:00:54.775806");
        assert_eq!(timestamp(-1, TimeUnit::Second, Style::Iso, "Z"), "1969-12-31T23:59:59Z");
    }
}
