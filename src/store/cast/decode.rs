//! Arrow's many encodings -> one: what the casts themselves have to know shrinks to the canonical types.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Decimal128Array};
use arrow::buffer::NullBuffer;
use arrow::compute::kernels::cmp::not_distinct;
use arrow::compute::{cast as arrow_cast, nullif};
use arrow::datatypes::{DataType, Date32Type, Date64Type, Decimal128Type, DecimalType, Field, Int8Type, TimeUnit};

use super::{Failure, cast_fitting, map_exact};
use crate::store::types;

const MILLISECONDS_PER_DAY: i64 = 86_400_000;

/// Whether the array holds values of another system that Arrow has no type for (DuckDB: HUGEINT, BIT, TIMETZ, …).
pub(super) fn is_opaque(field: &Field) -> bool {
    field.extension_type_name() == Some("arrow.opaque")
}

/// What the other system calls the type of an opaque field.
pub(super) fn opaque_name(field: &Field) -> Option<String> {
    let metadata = field.extension_type_metadata().filter(|_| is_opaque(field))?;
    let metadata: serde_json::Value = serde_json::from_str(metadata).ok()?;
    metadata.get("type_name")?.as_str().map(str::to_owned)
}

/// HUGEINT and UHUGEINT, what DuckDB's `sum` of integers gives, as DECIMAL(38,0); `None` for another type.
///
/// # Errors
/// For a value of more than 38 digits: no column can hold it.
pub(super) fn hugeint(array: &ArrayRef, from: &Field, to: &Field) -> Option<Result<ArrayRef, Failure>> {
    let signed = match opaque_name(from).as_deref() {
        Some("hugeint") => true,
        Some("uhugeint") => false,
        _ => return None,
    };
    let bytes = array.as_fixed_size_binary_opt()?;
    let number = |bytes: &[u8]| {
        let bytes: [u8; 16] = bytes.try_into().ok()?;
        let number = if signed { i128::from_le_bytes(bytes) } else { u128::from_le_bytes(bytes).try_into().ok()? };
        Decimal128Type::is_valid_decimal_precision(number, Decimal128Type::MAX_PRECISION).then_some(number)
    };
    if let Some(row) = (0..array.len()).find(|&row| array.is_valid(row) && number(bytes.value(row)).is_none()) {
        let value = bytes.value(row).try_into().map(|value: [u8; 16]| match signed {
            true => i128::from_le_bytes(value).to_string(),
            false => u128::from_le_bytes(value).to_string(),
        });
        return Some(Err(Failure::value(value.unwrap_or_default(), to).in_row(row)));
    }
    let numbers: Decimal128Array = bytes.iter().map(|bytes| bytes.and_then(number)).collect();
    let decimal = numbers.with_precision_and_scale(Decimal128Type::MAX_PRECISION, 0);
    Some(decimal.map(|numbers| Arc::new(numbers) as ArrayRef).map_err(Failure::from))
}

/// The canonical field of what [`hugeint`] gives.
pub(super) fn hugeint_field(from: &Field) -> Field {
    Field::new(from.name(), DataType::Decimal128(Decimal128Type::MAX_PRECISION, 0), true)
}

/// Whether the array holds booleans, a byte each.
pub(super) fn is_bool8(field: &Field) -> bool {
    field.extension_type_name() == Some("arrow.bool8") && field.data_type() == &DataType::Int8
}

/// Bytes that are booleans -> booleans.
pub(super) fn bool8(array: &ArrayRef) -> Result<ArrayRef, Failure> {
    let bytes = array.as_primitive_opt::<Int8Type>().ok_or_else(|| Failure::new("arrow.bool8 must be kept in Int8"))?;
    Ok(Arc::new(BooleanArray::from_unary(bytes, |byte| byte != 0)))
}

/// The array in the one encoding of its type, with NULL where `parent` is NULL.
///
/// Dictionaries, runs and views are unpacked at this level, not below; DECIMAL of every width becomes Decimal128, DATE
/// Date32, TIME Time64, and BLOB and plain fixed-size bytes Binary. `to` serves the message about a value outside.
pub(super) fn plain(
    array: &ArrayRef,
    parent: Option<&NullBuffer>,
    from: &Field,
    to: &Field,
) -> Result<ArrayRef, Failure> {
    let array = masked(&unpacked(array)?, parent)?;
    let plain = match array.data_type() {
        DataType::Float16 => DataType::Float32,
        DataType::FixedSizeBinary(_) if !types::is_uuid(from) => DataType::Binary,
        DataType::Time32(_) => DataType::Time64(TimeUnit::Microsecond),
        DataType::Decimal32(precision, scale) | DataType::Decimal64(precision, scale) if *scale >= 0 => {
            DataType::Decimal128(*precision, *scale)
        }
        DataType::Date64 => return date64(&array, to),
        DataType::Decimal128(_, scale) if *scale >= 0 => return Ok(array),
        DataType::Decimal32(_, scale)
        | DataType::Decimal64(_, scale)
        | DataType::Decimal128(_, scale)
        | DataType::Decimal256(_, scale) => return wide_decimal(&array, *scale, to),
        _ => return Ok(array),
    };
    Ok(arrow_cast(&array, &plain)?)
}

/// The array with NULL where `parent` is NULL.
fn masked(array: &ArrayRef, parent: Option<&NullBuffer>) -> Result<ArrayRef, Failure> {
    match parent {
        Some(parent) if parent.null_count() > 0 => Ok(nullif(array, &BooleanArray::new(!parent.inner(), None))?),
        _ => Ok(array.clone()),
    }
}

/// The array without dictionary, runs, views or large offsets, at this level.
fn unpacked(array: &ArrayRef) -> Result<ArrayRef, Failure> {
    let plain = match array.data_type() {
        DataType::Dictionary(_, values) => return unpacked(&arrow_cast(array, values)?),
        DataType::RunEndEncoded(_, values) => return unpacked(&arrow_cast(array, values.data_type())?),
        DataType::Utf8View | DataType::LargeUtf8 => DataType::Utf8,
        DataType::BinaryView | DataType::LargeBinary => DataType::Binary,
        DataType::LargeList(element) | DataType::ListView(element) | DataType::LargeListView(element) => {
            DataType::List(element.clone())
        }
        _ => return Ok(array.clone()),
    };
    Ok(arrow_cast(array, &plain)?)
}

/// Milliseconds that are meant as dates; Arrow lets them be anything.
fn date64(array: &ArrayRef, to: &Field) -> Result<ArrayRef, Failure> {
    let days = map_exact::<Date64Type, Date32Type>(array, array.as_primitive(), to, |value| {
        (value % MILLISECONDS_PER_DAY == 0).then_some(value / MILLISECONDS_PER_DAY)?.try_into().ok()
    })?;
    Ok(Arc::new(days))
}

/// Decimals of any width and scale -> 38 digits, scale from 0 to 38.
fn wide_decimal(array: &ArrayRef, scale: i8, to: &Field) -> Result<ArrayRef, Failure> {
    let narrow = DataType::Decimal128(Decimal128Type::MAX_PRECISION, scale.clamp(0, Decimal128Type::MAX_SCALE));
    let cast = cast_fitting(array, &to.clone().with_data_type(narrow)).map_err(|failure| {
        let row = failure.row();
        Failure::at_first(array, row, to)
    })?;
    let same = not_distinct(array, &arrow_cast(&cast, array.data_type())?)?;
    match (0..array.len()).find(|&row| !same.value(row)) {
        Some(row) => Err(Failure::at(array, row, to)),
        None => Ok(cast),
    }
}
