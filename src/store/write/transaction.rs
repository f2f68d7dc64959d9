//! The files of one write, and its commit: a thin layer over [`crate::store::journal`] for several threads.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::WriteMode;
use crate::error::{Error, ErrorKind, Result};
use crate::storage::{FileMeta, FileWriter, Finishing};
use crate::store::journal::{self, BatchName, Committed, Journal, Kind};
use crate::store::plan;
use crate::store::table::Table;

/// What files that are being finished may hold in memory together: they are whole there until the store has them.
const FINISHING_BYTES: u64 = 32 << 20;

/// One write's files. Dropped without [`Transaction::commit`], none of them remains.
#[derive(Debug)]
pub(super) struct Transaction {
    journal: Journal,
    table: Arc<Table>,
    mode: WriteMode,
    batch: Option<BatchName>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Files on the way to their names. Before `begun`, which deletes them: it is dropped after they have arrived.
    finishing: VecDeque<(Finishing, u64)>,
    finishing_bytes: u64,
    /// Begun with the first file: a write without rows leaves no trace.
    begun: Option<journal::Transaction>,
    /// Why it could not be begun. A store that does not answer is not asked again by every thread in turn.
    failed: Option<(ErrorKind, String)>,
    /// Files that are whole and under their names.
    files: Vec<FileMeta>,
}

impl State {
    fn take_oldest(&mut self) -> Option<Finishing> {
        let (oldest, bytes) = self.finishing.pop_front()?;
        self.finishing_bytes -= bytes;
        Some(oldest)
    }
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State")
            .field("finishing", &self.finishing.len())
            .field("files", &self.files)
            .finish_non_exhaustive()
    }
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
        if let Some((kind, message)) = &state.failed {
            return Err(Error::new(*kind, message.clone()));
        }
        let State { begun, failed, .. } = &mut *state;
        let begun = match begun {
            Some(begun) => begun,
            none => {
                let kind = match self.mode {
                    WriteMode::Append => Kind::Append,
                    WriteMode::Overwrite => Kind::Overwrite,
                };
                match self.journal.begin(kind, self.batch.clone()) {
                    Ok(transaction) => none.insert(transaction),
                    Err(error) => {
                        *failed = Some((error.kind(), error.to_string()));
                        return Err(error);
                    }
                }
            }
        };
        let path = format!("{directory}/{}", begun.file_name(number));
        begun.note(path.clone());
        drop(state);
        self.journal.storage().create(&path)
    }

    /// Makes a whole file of `bytes` appear under its name. No reader takes it for part of the table before the commit.
    ///
    /// Where that takes a request, it may be under way when this returns, beside those of other files, and its error
    /// comes from a later call.
    pub(super) fn publish(&self, file: Box<dyn FileWriter>, bytes: u64) -> Result<()> {
        let access = self.journal.storage().access();
        if access.concurrency < 2 {
            let file = file.finish()?;
            self.has_finished(file);
            return Ok(());
        }
        // What is larger has gone up before, but for the last part of it.
        let bytes = bytes.min(access.request_max_bytes);
        loop {
            let mut state = self.state();
            let is_full =
                state.finishing.len() >= access.concurrency || state.finishing_bytes + bytes > FINISHING_BYTES;
            if !is_full {
                break;
            }
            let Some(oldest) = state.take_oldest() else { break };
            drop(state);
            self.has_finished(oldest()?);
        }
        let finishing = file.begin_finish();
        let mut state = self.state();
        state.finishing_bytes += bytes;
        state.finishing.push_back((finishing, bytes));
        Ok(())
    }

    fn has_finished(&self, file: FileMeta) {
        let mut state = self.state();
        state.files.push(file);
        if let Some(begun) = &mut state.begun {
            begun.is_whole();
        }
    }

    /// Commits: from here on every reader sees all of the write. `directories` are those of its partitions; an
    /// overwrite replaces what was visible in them.
    pub(super) fn commit<'a>(
        &self,
        directories: impl Iterator<Item = &'a str>,
        rows: u64,
    ) -> Result<(Committed, Vec<FileMeta>)> {
        loop {
            let Some(oldest) = self.state().take_oldest() else { break };
            self.has_finished(oldest()?);
        }
        let State { begun, files, .. } = std::mem::take(&mut *self.state());
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
