//! DATE, TIME and TIMESTAMP among each other.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray};
use arrow::compute::cast as arrow_cast;
use arrow::datatypes::{DataType, Date32Type, Field, Int64Type, TimeUnit};

use super::calendar::{INFINITE_DATE, INFINITE_TIMESTAMP, is_infinite_date, is_infinite_timestamp};
use super::{Failure, map_exact};

const NANOS_PER_DAY: i64 = 86_400_000_000_000;

/// How long a unit is.
pub(super) fn nanos_per_unit(unit: TimeUnit) -> i64 {
    match unit {
        TimeUnit::Second => 1_000_000_000,
        TimeUnit::Millisecond => 1_000_000,
        TimeUnit::Microsecond => 1_000,
        TimeUnit::Nanosecond => 1,
    }
}

/// Casts a decoded array of one of these types to another; any other pair is refused.
pub(super) fn cast_temporal(source: &ArrayRef, from: &Field, to: &Field) -> Result<ArrayRef, Failure> {
    match (source.data_type(), to.data_type()) {
        (DataType::Timestamp(from_unit, _), DataType::Timestamp(unit, _)) => {
            map_units(source, to, |value| match is_infinite_timestamp(value) {
                true => Some(value),
                false => rescaled(value, *from_unit, *unit)
                    .filter(|value| from_unit == unit || !is_infinite_timestamp(*value)),
            })
        }
        (DataType::Time64(from_unit), DataType::Time64(unit)) => {
            map_units(source, to, |value| rescaled(value, *from_unit, *unit))
        }
        (DataType::Timestamp(unit, _), DataType::Date32) => {
            let units = arrow_cast(source, &DataType::Int64)?;
            let units_per_day = NANOS_PER_DAY / nanos_per_unit(*unit);
            let days = map_exact::<Int64Type, Date32Type>(source, units.as_primitive(), to, |value| match value {
                INFINITE_TIMESTAMP => Some(INFINITE_DATE),
                value if value == -INFINITE_TIMESTAMP => Some(-INFINITE_DATE),
                value => {
                    let days = (value % units_per_day == 0).then_some(value / units_per_day)?;
                    days.try_into().ok().filter(|days| !is_infinite_date(*days))
                }
            })?;
            Ok(Arc::new(days))
        }
        (DataType::Date32, DataType::Timestamp(unit, _)) => {
            let units_per_day = NANOS_PER_DAY / nanos_per_unit(*unit);
            let units = map_exact::<Date32Type, Int64Type>(source, source.as_primitive(), to, |days| match days {
                INFINITE_DATE => Some(INFINITE_TIMESTAMP),
                days if days == -INFINITE_DATE => Some(-INFINITE_TIMESTAMP),
                days => i64::from(days).checked_mul(units_per_day),
            })?;
            Ok(arrow_cast(&units, to.data_type())?)
        }
        _ => Err(Failure::types(from, to)),
    }
}

/// Maps what is 64 bits wide on both sides.
fn map_units(source: &ArrayRef, to: &Field, map: impl Fn(i64) -> Option<i64>) -> Result<ArrayRef, Failure> {
    let units = arrow_cast(source, &DataType::Int64)?;
    let mapped = map_exact::<Int64Type, Int64Type>(source, units.as_primitive(), to, map)?;
    Ok(arrow_cast(&mapped, to.data_type())?)
}

/// `value` in another unit, or `None` where it is finer than that or does not fit.
fn rescaled(value: i64, from: TimeUnit, to: TimeUnit) -> Option<i64> {
    let (from, to) = (nanos_per_unit(from), nanos_per_unit(to));
    if from >= to {
        value.checked_mul(from / to)
    } else {
        let factor = to / from;
        (value % factor == 0).then_some(value / factor)
    }
}
