//! The files of one write, and its commit: a thin layer over [`crate::store::journal`] for several threads.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::WriteMode;
use crate::error::{Error, Result};
use crate::storage::{FileMeta, FileWriter};
use crate::store::journal::{self, BatchName, Committed, Journal, Kind};
use crate::store::plan;
use crate::store::table::Table;

/// One write's files. Dropped without [`Transaction::commit`], none of them remains.
#[derive(Debug)]
pub(super) struct Transaction {
    journal: Journal,
    table: Arc<Table>,
    mode: WriteMode,
    batch: Option<BatchName>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Begun with the first file: a write without rows leaves no trace.
    begun: Option<journal::Transaction>,
    /// Files that are whole and under their names.
    files: Vec<FileMeta>,
}

impl Transaction {
    pub(super) fn new(journal: Journal, table: Arc<Table>, mode: WriteMode, batch: Option<BatchName>) -> Self {
        Self { journal, table, mode, batch, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins the file `number` of the partition in `directory`.
    pub(super) fn create(&self, directory: &str, number: u64) -> Result<Box<dyn FileWriter>> {
        let mut state = self.state();
        let begun = match &mut state.begun {
            Some(begun) => begun,
            none => {
                let kind = match self.mode {
                    WriteMode::Append => Kind::Append,
                    WriteMode::Overwrite => Kind::Overwrite,
                };
                none.insert(self.journal.begin(kind, self.batch.clone())?)
            }
        };
        let path = format!("{directory}/{}", begun.file_name(number));
        begun.note(path.clone());
        drop(state);
        self.journal.storage().create(&path)
    }

    /// Makes a whole file appear under its name. No reader takes it for part of the table before the commit.
    pub(super) fn publish(&self, file: Box<dyn FileWriter>) -> Result<()> {
        let file = file.finish()?;
        let mut state = self.state();
        state.files.push(file);
        if let Some(begun) = &mut state.begun {
            begun.is_whole();
        }
        Ok(())
    }

    /// Commits: from here on every reader sees all of the write. `directories` are those of its partitions; an
    /// overwrite replaces what was visible in them.
    pub(super) fn commit<'a>(
        &self,
        directories: impl Iterator<Item = &'a str>,
        rows: u64,
    ) -> Result<(Committed, Vec<FileMeta>)> {
        let State { begun, files } = std::mem::take(&mut *self.state());
        let begun = begun.ok_or_else(|| Error::internal("A write with rows has no file"))?;
        let name = self.table.name().as_str();
        let below = |path: &str| path[name.len()..].trim_start_matches('/').to_owned();
        let partitions: BTreeSet<String> = directories.map(below).collect();
        let bytes = files.iter().map(|file| file.size).sum();
        let committed = begun.commit(partitions.clone(), rows, bytes, &mut |snapshot| {
            plan::visible_in_partitions(&self.journal, &self.table, snapshot, partitions.iter().map(String::as_str))
        })?;
        let files = if committed.repeated { Vec::new() } else { files };
        Ok((committed, files))
    }
}
