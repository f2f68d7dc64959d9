//! Scans over a network: who fetches, how far ahead, and how it ends.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::network::{ACCESS, copies};
use super::*;
use crate::error::ErrorKind;
use crate::store::journal::WithTrash;
use crate::store::scan::ahead::{MAX_BYTES, MAX_FETCHERS};

const COLUMNS: [(&str, DataType); 2] = [("a", DataType::Int64), ("b", DataType::Int64)];

/// Two columns that do not compress, in row groups of `group_rows`.
fn noise(rows: i64, group_rows: usize) -> Bytes {
    let mix = |n: i64| n.wrapping_mul(0x9e37_79b9_7f4a_7c15_u64.cast_signed()) ^ (n << 17);
    let columns = batch(vec![("a", ints(0..rows)), ("b", ints((0..rows).map(mix)))]);
    let properties = properties().set_max_row_group_row_count(Some(group_rows)).set_dictionary_enabled(false);
    file(&columns, properties)
}

fn ended_within(scan: std::sync::Weak<Schedule>, limit: Duration) {
    let deadline = Instant::now() + limit;
    while scan.strong_count() > 0 {
        assert!(Instant::now() < deadline, "a thread still runs");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn many_answers_are_waited_for_at_one_time() {
    let delay = Duration::from_millis(20);
    let mut store = copies(&COLUMNS, &noise(2000, 1000), 150);
    let line = store.far_away(ACCESS, delay);
    let start = Instant::now();
    assert_eq!(store.read("{}", &[0, 1], 2).unwrap().num_rows(), 300_000);
    let took = start.elapsed();
    assert_eq!(line.take_requests().len(), 150);
    let most = line.take_most_waiting();
    assert!((MAX_FETCHERS / 2..=MAX_FETCHERS).contains(&most), "{most} at one time");
    assert!(took < delay * 150 / 5, "{took:?}");

    // Counts wait for even more; the scan above has left nothing for them to ask.
    assert_eq!(store.count("{}").unwrap(), 300_000);
    assert_eq!(line.take_requests(), []);
    let fresh = copies(&COLUMNS, &noise(2000, 1000), 150).far(&ACCESS, delay);
    assert_eq!(fresh.0.count("{}").unwrap(), 300_000);
    assert_eq!(fresh.1.take_requests().len(), 150);
    assert!(fresh.1.take_most_waiting() > MAX_FETCHERS);
}

#[test]
fn on_this_machine_only_those_who_decode_read() {
    let store = copies(&COLUMNS, &noise(20_000, 5_000), 30);
    let (store, line) = store.far(&Access::LOCAL, Duration::from_millis(2));
    for threads in [1, 2, 3] {
        assert_eq!(store.read("{}", &[0, 1], threads).unwrap().num_rows(), 600_000);
        assert!(line.take_most_waiting() <= threads);
    }
}

#[test]
fn one_row_does_not_fetch_the_table() {
    let group_rows = 100_000;
    let (store, line) = copies(&COLUMNS, &noise(500_000, group_rows), 40).far(&ACCESS, Duration::from_millis(1));
    let group_bytes = group_rows as u64 * 16;
    let scan = store.scan("{}", &[0, 1], 2);
    assert!(scan.consumer().next().unwrap().is_some());
    std::thread::sleep(Duration::from_millis(100));
    let bytes = line.take_bytes();
    assert!(bytes < 3 * group_bytes, "{bytes} bytes, where a row group has {group_bytes}");
}

#[test]
fn fetching_stops_at_its_bound_until_something_is_decoded() {
    let file = noise(400_000, 400_000);
    let (store, line) = copies(&COLUMNS, &file, 60).far(&ACCESS, Duration::from_millis(1));
    let scan = store.scan("{}", &[0, 1], 1);
    let mut consumer = scan.consumer();
    let mut rows = 0;
    for _ in 0..20 {
        rows += consumer.next().unwrap().unwrap().batch.num_rows();
    }
    let mut first = 0;
    let deadline = Instant::now() + Duration::from_secs(20);
    while first < MAX_BYTES && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(10));
        first += line.take_bytes();
    }
    std::thread::sleep(Duration::from_millis(200));
    first += line.take_bytes();
    let file_bytes = file.len() as u64;
    assert!(first >= MAX_BYTES, "{first}");
    // All 60 files may have been opened; of two the row group may lie above the bound.
    assert!(first <= MAX_BYTES + 2 * file_bytes + 60 * 70_000, "{first}");
    assert_eq!(line.waiting(), 0);
    while let Some(batch) = consumer.next().unwrap() {
        rows += batch.batch.num_rows();
    }
    assert_eq!(rows, 60 * 400_000);
    assert!(first + line.take_bytes() <= 60 * (file_bytes + 70_000), "something was fetched twice");
}

#[test]
fn a_row_group_beyond_the_bound_comes_alone_and_in_parts() {
    let rows = MAX_BYTES as i64 / 16 + 100_000;
    let (store, line) = copies(&COLUMNS, &noise(rows, rows as usize), 3).far(&ACCESS, Duration::from_millis(1));
    let scan = store.scan("{}", &[0, 1], 2);
    let mut consumer = scan.consumer();
    let mut seen = 0;
    for _ in 0..40 {
        seen += consumer.next().unwrap().unwrap().batch.num_rows();
    }
    std::thread::sleep(Duration::from_millis(50));
    let requests = line.take_requests();
    let of_data = |path: &str| requests.iter().filter(|(p, range)| p == path && range.start < MAX_BYTES).count();
    assert_eq!((of_data("t/0001.parquet"), of_data("t/0002.parquet")), (0, 0));
    assert!(of_data("t/0000.parquet") >= 12);
    assert!(requests.iter().all(|(_, range)| range.end - range.start <= ACCESS.request_max_bytes));
    while let Some(batch) = consumer.next().unwrap() {
        seen += batch.batch.num_rows();
    }
    assert_eq!(seen, 3 * rows as usize);
}

#[test]
fn a_dropped_scan_gives_up_what_hangs() {
    for cancellable in [true, false] {
        let (store, line) = copies(&COLUMNS, &noise(50_000, 10_000), 50).far(&ACCESS, Duration::from_millis(1));
        line.cancellable.store(cancellable, Ordering::Relaxed);
        let scan = store.scan("{}", &[0, 1], 2);
        let mut consumer = scan.consumer();
        assert!(consumer.next().unwrap().is_some());
        line.hangs.store(true, Ordering::Relaxed);
        for _ in 0..4 {
            assert!(consumer.next().unwrap().is_some());
        }
        std::thread::sleep(Duration::from_millis(20));
        assert!(line.waiting() > 0);
        let schedule = Arc::downgrade(&scan.schedule);
        let start = Instant::now();
        drop((scan, consumer));
        assert!(start.elapsed() < Duration::from_millis(500));
        if cancellable {
            ended_within(schedule, Duration::from_secs(1));
            assert_eq!(line.waiting(), 0);
        }
        line.hangs.store(false, Ordering::Relaxed);
    }
}

#[test]
fn errors_come_after_the_rows_before_them() {
    type Damage = fn(&mut Store);
    let cut: Damage = |store| {
        let path = store.files[20].meta.path.clone();
        store.memory.put(&path, noise(2000, 500).slice(..9000));
    };
    let gone: Damage = |store| store.files[20].meta.path = "t/gone.parquet".to_owned();
    let garbled: Damage = |store| {
        let mut bytes = noise(2000, 500).to_vec();
        bytes[..20_000].fill(0xff);
        let path = store.files[20].meta.path.clone();
        store.files[20].meta = store.memory.put(&path, bytes);
    };
    for (damage, kind) in [(cut, ErrorKind::Io), (gone, ErrorKind::NotFound), (garbled, ErrorKind::Corrupt)] {
        for footers_known in [true, false] {
            let mut store = copies(&COLUMNS, &noise(2000, 500), 40);
            store.far_away(ACCESS, Duration::from_millis(1));
            if footers_known {
                store.count("{}").unwrap();
            }
            damage(&mut store);
            let scan = store.scan("{}", &[0, 1], 2);
            let mut consumer = scan.consumer();
            let mut rows = 0;
            let error = loop {
                match consumer.next() {
                    Ok(Some(batch)) => rows += batch.batch.num_rows(),
                    Ok(None) => panic!("no error"),
                    Err(error) => break error,
                }
            };
            assert_eq!((rows, error.kind()), (40_000, kind), "{error}");
            assert!(error.to_string().contains("mem/t/"), "{error}");
            assert!(consumer.next().unwrap().is_none());
        }
    }
}

#[test]
fn a_backend_that_panics_is_an_error() {
    let (store, line) = copies(&COLUMNS, &noise(2000, 500), 10).far(&ACCESS, Duration::ZERO);
    *line.panics_at.lock().unwrap() = Some("t/0004.parquet".to_owned());
    assert_eq!(store.read("{}", &[0], 2).unwrap_err().kind(), ErrorKind::Corrupt);
    line.panics_at.lock().unwrap().take();
    store.count("{}").unwrap();
    // Now the footer is known, and it is the row group's fetch that panics.
    let large = copies(&COLUMNS, &noise(200_000, 100_000), 3).far(&ACCESS, Duration::ZERO);
    large.0.count("{}").unwrap();
    *large.1.panics_at.lock().unwrap() = Some("t/0001.parquet".to_owned());
    assert_eq!(large.0.read("{}", &[0], 2).unwrap_err().kind(), ErrorKind::Internal);
}

#[test]
fn files_that_were_moved_to_the_trash_are_found_there() {
    let bytes = noise(200_000, 50_000);
    let mut store = copies(&COLUMNS, &bytes, 4);
    let moved = store.memory.put("_registry/trash/t/7/moved.parquet", bytes);
    store.files[2].meta = crate::storage::FileMeta { path: "t/moved.parquet".to_owned(), ..moved };
    store.far_away(ACCESS, Duration::from_millis(1));
    let storage: Arc<dyn Storage> = Arc::new(WithTrash::new(store.storage(), store.table.name().clone()));
    let request = ScanRequest {
        storage,
        table: store.table.clone(),
        filters: filters(&store.table, "{}"),
        files: store.files.clone(),
        columns: vec![0],
        dictionaries: false,
        threads: 2,
    };
    let rows = drain(&mut Scan::start(request).unwrap().consumer()).unwrap();
    assert_eq!(rows.iter().map(|batch| batch.batch.num_rows()).sum::<usize>(), 800_000);
}

#[test]
fn files_and_row_groups_without_rows_do_not_slow_it_down() {
    let empty = file(&batch(vec![("a", ints([])), ("b", ints([]))]), properties());
    let mut store = copies(&COLUMNS, &empty, 200);
    store.add(noise(2000, 500));
    let line = store.far_away(ACCESS, Duration::from_millis(10));
    let start = Instant::now();
    assert_eq!(store.read("{}", &[0, 1], 2).unwrap().num_rows(), 2000);
    assert_eq!(store.read(r#"{"a": {"lt": 10}}"#, &[0, 1], 2).unwrap().num_rows(), 10);
    assert!(start.elapsed() < Duration::from_millis(1000), "{:?}", start.elapsed());
    assert_eq!(line.take_requests().len(), 202);
}
