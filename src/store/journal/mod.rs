//! The journal: why a write is all or nothing.
//!
//! Data files appear one by one, and nobody can list many directories at one instant. What makes a write atomic is one
//! small file: the *commit record* `commits/<seq>.json`, put only if it is not there. Everything else tells a reader
//! which data files to pass over. The only primitive is put-if-absent; all listings are separate, non-atomic steps.
//!
//! # A write
//! 1. List commits; `floor` is the highest sequence number (0 if none).
//! 2. Put the *pending marker* `pending/<floor>-<txid>.json`.
//! 3. List commits again; `base` is the highest. Only now: whoever listed before step 2 then sees a `base` that is not
//!    below the highest it knows, and passes over our files. Does a record above `floor` abort us: stop.
//! 4. Put the data files, named `c<base>-<txid>-<n>.parquet`.
//! 5. An append tries step 6 at once, on top of `base`. Else, or where that fails: list commits, then pending and void.
//!    Is our txid void, or aborted: a recoverer gave us up; stop with a conflict. Is our marker gone, and it is neither:
//!    a recoverer has found our record, and settled it. An overwrite lists the partitions concerned and notes every
//!    visible file that is not its own: `replaces`. At a later look it adds the files of what was appended since, and
//!    lists anew where anything else was committed.
//! 6. Put `commits/<highest + 1>` if absent. **This is the commit.** Is it there already: it may be our own (the answer
//!    was lost), else back to 5; our own *abort* is not it.
//! 7. Is `void/<txid>` there: stop with a conflict. (A recoverer gave us up, and its abort record was trimmed.) Our
//!    record counts for nothing then; it stays, so that its number is not used again below later ones.
//! 8. An overwrite moves the replaced files to the trash.
//! 9. Delete the marker. For an append on an object store, at the same time as 7.
//! 10. Trim.
//!
//! What fails before 6 deletes its files, then its marker; where a put that failed may still land, it is made void
//! first. What fails after 7 is never undone: any later writer does the rest ([`Journal::recover`]). Where 6 or 7 itself
//! fails, nobody can say whether it is committed: the writer recovers itself as another process would.
//!
//! # A read
//! List commits, then pending, then void; read the records above the lowest floor of a pending marker; list the data;
//! then commits once more, and then void. See [`Snapshot`] for what is visible, and [`Journal::read`] for when to start
//! over. Appends that the second look finds are hidden: what is read is the state of the first.
//!
//! test/rust/model explores this protocol exhaustively, within bounds; test/rust/simulation runs this code under
//! faults, by seed.

mod batch;
mod commits;
mod memory;
mod names;
mod numbers;
#[cfg(test)]
mod overwrite_tests;
mod record;
mod recover;
mod snapshot;
mod transaction;
mod trash;
mod vacuum;

use std::sync::Arc;

pub use self::batch::{BatchName, CommittedBatch};
pub use self::memory::Memory;
pub(in crate::store) use self::names::parse_data_file;
pub use self::record::{Kind, Record};
pub use self::recover::Recovered;
pub use self::snapshot::{Snapshot, Visibility};
pub use self::transaction::{Committed, Transaction};
pub use self::trash::{CountRows, VisibleFiles, WithTrash};
pub use self::vacuum::VacuumAction;
use crate::error::{Error, ErrorKind, Result};
use crate::storage::{self, Storage};
use crate::store::environment::Environment;
use crate::store::table::TableName;

/// How often a lost race is run again before it is an error.
const MAX_TRIES: u32 = 100;

/// The journal of one table.
#[derive(Debug, Clone)]
pub struct Journal {
    storage: Arc<dyn Storage>,
    table: TableName,
    environment: Arc<dyn Environment>,
}

impl Journal {
    /// The journal of `table`, which may not have one yet.
    pub fn new(storage: Arc<dyn Storage>, table: TableName, environment: Arc<dyn Environment>) -> Self {
        Self { storage, table, environment }
    }

    /// Where the table's bytes are.
    pub fn storage(&self) -> &Arc<dyn Storage> {
        &self.storage
    }

    /// What the journal takes from the world.
    pub fn environment(&self) -> &Arc<dyn Environment> {
        &self.environment
    }

    /// The same journal for who has failed, and is to say so soon: it gives up where the store does not answer. What it
    /// leaves undone is done by a later writer.
    fn in_a_hurry(&self) -> Self {
        Self { storage: storage::hurried(&self.storage), ..self.clone() }
    }

    /// What the memory of this process knows the commits by.
    fn commits_location(&self) -> String {
        self.storage.location(&names::commits_dir(&self.table))
    }

    fn conflict(&self, what: &str) -> Error {
        Error::new(ErrorKind::Conflict, format!("The write to table \"{}\" was not committed: {what}!", self.table))
            .with_hint("Nothing of it is visible. Run it again.")
    }

    /// Every commit and abort with its sequence number, in their order.
    pub fn history(&self) -> Result<Vec<(u64, Arc<Record>)>> {
        let mut records = commits::Commits::list_all(self)?.all(self)?;
        // The record of a void write is no commit.
        let void = snapshot::void(self)?;
        records.retain(|(_, record)| record.kind == Kind::Abort || !void.contains(&record.txid));
        Ok(records)
    }
}
