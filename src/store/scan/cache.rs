//! Footers that were read before, kept in the process.
//!
//! An entry is used only for the very state of a file that it was read from: where the listing shows the same ETag, or,
//! where the store has none, the same size, the same time to the last digit and the same inode, unchanged since: who
//! copies files may keep their times. A file whose name is not one of ours may be replaced in place, even within the
//! precision of its time: it is kept only once that time is long past.
//!
//! Where memory gets short, of the footers that were not used for longest only the row count is kept: a table may have
//! more files than their footers have room, and counting all of its rows again should not ask for any.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use parquet::file::metadata::ParquetMetaData;
use parquet::file::metadata::page_index::PageIndexProvider;

use super::footer::Coverage;
use crate::storage::{FileMeta, Inode};
use crate::store::journal::parse_data_file;

/// What the cache holds before anybody says otherwise.
pub const DEFAULT_FOOTER_CACHE_BYTES: u64 = 64 << 20;

/// No file system or object store tells times apart worse than this.
const WORST_TIME_PRECISION: Duration = Duration::from_secs(2);

/// What an entry takes besides its footer and its path: about that much in two maps.
const ENTRY_BYTES: u64 = 256;

/// What the footer cache did since the process began, and what it holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FooterCacheStats {
    /// Footers that needed not be read.
    pub hits: u64,
    /// Footers that had to be.
    pub misses: u64,
    /// What it holds now, in bytes of memory.
    pub bytes: u64,
}

/// Bounds the footer cache of the process; what is too much is dropped at once. 0 turns it off.
pub fn set_footer_cache_bytes(bytes: u64) {
    let mut cache = shared();
    cache.limit = bytes;
    cache.evict();
}

/// What the footer cache of the process did so far.
pub fn footer_cache_stats() -> FooterCacheStats {
    shared().stats
}

/// One state of one file.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Key {
    location: String,
    size: u64,
    state: State,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum State {
    ETag(String),
    Written(DateTime<Utc>, Option<Inode>),
}

impl Key {
    /// That of a file which is at `location` and was listed as `meta`; `None` where another state of it may look the
    /// same.
    pub(super) fn of(location: String, meta: &FileMeta) -> Option<Self> {
        let now = Utc::now(); // fence: decides what is remembered, never what is answered
        Self::at(now, location, meta)
    }

    fn at(now: DateTime<Utc>, location: String, meta: &FileMeta) -> Option<Self> {
        let state = match &meta.etag {
            Some(etag) => State::ETag(etag.clone()),
            None => {
                let name = meta.path.rsplit('/').next().unwrap_or_default();
                let is_past = (now - meta.modified).to_std().is_ok_and(|age| age > WORST_TIME_PRECISION);
                if !is_past && parse_data_file(name).is_none() {
                    return None;
                }
                State::Written(meta.modified, meta.inode)
            }
        };
        Some(Self { location, size: meta.size, state })
    }
}

/// What is known of a file.
#[derive(Debug, Clone)]
pub(super) struct Known {
    /// Without page indexes.
    pub(super) footer: Arc<ParquetMetaData>,
    /// The page indexes read so far.
    pub(super) index: Option<(Coverage, Arc<dyn PageIndexProvider>)>,
    /// What all of it takes, in bytes of memory.
    pub(super) bytes: u64,
}

/// What is known of the file, where its footer is known.
pub(super) fn look_up(key: &Key) -> Option<Known> {
    shared().look_up(key)
}

/// How many rows the file has by its footer, where that is known.
pub(super) fn look_up_rows(key: &Key) -> Option<i64> {
    shared().look_up_rows(key)
}

/// Remembers a file, or more of it.
pub(super) fn remember(key: Key, known: Known) {
    shared().remember(key, known);
}

fn shared() -> MutexGuard<'static, FooterCache> {
    static CACHE: LazyLock<Mutex<FooterCache>> =
        LazyLock::new(|| Mutex::new(FooterCache::new(DEFAULT_FOOTER_CACHE_BYTES)));
    CACHE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The least recently used go first.
#[derive(Debug)]
struct FooterCache {
    limit: u64,
    stats: FooterCacheStats,
    entries: HashMap<Arc<Key>, Entry>,
    /// The keys of whole footers by when they were last used.
    footers: BTreeMap<u64, Arc<Key>>,
    /// Those of which only the row count is left, in the same way.
    counts: BTreeMap<u64, Arc<Key>>,
    uses: u64,
}

#[derive(Debug)]
struct Entry {
    /// `None` where only the row count is left.
    known: Option<Known>,
    rows: i64,
    last_use: u64,
}

impl FooterCache {
    fn new(limit: u64) -> Self {
        let stats = FooterCacheStats::default();
        let (footers, counts) = (BTreeMap::new(), BTreeMap::new());
        Self { limit, stats, entries: HashMap::new(), footers, counts, uses: 0 }
    }

    fn look_up(&mut self, key: &Key) -> Option<Known> {
        let known = self.entries.get(key).and_then(|entry| entry.known.clone());
        self.note(key, known.is_some());
        known
    }

    fn look_up_rows(&mut self, key: &Key) -> Option<i64> {
        let rows = self.entries.get(key).map(|entry| entry.rows);
        self.note(key, rows.is_some());
        rows
    }

    /// Notes that somebody asked for `key`, and whether it was there.
    fn note(&mut self, key: &Key, hit: bool) {
        if !hit {
            self.stats.misses += 1;
            return;
        }
        self.stats.hits += 1;
        self.uses += 1;
        if let Some(entry) = self.entries.get_mut(key) {
            let by_use = if entry.known.is_some() { &mut self.footers } else { &mut self.counts };
            if let Some(key) = by_use.remove(&entry.last_use) {
                by_use.insert(self.uses, key);
            }
            entry.last_use = self.uses;
        }
    }

    fn remember(&mut self, key: Key, known: Known) {
        self.forget(&key);
        self.uses += 1;
        let rows = known.footer.file_metadata().num_rows();
        let entry = Entry { known: Some(known), rows, last_use: self.uses };
        self.stats.bytes += entry.bytes(&key);
        let key = Arc::new(key);
        self.footers.insert(self.uses, key.clone());
        self.entries.insert(key, entry);
        self.evict();
    }

    fn evict(&mut self) {
        while self.stats.bytes > self.limit {
            if let Some((last_use, key)) = self.footers.pop_first() {
                if let Some(known) = self.entries.get_mut(&key).and_then(|entry| entry.known.take()) {
                    self.stats.bytes -= known.bytes;
                }
                self.counts.insert(last_use, key);
            } else if let Some((_, key)) = self.counts.pop_first() {
                self.forget(&key);
            } else {
                return;
            }
        }
    }

    fn forget(&mut self, key: &Key) {
        if let Some(entry) = self.entries.remove(key) {
            self.stats.bytes -= entry.bytes(key);
            self.footers.remove(&entry.last_use);
            self.counts.remove(&entry.last_use);
        }
    }
}

impl Entry {
    fn bytes(&self, key: &Key) -> u64 {
        ENTRY_BYTES + key.location.len() as u64 + self.known.as_ref().map_or(0, |known| known.bytes)
    }
}

#[cfg(test)]
mod tests {
    use parquet::file::metadata::FileMetaData;
    use parquet::schema::types::{SchemaDescriptor, Type};

    use super::*;

    fn key(location: &str) -> Key {
        Key { location: location.to_owned(), size: 1, state: State::ETag(String::new()) }
    }

    fn known(bytes: u64) -> Known {
        let schema = Arc::new(Type::group_type_builder("schema").build().unwrap());
        let schema = Arc::new(SchemaDescriptor::new(schema));
        let footer = ParquetMetaData::new(FileMetaData::new(1, 7, None, None, schema, None), Vec::new());
        Known { footer: Arc::new(footer), index: None, bytes: bytes - ENTRY_BYTES - 1 }
    }

    #[test]
    fn keeps_to_its_bytes_and_drops_what_was_not_used_longest() {
        let count_bytes = ENTRY_BYTES + 1;
        let mut cache = FooterCache::new(3000 + count_bytes);
        for location in ["a", "b", "c"] {
            cache.remember(key(location), known(1000));
        }
        assert!(cache.look_up(&key("a")).is_some());
        cache.remember(key("d"), known(1000));
        // Of this one the row count is left.
        assert!(cache.look_up(&key("b")).is_none());
        assert_eq!(cache.look_up_rows(&key("b")), Some(7));
        assert_eq!(cache.look_up_rows(&key("a")), Some(7));
        assert_eq!(cache.stats, FooterCacheStats { hits: 3, misses: 1, bytes: 3000 + count_bytes });
        // More is known of a file: it takes the place of what was known.
        cache.remember(key("a"), known(2000 - count_bytes));
        assert!(cache.look_up(&key("c")).is_none() && cache.look_up(&key("d")).is_some());
        assert_eq!(cache.stats.bytes, 3000 + count_bytes);
        // One that has no room at all drives out the others, and leaves its row count.
        cache.remember(key("e"), known(5000));
        assert!(cache.look_up(&key("e")).is_none());
        assert_eq!(cache.look_up_rows(&key("e")), Some(7));
        assert_eq!(cache.stats.bytes, 5 * count_bytes);
        cache.limit = 2 * count_bytes;
        cache.evict();
        assert_eq!((cache.look_up_rows(&key("c")), cache.look_up_rows(&key("e"))), (None, Some(7)));
        cache.limit = 0;
        cache.remember(key("a"), known(1000));
        assert_eq!((cache.stats.bytes, cache.entries.len()), (0, 0));
        assert!(cache.footers.is_empty() && cache.counts.is_empty());
    }

    #[test]
    fn a_key_tells_states_of_a_file_apart_or_is_none() {
        let now = DateTime::<Utc>::from_timestamp(1_700_000_000, 0).unwrap();
        let meta = |path: &str, age_ms: i64, etag: Option<&str>| FileMeta {
            path: path.to_owned(),
            size: 10,
            modified: now - chrono::Duration::milliseconds(age_ms),
            etag: etag.map(str::to_owned),
            inode: None,
        };
        let key = |meta: &FileMeta| Key::at(now, "root/t".to_owned(), meta);
        let ours = "t/c7-0123456789abcdef0123456789abcdef-0.parquet";
        assert!(key(&meta("t/a.parquet", 1999, None)).is_none());
        assert!(key(&meta("t/a.parquet", -5000, None)).is_none());
        assert!(key(&meta("t/a.parquet", 2001, None)).is_some());
        assert!(key(&meta("t/a.parquet", 0, Some("x"))).is_some());
        assert!(key(&meta(ours, 0, None)).is_some());
        assert_ne!(key(&meta(ours, 0, None)), key(&meta(ours, 1, None)));
        assert_ne!(key(&meta(ours, 0, Some("x"))), key(&meta(ours, 0, Some("y"))));
        assert_eq!(key(&meta(ours, 0, Some("x"))), key(&meta(ours, 1, Some("x"))));
        assert_ne!(key(&meta(ours, 0, None)), key(&FileMeta { size: 11, ..meta(ours, 0, None) }));
        let inode = |number, changed_ns| FileMeta { inode: Some(Inode { number, changed_ns }), ..meta(ours, 0, None) };
        assert_eq!(key(&inode(1, 5)), key(&inode(1, 5)));
        assert_ne!(key(&inode(1, 5)), key(&inode(2, 5)), "replaced by another file");
        assert_ne!(key(&inode(1, 5)), key(&inode(1, 6)), "written to, and its time put back");
    }
}
