//! The store through its public interface, without DuckDB: what a second binding would do.

#![allow(clippy::unwrap_used)] // a test that panics is a test that fails

mod conformance;
mod model;
mod simulation;

use std::sync::Arc;

use amplify::error::ErrorKind;
use amplify::storage::{self, OpenOptions, Storage};
use amplify::store::filter::Filters;
use amplify::store::journal::Journal;
use amplify::store::plan;
use amplify::store::records::{UnknownColumns, records_from_json};
use amplify::store::registry::{CreateOutcome, Registry, TableDefinition, create_table, json_schema};
use amplify::store::scan::{Scan, ScanRequest};
use amplify::store::table::{Table, TableName};
use amplify::store::write::{TableWriter, WriteMode, WriteOptions};
use amplify::system::System;
use arrow::array::{ArrayRef, AsArray, StringArray};
use arrow::datatypes::{DataType, Field, Int64Type};

const SCHEMA: &str = r#"{"type": "object", "required": ["id", "instrument"],
    "properties": {"id": {"type": "integer"}, "instrument": {"type": "string"}, "depth": {"type": "number"}}}"#;

fn open(root: &std::path::Path) -> Arc<dyn Storage> {
    storage::open(root.to_str().unwrap(), &OpenOptions { durable: false, ..OpenOptions::default() }).unwrap()
}

fn register(storage: &dyn Storage) -> CreateOutcome {
    let fields = json_schema::fields(SCHEMA).unwrap();
    let name = TableName::parse("images").unwrap();
    create_table(storage, &TableDefinition::new(name, fields, &["instrument".to_owned()]).unwrap()).unwrap()
}

fn table(storage: &dyn Storage) -> Arc<Table> {
    Arc::new(Registry::load(storage).unwrap().table("images").unwrap())
}

fn journal(storage: &Arc<dyn Storage>, table: &Table) -> Journal {
    Journal::new(storage.clone(), table.name().clone(), Arc::new(System::new("a test")))
}

fn write(storage: &Arc<dyn Storage>, mode: WriteMode, json: &str) -> u64 {
    let table = table(storage.as_ref());
    let batch = records_from_json(&table, json, UnknownColumns::Error).unwrap();
    let mut writer = TableWriter::begin(journal(storage, &table), table.clone(), WriteOptions::new(mode, 2)).unwrap();
    writer.push(&batch).unwrap();
    writer.finish().unwrap().rows
}

/// The ids of the rows that match, in order.
fn ids(storage: &Arc<dyn Storage>, filters: &str) -> Vec<i64> {
    let table = table(storage.as_ref());
    let argument: ArrayRef = Arc::new(StringArray::from(vec![filters]));
    let field = Field::new("filters", DataType::Utf8, true);
    let filters = Arc::new(Filters::parse(&table, &argument, &field).unwrap());
    let files = plan::plan(&journal(storage, &table), &table, &filters).unwrap();
    let columns = vec![table.column("id").unwrap()];
    let scan = Scan::start(ScanRequest {
        storage: storage.clone(),
        table,
        filters,
        files,
        columns,
        threads: 2,
        dictionaries: false,
    })
    .unwrap();
    let mut consumer = scan.consumer();
    let mut ids = Vec::new();
    while let Some(batch) = consumer.next().unwrap() {
        ids.extend(batch.batch.column(0).as_primitive::<Int64Type>().values());
    }
    ids.sort_unstable();
    ids
}

#[test]
fn a_table_is_registered_written_and_read() {
    let root = tempfile::tempdir().unwrap();
    let storage = open(root.path());
    assert_eq!(register(storage.as_ref()), CreateOutcome::Created);
    assert_eq!(register(storage.as_ref()), CreateOutcome::Unchanged);
    let rows = r#"[{"id": 1, "instrument": "a/b", "depth": 1.5}, {"id": 2, "instrument": "a/b"}, {"id": 3, "instrument": "c"}]"#;
    assert_eq!(write(&storage, WriteMode::Append, rows), 3);
    assert_eq!(ids(&storage, "{}"), [1, 2, 3]);
    assert_eq!(ids(&storage, r#"{"instrument": "a/b"}"#), [1, 2]);
    assert_eq!(ids(&storage, r#"{"depth": {"is_null": true}}"#), [2, 3]);
}

#[test]
fn an_overwrite_is_one_commit_and_leaves_other_partitions() {
    let root = tempfile::tempdir().unwrap();
    let storage = open(root.path());
    register(storage.as_ref());
    write(&storage, WriteMode::Append, r#"[{"id": 1, "instrument": "a"}, {"id": 2, "instrument": "b"}]"#);
    write(&storage, WriteMode::Overwrite, r#"[{"id": 3, "instrument": "a"}]"#);
    assert_eq!(ids(&storage, "{}"), [2, 3]);
    let history = journal(&storage, &table(storage.as_ref())).history().unwrap();
    let commits: Vec<_> = history.iter().map(|(seq, record)| (*seq, record.kind.as_str(), record.rows)).collect();
    assert_eq!(commits, [(1, "append", 2), (2, "overwrite", 1)]);
}

#[test]
fn roots_that_cannot_be_meant_are_refused() {
    for (root, kind) in
        [("", ErrorKind::InvalidInput), ("a\0b", ErrorKind::InvalidInput), ("ftp://x", ErrorKind::Unsupported)]
    {
        assert_eq!(storage::open(root, &OpenOptions::default()).unwrap_err().kind(), kind, "{root:?}");
    }
}
