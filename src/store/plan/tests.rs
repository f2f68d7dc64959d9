use arrow::datatypes::DataType;

use std::sync::Arc;

use super::testing::{Memory, filters, partitions, plan, table};
use crate::error::ErrorKind;
use crate::store::filter::Filters;
use crate::store::scalar::Scalar;
use crate::store::table::Table;

fn images() -> Arc<Table> {
    table("images", &[("id", DataType::Int64), ("instrument", DataType::Utf8), ("year", DataType::Int32)], 2)
}

fn store(paths: &[&str]) -> Memory {
    let memory = Memory::default();
    for path in paths {
        memory.put(path, "bytes");
    }
    memory
}

fn paths(memory: &Memory, table: &Table, json: &str) -> Vec<String> {
    let planned = plan(memory, table, &filters(table, json)).unwrap();
    planned.into_iter().map(|file| file.meta.path).collect()
}

fn error(memory: &Memory, table: &Table) -> String {
    let error = plan(memory, table, &Filters::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    error.to_string()
}

#[test]
fn filters_prune_the_listing_at_every_level() {
    let memory = store(&[
        "images/instrument=a/year=2023/1.parquet",
        "images/instrument=a/year=2024/1.parquet",
        "images/instrument=a/year=2024/2.parquet",
        "images/instrument=b/year=2023/1.parquet",
        "images/instrument=b/year=2024/1.parquet",
    ]);
    let table = images();
    let found = paths(&memory, &table, r#"{"instrument": "a", "year": {"gte": 2024}}"#);
    assert_eq!(found, ["images/instrument=a/year=2024/1.parquet", "images/instrument=a/year=2024/2.parquet"]);
    assert_eq!(memory.take_listed(), ["images", "images/instrument=a", "images/instrument=a/year=2024"]);

    let found = paths(&memory, &table, r#"{"year": {"in": [2023]}}"#);
    assert_eq!(found, ["images/instrument=a/year=2023/1.parquet", "images/instrument=b/year=2023/1.parquet"]);
    assert!(!memory.take_listed().iter().any(|dir| dir.ends_with("year=2024")));

    assert!(paths(&memory, &table, r#"{"instrument": {"in": []}}"#).is_empty());
    assert_eq!(memory.take_listed(), ["images"]);
    assert_eq!(paths(&memory, &table, r#"{"id": 7}"#).len(), 5, "conditions on data are left to the scan");
}

#[test]
fn files_come_by_typed_values_then_by_path() {
    let memory = store(&[
        "images/instrument=a/year=10/b.parquet",
        "images/instrument=a/year=10/a.parquet",
        "images/instrument=a/year=9/c.parquet",
        "images/instrument=__HIVE_DEFAULT_PARTITION__/year=1/d.parquet",
        "images/instrument=a%2Fb/year=-1/e.parquet",
        "images/instrument=/year=1/f.parquet",
    ]);
    let planned = plan(&memory, &images(), &Filters::default()).unwrap();
    let names: Vec<&str> = planned.iter().filter_map(|file| file.meta.path.rsplit('/').next()).collect();
    assert_eq!(names, ["f.parquet", "c.parquet", "a.parquet", "b.parquet", "e.parquet", "d.parquet"]);
    assert_eq!(planned[4].partition[..], [Scalar::Text("a/b".into()), Scalar::Int(-1)]);
    assert!(planned[5].partition[0].is_null());
    assert!(Arc::ptr_eq(&planned[2].partition, &planned[3].partition), "one allocation a partition");
}

#[test]
fn spellings_of_one_value_are_one_partition() {
    let memory = store(&[
        "images/instrument=a/year=2024/c.parquet",
        "images/instrument=a/year=02024/a.parquet",
        "images/instrument=%61/year=2024/b.parquet",
        "images/instrument=b/year=2024/d.parquet",
    ]);
    let table = images();
    let found = partitions(&memory, &table, &Filters::default()).unwrap();
    let summary: Vec<(u64, u64)> = found.iter().map(|found| (found.file_count, found.size_bytes)).collect();
    assert_eq!(summary, [(3, 15), (1, 5)]);
    let planned = plan(&memory, &table, &filters(&table, r#"{"instrument": "a", "year": 2024}"#)).unwrap();
    let paths: Vec<&str> = planned.iter().map(|file| file.meta.path.as_str()).collect();
    assert!(paths.is_sorted() && paths.len() == 3, "{paths:?}");
    assert!(planned.iter().all(|file| Arc::ptr_eq(&file.partition, &planned[0].partition)));
}

#[test]
fn other_names_and_empty_objects_are_passed_over() {
    let memory = store(&[
        "images/_metadata.parquet",
        "images/.hidden/x.parquet",
        "images/_temporary/0/x.parquet",
        "images/README",
        "images/instrument=a/notes.txt",
        "images/instrument=a/year=2024/_x.parquet",
        "images/instrument=a/year=2024/.x.parquet",
        "images/instrument=a/year=2024/x.PARQUET",
        "images/instrument=a/year=2024/x.parquet.tmp",
        "images/instrument=a/year=2024/x.parquet",
        "images_of_others/x.parquet",
    ]);
    memory.put("images/instrument=a/year=2024/empty.parquet", "");
    memory.put("images/empty.parquet", "");
    assert_eq!(paths(&memory, &images(), "{}"), ["images/instrument=a/year=2024/x.parquet"]);
}

#[test]
fn misfit_directories_are_errors_only_with_parquet_files_in_them() {
    for misfit in ["foo", "year=2024", "instrument", "Instrument2=a", "instrument=%ff"] {
        let memory = store(&["images/instrument=a/year=2024/x.parquet"]);
        memory.put(&format!("images/{misfit}/deep/er/notes.txt"), "text");
        assert_eq!(paths(&memory, &images(), "{}").len(), 1, "{misfit}");
        memory.put(&format!("images/{misfit}/deep/er/x.parquet"), "bytes");
        let error = error(&memory, &images());
        assert!(error.contains(&format!("\"mem/images/{misfit}\"")) && error.contains("\"instrument\""), "{error}");
        assert!(error.contains("images/instrument=<value>/year=<value>/"), "{error}");
    }
    let memory = store(&["images/instrument=a/year=x/x.parquet"]);
    let error = error(&memory, &images());
    assert!(error.contains("mem/images/instrument=a/year=x"), "{error}");
}

#[test]
fn files_at_the_wrong_depth_are_errors() {
    for (path, what) in [
        ("images/x.parquet", "above"),
        ("images/instrument=a/x.parquet", "above"),
        ("images/instrument=a/year=2024/day=1/x.parquet", "deeper"),
        ("images/instrument=a/year=2024/more/and/x.parquet", "deeper"),
    ] {
        let memory = store(&["images/instrument=a/year=2024/x.parquet", path]);
        let error = error(&memory, &images());
        assert!(error.contains(&format!("\"mem/{path}\"")) && error.contains(what), "{error}");
    }
}

#[test]
fn an_unpartitioned_table_is_one_directory() {
    let table = table("bins", &[("id", DataType::Int64)], 0);
    let memory = store(&["bins/b.parquet", "bins/a.parquet", "bins/sub/notes.txt"]);
    assert_eq!(paths(&memory, &table, "{}"), ["bins/a.parquet", "bins/b.parquet"]);
    let found = partitions(&memory, &table, &Filters::default()).unwrap();
    assert_eq!((found.len(), found[0].values.len(), found[0].file_count), (1, 0, 2));
    memory.put("bins/sub/c.parquet", "bytes");
    assert!(error(&memory, &table).contains("mem/bins/sub/c.parquet"));
}

#[test]
fn a_table_without_files_plans_nothing() {
    assert!(plan(&Memory::default(), &images(), &Filters::default()).unwrap().is_empty());
    assert!(partitions(&Memory::default(), &images(), &Filters::default()).unwrap().is_empty());
}
