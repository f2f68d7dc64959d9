//! What is asked for over a network: no more than is needed, and nothing twice.

use std::ops::Range;
use std::time::Duration;

use arrow::array::StringArray;
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader};

use super::network::{ACCESS, metas};
use super::*;

const PAGE_ROWS: usize = 1000;
const GROUP_ROWS: usize = 20_000;

fn columns() -> [(&'static str, DataType); 3] {
    [("a", DataType::Int64), ("b", DataType::Int64), ("wide", DataType::Utf8)]
}

/// Five row groups of 20 pages, sorted by `a`; several MB.
fn sorted() -> Bytes {
    let rows = 5 * GROUP_ROWS as i64;
    let wide: ArrayRef = Arc::new(StringArray::from_iter_values((0..rows).map(|n| format!("{n:x}{:x>60}", n * 7919))));
    let columns = batch(vec![("a", ints(0..rows)), ("b", ints((0..rows).map(|n| n * 7919 % 100_003))), ("wide", wide)]);
    let properties = properties()
        .set_max_row_group_row_count(Some(GROUP_ROWS))
        .set_data_page_row_count_limit(PAGE_ROWS)
        .set_write_batch_size(PAGE_ROWS)
        .set_dictionary_enabled(false);
    file(&columns, properties)
}

fn indexed(bytes: &Bytes) -> ParquetMetaData {
    ParquetMetaDataReader::new().with_page_index_policy(PageIndexPolicy::Required).parse_and_finish(bytes).unwrap()
}

/// The bytes of the pages that hold some of `rows` of a row group.
fn pages(metadata: &ParquetMetaData, group: usize, column: usize, rows: Range<usize>) -> Range<u64> {
    let pages = metadata.page_index().unwrap().page_locations(group, column).unwrap();
    let page = |row: usize| &pages[row / PAGE_ROWS];
    let (first, last) = (page(rows.start), page(rows.end - 1));
    first.offset as u64..last.offset as u64 + last.compressed_page_size as u64
}

fn sorted_ranges(requests: Vec<(String, Range<u64>)>) -> Vec<Range<u64>> {
    let mut ranges: Vec<Range<u64>> = requests.into_iter().map(|(_, range)| range).collect();
    ranges.sort_by_key(|range| range.start);
    ranges
}

#[test]
fn a_filter_asks_for_the_pages_that_may_match_and_for_no_footer_twice() {
    let bytes = sorted();
    let metadata = indexed(&bytes);
    let mut store = Store::new(&columns());
    store.add(bytes.clone());
    let line = store.far_away(ACCESS, Duration::ZERO);
    let json = r#"{"a": {"gte": 43500, "lt": 45200}}"#;
    let expected: Vec<Range<u64>> = (0..3).map(|column| pages(&metadata, 2, column, 3500..5200)).collect();
    let tail = bytes.len() as u64 - 64 * 1024..bytes.len() as u64;

    let read = || {
        let rows = store.read(json, &[0, 1, 2], 2).unwrap();
        assert_eq!(int_values(&rows, 0), (43_500..45_200).map(Some).collect::<Vec<_>>());
        line.take_requests()
    };
    let mut first = read();
    assert_eq!(first.remove(0).1, tail);
    assert_eq!(sorted_ranges(first), expected);
    assert_eq!(sorted_ranges(read()), expected);

    // Another filter on the same column, in another row group: its part of the index is in the tail of the file.
    let rows = store.read(r#"{"a": 70001}"#, &[0], 2).unwrap();
    assert_eq!(int_values(&rows, 0), [Some(70_001)]);
    let mut requests = line.take_requests();
    assert_eq!(requests.pop().unwrap().1, pages(&metadata, 3, 0, 10_001..10_002));
    assert_eq!(requests.len(), 1, "the page index in one request: {requests:?}");
    // What was known before is still known.
    assert_eq!(sorted_ranges(read()), expected);
    assert_eq!(store.count(r#"{"a": {"lt": 40000}}"#).unwrap(), 40_000);
    assert_eq!(line.take_requests(), []);
}

#[test]
fn columns_that_lie_close_come_in_one_request() {
    let bytes = sorted();
    let mut store = Store::new(&columns());
    store.add(bytes);
    let line = store.far_away(ACCESS, Duration::ZERO);
    assert_eq!(store.read("{}", &[0, 1, 2], 2).unwrap().num_rows(), 5 * GROUP_ROWS);
    assert_eq!(line.take_requests().len(), 1 + 5);
    // With a filter that rules out no page, what little there is comes with the column that is tested.
    let passing = (0..5 * GROUP_ROWS).filter(|n| n * 7919 % 100_003 < 50_000).count();
    assert_eq!(store.read(r#"{"b": {"lt": 50000}}"#, &[0], 2).unwrap().num_rows(), passing);
    let requests = line.take_requests();
    assert!(requests.len() <= 1 + 5, "{requests:?}");
}

#[test]
fn lanes_of_one_row_group_fetch_together() {
    let rows = 400_000;
    let columns = batch(vec![("a", ints(0..rows)), ("b", ints(0..rows)), ("c", ints(0..rows)), ("d", ints(0..rows))]);
    let bytes = file(&columns, properties().set_max_row_group_row_count(None).set_dictionary_enabled(false));
    let types = [("a", DataType::Int64), ("b", DataType::Int64), ("c", DataType::Int64), ("d", DataType::Int64)];
    let mut store = Store::new(&types);
    store.add(bytes.clone());
    let line = store.far_away(ACCESS, Duration::ZERO);
    assert_eq!(store.read("{}", &[0, 1, 2, 3], 4).unwrap().num_rows(), rows as usize);
    let asked = line.take_bytes();
    assert!(asked <= bytes.len() as u64 + 64 * 1024, "{asked} of {}", bytes.len());
}

#[test]
fn small_files_come_whole_and_known_ones_only_where_they_matter() {
    let small = |n: i64| file(&batch(vec![("a", ints(n * 1000..n * 1000 + 1000))]), properties());
    for access in [ACCESS, Access::LOCAL] {
        let mut store = Store::new(&[("a", DataType::Int64)]);
        for n in 0..40 {
            store.add(small(n));
        }
        let line = store.far_away(access, Duration::ZERO);
        assert_eq!(store.read("{}", &[0], 2).unwrap().num_rows(), 40_000);
        let whole = line.take_requests();
        assert_eq!(whole.len(), 40);
        assert!(whole.iter().all(|(_, range)| range.start == 0));
        // The footers are known now, so it is known which files to fetch, and how many rows there are.
        assert_eq!(store.read(r#"{"a": {"gte": 5100, "lt": 6001}}"#, &[0], 2).unwrap().num_rows(), 901);
        assert_eq!(line.take_requests().len(), 2);
        assert_eq!(file_row_counts(&store.storage(), &metas(&store), 2).unwrap(), [1000; 40]);
        assert_eq!(store.count("{}").unwrap(), 40_000);
        assert_eq!(line.take_requests(), []);
        // A file that is replaced is another one.
        store.files[3].meta = store.memory.put("t/0003.parquet", small(7));
        assert_eq!(store.read(r#"{"a": {"gte": 7000, "lt": 8000}}"#, &[0], 2).unwrap().num_rows(), 2000);
        assert_eq!(line.take_requests().len(), 2);
    }
}

#[test]
fn the_size_of_footers_is_learnt() {
    // Hundreds of row groups: a footer of more than the first guess.
    let rows = 100_000;
    let text: ArrayRef = Arc::new(StringArray::from_iter_values((0..rows).map(|n| format!("{n:>30}"))));
    let columns = batch(vec![("a", ints(0..rows)), ("s", text)]);
    let bytes = file(&columns, properties().set_max_row_group_row_count(Some(100)));
    assert!(bytes.len() as u64 > fetch::WHOLE_FILE_MAX_BYTES);
    let mut store = Store::new(&[("a", DataType::Int64), ("s", DataType::Utf8)]);
    for _ in 0..30 {
        store.add(bytes.clone());
    }
    let line = store.far_away(Access { concurrency: 2, ..ACCESS }, Duration::ZERO);
    assert_eq!(store.count("{}").unwrap(), 30 * rows as u64);
    let requests = line.take_requests().len();
    assert!(requests > 30 && requests <= 30 + 2, "{requests}");
}
