//! For tests: a store in memory that notes what is asked of it.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use arrow::array::{ArrayRef, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use bytes::Bytes;
use chrono::{DateTime, Utc};

use super::{PlannedFile, PlannedPartition};
use crate::error::{Error, ErrorKind, Result};
use crate::storage::{Access, Change, FileMeta, FileWriter, Listing, PutOutcome, Storage, Visit};
use crate::store::environment::testing::journal;
use crate::store::filter::Filters;
use crate::store::table::{Table, TableName};

/// Files by path. Only reading works. Clones share the files.
#[derive(Debug, Clone, Default)]
pub(in crate::store) struct Memory(Arc<State>);

#[derive(Debug, Default)]
struct State {
    files: Mutex<BTreeMap<String, (FileMeta, Bytes)>>,
    listed: Mutex<Vec<String>>,
    read: Mutex<Vec<(String, Range<u64>)>>,
    /// Files of a page of a flat listing; 0: requests do not count here.
    page_files: AtomicUsize,
}

impl Memory {
    /// Has requests count from now on, and a flat listing give so many files by each.
    pub(in crate::store) fn travel(&self, page_files: usize) {
        self.0.page_files.store(page_files, Ordering::Relaxed);
    }

    pub(in crate::store) fn put(&self, path: &str, bytes: impl Into<Bytes>) -> FileMeta {
        let bytes = bytes.into();
        static PUT: AtomicU64 = AtomicU64::new(0);
        let meta = FileMeta {
            path: path.to_owned(),
            size: bytes.len() as u64,
            modified: DateTime::<Utc>::UNIX_EPOCH,
            etag: Some(PUT.fetch_add(1, Ordering::Relaxed).to_string()),
            inode: None,
        };
        self.0.files.lock().unwrap().insert(path.to_owned(), (meta.clone(), bytes));
        meta
    }

    /// The directories of tables listed since the last call; `<directory>/**` for a page of all below it.
    pub(in crate::store) fn take_listed(&self) -> Vec<String> {
        let mut listed = std::mem::take(&mut *self.0.listed.lock().unwrap());
        listed.retain(|dir| !dir.starts_with("_registry"));
        listed
    }

    /// What was read since the last call.
    pub(in crate::store) fn take_read(&self) -> Vec<(String, Range<u64>)> {
        std::mem::take(&mut self.0.read.lock().unwrap())
    }

    /// How many bytes were read since the last call.
    pub(in crate::store) fn take_read_bytes(&self) -> u64 {
        self.take_read().into_iter().map(|(_, range)| range.end - range.start).sum()
    }
}

fn read_only<T>() -> Result<T> {
    Err(Error::new(ErrorKind::Unsupported, "The store in memory is for reading"))
}

impl Storage for Memory {
    fn location(&self, path: &str) -> String {
        format!("mem/{path}")
    }

    fn access(&self) -> Access {
        Access { remote: self.0.page_files.load(Ordering::Relaxed) > 0, ..Access::LOCAL }
    }

    fn list_below(&self, dirs: &[String], visit: &mut Visit) -> Result<Vec<bool>> {
        let mut whole = Vec::new();
        for (number, dir) in dirs.iter().enumerate() {
            let prefix = format!("{dir}/");
            let is_below = |(path, _): &(&String, &(FileMeta, Bytes))| path.starts_with(&prefix);
            let files: Vec<FileMeta> =
                self.0.files.lock().unwrap().iter().filter(is_below).map(|(_, (meta, _))| meta.clone()).collect();
            let mut pages: Vec<&[FileMeta]> = files.chunks(self.0.page_files.load(Ordering::Relaxed)).collect();
            pages.resize(pages.len().max(1), &[]);
            let mut taken = 0;
            for page in &pages {
                self.0.listed.lock().unwrap().push(format!("{dir}/**"));
                taken += 1;
                if !visit(number, page.to_vec()) {
                    break;
                }
            }
            whole.push(taken == pages.len());
        }
        Ok(whole)
    }

    fn list_dir(&self, dir: &str) -> Result<Listing> {
        self.0.listed.lock().unwrap().push(dir.to_owned());
        let prefix = if dir.is_empty() { String::new() } else { format!("{dir}/") };
        let mut dirs = BTreeSet::new();
        let mut listing = Listing::default();
        for (path, (meta, _)) in self.0.files.lock().unwrap().range(prefix.clone()..) {
            let Some(rest) = path.strip_prefix(&prefix) else { break };
            match rest.split_once('/') {
                Some((name, _)) => drop(dirs.insert(name.to_owned())),
                None => listing.files.push(meta.clone()),
            }
        }
        listing.dirs = dirs.into_iter().collect();
        Ok(listing)
    }

    fn read(&self, path: &str) -> Result<Option<Bytes>> {
        Ok(self.0.files.lock().unwrap().get(path).map(|(_, bytes)| bytes.clone()))
    }

    fn read_ranges(&self, path: &str, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        let missing = || Error::new(ErrorKind::NotFound, format!("No file \"{}\"", self.location(path)));
        let (_, bytes) = self.0.files.lock().unwrap().get(path).cloned().ok_or_else(missing)?;
        let answer = |range: &Range<u64>| {
            self.0.read.lock().unwrap().push((path.to_owned(), range.clone()));
            match range.end <= bytes.len() as u64 {
                true => Ok(bytes.slice(range.start as usize..range.end as usize)),
                false => {
                    Err(Error::new(ErrorKind::Io, format!("\"{}\" ends before {}", self.location(path), range.end)))
                }
            }
        };
        ranges.iter().map(answer).collect()
    }

    fn put_if_absent(&self, _: &str, _: &[u8]) -> Result<PutOutcome> {
        read_only()
    }

    fn update(&self, _: &str, _: &mut Change) -> Result<()> {
        read_only()
    }

    fn create(&self, _: &str) -> Result<Box<dyn FileWriter>> {
        read_only()
    }

    fn rename(&self, _: &str, _: &str) -> Result<()> {
        read_only()
    }

    fn delete(&self, _: &str) -> Result<()> {
        read_only()
    }
}

/// A table of these canonical columns, by the last `keys` of them.
pub(in crate::store) fn table(name: &str, columns: &[(&str, DataType)], keys: usize) -> Arc<Table> {
    let fields: Vec<Field> =
        columns.iter().map(|(name, data_type)| Field::new(*name, data_type.clone(), true)).collect();
    let partition_by = (columns.len() - keys..columns.len()).collect();
    Arc::new(Table::new(TableName::parse(name).unwrap(), Arc::new(Schema::new(fields)), partition_by))
}

/// Filters from their JSON text.
pub(in crate::store) fn filters(table: &Table, json: &str) -> Arc<Filters> {
    let argument: ArrayRef = Arc::new(StringArray::from(vec![json]));
    Arc::new(Filters::parse(table, &argument, &Field::new("filters", DataType::Utf8, true)).unwrap())
}

/// [`super::plan`] of a table in memory.
pub(in crate::store) fn plan(memory: &Memory, table: &Table, filters: &Filters) -> Result<Vec<PlannedFile>> {
    super::plan(&journal(Arc::new(memory.clone()), table), table, filters)
}

/// [`super::partitions`] of a table in memory.
pub(in crate::store) fn partitions(memory: &Memory, table: &Table, filters: &Filters) -> Result<Vec<PlannedPartition>> {
    super::partitions(&journal(Arc::new(memory.clone()), table), table, filters)
}
