//! What a reader sees: one committed state of a table.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, OnceLock};

use super::names::{self, parse_commit, parse_data_file, parse_pending};
use super::record::{self, Kind, Record};
use super::{Journal, MAX_TRIES};
use crate::error::{Error, ErrorKind, Result};
use crate::storage::FileMeta;

/// Which data files belong to one committed state.
#[derive(Debug, Default)]
pub struct Snapshot {
    /// Whether there is a journal; without one every file is visible.
    journaled: bool,
    /// The highest sequence number listed; 0 for none.
    highest: u64,
    /// Files that a record replaces, below the table's directory.
    replaced: HashSet<String>,
    /// Void. (An abort hides nothing by itself: what it gives up is pending until it is void.)
    dead: HashSet<String>,
    /// Pending, and committed by no listed record; or committed after this state.
    unsettled: HashSet<String>,
}

/// What a snapshot says of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Visibility {
    /// Part of the table.
    Visible,
    /// Not, or not any more, or not yet.
    Hidden,
    /// Written by us on top of a commit that the journal does not know.
    AheadOfJournal {
        /// The highest sequence number when it was written.
        base: u64,
    },
}

impl Snapshot {
    /// Whether the file at `below` the table's directory is part of this state.
    pub fn visibility(&self, below: &str) -> Visibility {
        if !self.journaled {
            return Visibility::Visible;
        }
        if self.replaced.contains(below) {
            return Visibility::Hidden;
        }
        let name = below.rsplit_once('/').map_or(below, |(_, name)| name);
        let Some((base, txid)) = parse_data_file(name) else { return Visibility::Visible };
        if self.dead.contains(txid) || self.unsettled.contains(txid) || base == self.highest {
            return Visibility::Hidden;
        }
        if base > self.highest { Visibility::AheadOfJournal { base } } else { Visibility::Visible }
    }

    /// The highest sequence number of this state; 0 for none.
    pub fn highest(&self) -> u64 {
        self.highest
    }
}

/// The commit records that one listing found.
#[derive(Debug, Default)]
pub struct Commits {
    records: BTreeMap<u64, Arc<Record>>,
}

impl Commits {
    /// Lists and reads them. A number missing inside the listed range is asked for by name before it is believed gone:
    /// a listing that runs beside writers may miss a name.
    pub fn list(journal: &Journal) -> Result<Self> {
        let listing = journal.storage.list_dir(&names::commits_dir(&journal.table))?;
        let mut records = BTreeMap::new();
        for file in &listing.files {
            if let Some(seq) = file.path.rsplit('/').next().and_then(parse_commit)
                && let Some(record) = read_listed(journal, file)?
            {
                records.insert(seq, record);
            }
        }
        let range =
            records.first_key_value().map(|(first, _)| *first).zip(records.last_key_value().map(|(last, _)| *last));
        if let Some((first, last)) = range
            && last - first + 1 != records.len() as u64
        {
            for seq in (first..last).filter(|seq| !records.contains_key(seq)).collect::<Vec<_>>() {
                if let Some(record) = read_by_number(journal, seq)? {
                    records.insert(seq, Arc::new(record));
                }
            }
        }
        Ok(Self { records })
    }

    /// The highest sequence number; 0 for none.
    pub fn highest(&self) -> u64 {
        self.records.last_key_value().map_or(0, |(seq, _)| *seq)
    }

    /// The record of a sequence number.
    pub fn get(&self, seq: u64) -> Option<&Arc<Record>> {
        self.records.get(&seq)
    }

    /// Sequence numbers and records, in their order.
    pub fn records(&self) -> impl Iterator<Item = (u64, &Arc<Record>)> {
        self.records.iter().map(|(seq, record)| (*seq, record))
    }

    /// The record that commits or aborts a write.
    pub fn of(&self, txid: &str) -> Option<(u64, &Arc<Record>)> {
        self.records().find(|(_, record)| record.txid == txid)
    }
}

/// One record by its number; `None` where there is none.
pub fn read_by_number(journal: &Journal, seq: u64) -> Result<Option<Record>> {
    let path = names::commit_path(&journal.table, seq);
    match journal.storage.read(&path)? {
        Some(bytes) => record::from_json(&bytes, &journal.storage.location(&path)).map(Some),
        None => Ok(None),
    }
}

/// Records read before, by location, size and time of change. A record is never changed, but its number may be used
/// again after a writer took its own record back; then the time differs.
type Cache = Mutex<HashMap<(String, u64, i64), Arc<Record>>>;

/// When the cache is emptied: journals are trimmed, so it holds few old ones.
const CACHED_RECORDS: usize = 50_000;

fn cache() -> &'static Cache {
    static CACHE: OnceLock<Cache> = OnceLock::new();
    CACHE.get_or_init(Cache::default)
}

fn read_listed(journal: &Journal, file: &FileMeta) -> Result<Option<Arc<Record>>> {
    let location = journal.storage.location(&file.path);
    let key = (location.clone(), file.size, file.modified.timestamp_nanos_opt().unwrap_or_default());
    if let Some(known) = cache().lock().ok().and_then(|cache| cache.get(&key).cloned()) {
        return Ok(Some(known));
    }
    let Some(bytes) = journal.storage.read(&file.path)? else { return Ok(None) };
    let record: Arc<Record> = Arc::new(record::from_json(&bytes, &location)?);
    if let Ok(mut cache) = cache().lock() {
        if cache.len() >= CACHED_RECORDS {
            cache.clear();
        }
        cache.insert(key, record.clone());
    }
    Ok(Some(record))
}

/// The txids in `pending`, with their floors.
pub fn pending(journal: &Journal) -> Result<Vec<(u64, String)>> {
    let names = journal.storage.list_names(&names::pending_dir(&journal.table))?;
    Ok(names.iter().filter_map(|name| parse_pending(name)).map(|(floor, txid)| (floor, txid.to_owned())).collect())
}

/// The txids in `void`.
pub fn void(journal: &Journal) -> Result<HashSet<String>> {
    Ok(journal.storage.list_names(&names::void_dir(&journal.table))?.into_iter().collect())
}

impl Journal {
    /// A state to read, from commits, then pending, then void, in that order.
    pub(super) fn snapshot_of(&self, commits: &Commits) -> Result<Snapshot> {
        let pending = pending(self)?;
        let void = void(self)?;
        let mut snapshot = Snapshot { journaled: true, highest: commits.highest(), ..Snapshot::default() };
        let mut committed = HashSet::new();
        for (_, record) in commits.records() {
            if record.kind != Kind::Abort && !void.contains(&record.txid) {
                committed.insert(record.txid.as_str());
                snapshot.replaced.extend(record.replaces.iter().cloned());
            }
        }
        snapshot.unsettled =
            pending.into_iter().map(|(_, txid)| txid).filter(|txid| !committed.contains(txid.as_str())).collect();
        snapshot.dead.extend(void);
        Ok(snapshot)
    }

    fn is_absent(&self) -> Result<bool> {
        let listing = self.storage.list_dir(&names::journal_dir(&self.table))?;
        Ok(listing.dirs.is_empty() && listing.files.is_empty())
    }

    /// Lists data with `list` and gives the state that the listing is to be read by.
    ///
    /// Starts over where that state passed while `list` ran: a later commit is an overwrite, an abort or void, or a
    /// number after the state's is gone. A table without a journal is looked at once more after the listing: its first
    /// write may have begun meanwhile.
    ///
    /// # Errors
    /// What `list` fails with; `Conflict` where the state would not hold still.
    pub fn read<T>(&self, mut list: impl FnMut() -> Result<T>) -> Result<(Snapshot, T)> {
        for attempt in 1..=MAX_TRIES {
            if self.is_absent()? {
                let listed = list()?;
                if self.is_absent()? {
                    return Ok((Snapshot::default(), listed));
                }
                continue;
            }
            let commits = Commits::list(self)?;
            let mut snapshot = self.snapshot_of(&commits)?;
            let listed = list()?;
            if let Some(later) = self.appended_since(&snapshot)? {
                snapshot.unsettled.extend(later);
                return Ok((snapshot, listed));
            }
            self.environment.back_off(attempt.min(3));
        }
        Err(Error::new(
            ErrorKind::Conflict,
            format!("Table \"{}\" was overwritten again and again while it was to be read!", self.table),
        )
        .with_hint("Run the query again when fewer writers are at work."))
    }

    /// The reader's second look: whose appends came after the state; `None` where it does not hold any more.
    ///
    /// Those appends are hidden: of two that were committed since, the later one may not have been pending any more when
    /// the earlier one still was, and one without the other is no state that there ever was.
    fn appended_since(&self, snapshot: &Snapshot) -> Result<Option<Vec<String>>> {
        let listed = self.storage.list_names(&names::commits_dir(&self.table))?;
        let newer: Vec<u64> =
            listed.iter().filter_map(|name| parse_commit(name)).filter(|seq| *seq > snapshot.highest).collect();
        let mut later = Vec::new();
        let Some(last) = newer.iter().max() else { return Ok(Some(later)) };
        for seq in snapshot.highest + 1..=*last {
            match read_by_number(self, seq)? {
                Some(record) if record.kind == Kind::Append => later.push(record.txid),
                _ => return Ok(None),
            }
        }
        // After the records: one of a void writer may have come to stand where another was trimmed.
        let void = void(self)?;
        if later.iter().any(|txid| void.contains(txid)) {
            return Ok(None);
        }
        Ok(Some(later))
    }

    /// Says that the journal is damaged, where a file is ahead of it also after another look.
    ///
    /// # Errors
    /// `Corrupt`, naming file and journal.
    pub fn check_ahead(&self, below: &str, base: u64) -> Result<()> {
        let names = self.storage.list_names(&names::commits_dir(&self.table))?;
        let highest = names.iter().filter_map(|name| parse_commit(name)).max().unwrap_or(0);
        if base <= highest {
            return Ok(());
        }
        Err(Error::corrupt(format!(
            "File \"{}\" was written after commit {base}, but the journal \"{}\" ends at {highest}!",
            self.storage.location(&format!("{}/{below}", self.table)),
            self.storage.location(&names::commits_dir(&self.table)),
        ))
        .with_hint("The journal has lost records. Restore it from a backup; nothing is hidden silently."))
    }
}
