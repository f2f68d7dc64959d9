//! Housekeeping on demand: recover, trim, empty the trash, and say what was done.

use chrono::Duration;

use super::Journal;
use super::commits;
use super::names;
use super::recover::{LEASE, Recovered};
use super::snapshot;
use super::trash;
use crate::error::Result;

/// What vacuum did, or would do, to one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VacuumAction {
    /// `roll_forward` and `abort` (a dead writer's marker), `delete_stray` (a data file of a write that was given up),
    /// `delete_record` (a commit record), `delete_trash` (a replaced file).
    pub action: &'static str,
    /// Below the root.
    pub path: String,
    /// The object's size.
    pub size_bytes: u64,
}

impl Journal {
    /// Recovers dead writers, empties the trash of what was replaced longer than `older_than` ago, and trims. With
    /// `dry_run` it only says what it would do.
    pub fn vacuum(&self, older_than: Duration, dry_run: bool) -> Result<Vec<VacuumAction>> {
        let mut actions = Vec::new();
        self.vacuum_pending(dry_run, &mut actions)?;
        self.vacuum_void(dry_run, &mut actions)?;
        self.vacuum_trash(older_than, dry_run, &mut actions)?;
        let records = self.trimmable(dry_run.then_some(older_than))?;
        let paths: Vec<String> = records.into_iter().map(|seq| names::commit_path(&self.table, seq)).collect();
        let sizes = self.storage.read_all(&paths)?.into_iter().map(|bytes| bytes.map_or(0, |bytes| bytes.len() as u64));
        let record = |(path, size_bytes)| VacuumAction { action: "delete_record", path, size_bytes };
        actions.extend(paths.iter().cloned().zip(sizes).map(record));
        if !dry_run {
            self.delete_records(&paths)?;
            self.discard_abandoned()?;
        }
        Ok(actions)
    }

    /// Deletes temporary files that no writer can be at any more, in the journal and in the table. They are no objects
    /// of the store, and not listed.
    fn discard_abandoned(&self) -> Result<()> {
        let lease = LEASE.to_std().unwrap_or_default();
        for dir in [names::commits_dir, names::pending_dir, names::void_dir, names::batches_dir] {
            self.storage.discard_unfinished(&dir(&self.table), "", lease)?;
        }
        self.discard_unfinished("", lease)
    }

    /// Deletes objects (path, size) and says so; on a dry run it only says so.
    fn remove(
        &self,
        action: &'static str,
        objects: impl Iterator<Item = (String, u64)>,
        dry_run: bool,
        actions: &mut Vec<VacuumAction>,
    ) -> Result<()> {
        let before = actions.len();
        actions.extend(objects.map(|(path, size_bytes)| VacuumAction { action, path, size_bytes }));
        if dry_run {
            return Ok(());
        }
        let paths: Vec<String> = actions[before..].iter().map(|action| action.path.clone()).collect();
        self.storage.delete_all(&paths)
    }

    fn vacuum_pending(&self, dry_run: bool, actions: &mut Vec<VacuumAction>) -> Result<()> {
        for (floor, txid) in snapshot::pending(self)? {
            let Some(marker) = self.marker(floor, &txid)? else { continue };
            if !self.is_dead(&marker) {
                continue;
            }
            let path = names::pending_path(&self.table, floor, &txid);
            let size_bytes = self.storage.read(&path)?.map_or(0, |bytes| bytes.len() as u64);
            let expected = self.would_recover(&txid)?;
            let strays = match expected {
                Recovered::Aborted => self.files_of(&|owner| owner == txid)?,
                _ => Vec::new(),
            };
            let recovered = if dry_run { expected } else { self.recover(floor, &txid)? };
            let action = match recovered {
                Recovered::RolledForward { .. } => "roll_forward",
                Recovered::Aborted => "abort",
                Recovered::Ended => continue,
            };
            if recovered == Recovered::Aborted {
                let stray = |(path, size_bytes)| VacuumAction { action: "delete_stray", path, size_bytes };
                actions.extend(strays.into_iter().map(stray));
            }
            actions.push(VacuumAction { action, path, size_bytes });
        }
        Ok(())
    }

    /// What writers that were taken for dead have put after they were given up, if they then died indeed.
    fn vacuum_void(&self, dry_run: bool, actions: &mut Vec<VacuumAction>) -> Result<()> {
        let mut void = snapshot::void(self)?;
        for (_, txid) in snapshot::pending(self)? {
            void.remove(&txid); // its recovery is under way
        }
        if void.is_empty() {
            return Ok(());
        }
        let strays = self.files_of(&|owner| void.contains(owner))?;
        self.remove("delete_stray", strays.into_iter(), dry_run, actions)
    }

    fn vacuum_trash(&self, older_than: Duration, dry_run: bool, actions: &mut Vec<VacuumAction>) -> Result<()> {
        for seq in trash::trashed_commits(self.storage.as_ref(), &self.table)? {
            // A record is kept for as long as its trash is; without one, the commit is older than any record.
            let record = commits::read_by_number(self, seq)?;
            let recent = record.is_some_and(|record| !self.is_older(record.at, older_than));
            if recent {
                continue;
            }
            let trashed = self.trash_of(seq)?.into_iter().map(|file| (file.path, file.size));
            self.remove("delete_trash", trashed, dry_run, actions)?;
            if !dry_run {
                self.storage.remove_empty_dirs(&names::trash_seq_dir(&self.table, seq))?;
            }
        }
        Ok(())
    }
}
