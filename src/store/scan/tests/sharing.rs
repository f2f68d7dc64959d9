//! Order, and the sharing of work between threads.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use arrow::array::StringArray;

use super::network::ACCESS;
use super::*;
use crate::storage::FileMeta;
use crate::store::scan::slots::AHEAD_BYTES_PER_THREAD;

fn rows(from: i64, count: i64, group_rows: usize) -> Bytes {
    let text: ArrayRef = Arc::new(StringArray::from_iter_values((from..from + count).map(|n| format!("row {n}"))));
    let columns =
        batch(vec![("a", ints(from..from + count)), ("b", ints((from..from + count).map(|n| -n))), ("s", text)]);
    file(&columns, properties().set_max_row_group_row_count(Some(group_rows)))
}

fn store() -> Store {
    Store::new(&[("a", DataType::Int64), ("b", DataType::Int64), ("s", DataType::Utf8), ("none", DataType::Int64)])
}

/// [`mixed`], here and over a network.
fn near_and_far() -> [(Store, i64); 2] {
    let (near, total) = mixed();
    let (mut far, _) = mixed();
    far.far_away(Access { request_max_bytes: 300 << 10, ..ACCESS }, Duration::from_millis(1));
    [(near, total), (far, total)]
}

/// Small files, files of several row groups, and a row group that is split into lanes.
fn mixed() -> (Store, i64) {
    let mut store = store();
    let mut next = 0;
    for (count, group_rows) in [(10, 100), (50_000, 7_000), (1, 1), (400_000, 400_000), (30_000, 10_000), (9, 2)] {
        store.add(rows(next, count, group_rows));
        next += count;
    }
    for _ in 0..40 {
        store.add(rows(next, 100, 60));
        next += 100;
    }
    (store, next)
}

#[test]
fn one_consumer_gets_the_rows_in_order() {
    for (threads, (store, total)) in [1, 2, 3, 8].into_iter().flat_map(|n| near_and_far().map(|store| (n, store))) {
        let scan = store.scan("{}", &[2, 0, 3, 1], threads);
        let mut consumer = scan.consumer();
        let (mut next, mut file) = (0, 0);
        while let Some(batch) = consumer.next().unwrap() {
            assert!(batch.file >= file);
            file = batch.file;
            let (a, b) = (int_values(&batch.batch, 1), int_values(&batch.batch, 3));
            let text = batch.batch.column(0).as_any().downcast_ref::<arrow::array::StringViewArray>().unwrap();
            for row in 0..batch.batch.num_rows() {
                assert_eq!((a[row], b[row]), (Some(next), Some(-next)));
                assert_eq!(text.value(row).strip_prefix("row "), Some(next.to_string().as_str()));
                next += 1;
            }
        }
        assert_eq!(next, total, "{threads} threads");
        assert!(consumer.next().unwrap().is_none());
    }
}

#[test]
fn several_consumers_share_the_rows() {
    let stores = near_and_far();
    let shares = [(2, 2), (4, 2), (3, 8)];
    for (store, total, (consumers, threads)) in
        stores.iter().flat_map(|(store, total)| shares.map(|share| (store, *total, share)))
    {
        let scan = store.scan(r#"{"a": {"gte": 5}}"#, &[0], threads);
        let parts: Vec<Vec<i64>> = std::thread::scope(|scope| {
            let consume = || {
                let batches = drain(&mut scan.consumer()).unwrap();
                batches.iter().flat_map(|batch| int_values(&batch.batch, 0)).flatten().collect()
            };
            let threads: Vec<_> = (0..consumers).map(|_| scope.spawn(consume)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let seen: HashSet<i64> = parts.iter().flatten().copied().collect();
        assert_eq!(parts.iter().map(Vec::len).sum::<usize>(), total as usize - 5);
        assert_eq!(seen.len(), total as usize - 5);
    }
}

#[test]
fn a_consumer_that_leaves_gives_its_rows_back() {
    let (store, total) = mixed();
    let scan = store.scan("{}", &[0], 2);
    let mut seen: Vec<i64> = Vec::new();
    // A new consumer for every few batches.
    loop {
        let mut consumer = scan.consumer();
        let before = seen.len();
        for _ in 0..3 {
            if let Some(batch) = consumer.next().unwrap() {
                seen.extend(int_values(&batch.batch, 0).into_iter().flatten());
            }
        }
        if seen.len() == before {
            break;
        }
    }
    assert_eq!(seen, (0..total).collect::<Vec<i64>>());
}

#[test]
fn a_dropped_scan_stops_its_threads() {
    let (store, _) = mixed();
    for batches in [0, 1, 5] {
        let scan = store.scan("{}", &[0, 1, 2], 8);
        let mut consumer = scan.consumer();
        for _ in 0..batches {
            assert!(consumer.next().unwrap().is_some());
        }
        let schedule = Arc::downgrade(&scan.schedule);
        drop((scan, consumer));
        let deadline = Instant::now() + Duration::from_secs(20);
        while schedule.strong_count() > 0 {
            assert!(Instant::now() < deadline, "a thread still runs");
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

#[test]
fn little_is_decoded_ahead_of_a_slow_consumer() {
    let mut store = store();
    for file in 0..40 {
        store.add(rows(file * 100, 100, 100));
    }
    let scan = store.scan("{}", &[0], 2);
    let mut consumer = scan.consumer();
    for _ in 0..3 {
        assert!(consumer.next().unwrap().is_some());
    }
    std::thread::sleep(Duration::from_millis(100));
    let opened: HashSet<String> = store.memory.take_read().into_iter().map(|(path, _)| path).collect();
    assert!((3..=8).contains(&opened.len()), "{opened:?}");
}

#[test]
fn of_wide_columns_fewer_rows_are_decoded_ahead() {
    const THREADS: u64 = 2;
    let text = "x".repeat(2048);
    let wide: ArrayRef = Arc::new(StringArray::from_iter_values((0..20 * BATCH_ROWS).map(|_| &text)));
    let batch_bytes = (BATCH_ROWS * text.len()) as u64;
    let mut store = Store::new(&[("text", DataType::Utf8)]);
    let zstd = parquet::basic::Compression::ZSTD(parquet::basic::ZstdLevel::default());
    let properties = properties().set_dictionary_enabled(false).set_compression(zstd);
    store.add(file(&batch(vec![("text", wide)]), properties.set_max_row_group_row_count(Some(5 * BATCH_ROWS))));
    let scan = store.scan("{}", &[0], THREADS as usize);
    let mut consumer = scan.consumer();
    for _ in 0..3 {
        assert!(consumer.next().unwrap().is_some());
    }
    let bound = THREADS * AHEAD_BYTES_PER_THREAD;
    let deadline = Instant::now() + Duration::from_secs(20);
    while scan.schedule.bytes() < bound {
        assert!(Instant::now() < deadline, "only {} bytes are decoded ahead", scan.schedule.bytes());
        std::thread::sleep(Duration::from_millis(1));
    }
    std::thread::sleep(Duration::from_millis(200));
    assert!(scan.schedule.bytes() < bound + 3 * batch_bytes, "{} bytes are decoded ahead", scan.schedule.bytes());
    assert_eq!(drain(&mut consumer).unwrap().len(), 17);
}

#[test]
fn row_counts_come_from_footers_in_order() {
    let mut store = store();
    for count in 1..60 {
        store.add(rows(0, count, 7));
    }
    let files: Vec<&FileMeta> = store.files.iter().map(|file| &file.meta).collect();
    let counts = file_row_counts(&store.storage(), &files, 4).unwrap();
    assert_eq!(counts, (1..60).collect::<Vec<u64>>());
    assert_eq!(store.count("{}").unwrap(), counts.iter().sum::<u64>());
}
