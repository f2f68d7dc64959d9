//! Filtered scans against what the filters mean, row by row.

use arrow::array::{BooleanArray, Float64Array, StringArray, TimestampMicrosecondArray};
use proptest::collection::vec;
use proptest::prelude::*;

use super::network::ACCESS;
use super::*;
use crate::store::types::timestamptz;

const COLUMNS: [&str; 5] = ["i", "f", "s", "t", "b"];

fn columns() -> Vec<(&'static str, DataType)> {
    let types = [DataType::Int64, DataType::Float64, DataType::Utf8, timestamptz(), DataType::Boolean];
    COLUMNS.into_iter().zip(types).collect()
}

type Row = (Option<i64>, Option<f64>, Option<String>, Option<i64>, Option<bool>);

fn row() -> impl Strategy<Value = Row> {
    let float = prop_oneof![4 => (-3..4_i8).prop_map(f64::from), 1 => Just(-0.0), 1 => Just(f64::NAN)];
    let text = prop_oneof!["[abé]{0,2}", "[ab]{70,72}"];
    let opt = |weight: f64| weight;
    (
        prop::option::weighted(opt(0.8), -20..20_i64),
        prop::option::weighted(opt(0.8), float),
        prop::option::weighted(opt(0.8), text),
        prop::option::weighted(opt(0.8), 0..30_i64),
        prop::option::weighted(opt(0.8), any::<bool>()),
    )
}

fn rows_to_batch(rows: &[Row]) -> RecordBatch {
    let times = rows.iter().map(|row| row.3.map(|day| day * 86_400_000_000));
    batch(vec![
        ("t", Arc::new(TimestampMicrosecondArray::from_iter(times).with_timezone("UTC"))),
        ("i", Arc::new(Int64Array::from_iter(rows.iter().map(|row| row.0)))),
        ("f", Arc::new(Float64Array::from_iter(rows.iter().map(|row| row.1)))),
        ("s", Arc::new(StringArray::from_iter(rows.iter().map(|row| row.2.as_deref())))),
        ("b", Arc::new(BooleanArray::from_iter(rows.iter().map(|row| row.4)))),
    ])
}

/// One condition as JSON text.
fn condition() -> impl Strategy<Value = String> {
    let literal = prop_oneof![
        (-22..22_i64).prop_map(|value| (0, value.to_string())),
        (-4..5_i64).prop_map(|value| (1, format!("{value}.0"))),
        prop_oneof!["[abé]{0,2}", "[ab]{70,72}"].prop_map(|text| (2, format!("\"{text}\""))),
        (1..29_i64).prop_map(|day| (3, format!("\"1970-01-{day:02}\""))),
        any::<bool>().prop_map(|value| (4, value.to_string())),
    ];
    let operator = prop::sample::select(vec!["gt", "gte", "lt", "lte"]);
    (literal, operator, 0..8_u8).prop_map(|((column, literal), operator, kind)| {
        let condition = match kind {
            0 | 1 => literal,
            2 => format!("{{\"in\": [{literal}]}}"),
            3 => "{\"is_null\": true}".to_owned(),
            4 => "{\"is_null\": false}".to_owned(),
            _ => format!("{{\"{operator}\": {literal}}}"),
        };
        format!("\"{}\": {condition}", COLUMNS[column])
    })
}

/// The rows that pass, by testing value for value.
fn naive(all: &RecordBatch, filters: &Filters) -> RecordBatch {
    let passes = |row: usize| {
        filters.conditions().iter().all(|condition| {
            let column = all.column(condition.column);
            condition.predicate.matches(&Scalar::from_array(column, row).unwrap())
        })
    };
    let mask = BooleanArray::from_iter((0..all.num_rows()).map(|row| Some(passes(row))));
    arrow::compute::filter_record_batch(all, &mask).unwrap()
}

/// Like `==`, but NaN equals NaN.
fn same(a: &RecordBatch, b: &RecordBatch) -> bool {
    format!("{a:?}") == format!("{b:?}")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn gives_the_rows_that_pass_in_their_order(
        files in vec(vec(row(), 0..60), 1..4),
        sorted in any::<bool>(),
        conditions in vec(condition(), 0..3),
        group_rows in 1..40_usize,
        page_rows in 1..10_usize,
        bloom in any::<bool>(),
        threads in 1..4_usize,
        far in any::<bool>(),
    ) {
        let mut store = Store::new(&columns());
        for mut rows in files {
            if sorted {
                rows.sort_by(|a, b| a.0.cmp(&b.0).then_with(|| a.2.cmp(&b.2)));
            }
            let properties = properties()
                .set_max_row_group_row_count(Some(group_rows))
                .set_data_page_row_count_limit(page_rows)
                .set_write_batch_size(1)
                .set_column_index_truncate_length(Some(3))
                .set_statistics_truncate_length(Some(3))
                .set_bloom_filter_enabled(bloom);
            store.add(file(&rows_to_batch(&rows), properties));
        }
        if far {
            store.far_away(Access { request_max_bytes: 500, ..ACCESS }, Duration::ZERO);
        }
        // One condition a column: JSON objects have no duplicate keys.
        let mut conditions = conditions;
        conditions.sort();
        conditions.dedup_by(|a, b| a[..3] == b[..3]);
        let json = format!("{{{}}}", conditions.join(", "));

        let all = store.read("{}", &[0, 1, 2, 3, 4], 1).unwrap();
        let expected = naive(&all, &filters(&store.table, &json));
        let found = store.read(&json, &[0, 1, 2, 3, 4], threads).unwrap();
        prop_assert!(same(&found, &expected), "{json}\n{found:?}\n{expected:?}");
        let projected = store.read(&json, &[3], threads).unwrap();
        prop_assert_eq!(projected.column(0), expected.column(3));
        prop_assert_eq!(store.count(&json).unwrap(), expected.num_rows() as u64);
    }
}

/// 100 row groups of 10 pages of 100 rows, sorted, in one file that is not fetched whole.
fn sorted_store() -> Store {
    let mut store = Store::new(&[("a", DataType::Int64), ("wide", DataType::Utf8)]);
    let wide: ArrayRef =
        Arc::new(StringArray::from_iter_values((0..100_000).map(|n| format!("{n:x}{:x>60}", n * 7919))));
    let columns = batch(vec![("a", ints(0..100_000)), ("wide", wide)]);
    let properties = properties()
        .set_max_row_group_row_count(Some(1000))
        .set_data_page_row_count_limit(100)
        .set_write_batch_size(100)
        .set_dictionary_enabled(false);
    store.add(file(&columns, properties));
    assert!(store.files[0].meta.size > 4 * fetch::WHOLE_FILE_MAX_BYTES);
    store
}

#[test]
fn a_narrow_filter_reads_few_bytes() {
    let store = sorted_store();
    let read = store.read(r#"{"a": {"gte": 50123, "lt": 50133}}"#, &[0, 1], 1).unwrap();
    assert_eq!(int_values(&read, 0), (50_123..50_133).map(Some).collect::<Vec<_>>());
    // The footer, the page index of one row group, one page of each column.
    let footer_bytes = 64 * 1024;
    let ranges = store.memory.take_read();
    let after_footer: u64 = ranges.iter().skip(2).map(|(_, range)| range.end - range.start).sum();
    assert!(after_footer < footer_bytes, "{ranges:?}");
}

#[test]
fn what_statistics_prove_is_not_decoded() {
    let store = sorted_store();
    assert_eq!(store.count("{}").unwrap(), 100_000);
    let footer_only = store.memory.take_read_bytes();
    // Whole row groups in and out; and the same with one that has to be looked into.
    for (json, rows, most) in [
        (r#"{"a": {"gte": 50000, "lt": 51000}}"#, 1000, footer_only),
        (r#"{"a": {"is_null": false}}"#, 100_000, footer_only),
        (r#"{"a": {"is_null": true}}"#, 0, footer_only),
        (r#"{"a": {"lt": -1}}"#, 0, footer_only),
        (r#"{"a": {"lt": 50500}}"#, 50_500, footer_only + 128 * 1024),
    ] {
        assert_eq!(store.count(json).unwrap(), rows, "{json}");
        let bytes = store.memory.take_read_bytes();
        assert!(bytes <= most, "{json}: {bytes} of {most}");
    }
}

#[test]
fn bloom_filters_rule_out_what_bounds_do_not() {
    let read_bytes = |bloom: bool| {
        let mut store = Store::new(&[("id", DataType::Utf8), ("n", DataType::Int64)]);
        let spread = |n: i64| (n * 7_368_787) % 1_000_003;
        let id: ArrayRef = Arc::new(StringArray::from_iter_values((0..90_000).map(|n| format!("{:0>30}", spread(n)))));
        let columns = batch(vec![("id", id), ("n", ints((0..90_000).map(|n| spread(n) * 2)))]);
        let properties = properties().set_max_row_group_row_count(Some(30_000)).set_bloom_filter_enabled(bloom);
        store.add(file(&columns, properties.set_dictionary_enabled(false)));
        assert!(store.files[0].meta.size > fetch::WHOLE_FILE_MAX_BYTES);
        let present = format!(r#"{{"id": "{:0>30}"}}"#, spread(44_444));
        assert_eq!(int_values(&store.read(&present, &[1], 1).unwrap(), 0), [Some(spread(44_444) * 2)]);
        assert_eq!(store.read(r#"{"n": {"in": [3, 5, 7]}}"#, &[0], 1).unwrap().num_rows(), 0);
        store.memory.take_read();
        let absent = format!(r#"{{"id": "{:0>29}x"}}"#, 5);
        assert_eq!(store.read(&absent, &[1], 1).unwrap().num_rows(), 0);
        store.memory.take_read_bytes()
    };
    let (without, with) = (read_bytes(false), read_bytes(true));
    assert!(with * 3 < without, "{with} of {without}");
}
