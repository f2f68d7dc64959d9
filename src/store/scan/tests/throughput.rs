//! How fast rows come: `cargo test --profile quick --lib -- --ignored --nocapture throughput`.
//!
//! `AMPLIFY_BENCH_DIR` keeps the files for the next time, `AMPLIFY_BENCH_ONLY` picks a measurement by its name.

use std::path::{Path, PathBuf};
use std::time::Instant;

use arrow::array::{Float64Array, StringArray, TimestampMicrosecondArray};

use super::*;
use crate::storage::Local;
use crate::store::environment::testing::journal;
use crate::store::types::timestamptz;

const FILES: i64 = 8;
const ROWS_PER_FILE: i64 = 500_000;

fn table() -> Arc<Table> {
    let columns = [
        ("image_id", DataType::Utf8),
        ("timestamp", timestamptz()),
        ("class_name", DataType::Utf8),
        ("score", DataType::Float64),
        ("depth", DataType::Float64),
        ("latitude", DataType::Float64),
        ("longitude", DataType::Float64),
        ("width", DataType::Int64),
        ("height", DataType::Int64),
    ];
    super::table("images", &columns, 0)
}

fn records(from: i64, count: i64) -> RecordBatch {
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64 ^ (from as u64);
    let mut random = move || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed
    };
    let rows = from..from + count;
    let classes: Vec<String> = (0..50).map(|n| format!("class number {n}")).collect();
    let mut floats = |scale: f64| -> ArrayRef {
        Arc::new(Float64Array::from_iter_values(rows.clone().map(|_| (random() % 1_000_000) as f64 / scale)))
    };
    let (score, depth, latitude, longitude) = (floats(1e6), floats(1e4), floats(1e4), floats(1e3));
    let class = StringArray::from_iter_values(rows.clone().map(|n| &classes[(n * 7919 % 50) as usize]));
    let times =
        TimestampMicrosecondArray::from_iter_values(rows.clone().map(|n| 1_700_000_000_000_000 + n * 1_000_000));
    batch(vec![
        ("image_id", Arc::new(StringArray::from_iter_values(rows.clone().map(|n| format!("IFCB107_D2024_{n:012}"))))),
        ("timestamp", Arc::new(times.with_timezone("UTC"))),
        ("class_name", Arc::new(class)),
        ("score", score),
        ("depth", depth),
        ("latitude", latitude),
        ("longitude", longitude),
        ("width", ints(rows.clone().map(|n| n * 31 % 1000))),
        ("height", ints(rows.map(|n| n * 17 % 700))),
    ])
}

/// The store to read: made once where `AMPLIFY_BENCH_DIR` says, else in a temporary directory.
fn prepare(root: &Path, group_rows: usize) {
    for index in 0..FILES {
        let path = root.join(format!("images/{index}.parquet"));
        if path.exists() {
            continue;
        }
        std::fs::create_dir_all(root.join("images")).unwrap();
        let zstd = parquet::basic::Compression::ZSTD(parquet::basic::ZstdLevel::try_new(3).unwrap());
        let properties = properties().set_max_row_group_row_count(Some(group_rows)).set_compression(zstd);
        std::fs::write(path, file(&records(index * ROWS_PER_FILE, ROWS_PER_FILE), properties)).unwrap();
    }
}

#[test]
#[ignore = "measures; not a check"]
fn throughput() {
    let temporary = tempfile::tempdir().unwrap();
    let base = std::env::var_os("AMPLIFY_BENCH_DIR").map_or(temporary.path().to_owned(), PathBuf::from);
    for group_rows in [122_880, 1_000_000] {
        let root = base.join(format!("groups-of-{group_rows}"));
        prepare(&root, group_rows);
        let storage: Arc<dyn Storage> = Arc::new(Local::open(&root, false).unwrap());
        let table = table();
        let files = crate::store::plan::plan(&journal(storage.clone(), &table), &table, &Filters::default()).unwrap();
        for (name, json, consumers, threads) in [
            ("bulk, 1 consumer, 1 thread", "{}", 1, 1),
            ("bulk, 1 consumer, 2 threads", "{}", 1, 2),
            ("bulk, 2 consumers, 2 threads", "{}", 2, 2),
            ("an hour", r#"{"timestamp": {"gte": "2023-11-20", "lt": "2023-11-20T01:00:00"}}"#, 2, 2),
            ("a point", r#"{"image_id": "IFCB107_D2024_000001234567"}"#, 2, 2),
            ("a class", r#"{"class_name": "class number 7"}"#, 2, 2),
            ("half", r#"{"score": {"gt": 0.5}}"#, 2, 2),
        ] {
            if std::env::var("AMPLIFY_BENCH_ONLY").is_ok_and(|only| !name.starts_with(&only)) {
                continue;
            }
            let mut best = f64::MAX;
            let mut rows = 0;
            for _ in 0..4 {
                let start = Instant::now();
                let scan = Scan::start(ScanRequest {
                    storage: storage.clone(),
                    table: table.clone(),
                    filters: filters(&table, json),
                    files: files.clone(),
                    columns: (0..9).collect(),
                    threads,
                    dictionaries: false,
                })
                .unwrap();
                let consume = || -> usize {
                    let mut consumer = scan.consumer();
                    std::iter::from_fn(|| consumer.next().unwrap()).map(|batch| batch.batch.num_rows()).sum()
                };
                rows = std::thread::scope(|scope| {
                    let threads: Vec<_> = (0..consumers).map(|_| scope.spawn(consume)).collect();
                    threads.into_iter().map(|thread| thread.join().unwrap()).sum()
                });
                best = best.min(start.elapsed().as_secs_f64());
            }
            println!("row groups of {group_rows}: {name}: {rows} rows in {:.0} ms", best * 1e3);
            assert!(rows > 0, "{name}");
        }
    }
}

/// A network of 30 ms a request against none, and against waiting where one decodes.
#[test]
#[ignore = "measures; not a check"]
fn network() {
    let zstd = || parquet::basic::Compression::ZSTD(parquet::basic::ZstdLevel::try_new(3).unwrap());
    let delay = Duration::from_millis(30);
    for (what, count, rows, group_rows) in
        [("150 files", 150, 60_000, 60_000), ("4 files", 4, 2_000_000, 122_880), ("3000 small files", 3000, 500, 500)]
    {
        let make = |index: i64| {
            let properties = properties().set_max_row_group_row_count(Some(group_rows)).set_compression(zstd());
            file(&records(index * rows, rows), properties)
        };
        let distinct: Vec<Bytes> = (0..count.min(20)).map(make).collect();
        let hour = r#"{"timestamp": {"gte": "2023-11-15", "lt": "2023-11-15T01:00:00"}}"#;
        for (query, json, columns) in
            [("all", "{}", 0..9), ("hour", hour, 0..9), ("class", r#"{"class_name": "class number 7"}"#, 2..5)]
        {
            for (how, access, delay) in [
                ("no network", Access::LOCAL, Duration::ZERO),
                ("network", super::network::ACCESS, delay),
                ("who decodes waits", Access { request_max_bytes: 8 << 20, ..Access::LOCAL }, delay),
            ] {
                let mut store = Store { memory: Arc::default(), table: table(), files: Vec::new(), network: None };
                for index in 0..count as usize {
                    store.add(distinct[index % distinct.len()].clone());
                }
                let line = store.far_away(access, delay);
                for pass in ["first", "again"] {
                    let start = Instant::now();
                    let scan = store.scan(json, &columns.clone().collect::<Vec<_>>(), 2);
                    let rows: usize =
                        drain(&mut scan.consumer()).unwrap().iter().map(|batch| batch.batch.num_rows()).sum();
                    let took = start.elapsed().as_secs_f64() * 1e3;
                    let requests = line.take_requests();
                    let bytes: u64 = requests.iter().map(|(_, range)| range.end - range.start).sum();
                    println!(
                        "{what}, {query}, {how}, {pass}: {rows} rows in {took:.0} ms, {} requests, {:.1} MB, {} at once",
                        requests.len(),
                        bytes as f64 / 1e6,
                        line.take_most_waiting()
                    );
                }
            }
        }
        println!("{:?}", footer_cache_stats());
    }
}

#[test]
#[ignore = "measures; not a check"]
fn listing() {
    let temporary = tempfile::tempdir().unwrap();
    let base = std::env::var_os("AMPLIFY_BENCH_DIR").map_or(temporary.path().to_owned(), PathBuf::from);
    let root = base.join("partitions");
    if !root.exists() {
        for (instrument, year, day) in (0..100_000).map(|n| (n / 1000, n / 100 % 10, n % 100)) {
            let dir = root.join(format!("t/instrument=IFCB{instrument}/year={}/day={day}", 2010 + year));
            std::fs::create_dir_all(&dir).unwrap();
            std::fs::write(dir.join("x.parquet"), "bytes").unwrap();
        }
    }
    let columns =
        [("n", DataType::Int64), ("instrument", DataType::Utf8), ("year", DataType::Int32), ("day", DataType::Int32)];
    let table = super::table("t", &columns, 3);
    let storage: Arc<dyn Storage> = Arc::new(Local::open(&root, false).unwrap());
    for (json, partitions) in [("{}", 100_000), (r#"{"instrument": "IFCB7", "year": {"gte": 2015}}"#, 500)] {
        let start = Instant::now();
        let planned =
            crate::store::plan::plan(&journal(storage.clone(), &table), &table, &filters(&table, json)).unwrap();
        println!("{json}: {} partitions in {:.0} ms", planned.len(), start.elapsed().as_secs_f64() * 1e3);
        assert_eq!(planned.len(), partitions);
    }
}
