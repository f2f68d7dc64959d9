//! Flat listings: they find what listings level by level find, in fewer requests.

use std::collections::BTreeSet;

use arrow::datatypes::DataType;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::testing::{Memory, filters, partitions, plan, table};
use super::{PlannedFile, visible_in_partitions};
use crate::error::Result;
use crate::store::environment::testing::journal;
use crate::store::journal::Snapshot;
use crate::store::table::Table;

fn images() -> std::sync::Arc<Table> {
    table("images", &[("id", DataType::Int64), ("instrument", DataType::Utf8), ("year", DataType::Int32)], 2)
}

/// `years` directories below each of `instruments`, with `files` each.
fn grid(instruments: usize, years: usize, files: usize) -> Memory {
    let memory = Memory::default();
    for instrument in 0..instruments {
        for year in 0..years {
            for file in 0..files {
                memory.put(&format!("images/instrument={instrument}/year={year}/{file}.parquet"), "bytes");
            }
        }
    }
    memory.travel(1000);
    memory
}

/// How many files a plan has, and the listings that it took: of levels, and pages of trees.
fn cost(memory: &Memory, json: &str) -> (usize, usize, usize) {
    let files = plan(memory, &images(), &filters(&images(), json)).unwrap().len();
    let (trees, levels): (Vec<_>, Vec<_>) = memory.take_listed().into_iter().partition(|dir| dir.ends_with("/**"));
    (files, levels.len(), trees.len())
}

#[test]
fn what_fits_into_a_page_takes_one_request() {
    let memory = grid(10, 50, 2);
    assert_eq!(cost(&memory, "{}"), (1000, 0, 1));
    // A filter on the first level alone: that one, and a page for each directory that is left.
    assert_eq!(cost(&memory, r#"{"instrument": {"in": ["3", "4"]}}"#), (200, 1, 2));
}

#[test]
fn many_small_directories_are_listed_by_pages() {
    assert_eq!(cost(&grid(5000, 1, 1), "{}"), (5000, 0, 5));
    // Most of what is there is wanted: so are the pages of the whole, though a level was to be pruned.
    let memory = grid(5000, 1, 1);
    assert_eq!(cost(&memory, r#"{"instrument": {"gte": "2"}}"#), (5000 - 1112, 1, 5));
    let memory = grid(1, 5000, 1);
    assert_eq!(cost(&memory, r#"{"year": {"gte": 1000}}"#), (4000, 2, 5));
}

#[test]
fn few_large_directories_are_split() {
    // A page in vain, and then one for each of them.
    assert_eq!(cost(&grid(20, 100, 5), "{}"), (10_000, 1, 21));
    // Leaves of more than a page are listed as such.
    assert_eq!(cost(&grid(2, 2, 2000), "{}"), (8000, 7, 3));
}

#[test]
fn a_few_of_many_are_listed_by_levels() {
    let memory = grid(100, 100, 1);
    assert_eq!(cost(&memory, r#"{"instrument": "7", "year": 31}"#), (1, 3, 0));
    assert_eq!(cost(&memory, r#"{"instrument": {"in": ["7", "8"]}, "year": {"in": [31, 32]}}"#), (4, 7, 0));
    // One look at the whole, since so many directories were left after the first level.
    assert_eq!(cost(&memory, r#"{"year": 31}"#), (100, 201, 1));
}

#[test]
fn an_overwrite_of_many_partitions_lists_pages() {
    let memory = grid(1, 3000, 1);
    let table = images();
    let names: Vec<String> = (1000..3000).map(|year| format!("instrument=0/year={year}")).collect();
    let journal = journal(std::sync::Arc::new(memory.clone()), &table);
    let files =
        visible_in_partitions(&journal, &table, &Snapshot::default(), names.iter().map(String::as_str)).unwrap();
    assert_eq!(files.len(), 2000);
    assert_eq!(memory.take_listed().len(), 2 + 3);
}

/// A name of a directory: of its level most often, or of another, or none of a table's.
fn name(usual: &'static [&'static str]) -> impl Strategy<Value = &'static str> {
    const ODD: [&str; 10] = [
        "instrument=a",
        "year=2023",
        "year=x",
        "instrument",
        "more",
        "_tmp",
        ".hidden",
        "x.parquet",
        "Year=1",
        "instrument=a=b",
    ];
    prop_oneof![300 => select(usual), 1 => select(ODD.as_slice())]
}

fn path() -> impl Strategy<Value = String> {
    const INSTRUMENTS: [&str; 7] = [
        "instrument=a",
        "instrument=%61",
        "instrument=a-",
        "instrument=b",
        "instrument=",
        "instrument=a%2Fb",
        "instrument=__HIVE_DEFAULT_PARTITION__",
    ];
    const YEARS: [&str; 7] =
        ["year=2023", "year=02023", "year=+2023", "year=2024", "year=-1", "year=7", "year=__HIVE_DEFAULT_PARTITION__"];
    let file = prop_oneof![
        60 => select(["1.parquet", "2.parquet", "3.parquet"].as_slice()),
        1 => select(["x.PARQUET", "notes.txt", "_m.parquet", ".p.parquet", "parquet"].as_slice()),
    ];
    let depth = prop_oneof![400 => Just(2usize), 1 => Just(0), 1 => Just(1), 1 => Just(3), 1 => Just(4)];
    // Enough of them to go on by pages.
    let first = prop_oneof![
        name(&INSTRUMENTS).prop_map(str::to_owned),
        (0..200).prop_map(|number| format!("instrument={number}"))
    ];
    (depth, first, name(&YEARS), name(&["year=2023"]), name(&["more"]), file).prop_map(
        |(depth, first, second, third, fourth, file)| {
            let dirs = [first.as_str(), second, third, fourth];
            std::iter::once("images").chain(dirs[..depth].iter().copied()).chain([file]).collect::<Vec<_>>().join("/")
        },
    )
}

/// Files and the empty objects among them, some of which are called as directories are.
fn store() -> impl Strategy<Value = Memory> {
    let files = prop::collection::vec((path(), prop::bool::weighted(0.95)), 0..200);
    let markers =
        subsequence(vec!["images", "images/instrument=a", "images/instrument=b/year=2024", "images/x.parquet"], 0..=4);
    (files, markers).prop_map(|(files, markers)| {
        let memory = Memory::default();
        for (path, is_full) in files {
            memory.put(&path, if is_full { "bytes" } else { "" });
        }
        for marker in markers {
            memory.put(marker, "");
        }
        memory
    })
}

/// What a plan finds, or the text of its error.
fn found<T: std::fmt::Debug>(result: Result<T>) -> String {
    match result {
        Ok(found) => format!("{found:?}"),
        Err(error) => format!("{error}"),
    }
}

fn both_ways<T: std::fmt::Debug>(memory: &Memory, page_files: usize, ask: impl Fn() -> Result<T>) -> (String, String) {
    memory.travel(0);
    let by_levels = found(ask());
    memory.travel(page_files);
    (by_levels, found(ask()))
}

const FILTERS: [&str; 9] = [
    "{}",
    r#"{"instrument": "a"}"#,
    r#"{"instrument": {"in": ["a", "b", ""]}}"#,
    r#"{"year": 2023}"#,
    r#"{"year": {"gte": 0}}"#,
    r#"{"year": {"is_null": true}}"#,
    r#"{"instrument": "a", "year": {"lt": 2024}}"#,
    r#"{"instrument": {"is_null": false}}"#,
    r#"{"id": 3}"#,
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn pages_find_what_levels_find(memory in store(), json in select(FILTERS.as_slice()), page_files in 1usize..80) {
        let table = images();
        let filters = filters(&table, json);
        let (by_levels, by_pages) = both_ways(&memory, page_files, || plan(&memory, &table, &filters));
        prop_assert_eq!(by_levels, by_pages);
        let (by_levels, by_pages) = both_ways(&memory, page_files, || partitions(&memory, &table, &filters));
        prop_assert_eq!(by_levels, by_pages);
    }

    #[test]
    fn an_overwrite_finds_the_same_by_pages(
        memory in store(),
        names in subsequence(
            vec!["instrument=a/year=2023", "instrument=a/year=2024", "instrument=b/year=7", "instrument=a%2Fb/year=-1"], 1..=4
        ),
        page_files in 1usize..80,
    ) {
        let table = images();
        let ask = || {
            let journal = journal(std::sync::Arc::new(memory.clone()), &table);
            let files = visible_in_partitions(&journal, &table, &Snapshot::default(), names.iter().copied())?;
            Ok(files.into_iter().collect::<BTreeSet<String>>())
        };
        let (by_levels, by_pages) = both_ways(&memory, page_files, ask);
        prop_assert_eq!(by_levels, by_pages);
    }
}

#[test]
fn the_random_stores_are_neither_all_damaged_nor_all_small() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let plans: Vec<Result<Vec<PlannedFile>>> = (0..300)
        .map(|_| plan(&store().new_tree(&mut runner).unwrap().current(), &images(), &filters(&images(), "{}")))
        .collect();
    let whole: Vec<usize> = plans.iter().flatten().map(Vec::len).collect();
    assert!(whole.len() > 60 && whole.len() < 240, "{} of 300 can be read", whole.len());
    assert!(whole.iter().any(|&files| files > 100), "{whole:?}");
}
