//! Which partition a row belongs to, and what is known of each partition of a write.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::compute::partition;
use arrow::record_batch::RecordBatch;
use arrow::row::{RowConverter, SortField};

use super::stream::Stream;
use crate::error::{Error, Result};
use crate::store::partition::directory;
use crate::store::scalar::Scalar;
use crate::store::table::Table;

/// The partitions that a write's rows belong to so far, numbered from 0.
#[derive(Debug)]
pub(super) struct Partitions {
    table: Arc<Table>,
    /// Key values -> bytes that are equal where the values are.
    converter: RowConverter,
    by_key: HashMap<Box<[u8]>, u32>,
    by_directory: HashMap<Arc<str>, u32>,
    list: Vec<Partition>,
    /// The key of the last row seen: the next one often has the same.
    last: Option<(Box<[u8]>, u32)>,
}

#[derive(Debug)]
struct Partition {
    stream: Arc<Stream>,
    /// Row groups sent so far.
    sent: u64,
    ended: bool,
}

impl Partitions {
    pub(super) fn new(table: Arc<Table>) -> Result<Self> {
        let fields = table.partition_fields().map(|field| SortField::new(field.data_type().clone())).collect();
        Ok(Self {
            converter: RowConverter::new(fields)?,
            table,
            by_key: HashMap::new(),
            by_directory: HashMap::new(),
            list: Vec::new(),
            last: None,
        })
    }

    /// The runs of rows of one partition in `batch`, which has all of the table's columns, each with its partition.
    ///
    /// # Errors
    /// Where a key's value cannot be a directory's name.
    pub(super) fn assign(&mut self, batch: &RecordBatch) -> Result<Vec<(u32, Range<usize>)>> {
        let keys: Vec<ArrayRef> =
            self.table.partition_by().iter().map(|&column| batch.column(column).clone()).collect();
        if keys.is_empty() {
            let id = self.number(&[], 0)?;
            return Ok(vec![(id, 0..batch.num_rows())]);
        }
        let ranges = partition(&keys)?.ranges();
        let one = ranges.len() == 1;
        let firsts: Vec<ArrayRef> = if one { keys.iter().map(|key| key.slice(0, 1)).collect() } else { keys.clone() };
        let rows = self.converter.convert_columns(&firsts)?;
        let mut runs = Vec::with_capacity(ranges.len());
        for range in ranges {
            let key: &[u8] = rows.row(range.start).data();
            let id = match &self.last {
                Some((last, id)) if last.as_ref() == key => *id,
                _ => {
                    let id = match self.by_key.get(key) {
                        Some(id) => *id,
                        None => {
                            let id = self.number(&keys, range.start)?;
                            self.by_key.insert(key.into(), id);
                            id
                        }
                    };
                    match &mut self.last {
                        Some((last, last_id)) if last.len() == key.len() => {
                            last.copy_from_slice(key);
                            *last_id = id;
                        }
                        last => *last = Some((key.into(), id)),
                    }
                    id
                }
            };
            runs.push((id, range));
        }
        Ok(runs)
    }

    /// The partition's stream and the number of the next row group in it.
    pub(super) fn next_job(&mut self, partition: u32) -> (Arc<Stream>, u64) {
        let partition = &mut self.list[partition as usize];
        partition.sent += 1;
        (partition.stream.clone(), partition.sent - 1)
    }

    /// Notes that the partition gets no more rows.
    pub(super) fn end(&mut self, partition: u32) {
        self.list[partition as usize].ended = true;
    }

    /// [`Partitions::next_job`] of every partition that has not ended.
    pub(super) fn unended(&self) -> impl Iterator<Item = (Arc<Stream>, u64)> {
        self.list
            .iter()
            .filter(|partition| !partition.ended)
            .map(|partition| (partition.stream.clone(), partition.sent))
    }

    /// Every partition's directory, relative to the root.
    pub(super) fn directories(&self) -> impl Iterator<Item = &str> {
        self.by_directory.keys().map(AsRef::as_ref)
    }

    /// The number of the partition that row `row` belongs to, a new one for a directory not seen yet.
    fn number(&mut self, keys: &[ArrayRef], row: usize) -> Result<u32> {
        let values: Vec<Scalar> = keys.iter().map(|key| Scalar::from_array(key, row)).collect::<Result<_>>()?;
        let directory: Arc<str> = directory(&self.table, &values)?.into();
        if let Some(id) = self.by_directory.get(&directory) {
            return Ok(*id);
        }
        let id = u32::try_from(self.list.len()).map_err(|_| {
            Error::invalid(format!("A write to table \"{}\" has too many partitions!", self.table.name()))
        })?;
        self.list.push(Partition { stream: Arc::new(Stream::new(directory.clone())), sent: 0, ended: false });
        self.by_directory.insert(directory, id);
        Ok(id)
    }
}
