//! Scalars in and out of Arrow arrays.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, AsArray, BinaryArray, BinaryViewArray, BooleanArray, FixedSizeBinaryArray,
    LargeStringArray, PrimitiveArray, StringArray, StringViewArray, UInt32Array, new_null_array,
};
use arrow::buffer::{BooleanBuffer, Buffer};
use arrow::compute::{concat, take};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Field, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    Time64MicrosecondType, Time64NanosecondType, TimeUnit, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType, TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};

use super::Scalar;
use crate::error::{Error, Result};
use crate::store::types::sql_name;

impl Scalar {
    /// The value in one row of an array of a canonical type, a string or binary view, or a dictionary of those.
    ///
    /// # Errors
    /// `Internal` where the type is no scalar type or the array has no such row.
    pub fn from_array(array: &ArrayRef, row: usize) -> Result<Self> {
        if row >= array.len() {
            return Err(Error::internal(format!("Row {row} is not in an array of {} rows", array.len())));
        }
        if array.is_null(row) || array.data_type() == &DataType::Null {
            return Ok(Self::Null);
        }
        macro_rules! int {
            ($type:ty) => {
                Self::Int(i64::from(array.as_primitive::<$type>().value(row)))
            };
        }
        macro_rules! uint {
            ($type:ty) => {
                Self::UInt(u64::from(array.as_primitive::<$type>().value(row)))
            };
        }
        Ok(match array.data_type() {
            DataType::Boolean => Self::Boolean(array.as_boolean().value(row)),
            DataType::Int8 => int!(Int8Type),
            DataType::Int16 => int!(Int16Type),
            DataType::Int32 => int!(Int32Type),
            DataType::Int64 => int!(Int64Type),
            DataType::UInt8 => uint!(UInt8Type),
            DataType::UInt16 => uint!(UInt16Type),
            DataType::UInt32 => uint!(UInt32Type),
            DataType::UInt64 => uint!(UInt64Type),
            DataType::Float32 => Self::Float(f64::from(array.as_primitive::<Float32Type>().value(row))),
            DataType::Float64 => Self::Float(array.as_primitive::<Float64Type>().value(row)),
            DataType::Decimal128(_, _) => Self::Decimal(array.as_primitive::<Decimal128Type>().value(row)),
            DataType::Date32 => int!(Date32Type),
            DataType::Time64(TimeUnit::Microsecond) => int!(Time64MicrosecondType),
            DataType::Time64(TimeUnit::Nanosecond) => int!(Time64NanosecondType),
            DataType::Timestamp(TimeUnit::Second, _) => int!(TimestampSecondType),
            DataType::Timestamp(TimeUnit::Millisecond, _) => int!(TimestampMillisecondType),
            DataType::Timestamp(TimeUnit::Microsecond, _) => int!(TimestampMicrosecondType),
            DataType::Timestamp(TimeUnit::Nanosecond, _) => int!(TimestampNanosecondType),
            DataType::Utf8 => Self::Text(array.as_string::<i32>().value(row).into()),
            DataType::LargeUtf8 => Self::Text(array.as_string::<i64>().value(row).into()),
            DataType::Utf8View => Self::Text(array.as_string_view().value(row).into()),
            DataType::Binary => Self::Bytes(array.as_binary::<i32>().value(row).into()),
            DataType::BinaryView => Self::Bytes(array.as_binary_view().value(row).into()),
            DataType::FixedSizeBinary(_) => Self::Bytes(array.as_fixed_size_binary().value(row).into()),
            DataType::Dictionary(_, _) => {
                let dictionary = array.as_any_dictionary();
                let value = take(dictionary.values(), &dictionary.keys().slice(row, 1), None)?;
                return Self::from_array(&value, 0);
            }
            other => return Err(Error::internal(format!("Values of type {other} are no scalars"))),
        })
    }

    /// A column of these values, in the type of `field` as [`Scalar::to_array`] takes it.
    ///
    /// Made for columns with few different values, as partition keys have: each is made once and then repeated.
    pub fn column(values: &[&Self], field: &Field) -> Result<ArrayRef> {
        let mut numbers: HashMap<&Self, u32> = HashMap::new();
        let mut distinct: Vec<ArrayRef> = Vec::new();
        let mut indices = Vec::with_capacity(values.len());
        for value in values {
            let number = match numbers.get(value) {
                Some(number) => *number,
                None => {
                    let number = u32::try_from(distinct.len()).map_err(|_| Error::internal("Too many values"))?;
                    distinct.push(value.to_array(field, 1)?);
                    numbers.insert(value, number);
                    number
                }
            };
            indices.push(number);
        }
        if distinct.is_empty() {
            return Ok(new_null_array(field.data_type(), 0));
        }
        let distinct: Vec<&dyn Array> = distinct.iter().map(AsRef::as_ref).collect();
        Ok(take(&concat(&distinct)?, &UInt32Array::from(indices), None)?)
    }

    /// `len` rows of this value in the type of `field`: canonical, or a string or binary view.
    ///
    /// # Errors
    /// `Internal` where the value is none of that type.
    pub fn to_array(&self, field: &Field, len: usize) -> Result<ArrayRef> {
        let unfit = || Error::internal(format!("{self:?} is no value of type {}", sql_name(field)));
        let data_type = field.data_type();
        macro_rules! repeat {
            ($type:ty, $value:expr) => {
                repeat::<$type>((*$value).try_into().map_err(|_| unfit())?, data_type, len)
            };
        }
        Ok(match (self, data_type) {
            (Self::Null, _) => new_null_array(data_type, len),
            (Self::Boolean(value), DataType::Boolean) => {
                let values = if *value { BooleanBuffer::new_set(len) } else { BooleanBuffer::new_unset(len) };
                Arc::new(BooleanArray::new(values, None))
            }
            (Self::Int(value), DataType::Int8) => repeat!(Int8Type, value),
            (Self::Int(value), DataType::Int16) => repeat!(Int16Type, value),
            (Self::Int(value), DataType::Int32) => repeat!(Int32Type, value),
            (Self::Int(value), DataType::Int64) => repeat!(Int64Type, value),
            (Self::UInt(value), DataType::UInt8) => repeat!(UInt8Type, value),
            (Self::UInt(value), DataType::UInt16) => repeat!(UInt16Type, value),
            (Self::UInt(value), DataType::UInt32) => repeat!(UInt32Type, value),
            (Self::UInt(value), DataType::UInt64) => repeat!(UInt64Type, value),
            // A FLOAT's value came from 32 bits, so nothing is lost.
            (Self::Float(value), DataType::Float32) => repeat::<Float32Type>(*value as f32, data_type, len),
            (Self::Float(value), DataType::Float64) => repeat::<Float64Type>(*value, data_type, len),
            (Self::Decimal(value), DataType::Decimal128(_, _)) => repeat!(Decimal128Type, value),
            (Self::Int(value), DataType::Date32) => repeat!(Date32Type, value),
            (Self::Int(value), DataType::Time64(TimeUnit::Microsecond)) => repeat!(Time64MicrosecondType, value),
            (Self::Int(value), DataType::Time64(TimeUnit::Nanosecond)) => repeat!(Time64NanosecondType, value),
            (Self::Int(value), DataType::Timestamp(unit, _)) => match unit {
                TimeUnit::Second => repeat!(TimestampSecondType, value),
                TimeUnit::Millisecond => repeat!(TimestampMillisecondType, value),
                TimeUnit::Microsecond => repeat!(TimestampMicrosecondType, value),
                TimeUnit::Nanosecond => repeat!(TimestampNanosecondType, value),
            },
            (Self::Text(text), DataType::Utf8) => {
                check_offsets(text.len(), len)?;
                Arc::new(StringArray::new_repeated(text, len))
            }
            (Self::Text(text), DataType::LargeUtf8) => Arc::new(LargeStringArray::new_repeated(text, len)),
            (Self::Text(text), DataType::Utf8View) => {
                Arc::new(StringViewArray::from_iter_values(std::iter::repeat_n(text, len)))
            }
            (Self::Bytes(bytes), DataType::Binary) => {
                check_offsets(bytes.len(), len)?;
                Arc::new(BinaryArray::new_repeated(bytes, len))
            }
            (Self::Bytes(bytes), DataType::BinaryView) => {
                Arc::new(BinaryViewArray::from_iter_values(std::iter::repeat_n(bytes, len)))
            }
            (Self::Bytes(bytes), DataType::FixedSizeBinary(size)) if usize::try_from(*size) == Ok(bytes.len()) => {
                Arc::new(FixedSizeBinaryArray::try_new(*size, Buffer::from(bytes.repeat(len)), None)?)
            }
            _ => return Err(unfit()),
        })
    }
}

fn repeat<T: ArrowPrimitiveType>(value: T::Native, data_type: &DataType, len: usize) -> ArrayRef {
    Arc::new(PrimitiveArray::<T>::from_value(value, len).with_data_type(data_type.clone()))
}

/// 32-bit offsets end at 2 GiB; Arrow panics there.
fn check_offsets(bytes: usize, len: usize) -> Result<()> {
    match bytes.checked_mul(len).map(i32::try_from) {
        Some(Ok(_)) => Ok(()),
        _ => Err(Error::internal(format!("{len} copies of a value of {bytes} bytes do not fit one array"))),
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{DictionaryArray, ListArray};
    use arrow::datatypes::Int32Type;
    use proptest::prelude::*;

    use super::super::testing;
    use super::*;
    use crate::store::types::timestamptz;

    proptest! {
        #[test]
        fn an_array_gives_back_what_was_put_in((field, values) in testing::column(1..4)) {
            for value in &values {
                let array = value.to_array(&field, 3).unwrap();
                prop_assert_eq!(array.data_type(), field.data_type());
                prop_assert_eq!(array.len(), 3);
                prop_assert_eq!(&Scalar::from_array(&array, 2).unwrap(), value);
                prop_assert_eq!(value.to_array(&field, 0).unwrap().len(), 0);
            }
        }
    }

    #[test]
    fn reads_through_a_dictionary() {
        let array: ArrayRef =
            Arc::new([Some("a"), None, Some("b")].into_iter().collect::<DictionaryArray<Int32Type>>());
        assert_eq!(Scalar::from_array(&array, 2).unwrap(), Scalar::Text("b".into()));
        assert_eq!(Scalar::from_array(&array, 1).unwrap(), Scalar::Null);
    }

    #[test]
    fn keeps_the_time_zone_and_the_scale() {
        let zoned = Field::new("t", timestamptz(), true);
        assert_eq!(Scalar::Int(1).to_array(&zoned, 1).unwrap().data_type(), &timestamptz());
        let decimal = Field::new("d", DataType::Decimal128(4, 2), true);
        assert_eq!(Scalar::Decimal(150).to_array(&decimal, 1).unwrap().data_type(), decimal.data_type());
    }

    #[test]
    fn refuses_what_does_not_fit() {
        let tiny = Field::new("n", DataType::Int8, true);
        assert!(Scalar::Int(128).to_array(&tiny, 1).is_err());
        assert!(Scalar::Text("1".into()).to_array(&tiny, 1).is_err());
        assert!(
            Scalar::Bytes([1, 2].into()).to_array(&Field::new("u", DataType::FixedSizeBinary(16), true), 1).is_err()
        );
        let array = Scalar::Int(1).to_array(&tiny, 1).unwrap();
        assert!(Scalar::from_array(&array, 1).is_err());
        let list: ArrayRef = Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>([Some([Some(1)])]));
        assert!(Scalar::from_array(&list, 0).is_err());
    }
}
