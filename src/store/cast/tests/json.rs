//! JSON text -> records -> arrays.

use std::sync::Arc;

use arrow::array::*;
use arrow::datatypes::{DataType, Field, TimeUnit};
use serde_json::{Value, json};

use super::super::json::{json_to_array, parse_records};
use crate::error::{ErrorKind, Result};
use crate::store::types::{json_field, list_of, map_of, timestamptz};

/// Casts values as they are written in JSON; `null` is NULL.
fn from_text(text: &str, to: DataType) -> Result<ArrayRef> {
    from_text_field(text, &Field::new("c", to, true))
}

fn from_text_field(text: &str, to: &Field) -> Result<ArrayRef> {
    let values: Vec<Value> = serde_json::from_str(text).unwrap();
    let array = json_to_array(&values.iter().map(Some).collect::<Vec<_>>(), to)?;
    assert_eq!(array.data_type(), to.data_type());
    Ok(array)
}

fn refused(text: &str, to: DataType) -> String {
    let error = from_text(text, to).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conversion, "{error}");
    error.to_string()
}

fn pair() -> DataType {
    DataType::Struct(vec![Field::new("x", DataType::Int32, true), Field::new("y", DataType::Utf8, true)].into())
}

#[test]
fn records_come_in_three_shapes() {
    for text in [r#"[{"a": 1}, {"a": 2}]"#, "{\"a\": 1}\n{\"a\": 2}\n", " {\"a\": 1}\r\n\r\n{\n\"a\": 2}"] {
        let records = parse_records(text).unwrap();
        assert_eq!(records.iter().map(|record| record["a"].to_string()).collect::<Vec<_>>(), ["1", "2"], "{text}");
    }
    assert_eq!(parse_records(r#"{"a": 1}"#).unwrap().len(), 1);
    assert!(parse_records("[]").unwrap().is_empty());
    assert!(parse_records(" \n").unwrap().is_empty());
}

#[test]
fn bad_records_say_where() {
    for (text, part) in [
        ("{\"a\": 1}\n{\"a\" 2}", "line 2 column 6"),
        ("[{\"a\": 1},]", "line 1 column"),
        ("[{}] {}", "line 1 column 6"),
        ("[{}, 7]", "Record 2 is a number, not an object: 7!"),
        ("[1]\n[2]", "line 2"),
        ("\"x\"", "Record 1 is a string, not an object: 'x'!"),
        ("{}\nnull", "Record 2 is NULL!"),
        ("image_id,depth\n", "line 1 column 1"),
    ] {
        let error = parse_records(text).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains(part), "{error}");
    }
}

#[test]
fn numbers_keep_their_text() {
    let array = from_text("[12345678901234567890123456789012345.67]", DataType::Decimal128(38, 2)).unwrap();
    assert_eq!(
        array.as_primitive::<arrow::datatypes::Decimal128Type>().value_as_string(0),
        "12345678901234567890123456789012345.67"
    );
    let array = from_text("[18446744073709551615, 2e3, \"7\", null]", DataType::UInt64).unwrap();
    assert_eq!(array.as_primitive(), &UInt64Array::from(vec![Some(u64::MAX), Some(2000), Some(7), None]));
    let array = from_text("[1.50, \"x\", true, null]", DataType::Utf8).unwrap();
    assert_eq!(array.as_string(), &StringArray::from(vec![Some("1.50"), Some("x"), Some("true"), None]));
    assert_eq!(
        refused("[1, 1.5]", DataType::Int64),
        "Column \"c\", row 2: value 1.5 cannot be cast to BIGINT without loss!"
    );
}

#[test]
fn booleans_and_numbers_do_not_mix() {
    assert!(from_text("[true, \"false\"]", DataType::Boolean).is_ok());
    assert!(refused("[1]", DataType::Boolean).contains("value 1 cannot be cast to BOOLEAN"));
    assert!(refused("[true]", DataType::Int8).contains("value true"));
}

#[test]
fn times_are_strings() {
    let array = from_text("[\"2024-01-02T03:04:05\", null]", timestamptz()).unwrap();
    assert_eq!(array.as_primitive::<arrow::datatypes::TimestampMicrosecondType>().value(0), 1_704_164_645_000_000);
    refused("[1704164645]", DataType::Timestamp(TimeUnit::Second, None));
    refused("[\"yesterday\"]", DataType::Date32);
    assert!(refused("[\"AA==\"]", DataType::Binary).contains("type VARCHAR cannot be cast to BLOB"));
}

#[test]
fn json_columns_keep_json() {
    let array =
        from_text_field(r#"[{"b": [1.50, null], "a": "x"}, "plain", 7, null]"#, &json_field("c", true)).unwrap();
    let texts = array.as_string::<i64>();
    assert_eq!(texts.value(0), r#"{"b":[1.50,null],"a":"x"}"#);
    assert_eq!((texts.value(1), texts.value(2), texts.is_null(3)), ("plain", "7", true));
    assert!(refused("[{\"a\": 1}]", DataType::Utf8).contains("takes nested JSON as a string only"));
}

#[test]
fn structs_and_lists() {
    let to = list_of(Field::new("element", pair(), true));
    let array = from_text(r#"[[{"X": 1, "y": "a"}, null], null, [], [{"x": 2}]]"#, to.clone()).unwrap();
    let list = array.as_list::<i32>();
    assert_eq!(list.offsets().to_vec(), [0, 2, 2, 2, 3]);
    assert!(list.is_null(1) && list.is_valid(2));
    let structs = list.values().as_struct();
    assert!(structs.is_null(1));
    assert_eq!(structs.column(0).as_primitive(), &Int32Array::from(vec![Some(1), None, Some(2)]));
    assert_eq!(
        refused(r#"[[], [{"x": 1}, {"x": "one"}]]"#, to.clone()),
        "Column \"c\" (field x), row 2: value 'one' cannot be cast to INTEGER without loss!"
    );
    assert!(refused(r#"[[{"z": 1}]]"#, to.clone()).contains("its STRUCT has no field \"z\"!"));
    assert!(refused(r#"[[{"x": 1, "X": 2}]]"#, to.clone()).contains("\"x\" and \"X\" are the same field"));
    assert!(refused(r#"[{"x": 1}]"#, to).contains("value {\"x\":1} cannot be cast to STRUCT"));
}

#[test]
fn a_map_with_a_key_twice_is_refused() {
    let integer = |name: &str| Arc::new(Field::new(name, DataType::Int32, true));
    let to = Field::new("m", crate::store::types::map_of(integer("key"), integer("value")), true);
    for json in [r#"[{"key": 1, "value": 1}, {"key": 1, "value": 2}]"#, r#"{"1": 1, "01": 2}"#] {
        let value: Value = serde_json::from_str(json).unwrap();
        let error = json_to_array(&[Some(&value)], &to).unwrap_err().to_string();
        assert!(error.contains("a key stands twice in its MAP"), "{error}");
    }
    let value: Value = serde_json::from_str(r#"{"1": 1, "2": 1}"#).unwrap();
    assert!(json_to_array(&[Some(&value), Some(&value)], &to).is_ok());
}

#[test]
fn arrays_and_maps() {
    let to = DataType::FixedSizeList(Arc::new(Field::new("element", DataType::Int8, true)), 2);
    let array = from_text("[[1, null], null]", to.clone()).unwrap();
    assert!(array.is_null(1));
    assert_eq!(array.as_fixed_size_list().value(0).as_primitive(), &Int8Array::from(vec![Some(1), None]));
    assert!(refused("[[1, 2], [1]]", to).contains("row 2: value with 1 element"));
    let key = Arc::new(Field::new("key", DataType::Int8, false));
    let to = map_of(key, Arc::new(Field::new("value", DataType::Utf8, true)));
    let array = from_text(r#"[{"1": "a"}, null, [{"key": 2, "value": null}]]"#, to.clone()).unwrap();
    assert_eq!(array.as_map().keys().as_primitive(), &Int8Array::from(vec![1, 2]));
    assert_eq!(array.as_map().offsets().to_vec(), [0, 1, 1, 2]);
    assert!(array.is_null(1));
    assert!(refused(r#"[{}, {"x": "a"}]"#, to.clone()).contains("(field key), row 2: value 'x'"));
    assert!(refused(r#"[[{"key": null, "value": "a"}]]"#, to.clone()).contains("a key of its MAP is NULL"));
    refused(r#"[[{"key": 1}]]"#, to);
}

#[test]
fn absent_is_null() {
    let one = json!(1);
    let array = json_to_array(&[None, Some(&one)], &Field::new("c", DataType::Int8, true)).unwrap();
    assert_eq!(array.as_primitive(), &Int8Array::from(vec![None, Some(1)]));
}
