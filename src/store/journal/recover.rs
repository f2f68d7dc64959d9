//! What dead writers left, and what nobody needs any more.

use std::collections::HashSet;

use chrono::{DateTime, Duration, Utc};

use super::batch::BatchName;
use super::commits::{self, Commits, Records, Seen};
use super::names::{self, parse_commit};
use super::record::{self, Kind, Marker, Record};
use super::snapshot;
use super::trash;
use super::{Journal, MAX_TRIES};
use crate::error::Result;
use crate::storage::{FileMeta, PutOutcome, files_below};

/// How old the marker of a writer on another machine must be before it is taken for dead.
pub(super) const LEASE: Duration = Duration::hours(24);
/// How old a settled commit record must be before it is deleted.
const KEEP_RECORDS: Duration = Duration::hours(24);
/// How much the storage's clock may be ahead of a writer's.
const CLOCKS_MAY_DIFFER: Duration = Duration::hours(12);

/// How long a marker whose writer lives is taken for that of a write that is going on.
const NEW: Duration = Duration::minutes(1);

/// What recovering one write came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recovered {
    /// It was committed: what was left to do after the commit is done.
    RolledForward {
        /// The commit.
        seq: u64,
    },
    /// It was not: it is void, and its files are gone.
    Aborted,
    /// It was committed, or taken back by its writer, and nothing was left to do.
    Ended,
}

impl Journal {
    /// Recovers every pending write but `own` whose writer is gone: its process has ended, or, where nobody can tell,
    /// its marker is older than the lease. Says whether it did anything.
    ///
    /// One that lives may have failed after its commit, in a session that goes on: what is left of it is done when its
    /// marker is no longer new. Where that fails, nothing but tidiness is lost, and the next writer tries.
    pub(super) fn recover_dead(&self, own: &str, pending: &[(u64, String)]) -> Result<bool> {
        let mut recovered = false;
        for (floor, txid) in pending.iter().filter(|(_, txid)| txid != own) {
            let Some(marker) = self.marker(*floor, txid)? else { continue };
            if self.environment.memory().is_abandoned(txid) {
                recovered |= self.recover(*floor, txid).is_ok();
            } else if self.is_dead(&marker) {
                self.recover(*floor, txid)?;
                recovered = true;
            } else if self.is_older(marker.at, NEW)
                && Commits::list(self)?.above(self, *floor)?.is_some_and(|records| is_committed(&records, txid))
            {
                recovered |= self.recover(*floor, txid).is_ok();
            }
        }
        Ok(recovered)
    }

    /// A pending marker; `None` where it is not there any more.
    pub(super) fn marker(&self, floor: u64, txid: &str) -> Result<Option<Marker>> {
        let path = names::pending_path(&self.table, floor, txid);
        let bytes = self.storage.read(&path)?;
        bytes.map(|bytes| record::from_json(&bytes, &self.storage.location(&path))).transpose()
    }

    /// Whether the writer of a pending marker is gone.
    pub(super) fn is_dead(&self, marker: &Marker) -> bool {
        self.environment.is_gone(&marker.writer)
            || (self.is_older(marker.at, LEASE) && !self.environment.is_running(&marker.writer))
    }

    pub(super) fn is_older(&self, at: DateTime<Utc>, age: Duration) -> bool {
        self.environment.now().signed_duration_since(at) > age
    }

    /// Recovers one pending write. Its writer, should it be alive after all, ends with a conflict, or has committed.
    pub fn recover(&self, floor: u64, txid: &str) -> Result<Recovered> {
        let mut seen = Seen::nothing();
        for attempt in 1..=MAX_TRIES {
            let commits = Commits::list(self)?;
            let Some(records) = commits.above_by(self, floor, &mut seen)? else { continue };
            let void = names::void_path(&self.table, txid);
            match commits::record_of(&records, txid) {
                Some((seq, record)) if record.kind != Kind::Abort && self.storage.read(&void)?.is_none() => {
                    self.settle(*seq, record, floor)?;
                    return Ok(Recovered::RolledForward { seq: *seq });
                }
                Some(_) => {}
                None if self.storage.read(&void)?.is_some() => {}
                // Only while it is pending is its record sure to be listed: afterwards it may be trimmed.
                None if !self.is_pending(floor, txid)? => match self.storage.read(&void)? {
                    Some(_) => {}
                    None => return Ok(Recovered::Ended),
                },
                None => {
                    let abort = Record {
                        txid: txid.to_owned(),
                        kind: Kind::Abort,
                        files: Vec::new(),
                        replaces: Vec::new(),
                        partitions: Vec::new(),
                        rows: 0,
                        bytes: 0,
                        at: self.environment.now(),
                        batch: None,
                        writer: Some(self.environment.writer()),
                    };
                    let path = names::commit_path(&self.table, commits.highest().saturating_add(1));
                    if self.storage.put_if_absent(&path, &record::to_json(&abort)?)? == PutOutcome::AlreadyExists {
                        self.environment.back_off(attempt);
                        continue;
                    }
                    // Was it pending until now, the number had not been used: it is aborted. Else it may have been
                    // committed, and trimmed, since the commits were listed. The abort hides nothing by itself.
                    if !self.is_pending(floor, txid)? && self.storage.read(&void)?.is_none() {
                        return Ok(Recovered::Ended);
                    }
                }
            }
            // AlreadyExists is as good: it is void.
            self.storage.put_if_absent(&void, b"")?;
            self.delete_files_of(txid)?;
            self.storage.delete(&names::pending_path(&self.table, floor, txid))?;
            return Ok(Recovered::Aborted);
        }
        Err(self.conflict(&format!("other writers were faster {MAX_TRIES} times")))
    }

    fn is_pending(&self, floor: u64, txid: &str) -> Result<bool> {
        Ok(self.storage.read(&names::pending_path(&self.table, floor, txid))?.is_some())
    }

    /// What recovering a write would come to.
    pub(super) fn would_recover(&self, txid: &str) -> Result<Recovered> {
        Ok(match commits::commit_of(self, txid)? {
            Some((seq, _)) => Recovered::RolledForward { seq },
            None => Recovered::Aborted,
        })
    }

    /// Every data file of the writes whose txid is `wanted`, wherever in the table it is: path below the root, and size.
    pub(super) fn files_of(&self, wanted: &dyn Fn(&str) -> bool) -> Result<Vec<(String, u64)>> {
        let is_wanted = |file: &FileMeta| names::parse_data_file(file.name()).is_some_and(|(_, owner)| wanted(owner));
        let files = files_below(self.storage.as_ref(), self.table.as_str())?;
        Ok(files.into_iter().filter(is_wanted).map(|file| (file.path, file.size)).collect())
    }

    /// Deletes every data file of a write, and what it has not finished.
    fn delete_files_of(&self, txid: &str) -> Result<()> {
        let files = self.files_of(&|owner| owner == txid)?;
        self.storage.delete_all(&files.into_iter().map(|(path, _)| path).collect::<Vec<_>>())?;
        self.discard_unfinished(txid, std::time::Duration::ZERO)
    }

    /// Deletes what writers have not finished in any directory of the table; see [`crate::storage::Storage::discard_unfinished`].
    pub(super) fn discard_unfinished(&self, part: &str, unchanged_for: std::time::Duration) -> Result<()> {
        // What has to travel does not exist before it has arrived: there is nothing to look for.
        if self.storage.access().remote {
            return Ok(());
        }
        let mut dirs = vec![self.table.as_str().to_owned()];
        while !dirs.is_empty() {
            let mut below = Vec::new();
            for (dir, listing) in dirs.iter().zip(self.storage.list_dirs(&dirs)?) {
                below.extend(listing.dirs.iter().map(|name| format!("{dir}/{name}")));
                self.storage.discard_unfinished(dir, part, unchanged_for)?;
            }
            dirs = below;
        }
        Ok(())
    }

    /// The commit records that may be deleted, in their order: settled, older than a day, below the lowest floor of any
    /// pending marker, and never the newest of those that are old. Such a one, and the floor's own, stay: else a listing
    /// may miss the record, because it goes, and every later one, because they come. Those of overwrites stay for as
    /// long as the trash holds what they replaced. Where any other has to stay, all later ones do: who found it knows by
    /// its being there that those are.
    ///
    /// `emptied_after` is for a dry run of vacuum: trash of commits older than that counts as gone.
    pub(super) fn trimmable(&self, emptied_after: Option<Duration>) -> Result<Vec<u64>> {
        let listed = self.storage.list_dir(&names::commits_dir(&self.table))?.files;
        let mut numbers: Vec<(u64, DateTime<Utc>)> =
            listed.iter().filter_map(|file| Some((parse_commit(file.name())?, file.modified))).collect();
        numbers.sort_unstable();
        // By the storage's clock: a guess that spares reading the new ones. The record's own time decides.
        let is_old = |written: &DateTime<Utc>| self.is_older(*written, KEEP_RECORDS - CLOCKS_MAY_DIFFER);
        let mut candidates: Vec<u64> =
            numbers.iter().take_while(|(_, written)| is_old(written)).map(|(seq, _)| *seq).collect();
        candidates.pop();
        if candidates.is_empty() {
            return Ok(candidates);
        }
        let pending = snapshot::pending(self)?;
        let trashed: HashSet<u64> = trash::trashed_commits(self.storage.as_ref(), &self.table)?.into_iter().collect();
        let lowest_floor = pending.iter().map(|(floor, _)| *floor).min().unwrap_or(u64::MAX);
        let unsettled: HashSet<&str> = pending.iter().map(|(_, txid)| txid.as_str()).collect();
        let kept_by_trash = |seq: &u64| emptied_after.is_none() && trashed.contains(seq);
        let candidates = candidates.into_iter().filter(|seq| *seq < lowest_floor && !kept_by_trash(seq));
        let mut trimmable = Vec::new();
        for (seq, record) in commits::read(self, candidates)?.flatten() {
            let in_trash = trashed.contains(&seq) && !emptied_after.is_some_and(|age| self.is_older(record.at, age));
            if !in_trash
                && !unsettled.contains(record.txid.as_str())
                && self.is_older(record.at, KEEP_RECORDS)
                && self.needs_no_claim(&record)?
            {
                trimmable.push(seq);
            } else if record.kind != Kind::Overwrite {
                break;
            }
        }
        Ok(trimmable)
    }

    /// Deletes commit records, given in their order: none while an earlier one is there. (In an object store who goes on
    /// from one sees the gap.)
    pub(super) fn delete_records(&self, paths: &[String]) -> Result<()> {
        if self.storage.access().remote {
            return self.storage.delete_all(paths);
        }
        paths.iter().try_for_each(|path| self.storage.delete(path))
    }

    /// Whether the claim of its batch says that it is committed; or it is not, being void.
    fn needs_no_claim(&self, record: &Record) -> Result<bool> {
        match record.batch.as_deref().map(BatchName::parse).transpose()? {
            Some(batch) if record.kind != Kind::Abort => Ok(self.committed_batch(&batch)?.is_some()
                || self.storage.read(&names::void_path(&self.table, &record.txid))?.is_some()),
            _ => Ok(true),
        }
    }

    /// Step 10, once in a while. Nothing but a look where the oldest record is too new.
    pub(super) fn trim(&self, commits: &Commits) -> Result<()> {
        let memory = self.environment.memory();
        if !memory.is_time_to_trim(self.commits_location(), self.environment.now()) {
            return Ok(());
        }
        let oldest = commits.lowest_written(self)?;
        if commits.is_empty() || oldest.is_some_and(|oldest| !self.is_older(oldest, KEEP_RECORDS - CLOCKS_MAY_DIFFER)) {
            return Ok(());
        }
        // Some of those that this process knows are gone, or will be.
        memory.forget(&self.commits_location());
        let path = |seq| names::commit_path(&self.table, seq);
        self.delete_records(&self.trimmable(None)?.into_iter().map(path).collect::<Vec<_>>())
    }
}

/// Whether one of the records commits the write.
fn is_committed(records: &Records, txid: &str) -> bool {
    commits::record_of(records, txid).is_some_and(|(_, record)| record.kind != Kind::Abort)
}
