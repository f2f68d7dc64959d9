//! Arbitrary columns, for property tests: a type and values of it, often equal and often extreme.

use std::ops::Range;

use arrow::array::{Array, ArrayRef};
use arrow::compute::concat;
use arrow::datatypes::{DataType, Field, TimeUnit};
use proptest::prelude::*;
use proptest::sample::select;

use super::Scalar;
use crate::store::types::{timestamptz, uuid_field};

/// A column of every scalar type, called `k`.
pub(in crate::store) fn fields() -> Vec<Field> {
    let plain = [
        DataType::Boolean,
        DataType::Int8,
        DataType::Int16,
        DataType::Int32,
        DataType::Int64,
        DataType::UInt8,
        DataType::UInt16,
        DataType::UInt32,
        DataType::UInt64,
        DataType::Float32,
        DataType::Float64,
        DataType::Decimal128(10, 2),
        DataType::Decimal128(38, 10),
        DataType::Utf8,
        DataType::LargeUtf8,
        DataType::Binary,
        DataType::Date32,
        DataType::Time64(TimeUnit::Microsecond),
        DataType::Time64(TimeUnit::Nanosecond),
        DataType::Timestamp(TimeUnit::Second, None),
        DataType::Timestamp(TimeUnit::Millisecond, None),
        DataType::Timestamp(TimeUnit::Microsecond, None),
        DataType::Timestamp(TimeUnit::Nanosecond, None),
        timestamptz(),
    ];
    let mut fields: Vec<Field> = plain.into_iter().map(|data_type| Field::new("k", data_type, true)).collect();
    fields.push(uuid_field("k", true));
    fields
}

/// A type and some values of it, NULL among them; a few near values come often, so that equals meet.
pub(in crate::store) fn column(len: Range<usize>) -> impl Strategy<Value = (Field, Vec<Scalar>)> {
    select(fields()).prop_flat_map(move |field| {
        let values = prop_oneof![1 => Just(Scalar::Null), 6 => value(&field)];
        (Just(field), prop::collection::vec(values, len.clone()))
    })
}

/// A value of the type, never NULL.
pub(in crate::store) fn value(field: &Field) -> BoxedStrategy<Scalar> {
    fn int(range: std::ops::RangeInclusive<i64>) -> BoxedStrategy<Scalar> {
        let ends = select(vec![*range.start(), *range.end()]);
        let near = 0.max(*range.start())..=3.min(*range.end());
        prop_oneof![near, ends, range].prop_map(Scalar::Int).boxed()
    }
    fn uint(max: u64) -> BoxedStrategy<Scalar> {
        prop_oneof![0..=3u64, Just(max), 0..=max].prop_map(Scalar::UInt).boxed()
    }
    let odd_floats = select(vec![0.0, -0.0, 1.0, 1e20, 1e-7, f64::INFINITY, f64::NEG_INFINITY, f64::NAN, -f64::NAN]);
    match field.data_type() {
        DataType::Boolean => any::<bool>().prop_map(Scalar::Boolean).boxed(),
        DataType::Int8 => int(i8::MIN.into()..=i8::MAX.into()),
        DataType::Int16 => int(i16::MIN.into()..=i16::MAX.into()),
        DataType::Int32 => int(i32::MIN.into()..=i32::MAX.into()),
        DataType::UInt8 => uint(u8::MAX.into()),
        DataType::UInt16 => uint(u16::MAX.into()),
        DataType::UInt32 => uint(u32::MAX.into()),
        DataType::UInt64 => uint(u64::MAX),
        DataType::Float32 => {
            prop_oneof![odd_floats.prop_map(|odd| f64::from(odd as f32)), any::<f32>().prop_map(f64::from)]
                .prop_map(Scalar::Float)
                .boxed()
        }
        DataType::Float64 => prop_oneof![odd_floats, any::<f64>()].prop_map(Scalar::Float).boxed(),
        DataType::Decimal128(precision, _) => {
            let most = 10i128.pow(u32::from(*precision)) - 1;
            prop_oneof![-3..=3i128, Just(most), -most..=most].prop_map(Scalar::Decimal).boxed()
        }
        DataType::Utf8 | DataType::LargeUtf8 => {
            prop_oneof!["[ab]?", "\\PC{0,12}", any::<String>()].prop_map(|text| Scalar::Text(text.into())).boxed()
        }
        DataType::Binary => {
            prop::collection::vec(any::<u8>(), 0..6).prop_map(|bytes| Scalar::Bytes(bytes.into())).boxed()
        }
        DataType::FixedSizeBinary(_) => {
            prop_oneof![Just([7; 16]), any::<[u8; 16]>()].prop_map(|bytes| Scalar::Bytes(bytes.into())).boxed()
        }
        // The years -9999 to 9999, give or take.
        DataType::Date32 => int(-4_300_000..=2_900_000),
        DataType::Time64(TimeUnit::Microsecond) => int(0..=86_400_000_000),
        DataType::Time64(_) => int(0..=86_400_000_000_000),
        DataType::Timestamp(TimeUnit::Second, _) => int(-300_000_000_000..=253_000_000_000),
        DataType::Timestamp(TimeUnit::Millisecond, _) => int(-300_000_000_000_000..=253_000_000_000_000),
        DataType::Timestamp(TimeUnit::Microsecond, _) => int(-300_000_000_000_000_000..=253_000_000_000_000_000),
        _ => int(i64::MIN..=i64::MAX),
    }
}

/// The values as one array of the type.
pub(in crate::store) fn array(field: &Field, values: &[Scalar]) -> ArrayRef {
    let rows: Vec<ArrayRef> = values.iter().map(|value| value.to_array(field, 1).unwrap()).collect();
    if rows.is_empty() {
        return arrow::array::new_empty_array(field.data_type());
    }
    concat(&rows.iter().map(|row| row.as_ref()).collect::<Vec<&dyn Array>>()).unwrap()
}
