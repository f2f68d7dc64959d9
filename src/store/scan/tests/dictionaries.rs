//! Text of few values, to consumers that take dictionaries.

use arrow::array::{AsArray, StringArray};
use arrow::compute::cast;
use arrow::datatypes::UInt32Type;

use super::*;

const ROWS: usize = 20_000;

fn text(values: impl Fn(usize) -> Option<String>) -> ArrayRef {
    Arc::new((0..ROWS).map(values).collect::<StringArray>())
}

/// The batches of column 0, and all its values.
fn read(store: &Store, json: &str) -> (Vec<ArrayRef>, ArrayRef) {
    let request = ScanRequest {
        storage: store.storage(),
        table: store.table.clone(),
        filters: filters(&store.table, json),
        files: store.files.clone(),
        columns: vec![0],
        threads: 2,
        dictionaries: true,
    };
    let batches = drain(&mut Scan::start(request).unwrap().consumer()).unwrap();
    let columns: Vec<ArrayRef> = batches
        .into_iter()
        .map(|batch| {
            assert_eq!(batch.batch.schema().field(0).data_type(), batch.batch.column(0).data_type());
            batch.batch.column(0).clone()
        })
        .collect();
    let flat: Vec<ArrayRef> = columns.iter().map(|column| cast(column, &DataType::Utf8View).unwrap()).collect();
    let none = arrow::array::new_empty_array(&DataType::Utf8View);
    let flat: Vec<&dyn Array> = flat.iter().map(AsRef::as_ref).chain([none.as_ref()]).collect();
    let values = arrow::compute::concat(&flat).unwrap();
    (columns, values)
}

fn is_dictionary(column: &ArrayRef) -> bool {
    column.data_type() == &text_dictionary()
}

#[test]
fn few_values_come_as_one_dictionary_a_row_group_and_many_do_not() {
    let mut store = Store::new(&[("c", DataType::Utf8)]);
    let few = text(|row| (row % 7 != 0).then(|| format!("class {}", row % 5)));
    let many = text(|row| Some(format!("image {row}")));
    store.add(file(&batch(vec![("c", few.clone())]), properties().set_max_row_group_row_count(Some(ROWS / 2))));
    store.add(file(&batch(vec![("c", many.clone())]), properties()));
    store.add(file(&batch(vec![("c", few.clone())]), properties().set_dictionary_enabled(false)));
    let (columns, values) = read(&store, "{}");
    let expected = arrow::compute::concat(&[&few, &many, &few]).unwrap();
    assert_eq!(&values, &cast(&expected, &DataType::Utf8View).unwrap());
    let forms: Vec<bool> = columns.iter().map(is_dictionary).collect();
    assert_eq!(forms, [true, true, true, true, false, false, false, false, false, false]);
    let address = |column: &ArrayRef| Arc::as_ptr(column.as_dictionary::<UInt32Type>().values()).cast::<()>();
    assert_eq!(address(&columns[0]), address(&columns[1]));
    assert_ne!(address(&columns[1]), address(&columns[2]), "the second row group has its own");
    assert_eq!(store.read("{}", &[0], 2).unwrap().column(0), &values, "without dictionaries, all the same");
}

#[test]
fn a_dictionary_given_up_halfway_is_none() {
    let mut store = Store::new(&[("c", DataType::Utf8)]);
    let grows = text(|row| Some(if row < ROWS / 2 { format!("{}", row % 3) } else { format!("{row}") }));
    let limited = properties().set_dictionary_page_size_limit(1024).set_write_batch_size(64);
    store.add(file(&batch(vec![("c", grows.clone())]), limited));
    let (columns, values) = read(&store, "{}");
    assert!(!columns.iter().any(is_dictionary));
    assert_eq!(&values, &cast(&grows, &DataType::Utf8View).unwrap());
}

#[test]
fn bounds_hold_for_dictionaries_too() {
    let mut store = Store::new(&[("c", DataType::Utf8)]);
    let sorted = text(|row| Some(format!("class {:02}", row / (ROWS / 100))));
    let grouped = properties().set_max_row_group_row_count(Some(ROWS / 10));
    store.add(file(&batch(vec![("c", sorted)]), grouped));
    let read_bytes = |json: &str, rows: usize| {
        store.memory.take_read();
        assert_eq!(read(&store, json).1.len(), rows, "{json}");
        store.memory.take_read_bytes()
    };
    // The first reads the footer too.
    let [_, all] = [0; 2].map(|_| read_bytes(r#"{"c": {"gte": "class"}}"#, ROWS));
    assert!(all > 0);
    assert_eq!(read_bytes(r#"{"c": "class 990"}"#, 0), 0);
}

#[test]
fn bloom_filters_rule_out_what_bounds_of_dictionaries_do_not() {
    // In every row group the first and the last class, and between them a few that no other row group has.
    let group_rows = ROWS / 10;
    let classes = text(|row| {
        Some(match row % 50 {
            0 => "class 000".to_owned(),
            1 => "class 999".to_owned(),
            other => format!("class {:03}", 100 + 10 * (row / group_rows) + other % 7),
        })
    });
    // So that the file is not fetched whole.
    let wide = text(|row| Some(format!("{:x>60}", row * 7919)));
    let read_bytes = |bloom: bool, json: &str, rows: usize| {
        let mut store = Store::new(&[("c", DataType::Utf8), ("wide", DataType::Utf8)]);
        let mut properties = properties()
            .set_max_row_group_row_count(Some(group_rows))
            .set_column_dictionary_enabled("wide".into(), false);
        if bloom {
            properties = properties.set_column_bloom_filter_max_ndv("c".into(), 16);
        }
        store.add(file(&batch(vec![("c", classes.clone()), ("wide", wide.clone())]), properties));
        assert!(store.files[0].meta.size > fetch::LOCAL_WHOLE_FILE_MAX_BYTES);
        let (columns, values) = read(&store, "{}");
        assert!(columns.iter().all(is_dictionary) && values.len() == ROWS);
        store.memory.take_read();
        let (columns, values) = read(&store, json);
        assert!(columns.iter().all(is_dictionary) && values.len() == rows, "{json}: {} rows", values.len());
        store.memory.take_read_bytes()
    };
    for (json, rows) in [
        (r#"{"c": "class 500"}"#, 0),
        (r#"{"c": {"in": ["class 109", "class 500"]}}"#, 0),
        // In one of the ten row groups, every seventh row but for the first and the last class.
        (r#"{"c": "class 133"}"#, 280),
    ] {
        let (without, with) = (read_bytes(false, json, rows), read_bytes(true, json, rows));
        assert!(with * 3 < without, "{json}: {with} of {without}");
    }
}

#[test]
fn filters_test_dictionaries() {
    let mut store = Store::new(&[("c", DataType::Utf8), ("n", DataType::Int64)]);
    let few = text(|row| (row % 3 != 0).then(|| format!("class {}", row % 5)));
    store.add(file(&batch(vec![("c", few.clone()), ("n", ints(0..ROWS as i64))]), properties()));
    store.add(file(&batch(vec![("n", ints(0..10))]), properties()));
    for (json, count) in [
        (r#"{"c": "class 1"}"#, 2667),
        (r#"{"c": {"in": ["class 0", "class 4", "other"]}, "n": {"lt": 30}}"#, 8),
        (r#"{"c": {"is_null": true}, "n": {"gte": 3}}"#, 6666 + 7),
        (r#"{"n": {"in": [5, 19999]}}"#, 3),
    ] {
        let (columns, values) = read(&store, json);
        assert_eq!(values.len(), count, "{json}");
        assert!(is_dictionary(&columns[0]), "{json}");
        assert_eq!(&values, store.read(json, &[0], 2).unwrap().column(0), "{json}");
        assert_eq!(store.count(json).unwrap(), count as u64, "{json}");
    }
}
