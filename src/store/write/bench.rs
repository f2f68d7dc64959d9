//! What writing costs, by hand: `cargo test --profile quick --lib -- --ignored --nocapture write::bench`.
//!
//! `ROWS`, `PARTITIONS`, `ORDER` (sorted, random), `THREADS`, `CODEC`, `BUDGET_MB` change what is written; `STREAM=1`
//! makes the rows while they are written, so that the peak of memory is the writer's.

use std::sync::Arc;
use std::time::Instant;

use arrow::array::{ArrayRef, Float64Array, Int32Array, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::record_batch::RecordBatch;

use super::{TableWriter, WriteMode, WriteOptions};
use crate::storage::Local;
use crate::store::environment::testing::journal;
use crate::store::table::{Table, TableName};
use crate::store::table_options::Codec;
use crate::store::types::timestamptz;

const BATCH_ROWS: usize = 2048;

#[test]
#[ignore = "a measurement"]
fn throughput() {
    let rows = setting("ROWS", 4_000_000);
    let partitions = setting("PARTITIONS", 180);
    let sorted = std::env::var("ORDER").is_ok_and(|order| order == "sorted");
    let mut options = WriteOptions::new(WriteMode::Append, setting("THREADS", 2));
    options.table_options.compression = std::env::var("CODEC").ok().map(|codec| Codec::parse(&codec).unwrap());
    options.memory_budget_bytes = setting("BUDGET_MB", options.memory_budget_bytes >> 20) << 20;

    let mut made = (0..rows.div_ceil(BATCH_ROWS)).map(|number| batch(number, rows, partitions, sorted));
    let stored: Vec<RecordBatch> = if setting("STREAM", 0) == 0 { made.by_ref().collect() } else { Vec::new() };
    let directory = tempfile::tempdir().unwrap();
    let storage = Arc::new(Local::open(directory.path(), false).unwrap());
    let (before, cpu_before) = (peak_mb(), cpu_seconds());
    let start = Instant::now();
    let table = Arc::new(table());
    let mut writer = TableWriter::begin(journal(storage, &table), table, options).unwrap();
    for batch in stored.iter().cloned().chain(made) {
        writer.push(&batch).unwrap();
    }
    let pushed = start.elapsed();
    let report = writer.finish().unwrap();
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "{rows} rows, {partitions} partitions, sorted {sorted}: {seconds:.2} s ({:.2} pushing), {:.2} s of CPU, {:.2} M rows/s, {} files, {:.1} MB, peak {} MB ({before} before)",
        pushed.as_secs_f64(),
        cpu_seconds() - cpu_before,
        rows as f64 / seconds / 1e6,
        report.files.len(),
        report.bytes as f64 / 1e6,
        peak_mb(),
    );
    assert_eq!(report.rows as usize, rows.div_ceil(BATCH_ROWS) * BATCH_ROWS);
}

fn table() -> Table {
    let fields = vec![
        Field::new("instrument", DataType::Utf8, false),
        Field::new("day", DataType::Int32, false),
        Field::new("image_id", DataType::Utf8, false),
        Field::new("timestamp", timestamptz(), false),
        Field::new("area", DataType::Float64, true),
        Field::new("solidity", DataType::Float64, true),
        Field::new("score", DataType::Float64, true),
        Field::new("width", DataType::Int32, true),
        Field::new("height", DataType::Int32, true),
        Field::new("class", DataType::Utf8, true),
        Field::new("latitude", DataType::Float64, true),
        Field::new("longitude", DataType::Float64, true),
    ];
    Table::new(TableName::parse("images").unwrap(), Arc::new(Schema::new(fields)), vec![0, 1])
}

fn batch(number: usize, rows: usize, partitions: usize, sorted: bool) -> RecordBatch {
    let mut random = number as u64 * 0x9E37_79B9_7F4A_7C15 + 1;
    let mut next = move || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random
    };
    let ids: Vec<usize> = (0..BATCH_ROWS)
        .map(|row| match sorted {
            true => ((number * BATCH_ROWS + row) * partitions / rows).min(partitions - 1),
            false => next() as usize % partitions,
        })
        .collect();
    let seconds = |row: usize| 1_700_000_000 + (number * BATCH_ROWS + row) as i64 / 1000 * 1200;
    let mut doubles = || -> ArrayRef {
        Arc::new(Float64Array::from_iter_values((0..BATCH_ROWS).map(|_| (next() >> 11) as f64 / (1_u64 << 53) as f64)))
    };
    let three = [doubles(), doubles(), doubles()];
    let mut ints =
        || -> ArrayRef { Arc::new(Int32Array::from_iter_values((0..BATCH_ROWS).map(|_| (next() % 500) as i32))) };
    let two = [ints(), ints()];
    let class = StringArray::from_iter_values((0..BATCH_ROWS).map(|_| format!("class_name_{}", next() % 50)));
    let place = |start: f64| -> ArrayRef {
        Arc::new(Float64Array::from_iter_values(
            (0..BATCH_ROWS).map(|row| start + (seconds(row) % 1000) as f64 / 7000.0),
        ))
    };
    let id = |row: usize| {
        let time = chrono::DateTime::from_timestamp(seconds(row), 0).unwrap().format("%Y%m%dT%H%M%S").to_string();
        format!("D{time}_IFCB{:03}_{:05}", ids[row] % 15, (number * BATCH_ROWS + row) % 1000)
    };
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values(ids.iter().map(|id| format!("IFCB{:03}", id % 15)))),
        Arc::new(Int32Array::from_iter_values(ids.iter().map(|id| (id / 15) as i32))),
        Arc::new(StringArray::from_iter_values((0..BATCH_ROWS).map(id))),
        Arc::new(
            TimestampMicrosecondArray::from_iter_values((0..BATCH_ROWS).map(|row| seconds(row) * 1_000_000))
                .with_timezone("UTC"),
        ),
        three[0].clone(),
        three[1].clone(),
        three[2].clone(),
        two[0].clone(),
        two[1].clone(),
        Arc::new(class),
        place(41.0),
        place(-70.0),
    ];
    RecordBatch::try_new(table().schema().clone(), columns).unwrap()
}

fn setting(name: &str, default: usize) -> usize {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// The most memory this process has had, in MB; 0 where the system does not say.
fn peak_mb() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<usize>().ok()).unwrap_or(0) / 1024
}

/// What this process has used of the processors; 0 where the system does not say.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let ticks: f64 = stat.split_whitespace().skip(13).take(2).filter_map(|field| field.parse::<f64>().ok()).sum();
    ticks / 100.0
}
