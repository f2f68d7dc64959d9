//! Replaced files, kept a while: for scans that planned before the overwrite, and for `amplify_restore`.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::Journal;
use super::commits;
use super::names;
use super::record::{Kind, Record};
use super::snapshot::{self, Snapshot};
use super::transaction::Committed;
use crate::error::{Error, ErrorKind, Result};
use crate::storage::{
    Access, Cancel, Change, FileMeta, FileWriter, Listing, Numbered, PutOutcome, Run, Storage, Visit, files_below,
};
use crate::store::table::TableName;

/// Counts the rows of files.
pub type CountRows<'a> = dyn Fn(&[FileMeta]) -> Result<u64> + 'a;
/// The files, below the table's directory, that a snapshot sees in partitions, given by their directories.
pub type VisibleFiles<'a> = dyn FnMut(&[String], &Snapshot) -> Result<Vec<String>> + 'a;

/// The commits that have files in the trash of `table`, oldest first.
pub(super) fn trashed_commits(storage: &dyn Storage, table: &TableName) -> Result<Vec<u64>> {
    let dirs = storage.list_dir(&names::trash_dir(table))?.dirs;
    let mut seqs: Vec<u64> = dirs.iter().filter_map(|name| name.parse().ok()).collect();
    seqs.sort_unstable();
    Ok(seqs)
}

impl Journal {
    /// The trashed files of one commit.
    pub(super) fn trash_of(&self, seq: u64) -> Result<Vec<FileMeta>> {
        files_below(self.storage.as_ref(), &names::trash_seq_dir(&self.table, seq))
    }

    /// Brings back, as a new commit, what the overwrite `seq` replaced: the partitions that it wrote to hold again what
    /// they held before it, and nothing else. `count` counts the rows of files; `replaced` gives the visible files of
    /// partitions, as in [`super::Transaction::commit`].
    ///
    /// # Errors
    /// `NotFound` where there is no such commit any more, `InvalidInput` where it is no overwrite, and `NotFound` where
    /// the trash does not hold all of its files any more.
    pub fn restore(&self, seq: u64, count: &CountRows, replaced: &mut VisibleFiles) -> Result<Committed> {
        // A writer that died after its commit may not have moved all that it replaces.
        self.recover_dead("", &snapshot::pending(self)?)?;
        let record = self.commit_of(seq)?.ok_or_else(|| {
            Error::new(ErrorKind::NotFound, format!("Table \"{}\" has no commit {seq} in its history!", self.table))
                .with_hint("amplify_history lists the commits; those that were vacuumed are gone.")
        })?;
        if record.kind != Kind::Overwrite {
            let kind = record.kind.as_str();
            return Err(Error::invalid(format!(
                "Commit {seq} of table \"{}\" is an {kind}: it replaced nothing!",
                self.table
            )));
        }
        let trashed = self.trash_of(seq)?;
        let trashed: HashMap<&str, &FileMeta> = trashed.iter().map(|file| (file.path.as_str(), file)).collect();
        let mut sources = Vec::with_capacity(record.replaces.len());
        for below in &record.replaces {
            let path = names::trash_path(&self.table, seq, below);
            let Some(&file) = trashed.get(path.as_str()) else {
                if snapshot::pending(self)?.iter().any(|(_, txid)| *txid == record.txid) {
                    return Err(Error::new(
                        ErrorKind::Conflict,
                        format!(
                            "Commit {seq} of table \"{}\" is not finished: its writer is moving files to the trash!",
                            self.table
                        ),
                    )
                    .with_hint("Run it again in a moment. Nothing is restored yet."));
                }
                return Err(Error::new(
                    ErrorKind::NotFound,
                    format!(
                        "The trash does not hold \"{below}\" of commit {seq} of table \"{}\" any more!",
                        self.table
                    ),
                )
                .with_hint(
                    "It was vacuumed. Nothing is restored, for a part of the old rows would be worse than none.",
                ));
            };
            sources.push((below, file));
        }
        let metas: Vec<FileMeta> = sources.iter().map(|(_, file)| (*file).clone()).collect();
        let rows = count(&metas)?;
        let mut transaction = self.begin(Kind::Overwrite, None)?;
        let mut copies = Vec::with_capacity(metas.len());
        for (number, ((below, _), meta)) in (0u64..).zip(sources.iter().zip(&metas)) {
            let name = transaction.file_name(number);
            let path = match below.rsplit_once('/') {
                Some((dir, _)) => format!("{}/{dir}/{name}", self.table),
                None => format!("{}/{name}", self.table),
            };
            transaction.note(path.clone());
            copies.push((meta.clone(), path));
        }
        self.storage.copy_all(&copies)?;
        copies.iter().for_each(|_| transaction.is_whole());
        let partitions = record.partitions.clone();
        let bytes = metas.iter().map(|file| file.size).sum();
        transaction
            .commit(partitions.iter().cloned().collect(), rows, bytes, &mut |snapshot| replaced(&partitions, snapshot))
    }

    /// A record that is no void write's.
    fn commit_of(&self, seq: u64) -> Result<Option<Arc<Record>>> {
        let Some(record) = commits::read_by_number(self, seq)? else { return Ok(None) };
        let void = self.storage.read(&names::void_path(&self.table, &record.txid))?;
        Ok((record.kind == Kind::Abort || void.is_none()).then_some(record))
    }
}

/// A store in which [`Storage::read_listed`] finds a file of `table` in the trash when it is no longer where it was
/// planned: an overwrite moved it while the scan ran.
#[derive(Debug)]
pub struct WithTrash {
    storage: Arc<dyn Storage>,
    table: TableName,
}

impl WithTrash {
    /// Reads of `table` by way of its trash.
    pub fn new(storage: Arc<dyn Storage>, table: TableName) -> Self {
        Self { storage, table }
    }

    /// Where a file went: the newest commit's trash that holds it.
    fn find(&self, path: &str) -> Result<Option<String>> {
        let prefix = format!("{}/", self.table);
        let Some(below) = path.strip_prefix(&prefix) else { return Ok(None) };
        for seq in trashed_commits(self.storage.as_ref(), &self.table)?.into_iter().rev() {
            let trashed = names::trash_path(&self.table, seq, below);
            let (dir, _) = trashed.rsplit_once('/').unwrap_or(("", &trashed));
            if self.storage.list_dir(dir)?.files.iter().any(|file| file.path == trashed) {
                return Ok(Some(trashed));
            }
        }
        Ok(None)
    }
}

impl Storage for WithTrash {
    fn location(&self, path: &str) -> String {
        self.storage.location(path)
    }

    fn access(&self) -> Access {
        self.storage.access()
    }

    fn cancellable(&self, cancel: &Cancel) -> Option<Arc<dyn Storage>> {
        let storage = self.storage.cancellable(cancel)?;
        Some(Arc::new(Self::new(storage, self.table.clone())))
    }

    fn hurried(&self) -> Option<Arc<dyn Storage>> {
        Some(Arc::new(Self::new(self.storage.hurried()?, self.table.clone())))
    }

    fn list_dir(&self, dir: &str) -> Result<Listing> {
        self.storage.list_dir(dir)
    }

    fn list_dirs(&self, dirs: &[String]) -> Result<Vec<Listing>> {
        self.storage.list_dirs(dirs)
    }

    fn list_below(&self, dirs: &[String], visit: &mut Visit) -> Result<Vec<bool>> {
        self.storage.list_below(dirs, visit)
    }

    fn list_names(&self, dir: &str) -> Result<Vec<String>> {
        self.storage.list_names(dir)
    }

    fn list_run(&self, dir: &str, first: u64, name: &Numbered) -> Result<Run> {
        self.storage.list_run(dir, first, name)
    }

    fn read(&self, path: &str) -> Result<Option<Bytes>> {
        self.storage.read(path)
    }

    fn read_all(&self, paths: &[String]) -> Result<Vec<Option<Bytes>>> {
        self.storage.read_all(paths)
    }

    fn read_ranges(&self, path: &str, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.storage.read_ranges(path, ranges)
    }

    fn read_listed(&self, file: &FileMeta, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        let is_elsewhere = |error: &Error| matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Conflict);
        match self.storage.read_listed(file, ranges) {
            Err(error) if is_elsewhere(&error) => {
                let Some(path) = self.find(&file.path)? else { return Err(error) };
                // Moved on a file system it is the same file. A copy that an object store made may look another; where
                // something has come to have the listed name, nobody can say of what it is one.
                let moved = match (self.storage.access().remote, error.kind()) {
                    (false, _) => self.storage.read_listed(&FileMeta { path, ..file.clone() }, ranges),
                    (true, ErrorKind::NotFound) => self.storage.read_ranges(&path, ranges),
                    (true, _) => return Err(error),
                };
                // Where the trash does not hold it either, what is wrong is wrong with the file that was planned.
                moved.map_err(|other| if is_elsewhere(&other) { error } else { other })
            }
            answer => answer,
        }
    }

    fn put_if_absent(&self, path: &str, bytes: &[u8]) -> Result<PutOutcome> {
        self.storage.put_if_absent(path, bytes)
    }

    fn update(&self, path: &str, change: &mut Change) -> Result<()> {
        self.storage.update(path, change)
    }

    fn create(&self, path: &str) -> Result<Box<dyn FileWriter>> {
        self.storage.create(path)
    }

    fn rename(&self, from: &str, to: &str) -> Result<()> {
        self.storage.rename(from, to)
    }

    fn rename_all(&self, moves: &[(String, String)]) -> Result<()> {
        self.storage.rename_all(moves)
    }

    fn copy_all(&self, copies: &[(FileMeta, String)]) -> Result<()> {
        self.storage.copy_all(copies)
    }

    fn delete(&self, path: &str) -> Result<()> {
        self.storage.delete(path)
    }

    fn delete_all(&self, paths: &[String]) -> Result<()> {
        self.storage.delete_all(paths)
    }

    fn failed_puts_may_land(&self) -> bool {
        self.storage.failed_puts_may_land()
    }

    fn discard_unfinished(&self, dir: &str, part: &str, unchanged_for: Duration) -> Result<()> {
        self.storage.discard_unfinished(dir, part, unchanged_for)
    }

    fn remove_empty_dirs(&self, dir: &str) -> Result<()> {
        self.storage.remove_empty_dirs(dir)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::{self, OpenOptions};

    const PLANNED: &str = "t/x.parquet";
    const TRASHED: &str = "_registry/trash/t/7/x.parquet";

    fn write(storage: &dyn Storage, path: &str, bytes: &[u8]) {
        let mut file = storage.create(path).unwrap();
        file.write_all(bytes).unwrap();
        file.finish().unwrap();
    }

    /// What is read of a file by way of the trash after `happens`, on a local disk.
    fn read_after(happens: impl Fn(&dyn Storage)) -> Result<Vec<Bytes>> {
        let dir = tempfile::tempdir().unwrap();
        let options = OpenOptions { durable: false, ..OpenOptions::default() };
        let storage = storage::open(dir.path().to_str().unwrap(), &options).unwrap();
        write(storage.as_ref(), PLANNED, b"planned");
        let planned = storage.list_dir("t").unwrap().files.remove(0);
        happens(storage.as_ref());
        WithTrash::new(storage, TableName::parse("t").unwrap()).read_listed(&planned, std::slice::from_ref(&(0..7)))
    }

    #[test]
    fn what_an_overwrite_moved_is_read_in_the_trash() {
        let moved = read_after(|storage| storage.rename(PLANNED, TRASHED).unwrap());
        assert_eq!(moved.unwrap(), ["planned"]);
        let replaced_then = read_after(|storage| {
            storage.rename(PLANNED, TRASHED).unwrap();
            write(storage, PLANNED, b"another's, of the same name");
        });
        assert_eq!(replaced_then.unwrap(), ["planned"]);
    }

    #[test]
    fn an_error_names_the_planned_file_and_not_another_state_of_it_in_the_trash() {
        for (kind, other) in [(ErrorKind::Conflict, Some(b"another's, of the same name")), (ErrorKind::NotFound, None)]
        {
            let error = read_after(|storage| {
                write(storage, TRASHED, b"an older state, from before");
                storage.delete(PLANNED).unwrap();
                if let Some(other) = other {
                    write(storage, PLANNED, other);
                }
            });
            let error = error.unwrap_err();
            assert_eq!(error.kind(), kind, "{error}");
            assert!(error.to_string().contains(PLANNED) && !error.to_string().contains("trash"), "{error}");
        }
    }
}
