//! One partition's row groups, put into files in the order of the rows.
//!
//! Workers finish row groups in any order. Whoever delivers the next one appends it, and then every later one that is
//! waiting; nobody waits for another's append.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::data_file::DataFile;
use super::encode::{EncodedRowGroup, Encoder};
use super::transaction::Transaction;
use crate::error::Result;

/// When a partition's file ends although more rows may come.
#[derive(Debug, Clone, Copy)]
pub(super) struct FileRules {
    /// It has grown to this size.
    pub(super) target_bytes: u64,
    /// The footers of all files that are open take more than this.
    pub(super) open_footers_bytes: usize,
}

/// What the streams of one write have in common.
#[derive(Debug)]
pub(super) struct Files {
    pub(super) encoder: Encoder,
    pub(super) transaction: Arc<Transaction>,
    pub(super) rules: FileRules,
    /// What the footers of open files take.
    pub(super) open_footers_bytes: AtomicUsize,
}

/// A row group, or nothing but the news that none follows.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) row_group: Option<EncodedRowGroup>,
    pub(super) last: bool,
}

/// The files of one partition.
#[derive(Debug)]
pub(super) struct Stream {
    directory: Arc<str>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Number of the item to append next.
    next: u64,
    /// Items that came too early.
    waiting: BTreeMap<u64, Item>,
    /// Whether some worker is appending, with `output` in its hands.
    appending: bool,
    output: Output,
}

#[derive(Debug, Default)]
struct Output {
    file: Option<DataFile>,
    /// Files begun so far.
    files: u64,
}

impl Stream {
    /// A stream of files in `directory`, relative to the root.
    pub(super) fn new(directory: Arc<str>) -> Self {
        Self { directory, state: Mutex::default() }
    }

    /// Appends item `sequence` when its turn has come, by this call or by that which delivers the one before.
    pub(super) fn deliver(&self, sequence: u64, item: Item, files: &Files) -> Result<()> {
        let lock = || self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let mut state = lock();
        state.waiting.insert(sequence, item);
        if state.appending {
            return Ok(());
        }
        loop {
            let next = state.next;
            let Some(item) = state.waiting.remove(&next) else {
                state.appending = false;
                return Ok(());
            };
            state.next += 1;
            state.appending = true;
            let mut output = std::mem::take(&mut state.output);
            drop(state);
            // After an error the stream stays as it is, without its file: the write has failed.
            output.append(&self.directory, item, files)?;
            state = lock();
            state.output = output;
        }
    }
}

impl Output {
    fn append(&mut self, directory: &str, item: Item, files: &Files) -> Result<()> {
        let mut ends = item.last;
        if let Some(row_group) = item.row_group {
            let file = match &mut self.file {
                Some(file) => file,
                none => {
                    let writer = files.transaction.create(directory, self.files)?;
                    self.files += 1;
                    none.insert(DataFile::new(writer))
                }
            };
            let before = file.footer_bytes();
            file.append(row_group, &files.encoder)?;
            ends |= file.size() >= files.rules.target_bytes;
            if !ends {
                file.rest(&files.encoder)?;
                let added = file.footer_bytes() - before;
                let open = files.open_footers_bytes.fetch_add(added, Ordering::Relaxed) + added;
                ends = open > files.rules.open_footers_bytes;
            }
        }
        if ends && let Some(file) = self.file.take() {
            files.open_footers_bytes.fetch_sub(file.footer_bytes(), Ordering::Relaxed);
            let bytes = file.size();
            files.transaction.publish(file.finish(&files.encoder)?, bytes)?;
        }
        Ok(())
    }
}
