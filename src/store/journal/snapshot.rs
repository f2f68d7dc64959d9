//! What a reader sees: one committed state of a table.

use std::collections::HashSet;
use std::sync::Arc;

use super::commits::{Commits, Seen};
use super::names::{self, parse_data_file, parse_pending};
use super::record::{Kind, Record};
use super::{Journal, MAX_TRIES};
use crate::error::{Error, ErrorKind, Result};

/// Which data files belong to one committed state.
#[derive(Debug, Default)]
pub struct Snapshot {
    /// Whether there is a journal; without one every file is visible.
    journaled: bool,
    /// The highest sequence number listed; 0 for none.
    highest: u64,
    /// Files that an unsettled record replaces, below the table's directory.
    replaced: HashSet<String>,
    /// Void. (An abort hides nothing by itself: what it gives up is pending until it is void.)
    dead: HashSet<String>,
    /// Pending, and committed by no listed record; or committed after this state.
    unsettled: HashSet<String>,
}

/// What a snapshot says of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Visibility {
    /// Part of the table.
    Visible,
    /// Not, or not any more, or not yet.
    Hidden,
    /// Written by us on top of a commit that the journal does not know.
    AheadOfJournal {
        /// The highest sequence number when it was written.
        base: u64,
    },
}

impl Snapshot {
    /// Whether the file at `below` the table's directory is part of this state.
    pub fn visibility(&self, below: &str) -> Visibility {
        if !self.journaled {
            return Visibility::Visible;
        }
        if self.replaced.contains(below) {
            return Visibility::Hidden;
        }
        let name = below.rsplit_once('/').map_or(below, |(_, name)| name);
        let Some((base, txid)) = parse_data_file(name) else { return Visibility::Visible };
        if self.dead.contains(txid) || self.unsettled.contains(txid) || base == self.highest {
            return Visibility::Hidden;
        }
        if base > self.highest { Visibility::AheadOfJournal { base } } else { Visibility::Visible }
    }

    /// The highest sequence number of this state; 0 for none.
    pub fn highest(&self) -> u64 {
        self.highest
    }
}

/// The txids in `pending`, with their floors.
pub fn pending(journal: &Journal) -> Result<Vec<(u64, String)>> {
    let names = journal.storage.list_names(&names::pending_dir(&journal.table))?;
    Ok(names.iter().filter_map(|name| parse_pending(name)).map(|(floor, txid)| (floor, txid.to_owned())).collect())
}

/// The txids in `void`.
pub fn void(journal: &Journal) -> Result<HashSet<String>> {
    Ok(journal.storage.list_names(&names::void_dir(&journal.table))?.into_iter().collect())
}

impl Journal {
    /// A state to read, from commits, then pending, then void, in that order; `None` where the commits have been trimmed
    /// meanwhile and have to be listed again.
    ///
    /// Records are read only above the lowest floor of a pending marker. Below, and where nothing is pending, every
    /// write is settled: what it replaced had gone to the trash before its marker went.
    pub(super) fn snapshot_of(&self, commits: &Commits, seen: &mut Seen) -> Result<Option<Snapshot>> {
        let pending = pending(self)?;
        let void = void(self)?;
        self.snapshot_with(commits, &pending, void, seen)
    }

    /// [`Journal::snapshot_of`] by lists that were made in that order.
    pub(super) fn snapshot_with(
        &self,
        commits: &Commits,
        pending: &[(u64, String)],
        void: HashSet<String>,
        seen: &mut Seen,
    ) -> Result<Option<Snapshot>> {
        let mut snapshot = Snapshot { journaled: true, highest: commits.highest(), ..Snapshot::default() };
        snapshot.unsettled = pending.iter().map(|(_, txid)| txid.clone()).collect();
        if let Some(floor) = pending.iter().map(|(floor, _)| *floor).min() {
            let Some(records) = commits.above_by(self, floor, seen)? else { return Ok(None) };
            for (_, record) in records {
                if record.kind != Kind::Abort && !void.contains(&record.txid) {
                    snapshot.unsettled.remove(&record.txid);
                    snapshot.replaced.extend(record.replaces.iter().cloned());
                }
            }
        }
        snapshot.dead = void;
        Ok(Some(snapshot))
    }

    /// Whether there has been no journal until this call began.
    fn is_absent(&self) -> Result<bool> {
        // Where directories are not kept, one listing may miss the pending marker, because it goes, and what stays in
        // its place, because that comes. The next listing does not.
        let looks = if self.storage.access().remote { 2 } else { 1 };
        for _ in 0..looks {
            let listing = self.storage.list_dir(&names::journal_dir(&self.table))?;
            if !listing.dirs.is_empty() || !listing.files.is_empty() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Lists data with `list` and gives the state that the listing is to be read by.
    ///
    /// Starts over where that state passed while `list` ran: a later commit is an overwrite, an abort or void, or a
    /// number after the state's is gone. Where there is no commit, there may be no journal: it is looked for after the
    /// listing, since a first write may have begun meanwhile.
    ///
    /// # Errors
    /// What `list` fails with; `Conflict` where the state would not hold still.
    pub fn read<T>(&self, mut list: impl FnMut() -> Result<T>) -> Result<(Snapshot, T)> {
        let mut journaled = false;
        let mut seen = Seen::nothing();
        for attempt in 1..=MAX_TRIES {
            let commits = Commits::list(self)?;
            if commits.is_empty() && !journaled {
                let listed = list()?;
                if self.is_absent()? {
                    return Ok((Snapshot::default(), listed));
                }
                journaled = true;
                continue;
            }
            let Some(mut snapshot) = self.snapshot_of(&commits, &mut seen)? else { continue };
            let listed = list()?;
            if let Some(later) = self.appended_since(&snapshot)? {
                snapshot.unsettled.extend(later);
                return Ok((snapshot, listed));
            }
            self.environment.back_off(attempt.min(3));
        }
        Err(Error::new(
            ErrorKind::Conflict,
            format!("Table \"{}\" was overwritten again and again while it was to be read!", self.table),
        )
        .with_hint("Run the query again when fewer writers are at work."))
    }

    /// The reader's second look: whose appends came after the state; `None` where it does not hold any more.
    ///
    /// Those appends are hidden: of two that were committed since, the later one may not have been pending any more when
    /// the earlier one still was, and one without the other is no state that there ever was.
    fn appended_since(&self, snapshot: &Snapshot) -> Result<Option<Vec<String>>> {
        let commits = Commits::list(self)?;
        if commits.highest() <= snapshot.highest {
            return Ok(Some(Vec::new()));
        }
        let Some(newer) = commits.above(self, snapshot.highest)? else { return Ok(None) };
        let is_append = |(_, record): &(u64, Arc<Record>)| record.kind == Kind::Append;
        if newer.len() as u64 != commits.highest() - snapshot.highest || !newer.iter().all(is_append) {
            return Ok(None);
        }
        let later: Vec<String> = newer.iter().map(|(_, record)| record.txid.clone()).collect();
        // After the records: one of a void writer may have come to stand where another was trimmed.
        let void = void(self)?;
        if later.iter().any(|txid| void.contains(txid)) {
            return Ok(None);
        }
        Ok(Some(later))
    }

    /// Says that the journal is damaged, where a file is ahead of it also after another look.
    ///
    /// # Errors
    /// `Corrupt`, naming file and journal.
    pub fn check_ahead(&self, below: &str, base: u64) -> Result<()> {
        let highest = Commits::list_all(self)?.highest();
        if base <= highest {
            return Ok(());
        }
        Err(Error::corrupt(format!(
            "File \"{}\" was written after commit {base}, but the journal \"{}\" ends at {highest}!",
            self.storage.location(&format!("{}/{below}", self.table)),
            self.storage.location(&names::commits_dir(&self.table)),
        ))
        .with_hint("The journal has lost records. Restore it from a backup; nothing is hidden silently."))
    }
}
