//! What the simulated processes share: the objects of a store, and the oracle that watches them.

use std::collections::{BTreeMap, BTreeSet};

use amplify::storage::{FileMeta, Listing, PutOutcome};
use bytes::Bytes;
use chrono::{DateTime, Utc};

use super::oracle::Oracle;

/// Files by path. Every method is atomic: what is not, is made so by who calls.
#[derive(Debug)]
pub struct Disk {
    files: BTreeMap<String, (Bytes, DateTime<Utc>)>,
    /// Files being written, by their names to be; an object store shows none.
    unfinished: BTreeMap<String, DateTime<Utc>>,
    /// Directories that stay when they are empty, as on a file system; `None`: there are none, as in an object store.
    dirs: Option<BTreeSet<String>>,
    last_change: i64,
    pub oracle: Oracle,
}

impl Disk {
    pub fn new(keeps_dirs: bool, oracle: Oracle) -> Self {
        Self {
            files: BTreeMap::new(),
            unfinished: BTreeMap::new(),
            dirs: keeps_dirs.then(BTreeSet::new),
            last_change: 0,
            oracle,
        }
    }

    /// Whether directories stay when they are empty, and a rename is one step.
    pub fn is_file_system(&self) -> bool {
        self.dirs.is_some()
    }

    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }

    pub fn unfinished(&self) -> impl Iterator<Item = &str> {
        self.unfinished.keys().map(String::as_str)
    }

    pub fn get(&self, path: &str) -> Option<Bytes> {
        self.files.get(path).map(|(bytes, _)| bytes.clone())
    }

    pub fn meta(&self, path: &str) -> Option<FileMeta> {
        self.files.get(path).map(|(bytes, modified)| file_meta(path, bytes, *modified))
    }

    /// Names of directories, and files.
    pub fn list(&self, dir: &str) -> Listing {
        let prefix = if dir.is_empty() { String::new() } else { format!("{dir}/") };
        let mut dirs = BTreeSet::new();
        let mut files = Vec::new();
        for (path, (bytes, modified)) in self.files.range(prefix.clone()..) {
            let Some(below) = path.strip_prefix(&prefix) else { break };
            match below.split_once('/') {
                Some((name, _)) => drop(dirs.insert(name.to_owned())),
                None => {
                    files.push(file_meta(path, bytes, *modified));
                }
            }
        }
        for path in self.dirs.iter().flat_map(|dirs| dirs.range(prefix.clone()..)) {
            let Some(below) = path.strip_prefix(&prefix) else { break };
            dirs.insert(below.split('/').next().unwrap_or(below).to_owned());
        }
        Listing { dirs: dirs.into_iter().collect(), files }
    }

    pub fn put(&mut self, path: &str, bytes: Bytes, now: DateTime<Utc>) {
        // No two changes at the same time: a file's size and time tell its versions apart.
        self.last_change = (self.last_change + 1).max(now.timestamp_nanos_opt().unwrap_or_default());
        self.make_dirs(path);
        self.files.insert(path.to_owned(), (bytes, DateTime::from_timestamp_nanos(self.last_change)));
    }

    /// `false` where there are no directories.
    fn make_dirs(&mut self, path: &str) -> bool {
        let dirs = path.match_indices('/').map(|(end, _)| path[..end].to_owned());
        self.dirs.as_mut().map(|made| made.extend(dirs)).is_some()
    }

    pub fn put_if_absent(&mut self, path: &str, bytes: &[u8], now: DateTime<Utc>) -> PutOutcome {
        if self.files.contains_key(path) {
            return PutOutcome::AlreadyExists;
        }
        self.put(path, Bytes::copy_from_slice(bytes), now);
        if path.contains("/commits/") {
            let void = |txid: &str| self.files.contains_key(&format!("_registry/journal/images/void/{txid}"));
            let row = |below: &str| Some(self.files.get(&format!("images/{below}"))?.0.clone());
            self.oracle.committed(path, bytes, &void, &row);
        }
        PutOutcome::Created
    }

    pub fn delete(&mut self, path: &str) {
        self.files.remove(path);
    }

    /// `false` where there is no such file.
    pub fn copy(&mut self, from: &str, to: &str, now: DateTime<Utc>) -> bool {
        let Some(bytes) = self.get(from) else { return false };
        self.put(to, bytes, now);
        true
    }

    pub fn begin_file(&mut self, name: &str, now: DateTime<Utc>) {
        if self.make_dirs(name) {
            self.unfinished.insert(name.to_owned(), now);
        }
    }

    pub fn end_file(&mut self, name: &str) {
        self.unfinished.remove(name);
    }

    pub fn discard_unfinished(&mut self, dir: &str, part: &str, before: DateTime<Utc>) {
        let prefix = format!("{dir}/");
        self.unfinished.retain(|path, begun| {
            let name = path.strip_prefix(&prefix).filter(|name| !name.contains('/'));
            !(name.is_some_and(|name| name.contains(part)) && *begun <= before)
        });
    }

    pub fn remove_empty_dirs(&mut self, dir: &str) {
        let prefix = format!("{dir}/");
        let files = &self.files;
        let holds_files = |dir: &str| {
            let prefix = format!("{dir}/");
            files.range(prefix.clone()..).next().is_some_and(|(path, _)| path.starts_with(&prefix))
        };
        if let Some(dirs) = &mut self.dirs {
            dirs.retain(|path| !(path == dir || path.starts_with(&prefix)) || holds_files(path));
        }
    }
}

fn file_meta(path: &str, bytes: &Bytes, modified: DateTime<Utc>) -> FileMeta {
    FileMeta { path: path.to_owned(), size: bytes.len() as u64, modified, etag: None, inode: None }
}
