//! Whole writes into a store in memory.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Float64Array, Int32Array, Int64Array, StringArray, TimestampSecondArray};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Field, Int64Type, Schema, TimeUnit};
use arrow::record_batch::RecordBatch;
use parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::basic::Encoding;
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData};

use super::test_storage::{Shared, Trouble};
use super::{TableWriter, WriteMode, WriteOptions, WriteReport, test_storage::TestStorage};
use crate::error::{ErrorKind, Result};
use crate::store::environment::testing::journal;
use crate::store::table::{Table, TableName};
use crate::store::table_options::TableOptions;
use crate::store::types::{list_of, timestamptz, uuid_field};

/// A table of `id`, numbering the rows as they are pushed, `label`, and keys `site`, `month`.
fn table(partition_by: Vec<usize>) -> Arc<Table> {
    let fields = vec![
        Field::new("site", DataType::Utf8, false),
        Field::new("id", DataType::Int64, false),
        Field::new("month", DataType::Int32, false),
        Field::new("label", DataType::Utf8, true),
    ];
    Arc::new(Table::new(TableName::parse("images").unwrap(), Arc::new(Schema::new(fields)), partition_by))
}

/// Rows `ids`; each one's partition is `key(id)`.
fn batch(ids: std::ops::Range<usize>, key: impl Fn(usize) -> usize) -> RecordBatch {
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values(ids.clone().map(|id| format!("s/{}", key(id) / 12)))),
        Arc::new(Int64Array::from_iter_values(ids.clone().map(|id| id as i64))),
        Arc::new(Int32Array::from_iter_values(ids.clone().map(|id| (key(id) % 12) as i32 + 1))),
        Arc::new(StringArray::from_iter(ids.map(|id| (id % 7 != 0).then(|| format!("label {}", id % 5))))),
    ];
    RecordBatch::try_new(table(vec![]).schema().clone(), columns).unwrap()
}

fn rows_of_group(rows: usize) -> TableOptions {
    TableOptions { row_group_rows: Some(rows), ..TableOptions::default() }
}

pub(super) fn options() -> WriteOptions {
    WriteOptions { table_options: rows_of_group(1000), ..WriteOptions::new(WriteMode::Append, 3) }
}

pub(super) fn begin(storage: &Shared, table: Arc<Table>, options: WriteOptions) -> Result<TableWriter> {
    TableWriter::begin(journal(Arc::new(storage.clone()), &table), table, options)
}

/// The name of file 0 of the first write of a test.
const FIRST_FILE: &str = "c0-00000000000000000000000100000001-0.parquet";

/// Writes `rows` rows in batches of 500.
fn write(
    storage: &Shared,
    partition_by: Vec<usize>,
    rows: usize,
    key: impl Fn(usize) -> usize + Copy,
    options: WriteOptions,
) -> Result<WriteReport> {
    let mut writer = begin(storage, table(partition_by), options)?;
    for start in (0..rows).step_by(500) {
        writer.push(&batch(start..rows.min(start + 500), key))?;
    }
    writer.finish()
}

pub(super) fn read(storage: &Shared, path: &str) -> (RecordBatch, Arc<ParquetMetaData>) {
    let options = ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Required);
    let reader = ParquetRecordBatchReaderBuilder::try_new_with_options(storage.0.bytes(path), options).unwrap();
    let (schema, metadata) = (reader.schema().clone(), reader.metadata().clone());
    let batches: Vec<RecordBatch> = reader.build().unwrap().map(|batch| batch.unwrap()).collect();
    (concat_batches(&schema, &batches).unwrap(), metadata)
}

/// Checks that the store holds exactly `rows` rows, each in its partition, in order, and returns the sizes of all row
/// groups, by directory.
fn check(storage: &Shared, rows: usize, key: impl Fn(usize) -> usize) -> BTreeMap<String, Vec<i64>> {
    let mut sizes: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    let mut ids: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    let mut paths = storage.0.paths();
    let number =
        |path: &String| path.rsplit_once('-').unwrap().1.trim_end_matches(".parquet").parse::<usize>().unwrap();
    paths.sort_by_key(number);
    for path in paths {
        let (batch, metadata) = read(storage, &path);
        let names: Vec<&str> = batch.schema_ref().fields().iter().map(|field| field.name().as_str()).collect();
        assert_eq!(names, ["id", "label"]);
        let directory = path.rsplit_once('/').unwrap().0.to_owned();
        let of_file = batch.column(0).as_primitive::<Int64Type>().values().iter().map(|id| *id as usize);
        for (id, label) in of_file.clone().zip(batch.column(1).as_string::<i32>()) {
            assert_eq!(label.map(str::to_owned), (id % 7 != 0).then(|| format!("label {}", id % 5)));
        }
        ids.entry(directory.clone()).or_default().extend(of_file);
        let groups = sizes.entry(directory).or_default();
        groups.extend(metadata.row_groups().iter().map(|group| group.num_rows()));
    }
    let mut expected: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for id in 0..rows {
        let directory = format!("images/site=s%2F{}/month={}", key(id) / 12, key(id) % 12 + 1);
        expected.entry(directory).or_default().push(id);
    }
    assert!(ids == expected, "rows are missing, misplaced or out of order");
    sizes
}

#[test]
fn sorted_rows_fill_row_groups_in_order() {
    let storage = Shared::default();
    let key = |id| id / 10_000;
    let report = write(&storage, vec![0, 2], 25_000, key, options()).unwrap();
    assert_eq!((report.rows, report.files.len()), (25_000, 3));
    assert_eq!(report.bytes, storage.0.paths().iter().map(|path| storage.0.bytes(path).len() as u64).sum::<u64>());
    let sizes = check(&storage, 25_000, key);
    assert!(sizes.values().flatten().all(|rows| (500..=1000).contains(rows)), "{sizes:?}");
}

#[test]
fn alternating_rows_come_together() {
    // Few rows: as they came; more than a block: ordered on arrival; and partitions that need several row groups.
    for (rows, partitions) in [(3_000, 30), (100_000, 30), (40_000, 2), (40_000, 9_000)] {
        let storage = Shared::default();
        let key = |id: usize| id * 7919 % partitions;
        write(&storage, vec![0, 2], rows, key, options()).unwrap();
        let sizes = check(&storage, rows, key);
        assert_eq!(sizes.len(), partitions.min(rows));
        assert!(sizes.values().flatten().all(|rows| *rows <= 1000), "{sizes:?}");
    }
}

#[test]
fn seldom_partitions_wait_for_more_rows() {
    let storage = Shared::default();
    let key = |id: usize| if id.is_multiple_of(100) { 1 + id / 100 % 10 } else { 0 };
    write(&storage, vec![0, 2], 200_000, key, options()).unwrap();
    let sizes = check(&storage, 200_000, key);
    let (_, often) = sizes.first_key_value().unwrap();
    assert!(often.len() > 100, "{often:?}");
    assert!(sizes.values().skip(1).all(|groups| groups == &[200]), "{sizes:?}");
}

#[test]
fn an_unpartitioned_table_is_one_file() {
    let storage = Shared::default();
    write(&storage, vec![], 10_400, |_| 0, options()).unwrap();
    let path = format!("images/{FIRST_FILE}");
    assert_eq!(storage.0.paths(), [path.as_str()]);
    let (batch, metadata) = read(&storage, &path);
    let ids = batch.column(1).as_primitive::<Int64Type>().values().to_vec();
    assert_eq!(ids, (0..10_400).collect::<Vec<i64>>());
    assert_eq!(metadata.row_groups().iter().map(|group| group.num_rows()).max(), Some(1000));
    assert!(metadata.page_index().is_some_and(|index| index.is_complete()));
    assert!(
        metadata.row_group(3).column(1).statistics().is_some_and(|statistics| statistics.min_bytes_opt().is_some())
    );
}

#[test]
fn little_memory_is_enough_for_many_partitions() {
    let storage = Shared::default();
    let key = |id: usize| id * 7919 % 20_000;
    let options = WriteOptions { memory_budget_bytes: 1 << 20, ..options() };
    let report = write(&storage, vec![0, 2], 60_000, key, options).unwrap();
    let sizes = check(&storage, 60_000, key);
    assert_eq!(sizes.len(), 20_000);
    assert!(report.files.len() > 20_000, "footers were kept beyond the budget");
}

#[test]
fn a_small_budget_flushes_early() {
    let files = |memory_budget_bytes| {
        let storage = Shared::default();
        let options = WriteOptions { table_options: rows_of_group(1_000_000), memory_budget_bytes, ..options() };
        write(&storage, vec![0, 2], 50_000, |id| id % 3, options).unwrap();
        check(&storage, 50_000, |id| id % 3)
    };
    assert!(files(1 << 20).values().all(|groups| groups.len() > 2));
    assert!(files(64 << 20).values().all(|groups| groups == &[16_667] || groups == &[16_666]));
}

#[test]
fn large_files_are_continued_in_the_next() {
    let storage = Shared::default();
    let options = WriteOptions { target_file_bytes: 2_000, ..options() };
    let report = write(&storage, vec![0, 2], 50_000, |_| 0, options).unwrap();
    assert!(report.files.len() > 3, "{report:?}");
    assert!(report.files.iter().all(|file| file.size < 15_000), "{report:?}");
    check(&storage, 50_000, |_| 0);
}

#[test]
fn an_overwrite_replaces_the_partitions_it_names() {
    let storage = Shared::default();
    let replaced = [
        "images/site=s%2F0/month=1/old.parquet",
        "images/site=s%2F0/month=01/old.parquet",
        "images/site=s%2f0/month=1/old.parquet",
    ];
    let kept = [
        "images/site=s%2F0/_month=1/old.parquet",
        "images/site=s%2F0/month=1/.old.parquet",
        "images/site=s%2F0/month=1/_old.parquet",
        "images/site=s%2F0/month=1/deeper/old.parquet",
        "images/site=s%2F0/month=1/old.csv",
        "images/site=s%2F0/month=2/old.parquet",
        "images/site=s%2F0/month=x/old.parquet",
        "images/site=s%2F1/month=1/old.parquet",
        "other/site=s%2F0/month=1/old.parquet",
    ];
    for path in replaced.iter().chain(&kept) {
        storage.0.add(path, b"old");
    }
    storage.0.add("images/site=s%2F0/month=1/empty.parquet", b"");
    let options = WriteOptions { mode: WriteMode::Overwrite, ..options() };
    write(&storage, vec![0, 2], 10, |_| 0, options).unwrap();
    let mut expected: Vec<&str> = kept.to_vec();
    let written = format!("images/site=s%2F0/month=1/{FIRST_FILE}");
    expected.extend(["images/site=s%2F0/month=1/empty.parquet", &written]);
    expected.sort_unstable();
    assert_eq!(storage.0.paths(), expected);
    let mut trashed = replaced.map(|path| path.replacen("images", "_registry/trash/images/1", 1));
    trashed.sort_unstable();
    assert_eq!(storage.0.trashed(), trashed);
}

#[test]
fn an_overwrite_replaces_an_unpartitioned_table_and_an_append_does_not() {
    for (mode, paths) in [(WriteMode::Overwrite, 1), (WriteMode::Append, 2)] {
        let storage = Shared::default();
        storage.0.add("images/old.parquet", b"old");
        write(&storage, vec![], 10, |_| 0, WriteOptions { mode, ..options() }).unwrap();
        assert_eq!(storage.0.paths().len(), paths);
    }
}

#[test]
fn no_rows_append_nothing_and_cannot_overwrite() {
    let storage = Shared::default();
    let report = write(&storage, vec![0, 2], 0, |_| 0, options()).unwrap();
    assert_eq!((report.rows, report.files.len()), (0, 0));
    storage.0.add("images/site=s/month=1/old.parquet", b"old");
    let error = write(&storage, vec![0, 2], 0, |_| 0, WriteOptions { mode: WriteMode::Overwrite, ..options() });
    assert_eq!(error.unwrap_err().kind(), ErrorKind::InvalidInput);
    assert_eq!(storage.0.paths().len(), 1);
}

#[test]
fn whatever_fails_nothing_remains() {
    let key = |id: usize| id / 500 % 4;
    // Sealed several times on the way, files that rest in between, files of several parts.
    let options = WriteOptions { memory_budget_bytes: 1 << 17, target_file_bytes: 1_000, ..options() };
    let whole = Shared::default();
    let files = write(&whole, vec![0, 2], 20_000, key, options.clone()).unwrap().files.len();
    let steps = whole.0.steps();
    assert!(files > 4 && steps > 3 * files, "{files} files in {steps} steps");
    let attempt = |step, trouble, kind, concurrency| {
        let storage = Shared(Arc::new(TestStorage::failing(step, trouble).in_background(concurrency)));
        let error = write(&storage, vec![0, 2], 20_000, key, options.clone()).unwrap_err();
        assert!(storage.0.is_empty(), "step {step} left {:?}", storage.0.paths());
        assert_eq!(error.kind(), kind, "{error}");
    };
    for concurrency in [0, 3] {
        (0..steps).for_each(|step| attempt(step, Trouble::Error, ErrorKind::Io, concurrency));
        (0..steps).for_each(|step| attempt(step, Trouble::Panic, ErrorKind::Internal, concurrency));
    }
}

#[test]
fn a_store_that_does_not_answer_is_asked_once_whatever_the_threads() {
    let storage = Shared(Arc::new(TestStorage::silent()));
    let options = WriteOptions { memory_budget_bytes: 1 << 17, table_options: rows_of_group(500), ..options() };
    let error = write(&storage, vec![0, 2], 20_000, |id| id / 500 % 40, options).unwrap_err();
    assert_eq!((error.kind(), storage.0.unlisted()), (ErrorKind::Io, 1), "{error}");
    assert!(error.to_string().contains("does not answer"), "{error}");
}

#[test]
fn files_are_finished_beside_each_other_where_that_takes_a_request() {
    let key = |id: usize| id % 200;
    let storage = Shared(Arc::new(TestStorage::default().in_background(16)));
    let options = WriteOptions { threads: 2, ..options() };
    assert_eq!(write(&storage, vec![0, 2], 2000, key, options).unwrap().files.len(), 200);
    check(&storage, 2000, key);
    // A thread may see the last place free at the same time as another.
    let most = storage.0.most_finishing();
    assert!((8..=16 + 2).contains(&most), "{most} at one time");
}

#[test]
fn a_write_that_is_dropped_leaves_nothing() {
    let storage = Shared::default();
    let options = WriteOptions { memory_budget_bytes: 1 << 17, ..options() };
    let mut writer = begin(&storage, table(vec![0, 2]), options).unwrap();
    for start in (0..20_000).step_by(500) {
        writer.push(&batch(start..start + 500, |id| id % 5)).unwrap();
    }
    drop(writer);
    assert!(storage.0.is_empty());
}

#[test]
fn a_failed_write_says_so_again() {
    let storage = Shared(Arc::new(TestStorage::failing(0, Trouble::Error)));
    let mut writer = begin(&storage, table(vec![]), options()).unwrap();
    let first = (0..).find_map(|n| writer.push(&batch(n * 500..(n + 1) * 500, |_| 0)).err()).unwrap();
    assert!(first.to_string().contains("the disk is full"), "{first}");
    assert!(writer.push(&batch(0..1, |_| 0)).is_err());
    assert!(writer.finish().is_err());
    assert!(storage.0.is_empty());
}

#[test]
fn a_batch_of_other_columns_is_refused() {
    let storage = Shared::default();
    let mut writer = begin(&storage, table(vec![0]), options()).unwrap();
    let whole = batch(0..3, |_| 0);
    assert!(writer.push(&whole.project(&[0, 1, 2]).unwrap()).is_err());
    assert!(writer.push(&whole.project(&[0, 2, 1, 3]).unwrap()).is_err());
    assert!(writer.push(&whole).is_ok());
}

/// Writes one batch of a table of these columns and reads it back.
fn round_trip(fields: Vec<Field>, columns: Vec<ArrayRef>) -> Result<(RecordBatch, Arc<ParquetMetaData>)> {
    let schema = Arc::new(Schema::new(fields));
    let table = Arc::new(Table::new(TableName::parse("t").unwrap(), schema.clone(), vec![]));
    let storage = Shared::default();
    let mut writer = begin(&storage, table, options())?;
    writer.push(&RecordBatch::try_new(schema, columns).unwrap())?;
    writer.finish()?;
    Ok(read(&storage, &format!("t/{FIRST_FILE}")))
}

#[test]
fn types_come_back_as_registered() {
    let seconds = DataType::Timestamp(TimeUnit::Second, None);
    let moments: ArrayRef = Arc::new(TimestampSecondArray::from(vec![Some(-1), None, Some(86_400)]));
    let list = arrow::compute::cast(&moments, &list_of(Field::new("element", seconds.clone(), true))).unwrap();
    let ids: ArrayRef = Arc::new(
        arrow::array::FixedSizeBinaryArray::try_from_iter([[1_u8; 16], [2; 16], [3; 16]].into_iter()).unwrap(),
    );
    let times: ArrayRef = Arc::new(arrow::array::TimestampMicrosecondArray::from(vec![1, 2, 3]).with_timezone("UTC"));
    let fields = vec![
        Field::new("s", seconds, true),
        Field::new("l", list.data_type().clone(), true),
        uuid_field("u", false),
        Field::new("t", timestamptz(), false),
    ];
    let (batch, metadata) = round_trip(fields.clone(), vec![moments, list, ids.clone(), times.clone()]).unwrap();
    let milliseconds = DataType::Timestamp(TimeUnit::Millisecond, None);
    let stored = batch.schema_ref();
    assert_eq!(stored.field(0).data_type(), &milliseconds);
    assert_eq!(stored.field(1).data_type(), &list_of(Field::new("element", milliseconds, true)));
    assert_eq!(stored.fields()[2..], [Arc::new(fields[2].clone()), Arc::new(fields[3].clone())]);
    assert_eq!((batch.column(2), batch.column(3)), (&ids, &times));
    let values = batch.column(0).as_primitive::<arrow::datatypes::TimestampMillisecondType>();
    assert_eq!(values.iter().collect::<Vec<_>>(), [Some(-1000), None, Some(86_400_000)]);
    let columns = metadata.file_metadata().schema_descr().columns().to_vec();
    assert_eq!(columns[2].logical_type_ref(), Some(&parquet::basic::LogicalType::Uuid));
}

#[test]
fn seconds_beyond_milliseconds_are_an_error_that_names_the_column() {
    let far: ArrayRef = Arc::new(TimestampSecondArray::from(vec![i64::MAX]));
    let error = round_trip(vec![Field::new("seen", far.data_type().clone(), true)], vec![far]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conversion);
    assert!(error.to_string().contains("Column \"seen\" of table \"t\""), "{error}");
}

#[test]
fn only_values_that_repeat_get_a_dictionary() {
    let rows = 5000;
    let classes: ArrayRef = Arc::new(StringArray::from_iter_values((0..rows).map(|row| format!("class {}", row % 50))));
    let ids: ArrayRef = Arc::new(StringArray::from_iter_values((0..rows).map(|row| format!("image {row}"))));
    let areas: ArrayRef = Arc::new(Float64Array::from_iter_values((0..rows).map(|row| f64::from(row).sqrt())));
    let field = |name: &str, array: &ArrayRef| Field::new(name, array.data_type().clone(), true);
    let fields = vec![field("class", &classes), field("id", &ids), field("area", &areas)];
    let (_, metadata) = round_trip(fields, vec![classes, ids, areas]).unwrap();
    let dictionaries: Vec<bool> = (0..3)
        .map(|column| metadata.row_group(0).column(column).encodings().any(|e| e == Encoding::RLE_DICTIONARY))
        .collect();
    assert_eq!(dictionaries, [true, false, false]);
}
