//! The journal's protocol as a state machine: one table of one partition, and one step for each call to the storage.

use super::process::Process;
use super::reader::Reader;
use super::recovery::{Recoverer, Trimmer};
use super::writer::Writer;

/// Sequence numbers are below this.
pub const SEQS: usize = 8;
/// Writers have the numbers below this; it is also the number of whoever wrote before.
pub const WRITERS: usize = 3;

/// Files as bits: bit 0 is foreign, bit 1 was committed as number 1, and each writer has the next two.
pub type Files = u16;
/// Writers as bits.
pub type Txids = u8;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    Append,
    Overwrite,
    Abort,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Record {
    pub tx: u8,
    pub kind: Kind,
    pub replaces: Files,
}

/// Commit records by sequence number.
pub type Commits = [Option<Record>; SEQS];

/// A part of the protocol that is left out, to see that it is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeftOut {
    /// `base` is the floor of step 1.
    LateBase,
    /// Step 7.
    VoidCheck,
    /// The reader's second listing.
    SecondLook,
    /// The reader's hiding of what the second listing finds.
    HidingOfLater,
    /// Starting over where a listed record has been trimmed before it is read.
    GoneRecords,
    /// A writer's knowing that others have settled its commit where its marker is gone without being void.
    SettledByOthers,
    /// The recoverer's looks at the marker, before and after the abort.
    MarkerCheck,
    /// An appender's look for its abort among the commits of step 3.
    AbortCheck,
    /// Telling one's own abort from one's own commit in a slot that is taken.
    KindCheck,
}

/// What is explored.
#[derive(Debug, Clone)]
pub struct Bounds {
    /// One writer each.
    pub writers: Vec<Kind>,
    /// Whether all of them write the same batch.
    pub batch: bool,
    pub reader: bool,
    pub recoverer: bool,
    pub trimmer: bool,
    /// Whether the answer to a commit may be lost, so that it is put again.
    pub lost_answers: bool,
    /// Whether the writers have taken steps 1 to 4 when it begins: fewer states.
    pub begun: bool,
    pub left_out: Option<LeftOut>,
}

/// The storage.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Store {
    pub files: Files,
    pub commits: Commits,
    /// Floors of the pending markers, by writer.
    pub pending: [Option<u8>; WRITERS],
    pub void: Txids,
    /// Of the writers' files: part of their names.
    pub bases: [u8; WRITERS],
    /// Who claims the batch, and whether it is committed.
    pub claim: Option<(u8, bool)>,
    /// Every committed state, and whose commits count: what the protocol is measured by, and not part of it.
    pub states: Vec<Files>,
    pub counted: Txids,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct State {
    pub store: Store,
    pub processes: Vec<Process>,
    /// Whether a reader saw, or a writer was answered, what is not so.
    pub lied: bool,
}

/// What a reader or overwriter knows when it judges files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct View {
    /// What was listed; above the floor, what was then read.
    pub commits: Commits,
    pub pending: Txids,
    /// The lowest of the pending ones; records up to here are not read.
    pub floor: Option<u8>,
    pub void: Txids,
}

impl View {
    pub fn listed(commits: &Commits) -> Self {
        Self { commits: *commits, pending: 0, floor: None, void: 0 }
    }

    /// Lists the pending markers.
    pub fn see_pending(&mut self, store: &Store) {
        self.pending = store.pending_txids();
        self.floor = store.pending.iter().flatten().min().copied();
    }

    /// Reads the records above the floor; `false` where one that was listed is gone.
    pub fn read_records(&mut self, store: &Store) -> bool {
        let Some(floor) = self.floor else { return true };
        let highest = highest(&self.commits);
        let read = floor as usize + 1..=highest as usize;
        let gone = read.clone().any(|seq| self.commits[seq].is_some() && store.commits[seq].is_none());
        for seq in read {
            // The highest was listed, and is what the state is called by, also where it is gone.
            if seq != highest as usize || store.commits[seq].is_some() {
                self.commits[seq] = store.commits[seq];
            }
        }
        !gone
    }
}

pub fn highest(commits: &Commits) -> u8 {
    (0..SEQS).rev().find(|seq| commits[*seq].is_some()).unwrap_or(0) as u8
}

/// The record of a write: that with the lowest number.
pub fn record_of(commits: &Commits, tx: u8) -> Option<(u8, Record)> {
    let found =
        |(seq, record): (usize, &Option<Record>)| record.filter(|record| record.tx == tx).map(|it| (seq as u8, it));
    commits.iter().enumerate().find_map(found)
}

/// The files of a writer; the second has two.
pub fn files_of(tx: u8) -> Files {
    let first = 1 << (2 + 2 * tx);
    if tx == 1 { first | first << 1 } else { first }
}

fn owner(file: u32) -> Option<u8> {
    (file >= 2).then(|| (file as u8 - 2) / 2)
}

/// The files in `files`, one by one.
pub fn each(files: Files) -> impl Iterator<Item = Files> {
    (0..Files::BITS).map(|file| 1 << file).filter(move |file| files & file != 0)
}

impl Store {
    pub fn pending_txids(&self) -> Txids {
        (0..WRITERS).filter(|tx| self.pending[*tx].is_some()).fold(0, |txids, tx| txids | 1 << tx)
    }

    /// Those of `files` that are part of the state that `view` tells of, without those of `hidden` writers.
    pub fn visible(&self, files: Files, view: &View, hidden: Txids) -> Files {
        let (mut replaced, mut committed) = (0, 0);
        let read = view.floor.map_or(SEQS, |floor| floor as usize + 1);
        for record in view.commits.iter().skip(read).flatten() {
            if record.kind != Kind::Abort && view.void & 1 << record.tx == 0 {
                replaced |= record.replaces;
                committed |= 1 << record.tx;
            }
        }
        let dead = view.void | hidden | (view.pending & !committed);
        let is_visible = |file: &Files| match owner(file.trailing_zeros()) {
            None => true,
            Some(tx) => dead & 1 << tx == 0 && self.bases[tx as usize] < highest(&view.commits),
        };
        each(files & !replaced).filter(is_visible).fold(0, |visible, file| visible | file)
    }

    /// What a reader would see that needs no time.
    pub fn visible_now(&self) -> Files {
        let mut view = View { void: self.void, ..View::listed(&self.commits) };
        view.see_pending(self);
        self.visible(self.files, &view, 0)
    }

    pub fn current(&self) -> Files {
        self.states[self.states.len() - 1]
    }

    /// Step 6 with a free slot. What a void writer puts does not count, nor what is put again: its first record may have
    /// been trimmed since.
    pub fn commit(&mut self, seq: u8, record: Record) {
        self.commits[seq as usize] = Some(record);
        let counts = (self.void | self.counted) & 1 << record.tx == 0;
        if record.kind != Kind::Abort && counts {
            let kept = if record.kind == Kind::Append { self.current() } else { 0 };
            self.states.push(kept | files_of(record.tx));
            self.counted |= 1 << record.tx;
        }
    }

    /// Marks the claim as committed, where it is that of `tx`.
    pub fn mark_claim(&mut self, tx: u8) {
        if self.claim == Some((tx, false)) {
            self.claim = Some((tx, true));
        }
    }
}

impl State {
    pub fn first(bounds: &Bounds) -> Self {
        let mut commits: Commits = [None; SEQS];
        // Number 1 is settled. Its file counts as foreign from here on, since nothing can happen to it.
        commits[1] = Some(Record { tx: WRITERS as u8, kind: Kind::Append, replaces: 0 });
        let mut store = Store {
            files: 0b11,
            commits,
            pending: [None; WRITERS],
            void: 0,
            bases: [0; WRITERS],
            claim: None,
            states: vec![0b11],
            counted: 0,
        };
        if bounds.begun {
            for tx in 0..bounds.writers.len() {
                store.pending[tx] = Some(1);
                store.bases[tx] = 1;
                store.files |= files_of(tx as u8);
            }
        }
        let writers = (0..).zip(&bounds.writers).map(|(tx, kind)| Process::Writer(Writer::new(tx, *kind, bounds)));
        let mut processes: Vec<Process> = writers.collect();
        processes.extend(bounds.reader.then(|| Process::Reader(Reader::default())));
        processes.extend(bounds.recoverer.then(|| Process::Recoverer(Recoverer::default())));
        processes.extend(bounds.trimmer.then(|| Process::Trimmer(Trimmer::default())));
        Self { store, processes, lied: false }
    }
}
