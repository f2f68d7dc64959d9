//! Each rule for scalars, with values on both sides of it.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::*;
use arrow::compute::cast as arrow_cast;
use arrow::datatypes::{DataType, Field, Int32Type, IntervalUnit, TimeUnit, UnionFields, UnionMode, i256};

use super::super::{cast_lossless, check_castable};
use super::{cast_field, cast_to, printed, refused, text, timestamp_type};
use crate::store::types::{self, timestamptz, uuid_field};

fn decimal(values: Vec<Option<i128>>, precision: u8, scale: i8) -> Decimal128Array {
    Decimal128Array::from(values).with_precision_and_scale(precision, scale).unwrap()
}

fn decimal_type(precision: u8, scale: i8) -> DataType {
    DataType::Decimal128(precision, scale)
}

#[test]
fn identity_copies_nothing() {
    let array: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None]));
    let field = Field::new("c", DataType::Int64, true);
    let cast = cast_lossless(&array, &field, &field).unwrap();
    assert!(Arc::ptr_eq(&array, &cast));
}

#[test]
fn null_goes_everywhere() {
    for to in [DataType::Int8, DataType::Binary, timestamptz(), decimal_type(5, 2), DataType::LargeUtf8] {
        assert_eq!(cast_to(NullArray::new(3), to).unwrap().null_count(), 3);
    }
}

#[test]
fn integers_within_range() {
    let cast = cast_to(Int32Array::from(vec![Some(-1), None, Some(7)]), DataType::Int64).unwrap();
    assert_eq!(cast.as_primitive(), &Int64Array::from(vec![Some(-1), None, Some(7)]));
    assert_eq!(
        refused(Int64Array::from(vec![Some(1), None, Some(300)]), DataType::Int8),
        "Column \"c\", row 3: value 300 cannot be cast to TINYINT without loss!"
    );
    assert_eq!(
        refused(Int64Array::from(vec![-1]), DataType::UInt64),
        "Column \"c\": value -1 cannot be cast to UBIGINT without loss!"
    );
    assert!(cast_to(UInt64Array::from(vec![i64::MAX as u64]), DataType::Int64).is_ok());
    refused(UInt64Array::from(vec![i64::MAX as u64 + 1]), DataType::Int64);
}

#[test]
fn floats_to_integers_only_if_whole() {
    let cast = cast_to(Float64Array::from(vec![2024.0, -0.0, -9_223_372_036_854_775_808.0]), DataType::Int64).unwrap();
    assert_eq!(cast.as_primitive(), &Int64Array::from(vec![2024, 0, i64::MIN]));
    for bad in [1.5, f64::NAN, f64::INFINITY, 9_223_372_036_854_775_808.0, 1e300] {
        refused(Float64Array::from(vec![bad]), DataType::Int64);
    }
    let message = refused(Float32Array::from(vec![1.5]), DataType::UInt8);
    assert_eq!(message, "Column \"c\": value 1.5 cannot be cast to UTINYINT without loss!");
    refused(Float32Array::from(vec![256.0]), DataType::UInt8);
}

#[test]
fn integers_to_floats_only_if_exact() {
    let exact = 1i64 << 53;
    let cast = cast_to(Int64Array::from(vec![exact, -exact, exact + 2, i64::MIN]), DataType::Float64).unwrap();
    assert_eq!(cast.as_primitive::<arrow::datatypes::Float64Type>().value(2), 9_007_199_254_740_994.0);
    refused(Int64Array::from(vec![exact + 1]), DataType::Float64);
    refused(Int64Array::from(vec![i64::MAX]), DataType::Float64);
    refused(UInt64Array::from(vec![u64::MAX]), DataType::Float64);
    refused(Int32Array::from(vec![16_777_217]), DataType::Float32);
    assert!(cast_to(Int32Array::from(vec![16_777_217]), DataType::Float64).is_ok());
}

#[test]
fn a_float_column_stores_the_nearest_float() {
    let cast = cast_to(Float64Array::from(vec![0.1, f64::INFINITY, 1e-60]), DataType::Float32).unwrap();
    assert_eq!(cast.as_primitive(), &Float32Array::from(vec![0.1, f32::INFINITY, 0.0]));
    let nan = cast_to(Float64Array::from(vec![f64::NAN]), DataType::Float32).unwrap();
    assert!(nan.as_primitive::<arrow::datatypes::Float32Type>().value(0).is_nan());
    let message = refused(Float64Array::from(vec![1e39]), DataType::Float32);
    assert_eq!(message, "Column \"c\": value 1e+39 cannot be cast to FLOAT without loss!");
}

#[test]
fn decimals_are_exact() {
    let cast = cast_to(decimal(vec![Some(150), None], 10, 2), decimal_type(4, 1)).unwrap();
    assert_eq!(cast.as_primitive(), &decimal(vec![Some(15), None], 4, 1));
    let message = refused(decimal(vec![Some(155)], 10, 2), decimal_type(10, 1));
    assert_eq!(message, "Column \"c\": value 1.55 cannot be cast to DECIMAL(10,1) without loss!");
    refused(decimal(vec![Some(100_000)], 10, 2), decimal_type(4, 1));
    refused(decimal(vec![Some(10i128.pow(37))], 38, 0), decimal_type(38, 2));
    assert_eq!(
        cast_to(decimal(vec![Some(-30_000)], 38, 2), DataType::Int16).unwrap().as_primitive(),
        &Int16Array::from(vec![-300])
    );
    refused(decimal(vec![Some(30_000)], 10, 2), DataType::Int8);
    refused(decimal(vec![Some(150)], 10, 2), DataType::Int64);
    assert_eq!(
        cast_to(Int64Array::from(vec![12]), decimal_type(4, 2)).unwrap().as_primitive(),
        &decimal(vec![Some(1_200)], 4, 2)
    );
    refused(Int64Array::from(vec![100]), decimal_type(4, 2));
    assert!(cast_to(UInt64Array::from(vec![u64::MAX]), decimal_type(20, 0)).is_ok());
}

#[test]
fn decimals_and_floats() {
    let cast = cast_to(Float64Array::from(vec![0.1, -2.0, 1e20]), decimal_type(38, 2)).unwrap();
    assert_eq!(cast.as_primitive(), &decimal(vec![Some(10), Some(-200), Some(10i128.pow(22))], 38, 2));
    assert!(cast_to(Float32Array::from(vec![0.1]), decimal_type(3, 1)).is_ok());
    for bad in [0.125, f64::NAN, 1e38] {
        refused(Float64Array::from(vec![bad]), decimal_type(38, 2));
    }
    // Two roundings would give the neighbour.
    let big = decimal(vec![Some(9_007_199_254_740_993), Some(123_456_789_012_345_678_901)], 38, 10);
    let cast = cast_to(big, DataType::Float64).unwrap();
    assert_eq!(cast.as_primitive(), &Float64Array::from(vec![900_719.925_474_099_3, 12_345_678_901.234_568]));
    let cast = cast_to(decimal(vec![Some(1), Some(16_777_217)], 38, 1), DataType::Float32).unwrap();
    assert_eq!(cast.as_primitive(), &Float32Array::from(vec![0.1, 1_677_721.7]));
}

#[test]
fn other_widths_of_decimals() {
    let narrow = Decimal32Array::from(vec![125]).with_precision_and_scale(5, 2).unwrap();
    assert_eq!(cast_to(narrow, decimal_type(5, 2)).unwrap().as_primitive(), &decimal(vec![Some(125)], 5, 2));
    let wide = |value| Decimal256Array::from(vec![Some(value), None]).with_precision_and_scale(76, 2).unwrap();
    let cast = cast_to(wide(i256::from_i128(12_500)), DataType::Int32).unwrap();
    assert_eq!(cast.as_primitive(), &Int32Array::from(vec![Some(125), None]));
    refused(wide(i256::from_i128(i128::MAX).wrapping_mul(i256::from_i128(1_000))), decimal_type(38, 2));
    let hundreds = Decimal128Array::from(vec![3]).with_precision_and_scale(5, -2).unwrap();
    assert_eq!(cast_to(hundreds, DataType::Int16).unwrap().as_primitive(), &Int16Array::from(vec![300]));
}

#[test]
fn booleans_are_no_numbers() {
    let message = refused(BooleanArray::from(vec![true]), DataType::Int8);
    assert_eq!(message, "Column \"c\": type BOOLEAN cannot be cast to TINYINT!");
    refused(Int8Array::from(vec![1]), DataType::Boolean);
    refused(Date32Array::from(vec![1]), DataType::Int32);
    assert_eq!(printed(BooleanArray::from(vec![true, false])), ["true", "false"]);
    assert_eq!(
        cast_to(text(&["true", " F", "1", "No"]), DataType::Boolean).unwrap().as_boolean(),
        &BooleanArray::from(vec![true, false, true, false])
    );
    refused(text(&["maybe"]), DataType::Boolean);
}

#[test]
fn text_to_numbers() {
    let cast = cast_to(text(&["7", " 2024.0 ", "2e3", "-0"]), DataType::Int32).unwrap();
    assert_eq!(cast.as_primitive(), &Int32Array::from(vec![7, 2024, 2000, 0]));
    assert_eq!(
        refused(text(&["7", "seven"]), DataType::Int32),
        "Column \"c\", row 2: value 'seven' cannot be cast to INTEGER without loss!"
    );
    for bad in ["", "1.5", "300", "-1", "1e3"] {
        refused(text(&[bad]), DataType::UInt8);
    }
    let cast = cast_to(text(&["12345678901234567890123456789012345.67"]), decimal_type(38, 2)).unwrap();
    assert_eq!(cast.as_primitive(), &decimal(vec![Some(1_234_567_890_123_456_789_012_345_678_901_234_567)], 38, 2));
    refused(text(&["1.005"]), decimal_type(10, 2));
    refused(text(&["100"]), decimal_type(4, 2));
    let cast = cast_to(text(&["1.5", "-inf", "1e-3"]), DataType::Float64).unwrap();
    assert_eq!(cast.as_primitive(), &Float64Array::from(vec![1.5, f64::NEG_INFINITY, 0.001]));
    refused(text(&["1e39"]), DataType::Float32);
}

#[test]
fn prints_as_duckdb() {
    assert_eq!(printed(Float64Array::from(vec![2.0, 1e20])), ["2.0", "1e+20"]);
    assert_eq!(printed(decimal(vec![Some(150), Some(-5)], 10, 2)), ["1.50", "-0.05"]);
    assert_eq!(printed(decimal(vec![Some(50), Some(-50)], 3, 3)), [".050", "-.050"]);
    assert_eq!(printed(TimestampMicrosecondArray::from(vec![1_704_164_645_500_000])), ["2024-01-02 03:04:05.5"]);
    let zoned = TimestampSecondArray::from(vec![1_704_164_645]).with_timezone("America/New_York");
    assert_eq!(printed(zoned), ["2024-01-02 03:04:05+00"]);
    assert_eq!(printed(UInt64Array::from(vec![u64::MAX])), ["18446744073709551615"]);
}

#[test]
fn uuids() {
    let to = uuid_field("c", true);
    let spelt = "0192d3a0-7c4e-7bbb-8000-0123456789ab";
    let uuids = cast_field(Arc::new(text(&[spelt, &spelt.to_uppercase().replace('-', "")])), &to).unwrap();
    assert_eq!(uuids.as_fixed_size_binary().value(0), uuids.as_fixed_size_binary().value(1));
    let texts = cast_lossless(&uuids, &to, &Field::new("c", DataType::Utf8, true)).unwrap();
    assert_eq!(texts.as_string::<i32>().value(1), spelt);
    let nulls = cast_field(Arc::new(StringArray::from(vec![None, Some(spelt)])), &to).unwrap();
    assert!(nulls.is_null(0) && nulls.is_valid(1));
    let error = cast_field(Arc::new(text(&["0192"])), &to).unwrap_err().to_string();
    assert_eq!(error, "Column \"c\": value '0192' cannot be cast to UUID without loss!");
    let error = cast_lossless(&uuids, &to, &Field::new("c", DataType::Binary, true)).unwrap_err().to_string();
    assert_eq!(error, "Column \"c\": type UUID cannot be cast to BLOB!");
}

#[test]
fn blobs_are_no_text() {
    let bytes: Vec<&[u8]> = vec![b"\xff\x00", b""];
    let expected = BinaryArray::from(bytes.clone());
    assert_eq!(cast_to(LargeBinaryArray::from(bytes.clone()), DataType::Binary).unwrap().as_binary(), &expected);
    assert_eq!(cast_to(BinaryViewArray::from(bytes.clone()), DataType::Binary).unwrap().as_binary(), &expected);
    let fixed = FixedSizeBinaryArray::try_from_iter([b"ab", b"cd"].into_iter()).unwrap();
    assert!(cast_to(fixed, DataType::Binary).is_ok());
    let message = refused(text(&["a"]), DataType::Binary);
    assert!(message.starts_with("Column \"c\": type VARCHAR cannot be cast to BLOB!\nText has no bytes"), "{message}");
    refused(expected, DataType::Utf8);
}

#[test]
fn every_encoding_of_text() {
    let expected = StringArray::from(vec![Some("a"), None, Some("a")]);
    let view = StringViewArray::from(vec![Some("a"), None, Some("a")]);
    let large = LargeStringArray::from(vec![Some("a"), None, Some("a")]);
    let dictionary: DictionaryArray<Int32Type> = vec![Some("a"), None, Some("a")].into_iter().collect();
    for array in [Arc::new(view) as ArrayRef, Arc::new(large), Arc::new(dictionary)] {
        assert_eq!(cast_field(array, &Field::new("c", DataType::Utf8, true)).unwrap().as_string(), &expected);
    }
    let numbers: DictionaryArray<Int32Type> = vec![Some("7"), None].into_iter().collect();
    assert_eq!(cast_to(numbers, DataType::Int8).unwrap().as_primitive(), &Int8Array::from(vec![Some(7), None]));
    let runs = DataType::RunEndEncoded(
        Arc::new(Field::new("run_ends", DataType::Int32, false)),
        Arc::new(Field::new("values", DataType::Int64, true)),
    );
    let runs = arrow_cast(&Int64Array::from(vec![5, 5, 300]), &runs).unwrap();
    let to = Field::new("c", DataType::Int8, true);
    assert!(cast_field(runs.slice(0, 2), &to).is_ok());
    assert!(cast_field(runs, &to).unwrap_err().to_string().contains("row 3: value 300"));
}

#[test]
fn opaque_types_are_refused_by_their_own_name() {
    let metadata = HashMap::from([
        ("ARROW:extension:name".to_owned(), "arrow.opaque".to_owned()),
        ("ARROW:extension:metadata".to_owned(), r#"{"type_name":"bit","vendor_name":"DuckDB"}"#.to_owned()),
    ]);
    let array: ArrayRef = Arc::new(FixedSizeBinaryArray::try_from_iter([[0u8; 16]].into_iter()).unwrap());
    let from = Field::new("c", DataType::FixedSizeBinary(16), true).with_metadata(metadata);
    for to in [uuid_field("c", true), Field::new("c", DataType::Int64, true)] {
        let error = cast_lossless(&array, &from, &to).unwrap_err().to_string();
        assert!(error.starts_with("Column \"c\": type BIT cannot be cast to"), "{error}");
    }
}

#[test]
fn hugeint_is_cast_as_the_number_it_is() {
    use arrow::datatypes::Int64Type;

    let opaque = |name: &str| {
        let metadata = format!(r#"{{"type_name":"{name}","vendor_name":"DuckDB"}}"#);
        Field::new("c", DataType::FixedSizeBinary(16), true).with_metadata(HashMap::from([
            ("ARROW:extension:name".to_owned(), "arrow.opaque".to_owned()),
            ("ARROW:extension:metadata".to_owned(), metadata),
        ]))
    };
    let to = Field::new("c", DataType::Int64, true);
    let cast = |name: &str, value: [u8; 16]| {
        let array: ArrayRef = Arc::new(FixedSizeBinaryArray::try_from_iter([value].into_iter()).unwrap());
        cast_lossless(&array, &opaque(name), &to)
    };
    let numbers = cast("hugeint", (-7i128).to_le_bytes()).unwrap();
    assert_eq!(numbers.as_primitive::<Int64Type>().value(0), -7);
    assert_eq!(cast("uhugeint", 7u128.to_le_bytes()).unwrap().as_primitive::<Int64Type>().value(0), 7);
    let error = cast("hugeint", i128::from(i64::MAX).wrapping_add(1).to_le_bytes()).unwrap_err().to_string();
    assert!(error.contains("value 9223372036854775808 cannot be cast to BIGINT"), "{error}");
    let error = cast("uhugeint", u128::MAX.to_le_bytes()).unwrap_err().to_string();
    assert!(error.contains("value 340282366920938463463374607431768211455 cannot be cast"), "{error}");
}

#[test]
fn a_bare_null_has_no_type() {
    let null: ArrayRef = Arc::new(Int32Array::from(vec![None, None]));
    let (from, to) = (Field::new("c", DataType::Int32, true), Field::new("c", DataType::Date32, true));
    assert!(check_castable(&from, &to).is_ok());
    assert_eq!(cast_lossless(&null, &from, &to).unwrap().null_count(), 2);
    let number: ArrayRef = Arc::new(Int32Array::from(vec![None, Some(1)]));
    assert!(cast_lossless(&number, &from, &to).is_err());
}

#[test]
fn types_are_checked_without_rows() {
    let check =
        |from: DataType, to: DataType| check_castable(&Field::new("c", from, true), &Field::new("c", to, true)).is_ok();
    let element = || Arc::new(Field::new("item", DataType::Int8, true));
    let list = || types::list_of(Field::new("element", DataType::Int64, true));
    let runs = Arc::new(Field::new("run_ends", DataType::Int32, false));
    assert!(check(DataType::RunEndEncoded(runs, element()), DataType::Int64));
    assert!(check(DataType::Dictionary(Box::new(DataType::Int8), Box::new(DataType::Utf8View)), timestamptz()));
    assert!(check(DataType::LargeListView(element()), list()));
    assert!(!check(DataType::Interval(IntervalUnit::MonthDayNano), DataType::Utf8));
    assert!(!check(DataType::Duration(TimeUnit::Second), DataType::Int64));
    assert!(!check(DataType::Union(UnionFields::empty(), UnionMode::Sparse), DataType::Utf8));
    assert!(!check(DataType::List(Arc::new(Field::new("item", DataType::Binary, true))), list()));
}

#[test]
fn bool8_is_boolean() {
    let metadata = HashMap::from([("ARROW:extension:name".to_owned(), "arrow.bool8".to_owned())]);
    let from = Field::new("c", DataType::Int8, true).with_metadata(metadata);
    let array: ArrayRef = Arc::new(Int8Array::from(vec![Some(1), Some(0), None]));
    let cast = cast_lossless(&array, &from, &Field::new("c", DataType::Boolean, true)).unwrap();
    assert_eq!(cast.as_boolean(), &BooleanArray::from(vec![Some(true), Some(false), None]));
    assert!(cast_lossless(&array, &from, &Field::new("c", DataType::Int8, true)).is_err());
}

#[test]
fn what_hides_under_null_is_not_looked_at() {
    let nulls = Some(vec![false, true].into());
    let hidden = Float64Array::new(vec![1.5, 2.0].into(), nulls.clone());
    assert_eq!(cast_to(hidden, DataType::Int8).unwrap().as_primitive(), &Int8Array::from(vec![None, Some(2)]));
    let hidden = Int64Array::new(vec![i64::MAX, 2].into(), nulls.clone());
    assert_eq!(cast_to(hidden.clone(), DataType::Float64).unwrap().null_count(), 1);
    assert_eq!(cast_to(hidden.clone(), decimal_type(3, 1)).unwrap().null_count(), 1);
    assert_eq!(cast_to(hidden, DataType::Int8).unwrap().null_count(), 1);
    let hidden = TimestampNanosecondArray::new(vec![1, 1_000].into(), nulls);
    assert_eq!(cast_to(hidden, timestamp_type(TimeUnit::Microsecond)).unwrap().null_count(), 1);
}

#[test]
fn slices_are_cast_alone() {
    let sliced = Int64Array::from(vec![Some(300), Some(1), None, Some(300)]).slice(1, 2);
    assert_eq!(cast_to(sliced, DataType::Int8).unwrap().as_primitive(), &Int8Array::from(vec![Some(1), None]));
    let sliced = StringArray::from(vec!["x", "2", "y"]).slice(1, 1);
    assert_eq!(cast_to(sliced, DataType::Int8).unwrap().as_primitive(), &Int8Array::from(vec![2]));
}

#[test]
fn long_texts_are_cut_in_messages() {
    let message = refused(text(&[&"x\n".repeat(1_000)]), DataType::Int8);
    assert!(message.len() < 200 && message.contains("'x\\nx") && message.contains('…'), "{message}");
}
