//! What every backend promises (see the page of `amplify::storage`), checked on each that is at hand: the local file
//! system always, and the S3 stores that `AMPLIFY_TEST_STORES` names, a JSON list of
//! `{"name", "endpoint", "bucket", "access_key", "secret_key"}`. Each check has a root of its own.

#![allow(clippy::single_range_in_vec_init)] // a list of one range is what is meant

mod conditional;
mod failures;
mod faults;
mod files;
mod listing;
mod multipart;
mod proxy;

use std::io::Write;
use std::sync::Arc;

use amplify::storage::{self, FileMeta, OpenOptions, S3Options, Secret, Storage};
use serde_json::Value;

/// A fresh root of one backend.
struct Root {
    /// For messages.
    name: String,
    storage: Arc<dyn Storage>,
    url: String,
    options: OpenOptions,
}

impl Root {
    fn is_local(&self) -> bool {
        self.name == "local"
    }

    /// The same root, opened otherwise.
    fn reopen(&self, change: impl FnOnce(&mut OpenOptions)) -> Arc<dyn Storage> {
        let mut options = self.options.clone();
        change(&mut options);
        storage::open(&self.url, &options).unwrap()
    }

    fn write(&self, path: &str, bytes: &[u8]) -> FileMeta {
        let mut file = self.storage.create(path).unwrap();
        file.write_all(bytes).unwrap();
        file.finish().unwrap()
    }

    fn read(&self, path: &str) -> Option<Vec<u8>> {
        self.storage.read(path).unwrap().map(Vec::from)
    }

    /// Writes files of these paths, several at a time, each of its path's bytes.
    fn write_many(&self, paths: &[String]) {
        std::thread::scope(|scope| {
            for part in paths.chunks(paths.len().div_ceil(8).max(1)) {
                scope.spawn(move || part.iter().for_each(|path| drop(self.write(path, path.as_bytes()))));
            }
        });
    }

    /// Paths of all files below `dir`.
    fn tree(&self, dir: &str) -> Vec<String> {
        let listing = self.storage.list_dir(dir).unwrap();
        let mut paths: Vec<String> = listing.files.into_iter().map(|file| file.path).collect();
        for name in listing.dirs {
            paths.extend(self.tree(&if dir.is_empty() { name } else { format!("{dir}/{name}") }));
        }
        paths
    }
}

/// The S3 stores to test with: their names, and how a root below their bucket is opened.
fn stores() -> Vec<(String, String, OpenOptions)> {
    let Ok(text) = std::env::var("AMPLIFY_TEST_STORES") else {
        eprintln!("AMPLIFY_TEST_STORES is not set: no S3 store is tested");
        return Vec::new();
    };
    let stores: Vec<Value> = serde_json::from_str(&text).unwrap();
    let text = |store: &Value, key: &str| store[key].as_str().unwrap().to_owned();
    let describe = |store: &Value| {
        let s3 = S3Options {
            endpoint: Some(text(store, "endpoint")),
            access_key: Some(Secret::new(text(store, "access_key"))),
            secret_key: Some(Secret::new(text(store, "secret_key"))),
            ..S3Options::default()
        };
        (text(store, "name"), text(store, "bucket"), OpenOptions { s3, ..OpenOptions::default() })
    };
    stores.iter().map(describe).collect()
}

/// Runs `check` on a fresh root of every backend.
fn on_every_root(check: impl Fn(&Root)) {
    let dir = tempfile::tempdir().unwrap();
    let url = dir.path().join("deep/root").to_str().unwrap().to_owned();
    let options = OpenOptions { durable: false, ..OpenOptions::default() };
    let mut roots = vec![("local".to_owned(), url, options)];
    for (name, bucket, options) in stores() {
        // Characters that mean something in a URL mean nothing in a prefix.
        roots.push((name, format!("s3://{bucket}/conformance/{} a+b%20=é/", uuid::Uuid::new_v4().simple()), options));
    }
    for (name, url, options) in roots {
        eprintln!("on {name}");
        let storage = storage::open(&url, &options).unwrap();
        check(&Root { name, storage, url, options });
    }
}

/// Bytes that differ from place to place.
fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at ^ (at >> 8) ^ (at >> 16)) as u8).collect()
}

/// A text for a cell of a compare-and-swap.
fn text(bytes: Option<&[u8]>) -> String {
    String::from_utf8(bytes.unwrap_or_default().to_vec()).unwrap()
}
