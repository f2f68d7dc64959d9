//! What must hold for any value: a cast either fails or casts back to the value it came from.

use std::sync::Arc;

use arrow::array::*;
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::{DataType, Field, Float64Type};
use proptest::prelude::*;
use serde_json::Value;

use super::super::cast_lossless;
use super::super::json::json_to_array;
use crate::store::scalar::testing;
use crate::store::types::{json_field, list_of};

/// What is cast to: every scalar type, and decimals of other sizes.
fn scalar_types() -> Vec<Field> {
    let mut types = testing::fields();
    types.extend([(38, 0), (9, 3)].map(|(digits, scale)| Field::new("k", DataType::Decimal128(digits, scale), true)));
    types
}

/// Casts there and, where that works, back; what comes back must be the same.
fn there_and_back(array: ArrayRef, skip: impl Fn(&DataType) -> bool) {
    let from = Field::new("c", array.data_type().clone(), true);
    for to in scalar_types().iter().filter(|to| !skip(to.data_type())) {
        if let Ok(there) = cast_lossless(&array, &from, to) {
            let back = cast_lossless(&there, to, &from);
            let back = back.unwrap_or_else(|error| panic!("{} -> {}: {error}", from.data_type(), to.data_type()));
            assert_eq!(&back, &array, "{} -> {}", from.data_type(), to.data_type());
        }
    }
}

fn interesting_i64() -> impl Strategy<Value = i64> {
    prop_oneof![
        any::<i64>(),
        -200i64..200,
        (-10_000i64..10_000).prop_map(|days| days * 86_400_000_000),
        (-53i64..=53, -1i64..=1).prop_map(|(bits, near)| bits.signum() * (1i64 << bits.abs()) + near),
        Just(i64::MAX),
        Just(i64::MIN),
    ]
}

fn interesting_f64() -> impl Strategy<Value = f64> {
    prop_oneof![
        any::<f64>(),
        any::<i32>().prop_map(f64::from),
        (any::<i32>(), 0i32..6).prop_map(|(value, scale)| f64::from(value) / 10f64.powi(scale)),
        interesting_i64().prop_map(|value| value as f64),
    ]
}

proptest! {
    #[test]
    fn integers(values in prop::collection::vec(prop::option::of(interesting_i64()), 1..4)) {
        there_and_back(Arc::new(Int64Array::from(values)), |_| false);
    }

    #[test]
    fn unsigned(value in any::<u64>()) {
        there_and_back(Arc::new(UInt64Array::from(vec![value])), |_| false);
    }

    #[test]
    fn doubles(value in interesting_f64()) {
        // -0.0 is the number 0 to an integer, and any NaN is NaN to text: neither has its bits back.
        let value = if value == 0.0 { 0.0 } else if value.is_nan() { f64::NAN } else { value };
        // A FLOAT stores the nearest one, by rule.
        there_and_back(Arc::new(Float64Array::from(vec![value])), |to| to == &DataType::Float32);
    }

    #[test]
    fn floats(value in any::<f32>()) {
        let value = if value == 0.0 { 0.0 } else if value.is_nan() { f32::NAN } else { value };
        there_and_back(Arc::new(Float32Array::from(vec![value])), |_| false);
    }

    #[test]
    fn decimals(value in prop_oneof![-(10i128.pow(38) - 1)..10i128.pow(38), -100_000i128..100_000], scale in 0i8..=38) {
        let array = Decimal128Array::from(vec![value]).with_precision_and_scale(38, scale).unwrap();
        // FLOAT and DOUBLE store the nearest one, by rule.
        there_and_back(Arc::new(array), |to| matches!(to, DataType::Float32 | DataType::Float64));
    }

    #[test]
    fn decimals_find_the_nearest_double(value in any::<i64>(), scale in 0i8..=38) {
        let array: ArrayRef = Arc::new(Decimal128Array::from(vec![i128::from(value)]).with_precision_and_scale(38, scale).unwrap());
        let from = Field::new("c", array.data_type().clone(), true);
        let cast = cast_lossless(&array, &from, &Field::new("c", DataType::Float64, true)).unwrap();
        let expected: f64 = format!("{value}e-{scale}").parse().unwrap();
        prop_assert_eq!(cast.as_primitive::<Float64Type>().value(0), expected);
    }

    #[test]
    fn timestamps(value in interesting_i64()) {
        there_and_back(Arc::new(TimestampMicrosecondArray::from(vec![value])), |_| false);
        there_and_back(Arc::new(TimestampMicrosecondArray::from(vec![value]).with_timezone("UTC")), |_| false);
        there_and_back(Arc::new(TimestampNanosecondArray::from(vec![value])), |_| false);
        there_and_back(Arc::new(TimestampMillisecondArray::from(vec![value])), |_| false);
        there_and_back(Arc::new(TimestampSecondArray::from(vec![value])), |_| false);
    }

    #[test]
    fn dates_and_times(days in any::<i32>(), micros in 0i64..=86_400_000_000) {
        there_and_back(Arc::new(Date32Array::from(vec![days.max(-i32::MAX)])), |_| false);
        there_and_back(Arc::new(Time64MicrosecondArray::from(vec![micros])), |_| false);
    }

    #[test]
    fn texts_only_lose_their_spelling(text in "\\PC{0,20}|[-+0-9.eE:TZ ]{0,20}") {
        // What a text was parsed as prints as a text that is parsed as the same value.
        let array: ArrayRef = Arc::new(StringArray::from(vec![text]));
        let from = Field::new("c", DataType::Utf8, true);
        for to in scalar_types() {
            if let Ok(value) = cast_lossless(&array, &from, &to) {
                let text = cast_lossless(&value, &to, &from).unwrap();
                prop_assert_eq!(&cast_lossless(&text, &from, &to).unwrap(), &value);
            }
        }
    }

    #[test]
    fn nested_nulls(rows in nested_rows()) {
        let source = nested_array(&rows);
        let from = Field::new("c", source.data_type().clone(), true);
        let to = Field::new("c", nested_type(DataType::Int16), true);
        let cast = cast_lossless(&source, &from, &to).unwrap();
        prop_assert_eq!(shown(&cast), expected(&rows));
        let from_second = cast_lossless(&source.slice(1, rows.len() - 1), &from, &to).unwrap();
        prop_assert_eq!(shown(&from_second), &expected(&rows)[1..]);
        // The same by way of JSON text.
        let json = cast_lossless(&source, &from, &json_field("c", true)).unwrap();
        let values: Vec<Option<Value>> =
            json.as_string::<i64>().iter().map(|text| text.map(|text| serde_json::from_str(text).unwrap())).collect();
        let array = json_to_array(&values.iter().map(Option::as_ref).collect::<Vec<_>>(), &to).unwrap();
        prop_assert_eq!(shown(&array), expected(&rows));
    }
}

/// A row: a list or NULL; of structs or NULL; of a number or NULL, each NULL with something unfit below it.
type Row = Option<Vec<Option<Option<i16>>>>;

fn nested_rows() -> impl Strategy<Value = Vec<Row>> {
    let number = prop::option::of(any::<i16>());
    let list = prop::collection::vec(prop::option::of(number), 0..4);
    prop::collection::vec(prop::option::of(list), 1..8)
}

fn nested_type(number: DataType) -> DataType {
    let children = vec![Field::new("x", number, true)];
    list_of(Field::new("element", DataType::Struct(children.into()), true))
}

/// The rows with texts for numbers, and with texts that are no numbers under every NULL.
fn nested_array(rows: &[Row]) -> ArrayRef {
    const UNFIT: [Option<Option<i16>>; 2] = [None, None];
    let items = rows.iter().flat_map(|row| row.as_deref().unwrap_or(&UNFIT)).copied();
    let items: Vec<Option<Option<i16>>> = items.collect();
    let texts = items.iter().map(|item| item.flatten().map_or_else(|| "unfit".to_owned(), |number| number.to_string()));
    let present: NullBuffer = items.iter().map(|item| item != &Some(None)).collect();
    let texts = StringArray::from_iter_values(texts);
    let texts = StringArray::new(texts.offsets().clone(), texts.values().clone(), Some(present));
    let field = Field::new("x", DataType::Utf8, true);
    let structs: NullBuffer = items.iter().map(Option::is_some).collect();
    let structs = StructArray::new(vec![field].into(), vec![Arc::new(texts)], Some(structs));
    let offsets = OffsetBuffer::from_lengths(rows.iter().map(|row| row.as_ref().map_or(UNFIT.len(), Vec::len)));
    let lists: NullBuffer = rows.iter().map(Option::is_some).collect();
    let item = Arc::new(Field::new("item", structs.data_type().clone(), true));
    Arc::new(ListArray::new(item, offsets, Arc::new(structs), Some(lists)))
}

fn shown(array: &ArrayRef) -> Vec<Row> {
    let list = array.as_list::<i32>();
    let structs = |row| {
        let items = list.value(row);
        let numbers = items.as_struct().column(0).as_primitive::<arrow::datatypes::Int16Type>().clone();
        let number = |item: usize| numbers.is_valid(item).then(|| numbers.value(item));
        (0..items.len()).map(|item| items.is_valid(item).then(|| number(item))).collect()
    };
    (0..list.len()).map(|row| list.is_valid(row).then(|| structs(row))).collect()
}

fn expected(rows: &[Row]) -> Vec<Row> {
    rows.to_vec()
}
