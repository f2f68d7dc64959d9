//! What a process remembers of journals from one call to the next.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Duration, Utc};

use super::commits::Commits;
use crate::storage::FileMeta;

/// How often a process looks for what can be trimmed: some records wait for a week for their trash.
const TRIMS_EVERY: Duration = Duration::minutes(10);
/// Of more tables than this, all is forgotten.
const MAX_TABLES: usize = 10_000;

/// What a process remembers of journals. Everything in it is a hint or its own doing: to forget it costs time alone.
#[derive(Debug, Default)]
pub struct Memory {
    /// Writes that could not be cleared away, by txid.
    abandoned: Mutex<BTreeSet<String>>,
    /// By the location of their directory, as are the others.
    listed: Mutex<HashMap<String, Listed>>,
    /// When a journal was last looked through for what can be trimmed.
    trimmed: Mutex<HashMap<String, DateTime<Utc>>>,
}

/// The commits of one journal.
#[derive(Debug, Clone)]
pub(super) struct Listed {
    pub commits: Commits,
    /// The highest of them: while it is there, and the same, the journal is the same one.
    pub newest: FileMeta,
}

impl Memory {
    /// Notes a write of this process that was given up and could not be cleared away, as on a network that is gone.
    pub fn abandon(&self, txid: &str) {
        lock(&self.abandoned).insert(txid.to_owned());
    }

    /// Whether a write was noted so: then its marker need not wait for the end of this process.
    pub fn is_abandoned(&self, txid: &str) -> bool {
        lock(&self.abandoned).contains(txid)
    }

    /// The list to go on from.
    pub(super) fn listed(&self, location: &str) -> Option<Listed> {
        lock(&self.listed).get(location).cloned()
    }

    /// Remembers a list.
    pub(super) fn remember(&self, location: String, listed: Listed) {
        insert(&self.listed, location, listed);
    }

    /// Forgets a list that does not hold any more.
    pub(super) fn forget(&self, location: &str) {
        lock(&self.listed).remove(location);
    }

    /// Whether it is time, `now`, to look for what can be trimmed; from then on it is not for a while.
    pub(super) fn is_time_to_trim(&self, location: String, now: DateTime<Utc>) -> bool {
        let last = lock(&self.trimmed).get(&location).copied();
        let is_time = last.is_none_or(|last| now < last || now.signed_duration_since(last) >= TRIMS_EVERY);
        if is_time {
            insert(&self.trimmed, location, now);
        }
        is_time
    }
}

fn insert<T>(all: &Mutex<HashMap<String, T>>, location: String, value: T) {
    let mut all = lock(all);
    if all.len() >= MAX_TABLES {
        all.clear();
    }
    all.insert(location, value);
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
