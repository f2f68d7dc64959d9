//! A store in memory that fails where a test wants it to.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;

use crate::error::{Error, ErrorKind, Result};
use crate::storage::{Access, Change, FileMeta, FileWriter, Finishing, Listing, PutOutcome, Storage};

/// How a storage fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trouble {
    Error,
    Panic,
}

#[derive(Debug, Default)]
pub(super) struct TestStorage {
    files: Mutex<BTreeMap<String, Bytes>>,
    /// File writers that are neither finished nor dropped.
    open: AtomicUsize,
    /// Steps of writing files so far.
    steps: AtomicUsize,
    /// The step that fails, and how.
    trouble: Option<(usize, Trouble)>,
    /// How many files are finished in the background at one time; 0: none.
    concurrency: usize,
    finishing: AtomicUsize,
    most_finishing: AtomicUsize,
    /// Whether listings fail, and how many did.
    is_silent: bool,
    unlisted: AtomicUsize,
}

impl TestStorage {
    /// One whose `step`-th step of writing files (creating one, writing, flushing, finishing) fails.
    pub(super) fn failing(step: usize, trouble: Trouble) -> Self {
        Self { trouble: Some((step, trouble)), ..Self::default() }
    }

    /// One that cannot be listed.
    pub(super) fn silent() -> Self {
        Self { is_silent: true, ..Self::default() }
    }

    /// How many listings failed.
    pub(super) fn unlisted(&self) -> usize {
        self.unlisted.load(Ordering::SeqCst)
    }

    /// Has files finished in the background, in a millisecond for each of so many.
    pub(super) fn in_background(self, concurrency: usize) -> Self {
        Self { concurrency, ..self }
    }

    /// How many files were being finished at one time, at most.
    pub(super) fn most_finishing(&self) -> usize {
        self.most_finishing.load(Ordering::SeqCst)
    }

    /// Adds a file as if another program had.
    pub(super) fn add(&self, path: &str, bytes: &'static [u8]) {
        self.files.lock().unwrap().insert(path.to_owned(), bytes.into());
    }

    /// The files of tables: what lies outside the registry.
    pub(super) fn paths(&self) -> Vec<String> {
        self.files.lock().unwrap().keys().filter(|path| !path.starts_with("_registry/")).cloned().collect()
    }

    /// The files in the trash.
    pub(super) fn trashed(&self) -> Vec<String> {
        self.files.lock().unwrap().keys().filter(|path| path.starts_with("_registry/trash/")).cloned().collect()
    }

    pub(super) fn bytes(&self, path: &str) -> Bytes {
        self.files.lock().unwrap()[path].clone()
    }

    /// How many steps of writing files there were.
    pub(super) fn steps(&self) -> usize {
        self.steps.load(Ordering::SeqCst)
    }

    /// Whether neither files nor their beginnings are there, nor a marker of a write.
    pub(super) fn is_empty(&self) -> bool {
        let marked = self.files.lock().unwrap().keys().any(|path| path.contains("/pending/"));
        !marked && self.paths().is_empty() && self.open.load(Ordering::SeqCst) == 0
    }

    fn step(&self) -> io::Result<()> {
        let step = self.steps.fetch_add(1, Ordering::SeqCst);
        match self.trouble {
            Some((at, Trouble::Error)) if at == step => Err(io::Error::other("the disk is full")),
            Some((at, Trouble::Panic)) if at == step => panic!("the disk is on fire"),
            _ => Ok(()),
        }
    }
}

/// Where files are written to: the storage is shared between writers and tests.
#[derive(Debug, Clone, Default)]
pub(super) struct Shared(pub(super) Arc<TestStorage>);

impl Storage for Shared {
    fn location(&self, path: &str) -> String {
        path.to_owned()
    }

    fn access(&self) -> Access {
        Access { concurrency: self.0.concurrency.max(1), ..Access::LOCAL }
    }

    fn list_dir(&self, dir: &str) -> Result<Listing> {
        if self.0.is_silent {
            self.0.unlisted.fetch_add(1, Ordering::SeqCst);
            return Err(Error::new(ErrorKind::Io, "the store does not answer"));
        }
        let mut listing = Listing::default();
        for (path, bytes) in &*self.0.files.lock().unwrap() {
            let Some(rest) = path.strip_prefix(&format!("{dir}/")) else { continue };
            match rest.split_once('/') {
                None => listing.files.push(meta(path, bytes.len())),
                Some((name, _)) if listing.dirs.last().is_some_and(|last| last == name) => {}
                Some((name, _)) => listing.dirs.push(name.to_owned()),
            }
        }
        Ok(listing)
    }

    fn read(&self, path: &str) -> Result<Option<Bytes>> {
        Ok(self.0.files.lock().unwrap().get(path).cloned())
    }

    fn read_ranges(&self, _: &str, _: &[Range<u64>]) -> Result<Vec<Bytes>> {
        unimplemented!("not part of writing")
    }

    fn put_if_absent(&self, path: &str, bytes: &[u8]) -> Result<PutOutcome> {
        let mut files = self.0.files.lock().unwrap();
        if files.contains_key(path) {
            return Ok(PutOutcome::AlreadyExists);
        }
        files.insert(path.to_owned(), Bytes::copy_from_slice(bytes));
        Ok(PutOutcome::Created)
    }

    fn update(&self, _: &str, _: &mut Change) -> Result<()> {
        unimplemented!("not part of writing")
    }

    fn create(&self, path: &str) -> Result<Box<dyn FileWriter>> {
        self.0.step().map_err(|error| Error::io("create", path, error))?;
        self.0.open.fetch_add(1, Ordering::SeqCst);
        Ok(Box::new(TestWriter { storage: self.0.clone(), path: path.to_owned(), bytes: Vec::new() }))
    }

    fn rename(&self, from: &str, to: &str) -> Result<()> {
        let mut files = self.0.files.lock().unwrap();
        let bytes = files.remove(from).ok_or_else(|| Error::new(ErrorKind::NotFound, from))?;
        files.insert(to.to_owned(), bytes);
        Ok(())
    }

    fn delete(&self, path: &str) -> Result<()> {
        self.0.files.lock().unwrap().remove(path);
        Ok(())
    }
}

struct TestWriter {
    storage: Arc<TestStorage>,
    path: String,
    bytes: Vec<u8>,
}

impl Write for TestWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.storage.step()?;
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.storage.step()
    }
}

impl FileWriter for TestWriter {
    fn finish(mut self: Box<Self>) -> Result<FileMeta> {
        self.storage.step().map_err(|error| Error::io("create", &self.path, error))?;
        let bytes = Bytes::from(std::mem::take(&mut self.bytes));
        let meta = meta(&self.path, bytes.len());
        match self.storage.files.lock().unwrap().insert(self.path.clone(), bytes) {
            None => Ok(meta),
            Some(_) => Err(Error::new(ErrorKind::Io, format!("{} is there already", self.path))),
        }
    }

    fn begin_finish(self: Box<Self>) -> Finishing {
        let storage = self.storage.clone();
        if storage.concurrency == 0 {
            let finished = self.finish();
            return Box::new(|| finished);
        }
        let finishing = storage.finishing.fetch_add(1, Ordering::SeqCst) + 1;
        storage.most_finishing.fetch_max(finishing, Ordering::SeqCst);
        let background = Background(Some(std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(storage.concurrency as u64));
            storage.finishing.fetch_sub(1, Ordering::SeqCst);
            self.finish()
        })));
        Box::new(|| background.wait())
    }
}

/// A file that is being finished; dropped, it is waited for.
struct Background(Option<JoinHandle<Result<FileMeta>>>);

impl Background {
    fn wait(mut self) -> Result<FileMeta> {
        self.0.take().unwrap().join().unwrap_or_else(|_| Err(Error::internal("a thread panicked")))
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        drop(self.0.take().map(JoinHandle::join));
    }
}

impl Drop for TestWriter {
    fn drop(&mut self) {
        self.storage.open.fetch_sub(1, Ordering::SeqCst);
    }
}

fn meta(path: &str, size: usize) -> FileMeta {
    FileMeta {
        path: path.to_owned(),
        size: size as u64,
        modified: chrono::DateTime::UNIX_EPOCH,
        etag: None,
        inode: None,
    }
}
