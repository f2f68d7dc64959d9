//! The rules of records, by name, by position and from JSON.

use std::sync::Arc;

use arrow::array::*;
use arrow::buffer::NullBuffer;
use arrow::datatypes::{DataType, Field, FieldRef, Schema};

use super::*;
use crate::store::table::TableName;
use crate::store::types::{json_field, timestamptz};

/// image_id NOT NULL, depth, meta (JSON), cruise (key), speed (key).
fn table() -> Table {
    let schema = Schema::new(vec![
        Field::new("image_id", DataType::Utf8, false),
        Field::new("depth", DataType::Int64, true),
        json_field("meta", true),
        Field::new("cruise", DataType::Utf8, true),
        Field::new("speed", DataType::Float64, true),
    ]);
    Table::new(TableName::parse("images").unwrap(), Arc::new(schema), vec![3, 4])
}

fn fields(columns: &[(&str, ArrayRef)]) -> Vec<FieldRef> {
    columns.iter().map(|(name, array)| Arc::new(Field::new(*name, array.data_type().clone(), true))).collect()
}

fn by_name(columns: Vec<(&str, ArrayRef)>, unknown: UnknownColumns) -> Result<RecordBatch> {
    let rows = columns.first().map_or(0, |(_, column)| column.len());
    let mapping = RecordMapping::by_name(&table(), &fields(&columns), unknown)?;
    mapping.apply(&columns.into_iter().map(|(_, column)| column).collect::<Vec<_>>(), rows)
}

fn texts(values: &[Option<&str>]) -> ArrayRef {
    Arc::new(StringArray::from(values.to_vec()))
}

/// Two good records, columns in another order and case; `depth` and `meta` are absent.
fn good() -> Vec<(&'static str, ArrayRef)> {
    vec![
        ("Speed", Arc::new(Int32Array::from(vec![1, 2])) as ArrayRef),
        ("CRUISE", texts(&[Some("a"), Some("b")])),
        ("image_id", Arc::new(Int32Array::from(vec![7, 8])) as ArrayRef),
    ]
}

fn refused(columns: Vec<(&str, ArrayRef)>) -> (ErrorKind, String) {
    let error = by_name(columns, UnknownColumns::Error).unwrap_err();
    (error.kind(), error.to_string())
}

#[test]
fn columns_by_name() {
    let batch = by_name(good(), UnknownColumns::Error).unwrap();
    assert_eq!(&batch.schema(), table().schema());
    assert_eq!(batch.column(0).as_string::<i32>().value(1), "8");
    assert_eq!(batch.column(1).null_count(), 2);
    assert_eq!(batch.column(4).as_primitive(), &Float64Array::from(vec![1.0, 2.0]));
}

#[test]
fn unknown_columns_are_refused_or_dropped() {
    let mut columns = good();
    columns.push(("depht", texts(&[None, None])));
    let (kind, message) = refused(columns.clone());
    assert_eq!(kind, ErrorKind::NotFound);
    assert_eq!(
        message,
        "Table \"images\" has no column \"depht\"!\nDid you mean \"depth\"?\nSay unknown_columns: 'drop' to leave out what the table does not have."
    );
    assert_eq!(by_name(columns, UnknownColumns::Drop).unwrap().num_columns(), 5);
}

#[test]
fn two_sources_for_one_column_are_refused() {
    let mut columns = good();
    columns.push(("cruise", texts(&[None, None])));
    let (kind, message) = refused(columns);
    assert_eq!(kind, ErrorKind::Constraint);
    assert!(
        message.starts_with("\"CRUISE\" and \"cruise\" are the same column \"cruise\" of table \"images\"!"),
        "{message}"
    );
}

#[test]
fn missing_columns_are_refused() {
    let mut columns = good();
    columns.pop();
    assert_eq!(refused(columns).1, "The records for table \"images\" lack the NOT NULL column \"image_id\"!");
    let mut columns = good();
    columns.remove(1);
    assert_eq!(refused(columns).1, "The records for table \"images\" lack the partition key \"cruise\"!");
}

#[test]
fn null_and_nan_are_counted() {
    let mut columns = good();
    columns[2].1 = texts(&[None, None]);
    assert_eq!(refused(columns).1, "Column \"image_id\" of table \"images\" is NOT NULL, but NULL in 2 records!");
    let mut columns = good();
    columns[1].1 = texts(&[None, Some("a")]);
    assert_eq!(refused(columns).1, "Column \"cruise\" of table \"images\" is a partition key, but NULL in 1 record!");
    let mut columns = good();
    columns[0].1 = Arc::new(Float64Array::from(vec![1.0, f64::NAN]));
    let (kind, message) = refused(columns);
    assert_eq!(kind, ErrorKind::Constraint);
    assert!(
        message.starts_with("Column \"speed\" of table \"images\" is a partition key, but NaN in 1 record!"),
        "{message}"
    );
}

#[test]
fn casts_name_table_and_column() {
    let mut columns = good();
    columns.push(("depth", Arc::new(Float64Array::from(vec![1.0, 1.5]))));
    assert_eq!(
        refused(columns),
        (
            ErrorKind::Conversion,
            "Column \"depth\" of table \"images\", row 2: value 1.5 cannot be cast to BIGINT without loss!".to_owned()
        )
    );
}

#[test]
fn hopeless_types_are_refused_before_any_row() {
    let source = vec![("depth", Arc::new(BooleanArray::from(Vec::<bool>::new())) as ArrayRef)];
    let mut columns = good();
    columns.extend(source);
    let error = RecordMapping::by_name(&table(), &fields(&columns), UnknownColumns::Error).unwrap_err();
    assert_eq!(error.to_string(), "Column \"depth\" of table \"images\": type BOOLEAN cannot be cast to BIGINT!");
}

#[test]
fn columns_by_position() {
    let columns: Vec<ArrayRef> = vec![
        texts(&[Some("x")]),
        texts(&[Some("5")]),
        texts(&[None]),
        Arc::new(Int8Array::from(vec![1])),
        texts(&[Some("0.5")]),
    ];
    let named: Vec<(&str, ArrayRef)> = columns.iter().map(|column| ("any", column.clone())).collect();
    let batch = RecordMapping::by_position(&table(), &fields(&named)).unwrap().apply(&columns, 1).unwrap();
    assert_eq!(batch.column(1).as_primitive(), &Int64Array::from(vec![5]));
    assert_eq!(batch.column(3).as_string::<i32>().value(0), "1");
    let error = RecordMapping::by_position(&table(), &fields(&named[..4])).unwrap_err();
    assert_eq!(
        error.to_string(),
        "Table \"images\" has 5 columns, but the records have 4!\nWithout names they must be, in this order: image_id VARCHAR, depth BIGINT, meta VARCHAR, cruise VARCHAR, speed DOUBLE."
    );
}

#[test]
fn a_null_record_is_an_error() {
    let columns = good();
    let mapping = RecordMapping::by_name(&table(), &fields(&columns), UnknownColumns::Error).unwrap();
    let arrays: Vec<ArrayRef> = columns.iter().map(|(_, column)| column.clone()).collect();
    let records = |nulls: Option<Vec<bool>>| {
        StructArray::new(fields(&columns).into(), arrays.clone(), nulls.map(NullBuffer::from))
    };
    assert_eq!(mapping.apply_struct(&records(None)).unwrap().num_rows(), 2);
    let error = mapping.apply_struct(&records(Some(vec![true, false]))).unwrap_err();
    assert_eq!(error.to_string(), "Record 2 for table \"images\" is NULL!");
}

fn json(text: &str, unknown: UnknownColumns) -> Result<RecordBatch> {
    records_from_json(&table(), text, unknown)
}

#[test]
fn records_from_json_text() {
    let text = r#"{"image_id": "a", "cruise": "x", "SPEED": 1.5, "meta": {"k": 1.50}}
                  {"cruise": "y", "image_id": 7, "speed": "2", "depth": 2024.0}"#;
    let batch = json(text, UnknownColumns::Error).unwrap();
    assert_eq!(&batch.schema(), table().schema());
    assert_eq!(batch.column(0).as_string(), &StringArray::from(vec!["a", "7"]));
    assert_eq!(batch.column(1).as_primitive(), &Int64Array::from(vec![None, Some(2024)]));
    assert_eq!(batch.column(2).as_string(), &LargeStringArray::from(vec![Some(r#"{"k":1.50}"#), None]));
    assert_eq!(batch.column(4).as_primitive(), &Float64Array::from(vec![1.5, 2.0]));
    assert_eq!(json("[]", UnknownColumns::Error).unwrap().num_rows(), 0);
}

#[test]
fn json_keeps_the_same_rules() {
    let good = r#"{"image_id": "a", "cruise": "x", "speed": 1}"#;
    for (record, message) in [
        (r#"{"image_id": "b", "cruise": "x", "speed": 1, "dept": null}"#, "has no column \"dept\"!"),
        (r#"{"image_id": "b", "cruise": "x", "speed": 1, "Speed": 2}"#, "\"speed\" and \"Speed\" are the same column"),
        (r#"{"cruise": "x", "speed": 1}"#, "\"image_id\" of table \"images\" is NOT NULL, but NULL in 1 record!"),
        (r#"{"image_id": "b", "speed": 1}"#, "is a partition key, but NULL in 1 record!"),
        (
            r#"{"image_id": "b", "cruise": "x", "speed": "fast"}"#,
            "Column \"speed\" of table \"images\", row 2: value 'fast' cannot be cast to DOUBLE",
        ),
        ("null", "Record 2 is NULL!"),
    ] {
        let error = json(&format!("[{good}, {record}]"), UnknownColumns::Error).unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
    }
    let error = json(r#"{"image_id": "b", "speed": 1}"#, UnknownColumns::Error).unwrap_err().to_string();
    assert_eq!(error, "The records for table \"images\" lack the partition key \"cruise\"!");
    let extra = r#"{"image_id": "a", "cruise": "x", "speed": 1, "other": [{}]}"#;
    assert_eq!(json(extra, UnknownColumns::Drop).unwrap().num_rows(), 1);
}

#[test]
fn naive_times_are_utc() {
    let schema = Schema::new(vec![Field::new("id", DataType::Int8, false), Field::new("at", timestamptz(), false)]);
    let table = Table::new(TableName::parse("t").unwrap(), Arc::new(schema), Vec::new());
    let batch = records_from_json(&table, r#"{"id": 1, "at": "2024-01-02T03:04:05"}"#, UnknownColumns::Error).unwrap();
    let at = batch.column(1).as_primitive::<arrow::datatypes::TimestampMicrosecondType>();
    assert_eq!(at.value(0), 1_704_164_645_000_000);
}
