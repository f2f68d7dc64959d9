//! One write: begun, filled with files, committed or given up.

use std::collections::{BTreeSet, HashSet};

use super::batch::{BatchName, Claimed, CommittedBatch};
use super::commits::{self, Commits, Records, Seen};
use super::names;
use super::record::{self, Kind, Marker, Record};
use super::recover::Recovered;
use super::snapshot::{self, Snapshot};
use super::{Journal, MAX_TRIES};
use crate::error::{Error, Result};
use crate::storage::{PutOutcome, both};

/// A write that is under way. Dropped without [`Transaction::commit`] it deletes its files, then its marker.
#[derive(Debug)]
pub struct Transaction {
    journal: Journal,
    kind: Kind,
    batch: Option<BatchName>,
    txid: String,
    floor: u64,
    /// Of step 3: the highest is `base`.
    commits: Commits,
    seen: Seen,
    /// Of an overwrite's last look.
    noted: Option<Noted>,
    /// Below the root.
    files: Vec<String>,
    /// How many of them are whole.
    whole: usize,
    open: bool,
}

/// A commit.
#[derive(Debug, Clone)]
pub struct Committed {
    /// Its sequence number.
    pub seq: u64,
    /// Rows written: by it, or by the earlier commit of the same batch.
    pub rows: u64,
    /// Whether the batch had been committed before, so that nothing was written now.
    pub repeated: bool,
}

/// What step 5 finds.
enum Look {
    /// The highest number.
    Highest(u64),
    /// Commits were trimmed meanwhile: look again.
    Unclear,
    /// The record was put after all, under this number, and another process has settled it since.
    Settled(u64),
}

/// What an overwrite replaces, as of one state of the table.
#[derive(Debug)]
struct Noted {
    /// The highest number of that state.
    highest: u64,
    /// Every visible file of its partitions, below the table's directory.
    files: Vec<String>,
}

impl Journal {
    /// Steps 1 to 3: begins a write. What dead writers left is recovered first.
    ///
    /// With a batch it commits only if no other write of that batch has.
    pub fn begin(&self, kind: Kind, batch: Option<BatchName>) -> Result<Transaction> {
        let environment = &self.environment;
        let txid = environment.new_txid();
        let floor = Commits::list(self)?.highest();
        let marker = Marker { txid: txid.clone(), at: environment.now(), writer: environment.writer() };
        let path = names::pending_path(&self.table, floor, &txid);
        // Before the put: should its answer be lost, dropping the transaction takes the marker back.
        let mut transaction = Transaction {
            journal: self.clone(),
            kind,
            batch,
            txid,
            floor,
            commits: Commits::default(),
            seen: Seen::above(floor),
            noted: None,
            files: Vec::new(),
            whole: 0,
            open: true,
        };
        // A txid is ours alone: AlreadyExists is a lost answer to our own put.
        self.storage.put_if_absent(&path, &record::to_json(&marker)?)?;
        let (pending, commits) = both(self.storage.as_ref(), || snapshot::pending(self), || Commits::list(self))?;
        let recovered = self.recover_dead(&transaction.txid, &pending)?;
        transaction.commits = if recovered { Commits::list(self)? } else { commits };
        let since = transaction.commits.above_by(self, floor, &mut transaction.seen)?;
        // Nothing above our floor is trimmed while we are pending.
        if since.is_none() {
            return Err(transaction.given_up());
        }
        transaction.check_not_aborted(since.as_ref())?;
        Ok(transaction)
    }
}

impl Transaction {
    /// The name of data file number `number`, for any directory of the table.
    pub fn file_name(&self, number: u64) -> String {
        names::data_file(self.commits.highest(), &self.txid, number)
    }

    /// Notes the path of a file before it may appear: what is noted is committed, or deleted if the write is given up.
    pub fn note(&mut self, path: String) {
        self.files.push(path);
    }

    /// Says that one of the noted files is whole: its writer answered so.
    pub fn is_whole(&mut self) {
        self.whole += 1;
    }

    /// Steps 5 to 10. `replaced` lists every file of the partitions concerned, with its path below the table, and says
    /// by the snapshot which of them are visible; it is asked for overwrites only. `partitions` are directories below
    /// the table's; `rows` and `bytes` are those of all files together.
    pub fn commit(
        mut self,
        partitions: BTreeSet<String>,
        rows: u64,
        bytes: u64,
        replaced: &mut dyn FnMut(&Snapshot) -> Result<Vec<String>>,
    ) -> Result<Committed> {
        let journal = self.journal.clone();
        let prefix = format!("{}/", journal.table);
        let below = |path: &str| path.strip_prefix(&prefix).unwrap_or(path).to_owned();
        let own: Vec<String> = self.files.iter().map(|path| below(path)).collect();
        let mut record = Record {
            txid: self.txid.clone(),
            kind: self.kind,
            files: own.clone(),
            replaces: Vec::new(),
            partitions: partitions.into_iter().collect(),
            rows,
            bytes,
            at: journal.environment.now(),
            batch: self.batch.as_ref().map(|batch| batch.as_str().to_owned()),
            writer: Some(journal.environment.writer()),
        };
        if let Some(batch) = &self.batch
            && let Claimed::Committed(CommittedBatch { seq, rows }) = journal.claim(batch, &self.txid)?
        {
            return Ok(Committed { seq, rows, repeated: true }); // dropping ourselves deletes our files
        }
        // An append needs no other look than that of step 3: whoever gives this writer up from then on takes the next
        // number first, or, where that was trimmed, made it void, as step 7 sees.
        let mut known = (self.kind == Kind::Append).then(|| self.commits.highest());
        let mut tried = None;
        for attempt in 1..=MAX_TRIES {
            let seq = match known.take() {
                Some(base) => base.saturating_add(1),
                None => match self.look_again(tried, &own, &mut record, replaced)? {
                    Look::Highest(highest) => highest.saturating_add(1),
                    Look::Unclear => continue,
                    Look::Settled(seq) => {
                        self.open = false;
                        return Ok(Committed { seq, rows, repeated: false });
                    }
                },
            };
            tried = Some(seq);
            match self.put_record(seq, &record) {
                Ok(true) => {}
                Ok(false) => {
                    if attempt > 1 {
                        journal.environment.back_off(attempt);
                    }
                    continue;
                }
                Err(error) => return self.resolve(seq, rows, error),
            }
            let storage = journal.storage.as_ref();
            // Nothing is left to do for an append but to take its marker away, which may be done at the same time: it
            // is void before the record is put, or never.
            let settles = self.kind == Kind::Append && self.batch.is_none() && storage.access().remote;
            let marker = names::pending_path(&journal.table, self.floor, &self.txid);
            let void = names::void_path(&journal.table, &self.txid);
            let looked = match settles {
                // A marker that stays is deleted by the next writer.
                true => {
                    both(storage, || Ok(storage.delete(&marker).ok()), || storage.read(&void)).map(|(_, void)| void)
                }
                false => storage.read(&void),
            };
            match looked {
                Ok(None) => {}
                // The record stays, and goes when it is trimmed: no reader takes a void one for a commit, and its
                // number must not be used again above later ones.
                Ok(Some(_)) => return Err(self.given_up()),
                Err(error) => return self.resolve(seq, rows, error),
            }
            // Committed: from here on nothing is undone. What of the rest fails is done by a later writer.
            self.open = false;
            let settled = if settles { Ok(()) } else { journal.settle(seq, &record, self.floor) };
            match settled {
                // Trimming is tidiness: the next write does it.
                Ok(()) => drop(journal.trim(&self.commits)),
                Err(_) => journal.environment.memory().abandon(&self.txid),
            }
            return Ok(Committed { seq, rows, repeated: false });
        }
        Err(journal.conflict(&format!("other writers were faster {MAX_TRIES} times")))
    }

    /// Step 5. `tried` is the number of a record that may have been put, though another was found there.
    fn look_again(
        &mut self,
        tried: Option<u64>,
        own: &[String],
        record: &mut Record,
        replaced: &mut dyn FnMut(&Snapshot) -> Result<Vec<String>>,
    ) -> Result<Look> {
        let journal = &self.journal.clone();
        let commits = Commits::list(journal)?;
        let since = commits.above_by(journal, self.floor, &mut self.seen)?;
        self.check_not_aborted(since.as_ref())?;
        // The marker goes after the void mark is put, or after a commit was settled.
        let pending = snapshot::pending(journal)?;
        let void = snapshot::void(journal)?;
        if void.contains(&self.txid) {
            return Err(self.given_up());
        }
        if !pending.iter().any(|(_, txid)| *txid == self.txid) {
            return tried.map(Look::Settled).ok_or_else(|| self.given_up());
        }
        let Some(since) = since else { return Ok(Look::Unclear) };
        if self.kind == Kind::Overwrite {
            let noted = match self.noted_since(&since, commits.highest(), &record.partitions, &void) {
                Some(noted) => noted,
                None => {
                    let snapshot = journal.snapshot_with(&commits, &pending, void, &mut self.seen)?;
                    let Some(snapshot) = snapshot else { return Ok(Look::Unclear) };
                    let own: HashSet<&String> = own.iter().collect();
                    let mut files = replaced(&snapshot)?;
                    files.retain(|path| !own.contains(path));
                    Noted { highest: commits.highest(), files }
                }
            };
            record.replaces.clone_from(&noted.files);
            self.noted = Some(noted);
        }
        Ok(Look::Highest(commits.highest()))
    }

    /// What an overwrite of `partitions` replaces now: what it did at its last look, and what was appended since; `None`
    /// where something else was committed. To list everything anew would take so long that others who append are always
    /// faster.
    fn noted_since(
        &mut self,
        since: &Records,
        highest: u64,
        partitions: &[String],
        void: &HashSet<String>,
    ) -> Option<Noted> {
        let Noted { highest: before, mut files } = self.noted.take()?;
        let newer = || since.iter().filter(|(seq, _)| *seq > before).map(|(_, record)| record);
        let only_appends = newer().all(|record| record.kind == Kind::Append);
        if !only_appends || newer().count() as u64 != highest.checked_sub(before)? {
            return None;
        }
        let partitions: HashSet<&str> = partitions.iter().map(String::as_str).collect();
        // Of all that amplify writes, zero alone has two spellings of one value; of a text they are two values.
        let ambiguous: HashSet<String> = partitions.iter().map(|dir| without_sign_of_zero(dir)).collect();
        // What was settled while the last look was under way may be in it.
        let known: HashSet<String> = files.iter().cloned().collect();
        for record in newer().filter(|record| !void.contains(&record.txid)) {
            for file in record.files.iter().filter(|file| !known.contains(*file)) {
                let dir = file.rsplit_once('/').map_or("", |(dir, _)| dir);
                if partitions.contains(dir) {
                    files.push(file.clone());
                } else if ambiguous.contains(&without_sign_of_zero(dir)) {
                    return None;
                }
            }
        }
        Some(Noted { highest, files })
    }

    fn given_up(&self) -> Error {
        self.journal.conflict("another process took this writer for dead and gave it up")
    }

    /// Ends a write of which nobody can say whether it is committed: the answer to step 6 or 7 was an error, and the
    /// record may be there all the same. Its files must not be deleted then. It is recovered as any other process would
    /// do it: finished where its record is there, and made void where it is not.
    fn resolve(&mut self, tried: u64, rows: u64, error: Error) -> Result<Committed> {
        if !self.journal.storage.failed_puts_may_land() && self.is_unseen().unwrap_or(false) {
            return Err(error); // dropping ourselves deletes the files and the marker
        }
        self.open = false;
        match self.journal.in_a_hurry().recover(self.floor, &self.txid) {
            Ok(Recovered::RolledForward { seq }) => Ok(Committed { seq, rows, repeated: false }),
            Ok(Recovered::Aborted) => Err(error),
            // By whom else but one who found the record.
            Ok(Recovered::Ended) => Ok(Committed { seq: tried, rows, repeated: false }),
            Err(_) => {
                self.journal.environment.memory().abandon(&self.txid);
                Err(error.with_hint(format!(
                    "Whether the write to table \"{}\" was committed is not known: all of it is visible, or nothing. amplify_history says which.",
                    self.journal.table
                )))
            }
        }
    }

    /// Whether our record is not there. On a file system, what failed is there to be seen, or never will be.
    fn is_unseen(&self) -> Result<bool> {
        let records = Commits::list(&self.journal)?.above(&self.journal, self.floor)?;
        // After the records: while the marker is there, ours is not trimmed.
        Ok(records.is_some_and(|records| commits::record_of(&records, &self.txid).is_none())
            && self.journal.marker(self.floor, &self.txid)?.is_some())
    }

    /// Puts the commit record; `false` where another one is there, be it the abort of this write. Our own there is a
    /// lost answer.
    fn put_record(&self, seq: u64, record: &Record) -> Result<bool> {
        let journal = &self.journal;
        let path = names::commit_path(&journal.table, seq);
        match journal.storage.put_if_absent(&path, &record::to_json(record)?)? {
            PutOutcome::Created => Ok(true),
            PutOutcome::AlreadyExists => {
                let there = commits::read_by_number(journal, seq)?;
                Ok(there.is_some_and(|there| there.txid == self.txid && there.kind != Kind::Abort))
            }
        }
    }

    /// That none of the records since our floor gives us up.
    fn check_not_aborted(&self, since: Option<&Records>) -> Result<()> {
        match since.and_then(|since| commits::record_of(since, &self.txid)) {
            Some((_, record)) if record.kind == Kind::Abort => Err(self.given_up()),
            _ => Ok(()),
        }
    }

    /// Deletes the files, then the marker. The first step that fails is the last: the rest is left to a later writer.
    fn abort(&mut self) -> Result<()> {
        self.open = false;
        let result = self.clear_away();
        if result.is_err() {
            self.journal.environment.memory().abandon(&self.txid);
        }
        result
    }

    fn clear_away(&self) -> Result<()> {
        let journal = self.journal.in_a_hurry();
        if journal.storage.failed_puts_may_land() && self.leaves_traces() {
            journal.storage.put_if_absent(&names::void_path(&journal.table, &self.txid), b"")?;
        }
        journal.storage.delete_all(&self.files)?;
        journal.storage.delete(&names::pending_path(&journal.table, self.floor, &self.txid))
    }

    /// Whether a file may appear after it was deleted, since nobody knows how its put ended; or a reader may have seen
    /// one that is gone, and find no journal, which goes with the marker where directories are not kept.
    fn leaves_traces(&self) -> bool {
        self.whole < self.files.len() || (self.commits.is_empty() && !self.files.is_empty())
    }
}

/// A directory with `k=0` for `k=-0` at each level.
fn without_sign_of_zero(dir: &str) -> String {
    let level = |level: &str| level.strip_suffix("=-0").map_or_else(|| level.to_owned(), |key| format!("{key}=0"));
    dir.split('/').map(level).collect::<Vec<_>>().join("/")
}

impl Drop for Transaction {
    fn drop(&mut self) {
        if self.open {
            // The marker stays where a file could not be deleted: that is what makes a later writer do it.
            let _ = self.abort();
        }
    }
}

impl Journal {
    /// Steps 8 and 9 of the commit `seq`: marks its batch, moves what it replaces to the trash and deletes its marker.
    pub(super) fn settle(&self, seq: u64, record: &Record, floor: u64) -> Result<()> {
        if let Some(batch) = record.batch.as_deref().map(BatchName::parse).transpose()? {
            self.mark_committed(&batch, &record.txid, CommittedBatch { seq, rows: record.rows })?;
        }
        // One that is not there has been moved by another process.
        let trash = |below: &String| (format!("{}/{below}", self.table), names::trash_path(&self.table, seq, below));
        self.storage.rename_all(&record.replaces.iter().map(trash).collect::<Vec<_>>())?;
        self.storage.delete(&names::pending_path(&self.table, floor, &record.txid))
    }
}
