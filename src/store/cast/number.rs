//! Numbers -> numbers.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, PrimitiveArray};
use arrow::compute::cast as arrow_cast;
use arrow::compute::kernels::cmp::not_distinct;
use arrow::datatypes::{ArrowPrimitiveType, DataType, Decimal128Type, DecimalType, Field, Float32Type, Float64Type};

use super::{Failure, cast_fitting, map_exact, parse};

/// Integers up to here, and their negatives, are exact as DOUBLE.
const EXACT_IN_F64: u128 = 1 << 53;
/// Integers up to here, and their negatives, are exact as FLOAT.
const EXACT_IN_F32: u128 = 1 << 24;

/// Whether values of the (decoded or canonical) type are numbers.
pub(super) fn is_number(data_type: &DataType) -> bool {
    data_type.is_integer() || matches!(data_type, DataType::Float32 | DataType::Float64 | DataType::Decimal128(_, _))
}

/// Casts a decoded array of numbers to another numeric type.
pub(super) fn cast_number(source: &ArrayRef, to: &Field) -> Result<ArrayRef, Failure> {
    match (source.data_type(), to.data_type()) {
        (DataType::Decimal128(_, from_scale), DataType::Decimal128(precision, scale)) => {
            rescale(source, *from_scale, *precision, *scale, to)
        }
        (DataType::Decimal128(_, from_scale), target) if target.is_integer() => {
            let whole = rescale(source, *from_scale, Decimal128Type::MAX_PRECISION, 0, to)?;
            cast_fitting(&whole, to).map_err(|failure| Failure::at_first(source, failure.row(), to))
        }
        (DataType::Decimal128(_, scale), DataType::Float32) => {
            let scale = scale.unsigned_abs();
            Ok(Arc::new(decimals(source).unary::<_, Float32Type>(|value| nearest_f32(value, scale))))
        }
        (DataType::Decimal128(_, scale), DataType::Float64) => {
            let scale = scale.unsigned_abs();
            Ok(Arc::new(decimals(source).unary::<_, Float64Type>(|value| nearest_f64(value, scale))))
        }
        (kind, DataType::Decimal128(precision, scale)) if kind.is_integer() => {
            let whole = arrow_cast(source, &DataType::Decimal128(Decimal128Type::MAX_PRECISION, 0))?;
            rescale(&whole, 0, *precision, *scale, to)
        }
        (DataType::Float32, DataType::Decimal128(_, _)) => float_to_decimal::<Float32Type>(source, to),
        (DataType::Float64, DataType::Decimal128(_, _)) => float_to_decimal::<Float64Type>(source, to),
        (DataType::Float32, target) if target.is_integer() => integral::<Float32Type>(source, to, |v| v.trunc() == v),
        (DataType::Float64, target) if target.is_integer() => integral::<Float64Type>(source, to, |v| v.trunc() == v),
        (DataType::Float64, DataType::Float32) => {
            let nearest = map_exact::<Float64Type, Float32Type>(source, source.as_primitive(), to, |value| {
                let nearest = value as f32;
                (nearest.is_finite() || !value.is_finite()).then_some(nearest)
            })?;
            Ok(Arc::new(nearest))
        }
        (kind, DataType::Float32 | DataType::Float64) if kind.is_integer() => exact_float(source, to),
        _ => cast_fitting(source, to),
    }
}

fn decimals(array: &ArrayRef) -> &PrimitiveArray<Decimal128Type> {
    array.as_primitive()
}

/// An unscaled decimal at another scale, or `None` where digits would be lost or more than `precision` are needed.
fn rescaled(value: i128, from_scale: i8, precision: u8, scale: i8) -> Option<i128> {
    let power = |exponent: i8| 10i128.checked_pow(u32::from(exponent.unsigned_abs()));
    let value = if scale >= from_scale {
        if value == 0 { 0 } else { value.checked_mul(power(scale - from_scale)?)? }
    } else {
        let divisor = power(from_scale - scale)?;
        (value % divisor == 0).then_some(value / divisor)?
    };
    Decimal128Type::is_valid_decimal_precision(value, precision).then_some(value)
}

fn rescale(source: &ArrayRef, from_scale: i8, precision: u8, scale: i8, to: &Field) -> Result<ArrayRef, Failure> {
    let values = map_exact::<Decimal128Type, Decimal128Type>(source, decimals(source), to, |value| {
        rescaled(value, from_scale, precision, scale)
    })?;
    Ok(Arc::new(values.with_precision_and_scale(precision, scale)?))
}

/// The DOUBLE nearest to `value / 10^scale`.
fn nearest_f64(value: i128, scale: u8) -> f64 {
    if value.unsigned_abs() <= EXACT_IN_F64 && scale <= 19 {
        // Both are exact, so the one division rounds once: 5^19 < 2^53.
        return value as f64 / 10u64.pow(u32::from(scale)) as f64;
    }
    format!("{value}e-{scale}").parse().unwrap_or(f64::NAN)
}

/// The FLOAT nearest to `value / 10^scale`; not by way of DOUBLE, which would round twice.
fn nearest_f32(value: i128, scale: u8) -> f32 {
    if value.unsigned_abs() <= EXACT_IN_F32 && scale <= 10 {
        return value as f32 / 10u64.pow(u32::from(scale)) as f32;
    }
    format!("{value}e-{scale}").parse().unwrap_or(f32::NAN)
}

/// Floats -> the decimal that is their shortest spelling. If any decimal of that scale reads back as the float, so does
/// the shortest spelling, and it has no more digits after the point.
fn float_to_decimal<T: ArrowPrimitiveType>(source: &ArrayRef, to: &Field) -> Result<ArrayRef, Failure>
where
    T::Native: std::fmt::Display,
{
    let DataType::Decimal128(precision, scale) = *to.data_type() else {
        return Err(Failure::types(&Field::new(to.name(), source.data_type().clone(), true), to));
    };
    let values = map_exact::<T, Decimal128Type>(source, source.as_primitive(), to, |value| {
        let value = parse::decimal(&value.to_string(), scale.unsigned_abs())?;
        Decimal128Type::is_valid_decimal_precision(value, precision).then_some(value)
    })?;
    Ok(Arc::new(values.with_precision_and_scale(precision, scale)?))
}

/// Floats without a fraction -> integers.
fn integral<T: ArrowPrimitiveType>(
    source: &ArrayRef,
    to: &Field,
    is_whole: impl Fn(T::Native) -> bool,
) -> Result<ArrayRef, Failure> {
    let floats: &PrimitiveArray<T> = source.as_primitive();
    match (0..floats.len()).find(|&row| floats.is_valid(row) && !is_whole(floats.value(row))) {
        Some(row) => Err(Failure::at(source, row, to)),
        None => cast_fitting(source, to),
    }
}

/// Integers -> floats that read back as the same integers.
fn exact_float(source: &ArrayRef, to: &Field) -> Result<ArrayRef, Failure> {
    let floats = arrow_cast(source, to.data_type())?;
    let always_exact = match source.data_type() {
        DataType::Int8 | DataType::UInt8 | DataType::Int16 | DataType::UInt16 => true,
        DataType::Int32 | DataType::UInt32 => to.data_type() == &DataType::Float64,
        _ => false,
    };
    if always_exact {
        return Ok(floats);
    }
    let same = not_distinct(source, &arrow_cast(&floats, source.data_type())?)?;
    match (0..source.len()).find(|&row| !same.value(row)) {
        Some(row) => Err(Failure::at(source, row, to)),
        None => Ok(floats),
    }
}
