//! One write: begun, filled with files, committed or given up.

use std::collections::BTreeSet;

use super::batch::{BatchName, Claimed, CommittedBatch};
use super::names;
use super::record::{self, Kind, Marker, Record};
use super::recover::Recovered;
use super::snapshot::{self, Commits, Snapshot};
use super::{Journal, MAX_TRIES};
use crate::error::{Error, ErrorKind, Result};
use crate::storage::PutOutcome;

/// A write that is under way. Dropped without [`Transaction::commit`] it deletes its files, then its marker.
#[derive(Debug)]
pub struct Transaction {
    journal: Journal,
    kind: Kind,
    batch: Option<BatchName>,
    txid: String,
    floor: u64,
    base: u64,
    /// Below the root.
    files: Vec<String>,
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

impl Journal {
    /// Steps 1 to 3: begins a write. What dead writers left is recovered first.
    ///
    /// With a batch it commits only if no other write of that batch has.
    pub fn begin(&self, kind: Kind, batch: Option<BatchName>) -> Result<Transaction> {
        let environment = &self.environment;
        let txid = environment.new_txid();
        let commits = Commits::list(self)?;
        let floor = commits.highest();
        let marker = Marker { txid: txid.clone(), at: environment.now(), writer: environment.writer() };
        let path = names::pending_path(&self.table, floor, &txid);
        // Before the put: should its answer be lost, dropping the transaction takes the marker back.
        let mut transaction =
            Transaction { journal: self.clone(), kind, batch, txid, floor, base: 0, files: Vec::new(), open: true };
        // A txid is ours alone: AlreadyExists is a lost answer to our own put.
        self.storage.put_if_absent(&path, &record::to_json(&marker)?)?;
        self.recover_dead(&transaction.txid, &commits)?;
        transaction.base = Commits::list(self)?.highest();
        Ok(transaction)
    }
}

impl Transaction {
    /// The name of data file number `number`, for any directory of the table.
    pub fn file_name(&self, number: u64) -> String {
        names::data_file(self.base, &self.txid, number)
    }

    /// Notes the path of a file before it may appear: what is noted is committed, or deleted if the write is given up.
    pub fn note(&mut self, path: String) {
        self.files.push(path);
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
        for attempt in 1..=MAX_TRIES {
            let commits = Commits::list(&journal)?;
            if commits.of(&self.txid).is_some_and(|(_, record)| record.kind == Kind::Abort) {
                return Err(journal.conflict("another process took this writer for dead and gave it up"));
            }
            let snapshot = journal.snapshot_of(&commits)?;
            self.check_alive()?;
            if self.kind == Kind::Overwrite {
                record.replaces = replaced(&snapshot)?;
                record.replaces.retain(|path| !own.contains(path));
            }
            let seq = commits.highest() + 1;
            match self.put_record(seq, &record) {
                Ok(true) => {}
                Ok(false) => {
                    journal.environment.back_off(attempt);
                    continue;
                }
                Err(error) => return self.resolve(rows, error),
            }
            match journal.storage.read(&names::void_path(&journal.table, &self.txid)) {
                Ok(None) => {}
                Ok(Some(_)) => {
                    journal.storage.delete(&names::commit_path(&journal.table, seq))?;
                    return Err(journal.conflict("another process took this writer for dead and gave it up"));
                }
                Err(error) => return self.resolve(rows, error),
            }
            // Committed: from here on nothing is undone. What of the rest fails is done by a later writer.
            self.open = false;
            let _ = journal.settle(seq, &record, self.floor).and_then(|()| journal.trim());
            return Ok(Committed { seq, rows, repeated: false });
        }
        Err(journal.conflict(&format!("other writers were faster {MAX_TRIES} times")))
    }

    /// Ends a write of which nobody can say whether it is committed: the answer to step 6 or 7 was an error, and the
    /// record may be there all the same. Its files must not be deleted then. It is recovered as any other process would
    /// do it: finished where its record is there, and made void where it is not.
    fn resolve(&mut self, rows: u64, error: Error) -> Result<Committed> {
        // On a file system what failed is not there, or is there to be seen: then the write is given up as any other.
        let unseen = || Commits::list(&self.journal).is_ok_and(|commits| commits.of(&self.txid).is_none());
        if !self.journal.storage.failed_puts_may_land() && unseen() {
            return Err(error); // dropping ourselves deletes the files and the marker
        }
        self.open = false;
        match self.journal.recover(self.floor, &self.txid) {
            Ok(Recovered::RolledForward { seq }) => Ok(Committed { seq, rows, repeated: false }),
            Ok(Recovered::Aborted) => Err(error),
            Ok(Recovered::Ended) | Err(_) => Err(error.with_hint(format!(
                "Whether the write to table \"{}\" was committed is not known: all of it is visible, or nothing. amplify_history says which.",
                self.journal.table
            ))),
        }
    }

    /// Puts the commit record; `false` where another one is there, be it the abort of this write. Our own there is a
    /// lost answer.
    fn put_record(&self, seq: u64, record: &Record) -> Result<bool> {
        let journal = &self.journal;
        let path = names::commit_path(&journal.table, seq);
        match journal.storage.put_if_absent(&path, &record::to_json(record)?)? {
            PutOutcome::Created => Ok(true),
            PutOutcome::AlreadyExists => {
                let there = snapshot::read_by_number(journal, seq)?;
                Ok(there.is_some_and(|there| there.txid == self.txid && there.kind != Kind::Abort))
            }
        }
    }

    /// Step 5: a recoverer may have given us up.
    fn check_alive(&self) -> Result<()> {
        let journal = &self.journal;
        let marked = snapshot::pending(journal)?.iter().any(|(_, txid)| *txid == self.txid);
        if marked && !snapshot::void(journal)?.contains(&self.txid) {
            return Ok(());
        }
        Err(journal.conflict("another process took this writer for dead and gave it up"))
    }

    /// Deletes the files, then the marker; what fails is left to a later writer.
    fn abort(&mut self) -> Result<()> {
        self.open = false;
        let storage = &self.journal.storage;
        for path in &self.files {
            storage.delete(path)?;
        }
        storage.delete(&names::pending_path(&self.journal.table, self.floor, &self.txid))
    }
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
        for below in &record.replaces {
            let path = format!("{}/{below}", self.table);
            match self.storage.rename(&path, &names::trash_path(&self.table, seq, below)) {
                Ok(()) => {}
                // Another process has moved it already.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        self.storage.delete(&names::pending_path(&self.table, floor, &record.txid))
    }
}
