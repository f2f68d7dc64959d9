//! A store in memory as if on the far side of a network: answers take their time, and what was asked for is noted.

use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use super::*;
use crate::error::ErrorKind;
use crate::storage::{Change, FileMeta, FileWriter, Listing, PutOutcome};

pub(super) const ACCESS: Access =
    Access { remote: true, concurrency: 64, coalesce_gap_bytes: 1 << 20, request_max_bytes: 8 << 20 };

/// Clones are the same network, with a switch of their own for giving up.
#[derive(Debug, Clone)]
pub(super) struct Network {
    line: Arc<Line>,
    cancel: Option<Cancel>,
}

#[derive(Debug)]
pub(super) struct Line {
    memory: Arc<Memory>,
    pub(super) access: Access,
    delay: Duration,
    /// Answers never come.
    pub(super) hangs: AtomicBool,
    /// Whether who waits can give up.
    pub(super) cancellable: AtomicBool,
    /// A path that the backend panics at.
    pub(super) panics_at: Mutex<Option<String>>,
    waiting: AtomicUsize,
    most_waiting: AtomicUsize,
    requests: Mutex<Vec<(String, Range<u64>)>>,
}

impl Network {
    pub(super) fn new(memory: &Arc<Memory>, access: Access, delay: Duration) -> Self {
        let line = Line {
            memory: memory.clone(),
            access,
            delay,
            hangs: AtomicBool::new(false),
            cancellable: AtomicBool::new(true),
            panics_at: Mutex::default(),
            waiting: AtomicUsize::new(0),
            most_waiting: AtomicUsize::new(0),
            requests: Mutex::default(),
        };
        Self { line: Arc::new(line), cancel: None }
    }

    pub(super) fn line(&self) -> &Arc<Line> {
        &self.line
    }
}

impl Line {
    /// What was asked for since the last call, in the order of asking.
    pub(super) fn take_requests(&self) -> Vec<(String, Range<u64>)> {
        std::mem::take(&mut self.requests.lock().unwrap())
    }

    pub(super) fn take_bytes(&self) -> u64 {
        self.take_requests().into_iter().map(|(_, range)| range.end - range.start).sum()
    }

    /// How many callers waited at one time, at most, since the last call.
    pub(super) fn take_most_waiting(&self) -> usize {
        self.most_waiting.swap(0, Ordering::Relaxed)
    }

    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }
}

impl Storage for Network {
    fn location(&self, path: &str) -> String {
        self.line.memory.location(path)
    }

    fn access(&self) -> Access {
        self.line.access
    }

    fn cancellable(&self, cancel: &Cancel) -> Option<Arc<dyn Storage>> {
        let cancellable = self.line.cancellable.load(Ordering::Relaxed);
        cancellable.then(|| Arc::new(Self { cancel: Some(cancel.clone()), ..self.clone() }) as Arc<dyn Storage>)
    }

    fn list_dir(&self, dir: &str) -> Result<Listing> {
        self.line.memory.list_dir(dir)
    }

    fn read(&self, path: &str) -> Result<Option<Bytes>> {
        self.line.memory.read(path)
    }

    fn read_ranges(&self, path: &str, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        let line = &self.line;
        line.requests.lock().unwrap().extend(ranges.iter().map(|range| (path.to_owned(), range.clone())));
        let waiting = line.waiting.fetch_add(1, Ordering::Relaxed) + 1;
        line.most_waiting.fetch_max(waiting, Ordering::Relaxed);
        std::thread::sleep(line.delay);
        let cancelled = || self.cancel.as_ref().is_some_and(Cancel::is_cancelled);
        while line.hangs.load(Ordering::Relaxed) && !cancelled() {
            std::thread::sleep(Duration::from_millis(1));
        }
        line.waiting.fetch_sub(1, Ordering::Relaxed);
        let panics = line.panics_at.lock().unwrap().as_deref() == Some(path);
        assert!(!panics, "the backend panics");
        if cancelled() {
            return Err(Error::new(ErrorKind::Interrupted, "given up"));
        }
        line.memory.read_ranges(path, ranges)
    }

    fn put_if_absent(&self, path: &str, bytes: &[u8]) -> Result<PutOutcome> {
        self.line.memory.put_if_absent(path, bytes)
    }

    fn update(&self, path: &str, change: &mut Change) -> Result<()> {
        self.line.memory.update(path, change)
    }

    fn create(&self, path: &str) -> Result<Box<dyn FileWriter>> {
        self.line.memory.create(path)
    }

    fn rename(&self, from: &str, to: &str) -> Result<()> {
        self.line.memory.rename(from, to)
    }

    fn delete(&self, path: &str) -> Result<()> {
        self.line.memory.delete(path)
    }
}

/// The same file many times: their bytes are in memory once.
pub(super) fn copies(columns: &[(&str, DataType)], bytes: &Bytes, count: usize) -> Store {
    let mut store = Store::new(columns);
    for _ in 0..count {
        store.add(bytes.clone());
    }
    store
}

pub(super) fn metas(store: &Store) -> Vec<&FileMeta> {
    store.files.iter().map(|file| &file.meta).collect()
}
