mod columns;
mod damage;
mod dictionaries;
mod filtering;
mod network;
mod remote;
mod requests;
mod sharing;
mod throughput;
mod whole;

use std::sync::Arc;
use std::time::Duration;

use arrow::array::{Array, ArrayRef, Int64Array};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Field, Schema};
use arrow::record_batch::RecordBatch;
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::file::properties::{WriterProperties, WriterPropertiesBuilder};

use self::network::{Line, Network};
use super::*;
use crate::store::plan::testing::{Memory, filters, table};

/// A Parquet file.
fn file(batch: &RecordBatch, properties: WriterPropertiesBuilder) -> Bytes {
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties.build())).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
    bytes.into()
}

/// A batch of nullable columns.
fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true))).unwrap()
}

fn ints(values: impl IntoIterator<Item = i64>) -> ArrayRef {
    Arc::new(Int64Array::from_iter_values(values))
}

fn properties() -> WriterPropertiesBuilder {
    WriterProperties::builder()
}

/// A store of one table and its files.
struct Store {
    memory: Arc<Memory>,
    table: Arc<Table>,
    files: Vec<PlannedFile>,
    /// Where it is on the far side of one.
    network: Option<Network>,
}

impl Store {
    fn new(columns: &[(&str, DataType)]) -> Self {
        Self { memory: Arc::default(), table: table("t", columns, 0), files: Vec::new(), network: None }
    }

    fn add(&mut self, bytes: impl Into<Bytes>) -> &mut Self {
        let meta = self.memory.put(&format!("t/{:04}.parquet", self.files.len()), bytes);
        self.files.push(PlannedFile { meta, partition: Arc::from([]) });
        self
    }

    fn storage(&self) -> Arc<dyn Storage> {
        match &self.network {
            Some(network) => Arc::new(network.clone()),
            None => self.memory.clone(),
        }
    }

    /// Puts a network before it, on which each answer takes `delay`.
    fn far_away(&mut self, access: Access, delay: Duration) -> Arc<Line> {
        let network = Network::new(&self.memory, access, delay);
        let line = network.line().clone();
        self.network = Some(network);
        line
    }

    fn far(mut self, access: &Access, delay: Duration) -> (Self, Arc<Line>) {
        let line = self.far_away(*access, delay);
        (self, line)
    }

    fn scan(&self, json: &str, columns: &[usize], threads: usize) -> Arc<Scan> {
        Scan::start(ScanRequest {
            storage: self.storage(),
            table: self.table.clone(),
            filters: filters(&self.table, json),
            files: self.files.clone(),
            columns: columns.to_vec(),
            threads,
            dictionaries: false,
        })
        .unwrap()
    }

    /// All rows, as one consumer gets them.
    fn read(&self, json: &str, columns: &[usize], threads: usize) -> Result<RecordBatch> {
        let scan = self.scan(json, columns, threads);
        let batches: Vec<RecordBatch> = drain(&mut scan.consumer())?.into_iter().map(|batch| batch.batch).collect();
        assert!(batches.iter().all(|batch| batch.num_rows() > 0 && batch.num_rows() <= BATCH_ROWS));
        Ok(concat_batches(scan.schema(), &batches).unwrap())
    }

    fn count(&self, json: &str) -> Result<u64> {
        count(&self.storage(), &self.table, &filters(&self.table, json), self.files.clone(), 2)
    }
}

fn drain(consumer: &mut Consumer) -> Result<Vec<ScanBatch>> {
    std::iter::from_fn(|| consumer.next().transpose()).collect()
}

/// The values of a BIGINT column.
fn int_values(batch: &RecordBatch, column: usize) -> Vec<Option<i64>> {
    batch.column(column).as_any().downcast_ref::<Int64Array>().unwrap().iter().collect()
}
