//! Logical types <-> canonical Arrow fields (see [`crate::store::types`] for the table of both).

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, Fields, TimeUnit};

use crate::error::{Error, Result};
use crate::ffi::{LogicalType, TypeId};
use crate::store::types;

/// DuckDB's type for a canonical field.
pub fn logical_type(field: &Field) -> Result<LogicalType> {
    let id = match field.data_type() {
        DataType::Boolean => TypeId::Boolean,
        DataType::Int8 => TypeId::TinyInt,
        DataType::Int16 => TypeId::SmallInt,
        DataType::Int32 => TypeId::Integer,
        DataType::Int64 => TypeId::BigInt,
        DataType::UInt8 => TypeId::UTinyInt,
        DataType::UInt16 => TypeId::USmallInt,
        DataType::UInt32 => TypeId::UInteger,
        DataType::UInt64 => TypeId::UBigInt,
        DataType::Float32 => TypeId::Float,
        DataType::Float64 => TypeId::Double,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => TypeId::Varchar,
        DataType::Binary | DataType::BinaryView => TypeId::Blob,
        DataType::FixedSizeBinary(16) if types::is_uuid(field) => TypeId::Uuid,
        DataType::Date32 => TypeId::Date,
        DataType::Time64(TimeUnit::Microsecond) => TypeId::Time,
        DataType::Time64(TimeUnit::Nanosecond) => TypeId::TimeNs,
        DataType::Timestamp(_, Some(_)) => TypeId::TimestampTz,
        DataType::Timestamp(TimeUnit::Second, None) => TypeId::TimestampS,
        DataType::Timestamp(TimeUnit::Millisecond, None) => TypeId::TimestampMs,
        DataType::Timestamp(TimeUnit::Microsecond, None) => TypeId::Timestamp,
        DataType::Timestamp(TimeUnit::Nanosecond, None) => TypeId::TimestampNs,
        DataType::Decimal128(precision, scale) => return Ok(LogicalType::decimal(*precision, *scale as u8)),
        DataType::List(element) => return Ok(LogicalType::list(&logical_type(element)?)),
        DataType::FixedSizeList(element, size) => return Ok(LogicalType::array(&logical_type(element)?, *size as u64)),
        DataType::Struct(children) => {
            let children: Result<Vec<(&str, LogicalType)>> =
                children.iter().map(|child| Ok((child.name().as_str(), logical_type(child)?))).collect();
            return Ok(LogicalType::structure(&children?));
        }
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(pair) if pair.len() == 2 => {
                return Ok(LogicalType::map(&logical_type(&pair[0])?, &logical_type(&pair[1])?));
            }
            other => return Err(Error::internal(format!("A map of {other} is not canonical"))),
        },
        other => return Err(Error::internal(format!("Type {other} of \"{}\" is not canonical", field.name()))),
    };
    Ok(LogicalType::new(id))
}

/// The canonical, nullable field for DuckDB's type of the column called `column`; `type_name` is what SQL calls it.
///
/// # Errors
/// `Unsupported`, naming the column and the type, where a store cannot hold it.
pub fn field(column: &str, kind: &LogicalType, type_name: &str) -> Result<Field> {
    field_inside(column, column, kind).map_err(|reason| match reason {
        Refused::Error(error) => error,
        Refused::Unnamed => types::unsupported(column, type_name, None),
    })
}

/// Why a type is refused.
enum Refused {
    Error(Error),
    /// A type that the C API has no name for.
    Unnamed,
}

fn field_inside(name: &str, column: &str, kind: &LogicalType) -> Result<Field, Refused> {
    let refuse = |type_name: &str, hint: Option<&str>| Err(Refused::Error(types::unsupported(column, type_name, hint)));
    let plain = |data_type| Ok(Field::new(name, data_type, true));
    match kind.alias().as_deref() {
        None => {}
        Some("JSON") => return Ok(types::json_field(name, true)),
        Some(alias) => return refuse(alias, Some("Register the type below it, or VARCHAR.")),
    }
    match kind.id() {
        TypeId::Boolean => plain(DataType::Boolean),
        TypeId::TinyInt => plain(DataType::Int8),
        TypeId::SmallInt => plain(DataType::Int16),
        TypeId::Integer => plain(DataType::Int32),
        TypeId::BigInt => plain(DataType::Int64),
        TypeId::UTinyInt => plain(DataType::UInt8),
        TypeId::USmallInt => plain(DataType::UInt16),
        TypeId::UInteger => plain(DataType::UInt32),
        TypeId::UBigInt => plain(DataType::UInt64),
        TypeId::Float => plain(DataType::Float32),
        TypeId::Double => plain(DataType::Float64),
        TypeId::Decimal => {
            let (width, scale) = kind.decimal_shape();
            plain(DataType::Decimal128(width, scale as i8))
        }
        TypeId::Varchar => plain(DataType::Utf8),
        TypeId::Blob => plain(DataType::Binary),
        TypeId::Uuid => Ok(types::uuid_field(name, true)),
        TypeId::Date => plain(DataType::Date32),
        TypeId::Time => plain(DataType::Time64(TimeUnit::Microsecond)),
        TypeId::TimeNs => plain(DataType::Time64(TimeUnit::Nanosecond)),
        TypeId::TimestampS => plain(DataType::Timestamp(TimeUnit::Second, None)),
        TypeId::TimestampMs => plain(DataType::Timestamp(TimeUnit::Millisecond, None)),
        TypeId::Timestamp => plain(DataType::Timestamp(TimeUnit::Microsecond, None)),
        TypeId::TimestampNs => plain(DataType::Timestamp(TimeUnit::Nanosecond, None)),
        TypeId::TimestampTz => plain(types::timestamptz()),
        TypeId::List => plain(types::list_of(field_inside("element", column, &kind.list_child())?)),
        TypeId::Array => {
            let (element, size) = kind.array_child();
            let size = i32::try_from(size).map_err(|_| Refused::Unnamed)?;
            plain(DataType::FixedSizeList(Arc::new(field_inside("element", column, &element)?), size))
        }
        TypeId::Struct => {
            let children: Result<Vec<FieldRef>, Refused> = kind
                .struct_children()
                .iter()
                .map(|(name, child)| field_inside(name, column, child).map(Arc::new))
                .collect();
            let children = children?;
            if children.is_empty() || children.iter().any(|child| child.name().is_empty()) {
                return refuse("STRUCT with unnamed fields", Some("Give every field of the STRUCT a name."));
            }
            plain(DataType::Struct(Fields::from(children)))
        }
        TypeId::Map => {
            let (key, value) = kind.map_children();
            let key = field_inside("key", column, &key)?;
            let value = field_inside("value", column, &value)?;
            plain(types::map_of(Arc::new(key), Arc::new(value)))
        }
        TypeId::HugeInt => refuse("HUGEINT", Some("DECIMAL(38,0) holds 38 digits.")),
        TypeId::UHugeInt => refuse("UHUGEINT", Some("DECIMAL(38,0) holds 38 digits.")),
        TypeId::Interval => {
            refuse("INTERVAL", Some("Register a number of seconds, or VARCHAR: Parquet has no such type."))
        }
        TypeId::TimeTz => refuse("TIME WITH TIME ZONE", Some("Register TIMESTAMPTZ, or TIME in UTC.")),
        TypeId::Union => refuse("UNION", Some("Register a STRUCT with one field a member, or JSON.")),
        TypeId::Enum => refuse("ENUM", Some("Register VARCHAR: Parquet keeps repeated text as a dictionary anyway.")),
        TypeId::Bit => refuse("BIT", Some("Register BLOB or VARCHAR.")),
        TypeId::BigNum => refuse("BIGNUM", Some("DECIMAL(38,0) holds 38 digits; VARCHAR any number.")),
        TypeId::Null => refuse("NULL", Some("Say which type it is.")),
        TypeId::Any | TypeId::Other(_) => Err(Refused::Unnamed),
    }
}
