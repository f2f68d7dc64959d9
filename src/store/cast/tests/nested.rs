//! STRUCT, LIST, ARRAY, MAP: names, lengths, and NULL with anything hidden below it.

use std::sync::Arc;

use arrow::array::*;
use arrow::buffer::{NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{DataType, Field, Fields, Int32Type, Int64Type};

use super::{cast_field, cast_to, refused, refused_field};
use crate::store::types::{json_field, list_of, map_of};

fn fields(children: &[(&str, DataType)]) -> Fields {
    children.iter().map(|(name, data_type)| Field::new(*name, data_type.clone(), true)).collect()
}

fn struct_of(children: Vec<(&str, ArrayRef)>, nulls: Option<Vec<bool>>) -> StructArray {
    let fields = fields(&children.iter().map(|(name, array)| (*name, array.data_type().clone())).collect::<Vec<_>>());
    StructArray::new(fields, children.into_iter().map(|(_, array)| array).collect(), nulls.map(NullBuffer::from))
}

fn integers(to: DataType) -> DataType {
    list_of(Field::new("element", to, true))
}

fn arrays(size: i32) -> DataType {
    DataType::FixedSizeList(Arc::new(Field::new("element", DataType::Int64, true)), size)
}

fn lists() -> ListArray {
    ListArray::from_iter_primitive::<Int32Type, _, _>(vec![
        Some(vec![Some(1), None]),
        None,
        Some(vec![]),
        Some(vec![Some(2)]),
    ])
}

/// A list whose NULL shows nothing of the 300 below it.
fn hiding_list() -> ListArray {
    let field = Arc::new(Field::new("item", DataType::Int64, true));
    let values = Arc::new(Int64Array::from(vec![1, 300, 300, 2, 3]));
    let offsets = OffsetBuffer::new(vec![0, 1, 3, 5].into());
    ListArray::new(field, offsets, values, Some(NullBuffer::from(vec![true, false, true])))
}

fn json(array: impl Array + 'static) -> Vec<Option<String>> {
    let texts = cast_field(Arc::new(array), &json_field("c", true)).unwrap();
    texts.as_string::<i64>().iter().map(|text| text.map(str::to_owned)).collect()
}

#[test]
fn structs_by_name() {
    let source = struct_of(
        vec![
            ("Y", Arc::new(Int32Array::from(vec![Some(1), None]))),
            ("x", Arc::new(StringArray::from(vec!["1", "2"]))),
        ],
        None,
    );
    let to = fields(&[("x", DataType::Int8), ("y", DataType::Int64), ("z", DataType::Utf8)]);
    let cast = cast_to(source, DataType::Struct(to)).unwrap();
    let cast = cast.as_struct();
    assert_eq!(cast.column(0).as_primitive(), &Int8Array::from(vec![1, 2]));
    assert_eq!(cast.column(1).as_primitive(), &Int64Array::from(vec![Some(1), None]));
    assert_eq!(cast.column(2).null_count(), 2);
}

#[test]
fn struct_errors_name_the_field() {
    let to = || DataType::Struct(fields(&[("width", DataType::Int8), ("height", DataType::Int8)]));
    let source = struct_of(vec![("widht", Arc::new(Int8Array::from(vec![1])))], None);
    assert_eq!(refused(source, to()), "Column \"c\": its STRUCT has no field \"widht\"!\nDid you mean \"width\"?");
    let one: ArrayRef = Arc::new(Int8Array::from(vec![1]));
    let source = struct_of(vec![("width", one.clone()), ("WIDTH", one)], None);
    assert!(refused(source, to()).contains("\"width\" and \"WIDTH\" are the same field"));
    let source = struct_of(vec![("width", Arc::new(Float64Array::from(vec![1.0, 1.5])))], None);
    assert_eq!(
        refused(source, to()),
        "Column \"c\" (field width), row 2: value 1.5 cannot be cast to TINYINT without loss!"
    );
    let inner = struct_of(vec![("x", Arc::new(Int64Array::from(vec![300])))], None);
    let outer = struct_of(vec![("p", Arc::new(inner))], None);
    let to = DataType::Struct(fields(&[("p", DataType::Struct(fields(&[("x", DataType::Int8)])))]));
    assert_eq!(refused(outer, to), "Column \"c\" (field p.x): value 300 cannot be cast to TINYINT without loss!");
}

#[test]
fn nothing_is_seen_under_a_null_struct() {
    let inner = struct_of(vec![("x", Arc::new(Int64Array::from(vec![300, 1])))], None);
    let outer = struct_of(vec![("p", Arc::new(inner))], Some(vec![false, true]));
    let to = DataType::Struct(fields(&[("p", DataType::Struct(fields(&[("x", DataType::Int8)])))]));
    let cast = cast_to(outer, to).unwrap();
    assert!(cast.is_null(0) && cast.is_valid(1));
    assert_eq!(cast.as_struct().column(0).as_struct().column(0).as_primitive(), &Int8Array::from(vec![None, Some(1)]));
    let dictionary: DictionaryArray<Int32Type> = vec!["x", "1"].into_iter().collect();
    let source = struct_of(vec![("x", Arc::new(dictionary))], Some(vec![false, true]));
    assert!(cast_to(source, DataType::Struct(fields(&[("x", DataType::Int8)]))).is_ok());
}

#[test]
fn lists_value_by_value() {
    let cast = cast_to(lists(), integers(DataType::Int64)).unwrap();
    let expected = vec![Some(vec![Some(1), None]), None, Some(vec![]), Some(vec![Some(2)])];
    let expected = ListArray::from_iter_primitive::<Int64Type, _, _>(expected);
    assert_eq!(cast.as_list::<i32>().values(), expected.values());
    assert_eq!(cast.as_list::<i32>().offsets(), expected.offsets());
    assert_eq!(cast.nulls(), expected.nulls());
    let source = ListArray::from_iter_primitive::<Int64Type, _, _>(vec![
        Some(vec![]),
        Some(vec![Some(1)]),
        Some(vec![Some(2), Some(300)]),
    ]);
    assert_eq!(
        refused(source, integers(DataType::Int8)),
        "Column \"c\", row 3: value 300 cannot be cast to TINYINT without loss!"
    );
}

#[test]
fn lists_of_the_same_elements_are_not_copied() {
    let source = ListArray::from_iter_primitive::<Int64Type, _, _>(vec![Some(vec![Some(1)]), None]);
    let values = source.values().clone();
    let cast = cast_to(source, integers(DataType::Int64)).unwrap();
    assert!(Arc::ptr_eq(&values, cast.as_list::<i32>().values()));
}

#[test]
fn nothing_is_seen_of_a_null_list_or_outside_a_slice() {
    let cast = cast_to(hiding_list(), integers(DataType::Int8)).unwrap();
    assert_eq!(cast.as_list::<i32>().value(2).as_primitive(), &Int8Array::from(vec![2, 3]));
    assert_eq!(cast.as_list::<i32>().values().len(), 3);
    let cast = cast_to(hiding_list().slice(1, 2), integers(DataType::Int8)).unwrap();
    assert!(cast.is_null(0));
    assert_eq!(cast.as_list::<i32>().value(1).as_primitive(), &Int8Array::from(vec![2, 3]));
    let outside = ListArray::from_iter_primitive::<Int64Type, _, _>(vec![
        Some(vec![Some(300)]),
        Some(vec![Some(1)]),
        Some(vec![Some(300)]),
    ]);
    let cast = cast_to(outside.slice(1, 1), integers(DataType::Int8)).unwrap();
    assert_eq!(cast.as_list::<i32>().value(0).as_primitive(), &Int8Array::from(vec![1]));
}

#[test]
fn every_encoding_of_lists() {
    let field = Arc::new(Field::new("item", DataType::Int32, true));
    let view = ListViewArray::new(
        field,
        ScalarBuffer::from(vec![1, 0, 0]),
        ScalarBuffer::from(vec![1, 2, 1]),
        Arc::new(Int32Array::from(vec![1, 2])),
        Some(NullBuffer::from(vec![true, false, true])),
    );
    let cast = cast_to(view, integers(DataType::Int64)).unwrap();
    assert_eq!(cast.as_list::<i32>().value(0).as_primitive(), &Int64Array::from(vec![2]));
    assert!(cast.is_null(1));
    let large = LargeListArray::from_iter_primitive::<Int32Type, _, _>(vec![None, Some(vec![Some(7)])]);
    let cast = cast_to(large, integers(DataType::Int64)).unwrap();
    assert_eq!(cast.as_list::<i32>().value(1).as_primitive(), &Int64Array::from(vec![7]));
}

#[test]
fn lists_and_arrays() {
    let pairs =
        |last| ListArray::from_iter_primitive::<Int32Type, _, _>(vec![Some(vec![Some(1), None]), None, Some(last)]);
    let cast = cast_to(pairs(vec![Some(3), Some(4)]), arrays(2)).unwrap();
    let array = cast.as_fixed_size_list().clone();
    assert!(array.is_null(1));
    assert_eq!(array.value(2).as_primitive(), &Int64Array::from(vec![3, 4]));
    assert_eq!(
        refused(pairs(vec![Some(3)]), arrays(2)),
        "Column \"c\", row 3: value with 1 element cannot be cast to BIGINT[2] without loss!"
    );
    let list = cast_to(array.clone(), integers(DataType::Int8)).unwrap();
    assert_eq!(list.as_list::<i32>().value(2).as_primitive(), &Int8Array::from(vec![3, 4]));
    assert!(list.is_null(1));
    let list = cast_to(array.slice(1, 2), integers(DataType::Int64)).unwrap();
    assert_eq!(list.as_list::<i32>().value(1).as_primitive(), &Int64Array::from(vec![3, 4]));
    assert!(refused(array, arrays(3)).contains("type BIGINT[2] cannot be cast to BIGINT[3]"));
}

#[test]
fn nothing_is_seen_under_a_null_array() {
    let values = Arc::new(StringArray::from(vec!["x", "y", "1", "2"]));
    let field = Arc::new(Field::new("item", DataType::Utf8, true));
    let array = FixedSizeListArray::new(field, 2, values, Some(NullBuffer::from(vec![false, true])));
    let cast = cast_to(array.clone(), arrays(2)).unwrap();
    assert_eq!(cast.as_fixed_size_list().value(1).as_primitive(), &Int64Array::from(vec![1, 2]));
    let cast = cast_to(array.slice(0, 1), arrays(2)).unwrap();
    assert_eq!(cast.null_count(), 1);
    assert!(cast_to(array, integers(DataType::Int8)).is_ok());
}

fn maps(keys: Vec<&str>, values: Vec<Option<i64>>) -> MapArray {
    let mut builder = MapBuilder::new(None, StringBuilder::new(), Int64Builder::new());
    for (key, value) in keys.into_iter().zip(values) {
        builder.keys().append_value(key);
        builder.values().append_option(value);
        builder.append(true).unwrap();
    }
    builder.append(false).unwrap();
    builder.finish()
}

#[test]
fn maps_by_key_and_value() {
    let key = || Arc::new(Field::new("key", DataType::Int8, false));
    let to = map_of(key(), Arc::new(Field::new("value", DataType::Int8, true)));
    let cast = cast_to(maps(vec!["1", "2"], vec![Some(10), None]), to.clone()).unwrap();
    assert_eq!(cast.as_map().keys().as_primitive(), &Int8Array::from(vec![1, 2]));
    assert_eq!(cast.as_map().values().as_primitive(), &Int8Array::from(vec![Some(10), None]));
    assert!(cast.is_null(2));
    assert_eq!(
        refused(maps(vec!["1", "2"], vec![Some(10), Some(300)]), to),
        "Column \"c\" (field value), row 2: value 300 cannot be cast to TINYINT without loss!"
    );
}

#[test]
fn nested_into_json_text() {
    assert_eq!(json(hiding_list()), [Some("[1]".to_owned()), None, Some("[2,3]".to_owned())]);
    assert_eq!(json(maps(vec!["a\"b"], vec![Some(1)])), [Some(r#"{"a\"b":1}"#.to_owned()), None]);
    let decimals = Decimal128Array::from(vec![150]).with_precision_and_scale(38, 2).unwrap();
    let source = struct_of(
        vec![
            ("b", Arc::new(BooleanArray::from(vec![true]))),
            ("d", Arc::new(decimals)),
            ("f", Arc::new(Float64Array::from(vec![2.0]))),
            ("n", Arc::new(Int8Array::from(vec![None]))),
            ("t", Arc::new(TimestampSecondArray::from(vec![1_704_164_645]).with_timezone("Europe/Oslo"))),
            ("s", Arc::new(StringViewArray::from(vec!["é\n"]))),
            ("raw", Arc::new(BinaryArray::from(vec![&b"\xff\xfe"[..]]))),
            ("day", Arc::new(Date32Array::from(vec![19_724]))),
            ("list", Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(vec![Some(vec![None, Some(1)])]))),
            ("nothing", Arc::new(NullArray::new(1))),
        ],
        None,
    );
    assert_eq!(
        json(source)[0].as_deref(),
        Some(
            r#"{"b":true,"d":1.50,"f":2.0,"n":null,"t":"2024-01-02T03:04:05Z","s":"é\n","raw":"//4=","day":"2024-01-02","list":[null,1],"nothing":null}"#
        )
    );
}

#[test]
fn a_map_without_text_keys_is_pairs_in_json() {
    let mut builder = MapBuilder::new(None, Int64Builder::new(), Int64Builder::new());
    builder.keys().append_value(7);
    builder.values().append_null();
    builder.append(true).unwrap();
    assert_eq!(json(builder.finish()), [Some(r#"[{"key":7,"value":null}]"#.to_owned())]);
}

#[test]
fn json_has_no_nan() {
    let hidden = struct_of(vec![("x", Arc::new(Float64Array::from(vec![f64::NAN, 1.0])))], Some(vec![false, true]));
    assert_eq!(json(hidden), [None, Some(r#"{"x":1.0}"#.to_owned())]);
    let list = ListArray::from_iter_primitive::<arrow::datatypes::Float32Type, _, _>(vec![
        Some(vec![]),
        Some(vec![Some(f32::NAN)]),
    ]);
    let message = refused_field(Arc::new(list), &json_field("c", true));
    assert!(message.starts_with("Column \"c\", row 2: value nan cannot be cast to VARCHAR"), "{message}");
}

#[test]
fn nested_into_plain_text_is_refused() {
    let message = refused(lists(), DataType::Utf8);
    assert_eq!(
        message,
        "Column \"c\": type INTEGER[] cannot be cast to VARCHAR!\nWrite it as text, for example with to_json(\"c\")::VARCHAR."
    );
}

#[test]
fn scalars_are_not_nested_nor_back() {
    refused(Int8Array::from(vec![1]), integers(DataType::Int8));
    refused(lists(), DataType::Int8);
    refused(lists(), DataType::Struct(fields(&[("x", DataType::Int8)])));
    let cast = cast_to(StringArray::from(vec![Some("[1, 2]"), None]), integers(DataType::Int8)).unwrap();
    assert_eq!(cast.as_list::<i32>().value(0).as_primitive(), &Int8Array::from(vec![1, 2]));
    assert!(refused(StringArray::from(vec!["[1"]), integers(DataType::Int8)).contains("must be JSON"));
}
