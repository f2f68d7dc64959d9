//! What files hold, and what comes out.

use arrow::array::{
    BinaryArray, Decimal128Array, DictionaryArray, FixedSizeBinaryArray, Int32Array, LargeStringArray, ListArray,
    MapBuilder, RecordBatchOptions, StringArray, StringBuilder, StringViewArray, StructArray,
    TimestampMicrosecondArray, TimestampNanosecondArray, new_null_array,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::{Int32Type, TimeUnit};
use parquet::data_type::{Int96, Int96Type};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;

use super::*;
use crate::error::ErrorKind;
use crate::store::types::{canonical, list_of, map_of, timestamptz, uuid_field};

/// What a column registered as `registered` gives out of a file that holds `stored`.
fn read_as(stored: ArrayRef, registered: DataType) -> Result<ArrayRef> {
    let mut store = Store::new(&[("c", registered)]);
    store.add(file(&batch(vec![("c", stored)]), properties()));
    store.read("{}", &[0], 1).map(|batch| batch.column(0).clone())
}

fn views(values: &[Option<&str>]) -> ArrayRef {
    Arc::new(StringViewArray::from(values.to_vec()))
}

#[test]
fn other_spellings_of_a_type_become_the_registered_one() {
    let text = [Some("Ceratium"), None, Some("a text longer than a view holds inside")];
    let expected = views(&text);
    for stored in [
        Arc::new(StringArray::from(text.to_vec())) as ArrayRef,
        Arc::new(LargeStringArray::from(text.to_vec())),
        Arc::new(StringViewArray::from(text.to_vec())),
        Arc::new(text.iter().copied().collect::<DictionaryArray<Int32Type>>()),
    ] {
        assert_eq!(&read_as(stored.clone(), DataType::Utf8).unwrap(), &expected);
        assert_eq!(&read_as(stored, DataType::LargeUtf8).unwrap(), &expected);
    }

    let narrow: ArrayRef = Arc::new(Int32Array::from(vec![Some(i32::MIN), None, Some(7)]));
    assert_eq!(
        *read_as(narrow, DataType::Int64).unwrap(),
        Int64Array::from(vec![Some(i32::MIN.into()), None, Some(7)])
    );

    let nanos: ArrayRef = Arc::new(TimestampNanosecondArray::from(vec![Some(1_000), None]));
    let micros = TimestampMicrosecondArray::from(vec![Some(1), None]).with_timezone("UTC");
    assert_eq!(*read_as(nanos, timestamptz()).unwrap(), micros);

    let decimal = |values: Vec<i128>, precision, scale| -> ArrayRef {
        Arc::new(Decimal128Array::from(values).with_precision_and_scale(precision, scale).unwrap())
    };
    let wider = read_as(decimal(vec![150, -1], 5, 2), DataType::Decimal128(20, 4)).unwrap();
    assert_eq!(&wider, &decimal(vec![15_000, -100], 20, 4));
}

#[test]
fn a_uuid_needs_no_extension_type_in_the_file() {
    let values = [[1_u8; 16], [0xfe; 16]];
    let stored: ArrayRef = Arc::new(FixedSizeBinaryArray::try_from_iter(values.iter()).unwrap());
    let mut store = Store::new(&[]);
    let schema = Arc::new(Schema::new(vec![uuid_field("u", true)]));
    store.table = Arc::new(Table::new(store.table.name().clone(), schema, vec![]));
    store.add(file(&batch(vec![("u", stored.clone())]), properties()));
    let read = store.read(r#"{"u": "fefefefe-fefe-fefe-fefe-fefefefefefe"}"#, &[0], 1).unwrap();
    assert_eq!(read.column(0), &stored.slice(1, 1));
    assert_eq!(read.schema().field(0), &uuid_field("u", true));
}

#[test]
fn int96_timestamps_reach_beyond_nanoseconds() {
    let schema = Arc::new(parse_message_type("message m { optional int96 t; }").unwrap());
    let mut bytes = Vec::new();
    let mut writer = SerializedFileWriter::new(&mut bytes, schema, Arc::new(properties().build())).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    // Half a day into 1970-01-01 and into 2500-01-01, as Julian days.
    let noon = 43_200_000_000_000_u64;
    let int96 = |day: u32| Int96::from(vec![noon as u32, (noon >> 32) as u32, day]);
    column.typed::<Int96Type>().write_batch(&[int96(2_440_588), int96(2_634_167)], Some(&[1, 1]), None).unwrap();
    column.close().unwrap();
    group.close().unwrap();
    writer.close().unwrap();
    let mut store = Store::new(&[("t", timestamptz())]);
    store.add(bytes);
    let read = store.read("{}", &[0], 1).unwrap();
    let expected = TimestampMicrosecondArray::from(vec![43_200_000_000, 16_725_268_800_000_000]).with_timezone("UTC");
    assert_eq!(**read.column(0), expected);
}

#[test]
fn what_cannot_be_cast_is_an_error_that_says_where() {
    let text: ArrayRef = Arc::new(StringArray::from(vec!["1", "x"]));
    for json in ["{}", r#"{"c": 1}"#] {
        let mut store = Store::new(&[("c", DataType::Int64)]);
        store.add(file(&batch(vec![("c", ints([1]))]), properties()));
        store.add(file(&batch(vec![("c", text.clone())]), properties()));
        let error = store.read(json, &[0], 1).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conversion);
        let message = error.to_string();
        for part in ["\"mem/t/0001.parquet\"", "\"c\"", "BIGINT", "VARCHAR"] {
            assert!(message.contains(part), "{part} in {message}");
        }
    }
}

#[test]
fn columns_are_found_by_name_in_any_order_and_missing_ones_are_null() {
    let mut store = Store::new(&[("a", DataType::Int64), ("b", DataType::Utf8), ("Later", DataType::Int64)]);
    let old = batch(vec![("extra", ints([0, 0])), ("b", views(&[Some("x"), None])), ("A", ints([1, 2]))]);
    store.add(file(&old, properties()));
    store.add(file(&batch(vec![("later", ints([5])), ("Later", ints([6]))]), properties()));
    let read = store.read("{}", &[2, 0, 1], 2).unwrap();
    assert_eq!(int_values(&read, 0), [None, None, Some(6)]);
    assert_eq!(int_values(&read, 1), [Some(1), Some(2), None]);
    assert_eq!(read.column(2), &views(&[Some("x"), None, None]));
    assert_eq!(store.read(r#"{"Later": {"is_null": true}}"#, &[0], 1).unwrap().num_rows(), 2);
    assert_eq!(int_values(&store.read(r#"{"Later": 6}"#, &[2], 1).unwrap(), 0), [Some(6)]);
    // Only a column that the first file does not have.
    assert_eq!(int_values(&store.read("{}", &[2], 1).unwrap(), 0), [None, None, Some(6)]);
}

#[test]
fn not_null_columns_may_hold_null_in_files_but_not_be_missing() {
    let mut store = Store::new(&[]);
    let schema = Schema::new(vec![Field::new("a", DataType::Int64, false), Field::new("b", DataType::Int64, false)]);
    store.table = Arc::new(Table::new(store.table.name().clone(), Arc::new(schema), vec![]));
    let optional: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None]));
    store.add(file(&batch(vec![("a", optional), ("b", ints([7, 8]))]), properties()));
    let required =
        RecordBatch::try_from_iter_with_nullable([("a", ints([2]), false), ("b", ints([3]), false)]).unwrap();
    store.add(file(&required, properties()));
    let read = store.read("{}", &[0, 1], 1).unwrap();
    assert_eq!(int_values(&read, 0), [Some(1), None, Some(2)]);
    assert_eq!(int_values(&read, 1), [Some(7), Some(8), Some(3)]);
    store.add(file(&batch(vec![("a", ints([1]))]), properties()));
    let path = &store.files[2].meta.path;
    let error = store.read("{}", &[0], 1).unwrap_err().to_string();
    assert!(error.contains(path) && error.contains("it has no column \"b\", which is NOT NULL"), "{error}");
}

#[test]
fn a_file_without_any_registered_column_is_not_of_the_table() {
    let table = table("t", &[("a", DataType::Int64), ("b", DataType::Int64)], 0);
    let mut store = Store { memory: Arc::default(), table, files: vec![], network: None };
    store.add(file(&batch(vec![("q", ints([1]))]), properties()));
    let path = &store.files[0].meta.path;
    let error = store.read("{}", &[0], 1).unwrap_err().to_string();
    assert!(error.contains(path) && error.contains("none of the registered columns"), "{error}");
}

#[test]
fn the_path_wins_over_a_key_column_in_the_file() {
    let table = table("t", &[("a", DataType::Int64), ("k", DataType::Int64)], 1);
    let mut store = Store { memory: Arc::default(), table, files: vec![], network: None };
    store.add(file(&batch(vec![("k", ints([9, 9])), ("a", ints([1, 2]))]), properties()));
    store.files[0].partition = Arc::from([Scalar::Int(4)]);
    let scan = store.scan(r#"{"k": 4, "a": {"gt": 1}}"#, &[0], 1);
    let batches = drain(&mut scan.consumer()).unwrap();
    assert_eq!(int_values(&batches[0].batch, 0), [Some(2)]);
    assert_eq!((batches.len(), &batches[0].partition[..], batches[0].file), (1, &[Scalar::Int(4)][..], 0));

    let request = ScanRequest {
        storage: store.storage(),
        table: store.table.clone(),
        filters: Arc::default(),
        files: vec![],
        columns: vec![1],
        threads: 1,
        dictionaries: false,
    };
    assert_eq!(Scan::start(request).unwrap_err().kind(), ErrorKind::Internal);
}

/// Two rows of `STRUCT(x, label)[]`, `MAP(VARCHAR, VARCHAR)` and a STRUCT that is NULL, with other labels than ours.
fn nested() -> RecordBatch {
    let labels: ArrayRef = Arc::new(StringArray::from(vec![Some("a"), None, Some("c")]));
    let inner = StructArray::from(vec![
        (Arc::new(Field::new("x", DataType::Int64, true)), ints([1, 2, 3])),
        (Arc::new(Field::new("label", DataType::Utf8, true)), labels),
    ]);
    let item = Arc::new(Field::new("item", inner.data_type().clone(), true));
    let nulls = NullBuffer::from(vec![true, false, true]);
    let list = ListArray::new(item, OffsetBuffer::from_lengths([2, 0, 1]), Arc::new(inner), Some(nulls));
    let mut map = MapBuilder::new(None, StringBuilder::new(), StringBuilder::new());
    map.keys().append_value("k");
    map.values().append_null();
    map.append(true).unwrap();
    map.append(false).unwrap();
    map.append(true).unwrap();
    let record = StructArray::new(
        vec![Field::new("y", DataType::Binary, true)].into(),
        vec![Arc::new(BinaryArray::from(vec![Some(b"y".as_slice()), None, None]))],
        Some(NullBuffer::from(vec![true, true, false])),
    );
    batch(vec![("list", Arc::new(list)), ("map", Arc::new(map.finish())), ("record", Arc::new(record))])
}

#[test]
fn nested_columns_keep_their_nulls_at_every_level() {
    let nested = nested();
    let fields: Vec<(&str, DataType)> = vec![
        (
            "list",
            list_of(Field::new(
                "element",
                DataType::Struct(
                    vec![Field::new("x", DataType::Int64, true), Field::new("label", DataType::Utf8, true)].into(),
                ),
                true,
            )),
        ),
        (
            "map",
            map_of(
                Arc::new(Field::new("key", DataType::Utf8, false)),
                Arc::new(Field::new("value", DataType::Utf8, true)),
            ),
        ),
        ("record", DataType::Struct(vec![Field::new("y", DataType::Binary, true)].into())),
    ];
    for (name, data_type) in &fields {
        let field = Field::new(*name, data_type.clone(), true);
        assert_eq!(canonical(&field).unwrap(), field, "the test registers canonical types");
    }
    let mut store = Store::new(&fields);
    store.add(file(&nested, properties()));
    store.add(file(&batch(vec![("list", new_null_array(nested.column(0).data_type(), 1))]), properties()));
    let read = store.read("{}", &[0, 1, 2], 1).unwrap();
    let expected: Vec<ArrayRef> = nested
        .columns()
        .iter()
        .zip(read.schema().fields())
        .map(|(column, field)| arrow::compute::cast(column, field.data_type()).unwrap())
        .collect();
    let options = RecordBatchOptions::new();
    let expected = RecordBatch::try_new_with_options(read.schema(), expected, &options).unwrap();
    assert_eq!(read.slice(0, 3), expected);
    assert!((0..3).all(|column| read.column(column).is_null(3)));

    let present = store.read(r#"{"list": {"is_null": false}}"#, &[0], 1).unwrap();
    assert_eq!(present.num_rows(), 2);
}

#[test]
fn without_columns_there_are_still_row_counts() {
    let mut store = Store::new(&[("a", DataType::Int64), ("b", DataType::Int64)]);
    store.add(file(&batch(vec![("a", ints(0..20_000))]), properties().set_max_row_group_row_count(Some(9_000))));
    store.add(file(&batch(vec![("b", ints(0..5))]), properties()));
    let rows = |json: &str| -> usize {
        let scan = store.scan(json, &[], 2);
        drain(&mut scan.consumer()).unwrap().iter().map(|batch| batch.batch.num_rows()).sum()
    };
    assert_eq!(rows("{}"), 20_005);
    assert_eq!(rows(r#"{"a": {"lt": 9500}}"#), 9_500);
    assert_eq!(rows(r#"{"a": {"is_null": true}}"#), 5);
}

#[test]
fn seconds_are_given_out_as_seconds() {
    let millis: ArrayRef = Arc::new(arrow::array::TimestampMillisecondArray::from(vec![Some(5_000), None]));
    let read = read_as(millis, DataType::Timestamp(TimeUnit::Second, None)).unwrap();
    assert_eq!(*read, arrow::array::TimestampSecondArray::from(vec![Some(5), None]));
}
