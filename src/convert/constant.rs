//! A scalar of the store as a DuckDB value: the same in every row of a partition.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, TimeUnit};

use crate::error::{Error, Result};
use crate::ffi::Value;
use crate::store::scalar::Scalar;
use crate::store::types;

/// `scalar`, a value of the canonical `field`, as a value of DuckDB's type for that field.
pub fn constant(scalar: &Scalar, field: &Field) -> Result<Value> {
    let misfit = || Error::internal(format!("{scalar:?} is no {}", types::sql_name(field)));
    Ok(match (scalar, field.data_type()) {
        (Scalar::Null, _) => Value::null(),
        (Scalar::Boolean(value), DataType::Boolean) => Value::boolean(*value),
        (Scalar::Int(value), data_type) => match data_type {
            DataType::Int8 => Value::tinyint(i8::try_from(*value).map_err(|_| misfit())?),
            DataType::Int16 => Value::smallint(i16::try_from(*value).map_err(|_| misfit())?),
            DataType::Int32 => Value::integer(i32::try_from(*value).map_err(|_| misfit())?),
            DataType::Int64 => Value::bigint(*value),
            DataType::Date32 => Value::date(i32::try_from(*value).map_err(|_| misfit())?),
            DataType::Time64(TimeUnit::Microsecond) => Value::time(*value),
            DataType::Time64(TimeUnit::Nanosecond) => Value::time_ns(*value),
            DataType::Timestamp(_, Some(_)) => Value::timestamp_tz(*value),
            DataType::Timestamp(TimeUnit::Second, None) => Value::timestamp_s(*value),
            DataType::Timestamp(TimeUnit::Millisecond, None) => Value::timestamp_ms(*value),
            DataType::Timestamp(TimeUnit::Microsecond, None) => Value::timestamp(*value),
            DataType::Timestamp(TimeUnit::Nanosecond, None) => Value::timestamp_ns(*value),
            _ => return Err(misfit()),
        },
        (Scalar::UInt(value), data_type) => match data_type {
            DataType::UInt8 => Value::utinyint(u8::try_from(*value).map_err(|_| misfit())?),
            DataType::UInt16 => Value::usmallint(u16::try_from(*value).map_err(|_| misfit())?),
            DataType::UInt32 => Value::uinteger(u32::try_from(*value).map_err(|_| misfit())?),
            DataType::UInt64 => Value::ubigint(*value),
            _ => return Err(misfit()),
        },
        (Scalar::Float(value), DataType::Float32) => Value::float(*value as f32),
        (Scalar::Float(value), DataType::Float64) => Value::double(*value),
        (Scalar::Decimal(value), DataType::Decimal128(width, scale)) => Value::decimal(*value, *width, *scale as u8),
        (Scalar::Text(text), _) => Value::varchar(text),
        (Scalar::Bytes(bytes), DataType::FixedSizeBinary(16)) => Value::uuid(uuid_bytes(bytes).ok_or_else(misfit)?),
        _ => return Err(misfit()),
    })
}

fn uuid_bytes(bytes: &Arc<[u8]>) -> Option<[u8; 16]> {
    bytes.as_ref().try_into().ok()
}
