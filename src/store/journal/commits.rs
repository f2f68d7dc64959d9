//! The commit records: listed by name, read when they are asked for.
//!
//! A journal holds the records of a day, and of overwrites as long as their trash: thousands. Who plans a read or a
//! write needs the highest number, and the records of writes that are still pending: those have higher numbers than
//! the floors of their markers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::Journal;
use super::memory::Listed;
use super::names::{self, parse_commit};
use super::numbers::Numbers;
use super::record::{self, Kind, Record};
use crate::error::{Error, Result};
use crate::storage::{FileMeta, Run};

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
    /// Numbers that were neither listed nor there. A listing may have missed them, and they may have been trimmed before
    /// they were asked for: only of a later listing are they known to be gone before it.
    doubted: BTreeSet<u64>,
}

impl Seen {
    /// For a write whose marker has this floor.
    pub fn above(floor: u64) -> Self {
        Self { floor, records: BTreeMap::new(), doubted: BTreeSet::new() }
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

/// The numbers of the records that there were at one time.
#[derive(Debug, Clone, Default)]
pub struct Commits {
    numbers: Numbers,
    /// When the lowest was written, by the storage's clock; `None` where the listing does not say.
    lowest_written: Option<DateTime<Utc>>,
}

impl Commits {
    /// The numbers of now. Where this process has listed them before, it goes on from the highest of then, as long as
    /// that is there and nothing behind it can have been trimmed. Of those below it, some may have been.
    pub fn list(journal: &Journal) -> Result<Self> {
        let (memory, location) = (journal.environment.memory(), journal.commits_location());
        let Some(Listed { mut commits, newest }) = memory.listed(&location) else {
            let (commits, newest) = Self::list_with_newest(journal)?;
            commits.remember(journal, newest);
            return Ok(commits);
        };
        let Run { mut files, behind } = commits.since_highest(journal)?;
        let has_gap = behind.is_some_and(|file| parse_commit(file.name()).is_some());
        if has_gap || files.first() != Some(&newest) {
            // Numbers were trimmed, or another journal has come to be here.
            memory.forget(&location);
            return Self::list(journal);
        }
        if files.len() > 1 {
            commits.numbers.extend(files.iter().filter_map(|file| parse_commit(file.name())));
            commits.remember(journal, files.pop());
        }
        Ok(commits)
    }

    /// Remembers them, to go on from, where that can be done from the highest, `newest`.
    ///
    /// A file system says nothing of what lies behind a gap. There it has to be a record that is trimmed before any
    /// later one is, which those of overwrites are not: they wait for their trash.
    fn remember(&self, journal: &Journal, newest: Option<FileMeta>) {
        let goes_in_turn = || {
            let record = read_by_number(journal, self.highest()).ok().flatten();
            record.is_some_and(|record| record.kind != Kind::Overwrite)
        };
        if let Some(newest) = newest.filter(|_| journal.storage.access().remote || goes_in_turn()) {
            journal.environment.memory().remember(journal.commits_location(), Listed { commits: self.clone(), newest });
        }
    }

    /// The numbers of now, and none that has been trimmed before.
    pub fn list_all(journal: &Journal) -> Result<Self> {
        Ok(Self::list_with_newest(journal)?.0)
    }

    fn list_with_newest(journal: &Journal) -> Result<(Self, Option<FileMeta>)> {
        let dir = names::commits_dir(&journal.table);
        if !journal.storage.access().remote {
            // Here the times would cost a system call each.
            let names = journal.storage.list_names(&dir)?;
            let numbers = names.iter().filter_map(|name| parse_commit(name)).collect();
            let commits = Self { numbers, lowest_written: None };
            let newest =
                if commits.is_empty() { None } else { commits.since_highest(journal)?.files.into_iter().next() };
            return Ok((commits, newest));
        }
        let files = journal.storage.list_dir(&dir)?.files;
        let mut commits: Vec<(u64, FileMeta)> =
            files.into_iter().filter_map(|file| Some((parse_commit(file.name())?, file))).collect();
        commits.sort_unstable_by_key(|(seq, _)| *seq);
        let lowest_written = commits.first().map(|(_, file)| file.modified);
        let numbers = commits.iter().map(|(seq, _)| *seq).collect();
        Ok((Self { numbers, lowest_written }, commits.pop().map(|(_, file)| file)))
    }

    /// The file of the highest number, and those of the numbers that have followed it since; none where it is gone.
    fn since_highest(&self, journal: &Journal) -> Result<Run> {
        journal.storage.list_run(&names::commits_dir(&journal.table), self.highest(), &names::commit)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.numbers.is_empty()
    }

    /// When the lowest was written; `None` where there is none.
    pub fn lowest_written(&self, journal: &Journal) -> Result<Option<DateTime<Utc>>> {
        match (self.lowest_written, self.numbers.first()) {
            (None, Some(lowest)) => Ok(read_by_number(journal, lowest)?.map(|record| record.at)),
            (written, _) => Ok(written),
        }
    }

    /// The highest number; 0 for none.
    pub fn highest(&self) -> u64 {
        self.numbers.last().unwrap_or(0)
    }

    /// The listed records that are still there, in their order.
    pub fn all(&self, journal: &Journal) -> Result<Records> {
        Ok(read(journal, self.numbers.iter())?.flatten().collect())
    }

    /// The records above `floor`, in their order; `None` where one may have been trimmed since they were listed: the list
    /// has to be made anew.
    ///
    /// A number that was not listed is asked for by name, for a listing that runs beside writers may miss one, and is
    /// believed gone when another list lacks it too. `floor` is that of a marker or a number known to be there, so that
    /// few are.
    pub fn above(&self, journal: &Journal, floor: u64) -> Result<Option<Records>> {
        self.above_by(journal, floor, &mut Seen::nothing())
    }

    /// [`Commits::above`] for who makes the list anew: with what was `seen` before. A write reads no record twice which it
    /// may keep.
    pub fn above_by(&self, journal: &Journal, floor: u64, seen: &mut Seen) -> Result<Option<Records>> {
        if self.highest() <= floor {
            return Ok(Some(Records::new()));
        }
        let range = floor + 1..=self.highest();
        if self.highest() - floor - self.numbers.count_above(floor) > MAX_MISSING {
            return Err(Error::corrupt(format!(
                "The journal \"{}\" has a record of number {}, and most of those before it are missing!",
                journal.storage.location(&names::commits_dir(&journal.table)),
                self.highest()
            ))
            .with_hint("A file was put there that is none of amplify's. Take it out of the journal."));
        }
        let unseen: Vec<u64> = range.clone().filter(|seq| !seen.records.contains_key(seq)).collect();
        let mut found: BTreeMap<u64, Arc<Record>> = read(journal, unseen.iter().copied())?.flatten().collect();
        let gone = || unseen.iter().copied().filter(|seq| !found.contains_key(seq));
        let doubtful = gone().any(|seq| self.numbers.contains(seq) || !seen.doubted.contains(&seq));
        if doubtful {
            seen.doubted.extend(gone().filter(|seq| !self.numbers.contains(*seq)));
            journal.environment.memory().forget(&journal.commits_location());
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
    let records = Commits::list_all(journal)?.all(journal)?;
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
    use std::path::PathBuf;

    use chrono::Duration;

    use super::*;
    use crate::storage::{self, OpenOptions};
    use crate::store::environment::testing::TestEnvironment;
    use crate::store::table::TableName;

    fn write(journal: &Journal, kind: Kind) {
        let write = journal.begin(kind, None).unwrap();
        write.commit(BTreeSet::new(), 0, 0, &mut |_| Ok(Vec::new())).unwrap();
    }

    fn append(journal: &Journal) {
        write(journal, Kind::Append);
    }

    fn listed(journal: &Journal) -> Vec<u64> {
        Commits::list(journal).unwrap().numbers.iter().collect()
    }

    /// A journal as two processes see it, and the directory of its commits.
    fn two_processes(dir: &tempfile::TempDir) -> ([(Journal, Arc<TestEnvironment>); 2], PathBuf) {
        let storage = storage::open(dir.path().to_str().unwrap(), &OpenOptions::default()).unwrap();
        let process = |pid: u32| {
            let environment = TestEnvironment::of(pid);
            (Journal::new(storage.clone(), TableName::parse("t").unwrap(), environment.clone()), environment)
        };
        ([process(1), process(2)], dir.path().join("_registry/journal/t/commits"))
    }

    #[test]
    fn a_list_goes_on_from_the_last_one() {
        let dir = tempfile::tempdir().unwrap();
        let ([(journal, _), (other, _)], commits) = two_processes(&dir);
        assert_eq!(listed(&journal), [] as [u64; 0]);
        (0..3).for_each(|_| append(&other));
        assert_eq!(listed(&journal), [1, 2, 3]);
        // What is gone from below is seen by who lists all of them.
        std::fs::remove_file(commits.join(names::commit(1))).unwrap();
        append(&other);
        append(&other);
        assert_eq!(listed(&journal), [1, 2, 3, 4, 5]);
        assert_eq!(Commits::list_all(&journal).unwrap().numbers.iter().collect::<Vec<_>>(), [2, 3, 4, 5]);
    }

    #[test]
    fn a_list_does_not_go_on_from_an_overwrite_which_may_outlast_later_records() {
        let dir = tempfile::tempdir().unwrap();
        let ([(journal, _), (other, _)], commits) = two_processes(&dir);
        append(&other);
        write(&other, Kind::Overwrite);
        assert_eq!(listed(&journal), [1, 2]);
        (0..3).for_each(|_| append(&other));
        // As a trim leaves it, that keeps the overwrite for its trash.
        for seq in [1, 3, 4] {
            std::fs::remove_file(commits.join(names::commit(seq))).unwrap();
        }
        assert_eq!(listed(&journal), [2, 5]);
    }

    #[test]
    fn a_record_that_was_trimmed_since_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let ([(journal, _), (other, _)], commits) = two_processes(&dir);
        (0..3).for_each(|_| append(&other));
        assert_eq!(listed(&journal), [1, 2, 3]);
        std::fs::remove_file(commits.join(names::commit(2))).unwrap();
        let mut seen = Seen::nothing();
        let mut above_1 = || {
            let found = Commits::list(&journal).unwrap().above_by(&journal, 1, &mut seen).unwrap();
            found.map(|records| records.iter().map(|(seq, _)| *seq).collect::<Vec<u64>>())
        };
        assert_eq!(above_1(), None, "number 2 has to be missed");
        // The next list lacks it, and may have missed it; the third one is sure.
        assert_eq!(above_1(), None);
        assert_eq!(above_1(), Some(vec![3]));
    }

    #[test]
    fn later_records_are_not_trimmed_before_one_that_stays() {
        for (ahead, expected) in [(0, vec![1, 2, 3, 4]), (10, vec![])] {
            let dir = tempfile::tempdir().unwrap();
            let ([(journal, environment), (other, of_other)], _) = two_processes(&dir);
            *environment.now.lock().unwrap() = Utc::now();
            *of_other.now.lock().unwrap() = Utc::now() + Duration::days(ahead);
            append(&journal);
            append(&other);
            (0..3).for_each(|_| append(&journal));
            *environment.now.lock().unwrap() += Duration::days(3);
            assert_eq!(journal.trimmable(None).unwrap(), expected, "a clock {ahead} days ahead");
        }
    }

    #[test]
    fn another_journal_in_its_place_is_not_taken_for_the_one_that_was_listed() {
        let dir = tempfile::tempdir().unwrap();
        let ([(journal, _), (other, _)], commits) = two_processes(&dir);
        (0..3).for_each(|_| append(&other));
        assert_eq!(listed(&journal), [1, 2, 3]);
        std::fs::remove_dir_all(&commits).unwrap();
        assert_eq!(listed(&journal), [] as [u64; 0]);
        (0..3).for_each(|_| append(&other));
        assert_eq!(listed(&journal), [1, 2, 3]);
        // A copy of an older state, gone on from: the highest number of then is another record.
        std::fs::remove_file(commits.join(names::commit(3))).unwrap();
        std::fs::remove_file(commits.join(names::commit(1))).unwrap();
        append(&other);
        append(&other);
        assert_eq!(listed(&journal), [2, 3, 4]);
    }

    #[test]
    fn a_write_reads_no_record_above_its_floor_twice() {
        let dir = tempfile::tempdir().unwrap();
        let storage = storage::open(dir.path().to_str().unwrap(), &OpenOptions::default()).unwrap();
        let journal = Journal::new(storage.clone(), TableName::parse("t").unwrap(), TestEnvironment::of(1));
        (0..4).for_each(|_| append(&journal));
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
