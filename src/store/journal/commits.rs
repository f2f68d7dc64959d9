//! The commit records: listed by name, read when they are asked for.
//!
//! A journal holds the records of a day, and of overwrites as long as their trash: thousands. Who plans a read or a
//! write needs the highest number, and the records of writes that are still pending: those have higher numbers than
//! the floors of their markers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::Journal;
use super::names::{self, parse_commit};
use super::record::{self, Kind, Record};
use crate::error::{Error, Result};

/// More numbers than this are not missing from a listing, nor trimmed under a marker: something else is wrong.
const MAX_MISSING: u64 = 1_000_000;

/// Records with their numbers.
pub type Records = Vec<(u64, Arc<Record>)>;

/// The records that a write has read above its own floor. No record changes, and none above the floor of a pending
/// marker is trimmed: what a write has seen there it will find again, until it is given up, as its missing marker tells.
/// Readers have no marker, and so nothing to keep.
#[derive(Debug)]
pub struct Seen {
    floor: u64,
    records: BTreeMap<u64, Arc<Record>>,
}

impl Seen {
    /// For a write whose marker has this floor.
    pub fn above(floor: u64) -> Self {
        Self { floor, records: BTreeMap::new() }
    }

    /// For who has no marker.
    pub fn nothing() -> Self {
        Self::above(u64::MAX)
    }

    fn keep(&mut self, found: &BTreeMap<u64, Arc<Record>>) {
        let kept = found.iter().filter(|(seq, _)| **seq > self.floor);
        self.records.extend(kept.map(|(seq, record)| (*seq, record.clone())));
    }
}

/// The numbers that one listing found.
#[derive(Debug, Default)]
pub struct Commits {
    numbers: BTreeSet<u64>,
    /// When the lowest was written, by the storage's clock; `None` where the listing does not say.
    lowest_written: Option<DateTime<Utc>>,
}

impl Commits {
    /// Lists them.
    pub fn list(journal: &Journal) -> Result<Self> {
        let dir = names::commits_dir(&journal.table);
        if !journal.storage.access().remote {
            // Here the times would cost a system call each.
            let names = journal.storage.list_names(&dir)?;
            let numbers = names.iter().filter_map(|name| parse_commit(name)).collect();
            return Ok(Self { numbers, lowest_written: None });
        }
        let files = journal.storage.list_dir(&dir)?.files;
        let commits = || files.iter().filter_map(|file| Some((parse_commit(file.name())?, file.modified)));
        let lowest_written = commits().min().map(|(_, written)| written);
        Ok(Self { numbers: commits().map(|(seq, _)| seq).collect(), lowest_written })
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.numbers.is_empty()
    }

    /// When the lowest was written; `None` where there is none.
    pub fn lowest_written(&self, journal: &Journal) -> Result<Option<DateTime<Utc>>> {
        match (self.lowest_written, self.numbers.first()) {
            (None, Some(&lowest)) => Ok(read_by_number(journal, lowest)?.map(|record| record.at)),
            (written, _) => Ok(written),
        }
    }

    /// The highest number; 0 for none.
    pub fn highest(&self) -> u64 {
        self.numbers.last().copied().unwrap_or(0)
    }

    /// The listed records that are still there, in their order.
    pub fn all(&self, journal: &Journal) -> Result<Records> {
        Ok(read(journal, self.numbers.iter().copied())?.flatten().collect())
    }

    /// The records above `floor`, in their order; `None` where one that was listed has been trimmed since: the list has
    /// to be made anew.
    ///
    /// A number that was not listed is asked for by name before it is believed gone: a listing that runs beside writers
    /// may miss one. `floor` is that of a marker or a number known to be there, so that few are.
    pub fn above(&self, journal: &Journal, floor: u64) -> Result<Option<Records>> {
        self.above_by(journal, floor, &mut Seen::nothing())
    }

    /// [`Commits::above`] for a write, that reads no record twice which it may keep.
    pub fn above_by(&self, journal: &Journal, floor: u64, seen: &mut Seen) -> Result<Option<Records>> {
        if self.highest() <= floor {
            return Ok(Some(Records::new()));
        }
        let range = floor + 1..=self.highest();
        let listed = self.numbers.range(range.clone()).count() as u64;
        if self.highest() - floor - listed > MAX_MISSING {
            return Err(Error::corrupt(format!(
                "The journal \"{}\" has a record of number {}, and most of those before it are missing!",
                journal.storage.location(&names::commits_dir(&journal.table)),
                self.highest()
            ))
            .with_hint("A file was put there that is none of amplify's. Take it out of the journal."));
        }
        let unseen: Vec<u64> = range.clone().filter(|seq| !seen.records.contains_key(seq)).collect();
        let mut found: BTreeMap<u64, Arc<Record>> = read(journal, unseen.iter().copied())?.flatten().collect();
        if unseen.iter().any(|seq| !found.contains_key(seq) && self.numbers.contains(seq)) {
            return Ok(None);
        }
        seen.keep(&found);
        found.extend(seen.records.range(range).map(|(seq, record)| (*seq, record.clone())));
        Ok(Some(found.into_iter().collect()))
    }
}

/// The record of a write, which has one at the most, with its number.
pub fn record_of<'a>(records: &'a Records, txid: &str) -> Option<&'a (u64, Arc<Record>)> {
    records.iter().find(|(_, record)| record.txid == txid)
}

/// The commit of a write, with its number; `None` where it has none that counts: an abort, a void one, none at all.
pub fn commit_of(journal: &Journal, txid: &str) -> Result<Option<(u64, Arc<Record>)>> {
    let records = Commits::list(journal)?.all(journal)?;
    let void = journal.storage.read(&names::void_path(&journal.table, txid))?.is_some();
    let commit = record_of(&records, txid).filter(|(_, record)| record.kind != Kind::Abort && !void);
    Ok(commit.cloned())
}

/// One record by its number; `None` where there is none.
pub fn read_by_number(journal: &Journal, seq: u64) -> Result<Option<Arc<Record>>> {
    Ok(read(journal, std::iter::once(seq))?.flatten().next().map(|(_, record)| record))
}

/// Records by number, `None` for each that is not there.
pub fn read(
    journal: &Journal,
    numbers: impl Iterator<Item = u64>,
) -> Result<impl Iterator<Item = Option<(u64, Arc<Record>)>>> {
    let numbers: Vec<u64> = numbers.collect();
    let paths: Vec<String> = numbers.iter().map(|&seq| names::commit_path(&journal.table, seq)).collect();
    let answers = journal.storage.read_all(&paths)?;
    let mut records = Vec::with_capacity(paths.len());
    for ((seq, path), bytes) in numbers.into_iter().zip(&paths).zip(answers) {
        let record = bytes.map(|bytes| record::from_json(&bytes, &journal.storage.location(path))).transpose()?;
        records.push(record.map(|record| (seq, Arc::new(record))));
    }
    Ok(records.into_iter())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::{self, OpenOptions};
    use crate::store::environment::testing::TestEnvironment;
    use crate::store::table::TableName;

    #[test]
    fn a_write_reads_no_record_above_its_floor_twice() {
        let dir = tempfile::tempdir().unwrap();
        let storage = storage::open(dir.path().to_str().unwrap(), &OpenOptions::default()).unwrap();
        let journal = Journal::new(storage.clone(), TableName::parse("t").unwrap(), TestEnvironment::of(1));
        for _ in 0..4 {
            let append = journal.begin(Kind::Append, None).unwrap();
            append.commit(BTreeSet::new(), 0, 0, &mut |_| Ok(Vec::new())).unwrap();
        }
        let commits = Commits::list(&journal).unwrap();
        let numbers = |records: Option<Records>| records.map(|records| records.iter().map(|(seq, _)| *seq).collect());
        let mut seen = Seen::above(2);
        let mut above_1 = || -> Option<Vec<u64>> { numbers(commits.above_by(&journal, 1, &mut seen).unwrap()) };
        assert_eq!(above_1(), Some(vec![2, 3, 4]));
        for seq in [3, 4] {
            storage.delete(&names::commit_path(&journal.table, seq)).unwrap();
        }
        assert_eq!(above_1(), Some(vec![2, 3, 4]));
        assert!(commits.above(&journal, 2).unwrap().is_none(), "a reader believes what is gone");
        // Below the floor another writer may have trimmed it.
        storage.delete(&names::commit_path(&journal.table, 2)).unwrap();
        assert_eq!(above_1(), None);
    }
}
