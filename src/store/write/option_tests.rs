//! A table's options in the files that a write makes.

use std::cmp::Ordering;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, Int32Array, Int64Array, StringArray};
use arrow::datatypes::{DataType, Field, Float64Type, Int64Type, Schema};
use arrow::record_batch::RecordBatch;
use parquet::basic::{Compression, CompressionCodec, ZstdLevel};
use parquet::bloom_filter::Sbbf;
use parquet::file::metadata::{ParquetMetaData, RowGroupMetaData, SortingColumn};
use proptest::prelude::*;

use super::test_storage::Shared;
use super::tests::{begin, options, read};
use super::{WriteMode, WriteOptions};
use crate::store::table::{Table, TableName};
use crate::store::table_options::{OptionTexts, TableOptions};
use crate::store::types::list_of;

/// A table with a nested column ahead of the others, so that leaves and columns count differently, and a key among
/// them, so that columns of the table and of the files do.
fn table() -> Arc<Table> {
    let point = vec![Field::new("x", DataType::Int32, true), Field::new("y", DataType::Int32, true)];
    let fields = vec![
        Field::new("tags", list_of(Field::new("element", DataType::Struct(point.into()), true)), true),
        Field::new("site", DataType::Int32, false),
        Field::new("name", DataType::Utf8, true),
        Field::new("id", DataType::Int64, false),
        Field::new("area", DataType::Float64, true),
    ];
    Arc::new(Table::new(TableName::parse("images").unwrap(), Arc::new(Schema::new(fields)), vec![1]))
}

/// Site, name and area of each row; its id is its position.
type Row = (i32, Option<String>, Option<f64>);

fn batch(rows: &[Row], first_id: usize) -> RecordBatch {
    let schema = table().schema().clone();
    let columns: Vec<ArrayRef> = vec![
        arrow::array::new_null_array(schema.field(0).data_type(), rows.len()),
        Arc::new(Int32Array::from_iter_values(rows.iter().map(|row| row.0))),
        Arc::new(StringArray::from_iter(rows.iter().map(|row| row.1.clone()))),
        Arc::new(Int64Array::from_iter_values((first_id..first_id + rows.len()).map(|id| id as i64))),
        Arc::new(Float64Array::from_iter(rows.iter().map(|row| row.2))),
    ];
    RecordBatch::try_new(schema, columns).unwrap()
}

fn texts(sort_by: &[&str], bloom_filter: &[&str]) -> OptionTexts {
    let names = |names: &[&str]| Some(names.iter().map(|name| (*name).to_owned()).collect());
    OptionTexts { sort_by: names(sort_by), bloom_filter: names(bloom_filter), ..OptionTexts::default() }
}

/// Writes the rows, `at_once` in a batch, and reads every file back.
fn write(rows: &[Row], at_once: usize, texts: &OptionTexts) -> Vec<(RecordBatch, Arc<ParquetMetaData>, bytes::Bytes)> {
    let storage = Shared::default();
    let table_options = TableOptions::resolve(texts, &table()).unwrap();
    let options = WriteOptions { table_options, memory_budget_bytes: 1 << 20, ..options() };
    let mut writer = begin(&storage, table(), options).unwrap();
    for (number, chunk) in rows.chunks(at_once).enumerate() {
        writer.push(&batch(chunk, number * at_once)).unwrap();
    }
    writer.finish().unwrap();
    let whole = |path: &String| {
        let (batch, metadata) = read(&storage, path);
        (batch, metadata, storage.0.bytes(path))
    };
    storage.0.paths().iter().map(whole).collect()
}

fn some_rows(count: usize) -> Vec<Row> {
    let name = |row: usize| (!row.is_multiple_of(11)).then(|| format!("name {}", row * 7919 % count));
    (0..count).map(|row| ((row % 2) as i32, name(row), Some((row * 31 % 17) as f64))).collect()
}

#[test]
fn compression_is_as_asked_for() {
    let level = ZstdLevel::try_new(9).unwrap();
    for (text, expected) in [
        (None, Compression::ZSTD(ZstdLevel::try_new(1).unwrap())),
        (Some("zstd(9)"), Compression::ZSTD(level)),
        (Some("snappy"), Compression::SNAPPY),
        (Some("lz4"), Compression::LZ4_RAW),
        (Some("gzip"), Compression::GZIP(Default::default())),
        (Some("uncompressed"), Compression::UNCOMPRESSED),
    ] {
        let texts = OptionTexts { compression: text.map(str::to_owned), ..OptionTexts::default() };
        for rows in [4_000, 10] {
            let files = write(&some_rows(rows), 100, &texts);
            assert_eq!(files.iter().map(|(rows, ..)| rows.num_rows()).sum::<usize>(), rows);
            let groups = files.iter().flat_map(|(_, metadata, _)| metadata.row_groups());
            // What is stored is the codec; its level is only in the size.
            let expected = CompressionCodec::from(expected);
            let few = |group: &RowGroupMetaData| group.num_rows() < 1024;
            assert_eq!(groups.clone().all(few), rows == 10);
            for group in groups {
                let expected = match expected {
                    CompressionCodec::ZSTD if few(group) => CompressionCodec::SNAPPY,
                    expected => expected,
                };
                assert!(group.columns().iter().all(|column| column.compression_codec() == expected), "{text:?}");
            }
        }
    }
}

#[test]
fn row_groups_have_no_more_rows_than_asked_for() {
    let rows: Vec<Row> = (0..30_000).map(|row| (row / 16_000, None, None)).collect();
    let texts = OptionTexts { row_group_rows: Some(1_500), ..OptionTexts::default() };
    let storage = Shared::default();
    let table_options = TableOptions::resolve(&texts, &table()).unwrap();
    let mut writer = begin(&storage, table(), WriteOptions { table_options, ..options() }).unwrap();
    for (number, chunk) in rows.chunks(700).enumerate() {
        writer.push(&batch(chunk, number * 700)).unwrap();
    }
    writer.finish().unwrap();
    for path in storage.0.paths() {
        let (batch, metadata) = read(&storage, &path);
        let sizes: Vec<i64> = metadata.row_groups().iter().map(|group| group.num_rows()).collect();
        assert!(sizes.iter().all(|rows| *rows <= 1_500), "{sizes:?}");
        assert!(sizes.len() <= batch.num_rows().div_ceil(1_500) + 1, "full ones, but for the last: {sizes:?}");
    }
}

#[test]
fn bloom_filters_know_what_is_there() {
    let files = write(&some_rows(15_000), 100, &texts(&["name"], &["name", "id"]));
    let mut false_positives = 0;
    for (rows, metadata, bytes) in &files {
        let leaf = |name: &str| {
            let columns = metadata.file_metadata().schema_descr().columns();
            columns.iter().position(|column| column.path().parts() == [name]).unwrap()
        };
        let mut first = 0;
        let (names, ids, area) = (leaf("name"), leaf("id"), leaf("area"));
        for group in metadata.row_groups() {
            assert!(group.column(area).bloom_filter_offset().is_none());
            let filter = |column: usize| {
                let column = group.column(column);
                let start = usize::try_from(column.bloom_filter_offset().unwrap()).unwrap();
                let length = usize::try_from(column.bloom_filter_length().unwrap()).unwrap();
                // About 10 bits a value, rounded up to a power of two, and a header.
                assert!(length < group.num_rows() as usize * 4 + 100, "{length} bytes for {}", group.num_rows());
                Sbbf::from_bytes(&bytes[start..start + length]).unwrap()
            };
            let (names, ids) = (filter(names), filter(ids));
            let rows = rows.slice(first, group.num_rows() as usize);
            for name in rows.column(1).as_string::<i32>().iter().flatten() {
                assert!(names.check(&name), "{name}");
            }
            for id in rows.column(2).as_primitive::<Int64Type>().values() {
                assert!(ids.check(id), "{id}");
            }
            false_positives += (20_000..21_000_i64).filter(|id| ids.check(id)).count();
            first += group.num_rows() as usize;
        }
    }
    let groups: usize = files.iter().map(|(_, metadata, _)| metadata.num_row_groups()).sum();
    assert!(groups > 2 && false_positives < groups * 30, "{false_positives} of {groups} thousand");
}

/// NULLs last, whichever way.
fn compare<T: PartialOrd>(a: Option<T>, b: Option<T>, descending: bool) -> Ordering {
    match (a, b) {
        (None, None) => Ordering::Equal,
        (None, Some(_)) => Ordering::Greater,
        (Some(_), None) => Ordering::Less,
        (Some(a), Some(b)) if descending => b.partial_cmp(&a).unwrap(),
        (Some(a), Some(b)) => a.partial_cmp(&b).unwrap(),
    }
}

fn row_strategy() -> impl Strategy<Value = Row> {
    let area = prop_oneof![
        Just(None),
        (-3_i32..3).prop_map(|n| Some(f64::from(n))),
        any::<i32>().prop_map(|n| Some(f64::from(n)))
    ];
    (0..3, proptest::option::of("[a-cä]{0,3}"), area)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn sorting_loses_nothing(
        rows in proptest::collection::vec(row_strategy(), 1..4_000),
        at_once in 1_usize..900,
        descending in any::<(bool, bool)>(),
        names_first in any::<bool>(),
        sorted_input in any::<bool>(),
    ) {
        let spell = |name: &str, descending| format!("{name}{}", if descending { " DESC" } else { "" });
        let mut sort_by = [spell("name", descending.0), spell("area", descending.1)];
        let order = |a: (Option<&str>, Option<f64>), b: (Option<&str>, Option<f64>)| {
            let by_name = compare(a.0, b.0, descending.0);
            let by_area = compare(a.1, b.1, descending.1);
            if names_first { by_name.then(by_area) } else { by_area.then(by_name) }
        };
        if !names_first {
            sort_by.reverse();
        }
        let mut rows = rows;
        if sorted_input {
            rows.sort_by(|a, b| order((a.1.as_deref(), a.2), (b.1.as_deref(), b.2)));
        }
        let sort_by: Vec<&str> = sort_by.iter().map(String::as_str).collect();
        let files = write(&rows, at_once, &texts(&sort_by, &[]));
        let mut seen = vec![false; rows.len()];
        for (batch, metadata, _) in files {
            let names = batch.column(1).as_string::<i32>();
            let ids = batch.column(2).as_primitive::<Int64Type>();
            let areas = batch.column(3).as_primitive::<Float64Type>();
            let key = |row: usize| (
                names.is_valid(row).then(|| names.value(row)),
                areas.is_valid(row).then(|| areas.value(row)),
            );
            for row in 0..batch.num_rows() {
                let id = ids.value(row) as usize;
                prop_assert!(!std::mem::replace(&mut seen[id], true), "row {id} is there twice");
                prop_assert_eq!(key(row), (rows[id].1.as_deref(), rows[id].2));
            }
            let mut first = 0;
            for group in metadata.row_groups() {
                let leaves = if names_first { [2, 4] } else { [4, 2] };
                let directions = if names_first { descending } else { (descending.1, descending.0) };
                let expected: Vec<SortingColumn> = leaves.iter().zip([directions.0, directions.1])
                    .map(|(leaf, descending)| SortingColumn { column_idx: *leaf, descending, nulls_first: false }).collect();
                prop_assert_eq!(group.sorting_columns(), Some(&expected));
                let end = first + group.num_rows() as usize;
                for row in first + 1..end {
                    let ordering = order(key(row - 1), key(row));
                    prop_assert!(ordering.is_le(), "rows {} and {row} of {first}..{end}", row - 1);
                    prop_assert!(ordering.is_lt() || ids.value(row - 1) < ids.value(row), "equal rows changed places");
                }
                first = end;
            }
        }
        prop_assert!(seen.into_iter().all(|seen| seen), "a row is missing");
    }
}

#[test]
fn an_overwrite_keeps_to_the_options_too() {
    let table_options = TableOptions::resolve(&texts(&["id DESC"], &["id"]), &table()).unwrap();
    for mode in [WriteMode::Append, WriteMode::Overwrite] {
        let storage = Shared::default();
        let options = WriteOptions { table_options: table_options.clone(), mode, ..options() };
        let mut writer = begin(&storage, table(), options).unwrap();
        writer.push(&batch(&[(1, None, None), (1, None, None), (1, None, None)], 7)).unwrap();
        writer.finish().unwrap();
        let [path] = storage.0.paths().try_into().unwrap();
        let (rows, metadata) = read(&storage, &path);
        assert_eq!(rows.column(2).as_primitive::<Int64Type>().values(), &[9, 8, 7]);
        let group = metadata.row_group(0);
        assert!(group.sorting_columns().is_some() && group.column(3).bloom_filter_offset().is_some());
    }
}
