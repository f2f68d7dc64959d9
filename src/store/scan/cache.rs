//! Footers that were read before, kept in the process.
//!
//! An entry is used only for the very state of a file that it was read from: where the listing shows the same ETag, or,
//! where the store has none, the same size and the same time to the last digit. A file whose name is not one of ours
//! may be replaced in place, even within the precision of its time: it is kept only once that time is long past.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use parquet::file::metadata::ParquetMetaData;
use parquet::file::metadata::page_index::PageIndexProvider;

use super::footer::Coverage;
use crate::storage::FileMeta;
use crate::store::journal::parse_data_file;

/// What the cache holds before anybody says otherwise.
pub const DEFAULT_FOOTER_CACHE_BYTES: u64 = 64 << 20;

/// No file system or object store tells times apart worse than this.
const WORST_TIME_PRECISION: Duration = Duration::from_secs(2);

/// What an entry takes besides its footer and its path.
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
    Written(DateTime<Utc>),
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
                State::Written(meta.modified)
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

/// What is known of the file, where it is known.
pub(super) fn look_up(key: &Key) -> Option<Known> {
    shared().look_up(key)
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
    /// The keys by when they were last used.
    by_use: BTreeMap<u64, Arc<Key>>,
    uses: u64,
}

#[derive(Debug)]
struct Entry {
    known: Known,
    last_use: u64,
}

impl FooterCache {
    fn new(limit: u64) -> Self {
        let stats = FooterCacheStats::default();
        Self { limit, stats, entries: HashMap::new(), by_use: BTreeMap::new(), uses: 0 }
    }

    fn look_up(&mut self, key: &Key) -> Option<Known> {
        let Some((key, mut entry)) = self.entries.remove_entry(key) else {
            self.stats.misses += 1;
            return None;
        };
        self.stats.hits += 1;
        self.by_use.remove(&entry.last_use);
        self.uses += 1;
        entry.last_use = self.uses;
        self.by_use.insert(self.uses, key.clone());
        let known = entry.known.clone();
        self.entries.insert(key, entry);
        Some(known)
    }

    fn remember(&mut self, key: Key, mut known: Known) {
        known.bytes += ENTRY_BYTES + key.location.len() as u64;
        self.forget(&key);
        if known.bytes > self.limit {
            return;
        }
        let key = Arc::new(key);
        self.uses += 1;
        self.stats.bytes += known.bytes;
        self.by_use.insert(self.uses, key.clone());
        self.entries.insert(key, Entry { known, last_use: self.uses });
        self.evict();
    }

    fn evict(&mut self) {
        while self.stats.bytes > self.limit {
            let Some((_, key)) = self.by_use.pop_first() else { return };
            self.forget(&key);
        }
    }

    fn forget(&mut self, key: &Key) {
        if let Some(entry) = self.entries.remove(key) {
            self.by_use.remove(&entry.last_use);
            self.stats.bytes -= entry.known.bytes;
        }
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
        let footer = ParquetMetaData::new(FileMetaData::new(1, 0, None, None, schema, None), Vec::new());
        Known { footer: Arc::new(footer), index: None, bytes: bytes - ENTRY_BYTES - 1 }
    }

    #[test]
    fn keeps_to_its_bytes_and_drops_what_was_not_used_longest() {
        let mut cache = FooterCache::new(3000);
        for location in ["a", "b", "c"] {
            cache.remember(key(location), known(1000));
        }
        assert!(cache.look_up(&key("a")).is_some());
        cache.remember(key("d"), known(1000));
        assert!(cache.look_up(&key("b")).is_none());
        assert_eq!(cache.stats, FooterCacheStats { hits: 1, misses: 1, bytes: 3000 });
        // More is known of a file: it takes the place of what was known.
        cache.remember(key("a"), known(2000));
        assert_eq!(cache.stats.bytes, 3000);
        assert!(cache.look_up(&key("c")).is_none() && cache.look_up(&key("d")).is_some());
        cache.remember(key("e"), known(3001));
        assert!(cache.look_up(&key("e")).is_none());
        cache.limit = 0;
        cache.evict();
        assert_eq!((cache.stats.bytes, cache.entries.len(), cache.by_use.len()), (0, 0, 0));
        cache.remember(key("a"), known(1000));
        assert!(cache.entries.is_empty());
    }

    #[test]
    fn a_key_tells_states_of_a_file_apart_or_is_none() {
        let now = DateTime::<Utc>::from_timestamp(1_700_000_000, 0).unwrap();
        let meta = |path: &str, age_ms: i64, etag: Option<&str>| FileMeta {
            path: path.to_owned(),
            size: 10,
            modified: now - chrono::Duration::milliseconds(age_ms),
            etag: etag.map(str::to_owned),
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
    }
}
