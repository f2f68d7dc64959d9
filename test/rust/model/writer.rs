//! The writer: steps 1 to 9.

use super::process::Step;
use super::protocol::{Bounds, Commits, Files, Kind, LeftOut, Record, Store, View, each, files_of, highest, record_of};

/// Where a writer is; the numbers are the protocol's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum At {
    Floor1,
    Mark2,
    Base3,
    Put4,
    Claim,
    ReadClaim,
    HolderPending,
    HolderCommits,
    HolderVoid,
    Commits5,
    Pending5,
    Void5,
    Records5,
    OwnMarker5,
    OwnVoid5,
    Files5,
    Commit6,
    ReadBack6,
    Void7,
    MarkClaim8,
    Trash8,
    Unmark9,
    /// Given up: deletes its files, then its marker.
    Undo,
    Ended,
}

impl At {
    /// An append tries the number after its base at once; an overwrite looks at what it replaces.
    fn after_files(kind: Kind) -> Self {
        if kind == Kind::Append { Self::Commit6 } else { Self::Commits5 }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Writer {
    tx: u8,
    kind: Kind,
    batch: bool,
    lost_answers: bool,
    at: At,
    floor: u8,
    /// The highest number listed in step 3 or 5; later, that of the commit.
    seq: u8,
    view: Option<View>,
    replaces: Files,
    /// Whether a record may have been put though another was found.
    tried: bool,
    /// Whether its marker was there in step 5.
    marked: bool,
    /// Whether the holder of the claim has a commit record.
    holder_committed: bool,
}

impl Writer {
    pub fn new(tx: u8, kind: Kind, bounds: &Bounds) -> Self {
        Self {
            tx,
            kind,
            batch: bounds.batch,
            lost_answers: bounds.lost_answers,
            at: if bounds.begun { At::after_files(kind) } else { At::Floor1 },
            floor: 0,
            seq: if bounds.begun { 1 } else { 0 },
            view: None,
            replaces: 0,
            tried: false,
            marked: false,
            holder_committed: false,
        }
    }

    pub fn step(&mut self, choice: u8, store: &mut Store, left_out: Option<LeftOut>) -> Step {
        let (tx, me) = (self.tx, 1 << self.tx);
        let chooses = match self.at {
            At::Commit6 => self.lost_answers,
            At::Void7 => self.kind == Kind::Append && !self.batch && store.pending[tx as usize].is_some(),
            _ => false,
        };
        if choice > 0 && !chooses {
            return Step::None;
        }
        self.at = match self.at {
            At::Floor1 => {
                self.floor = highest(&store.commits);
                At::Mark2
            }
            At::Mark2 => {
                store.pending[tx as usize] = Some(self.floor);
                At::Base3
            }
            At::Base3 => {
                let early = left_out == Some(LeftOut::LateBase);
                self.seq = if early { self.floor } else { highest(&store.commits) };
                store.bases[tx as usize] = self.seq;
                let given_up = left_out != Some(LeftOut::AbortCheck) && aborts(&store.commits, tx);
                if given_up { At::Undo } else { At::Put4 }
            }
            At::Put4 => {
                let file = each(files_of(tx) & !store.files).next().unwrap_or(0);
                store.files |= file;
                match files_of(tx) & !store.files {
                    0 if self.batch => At::Claim,
                    0 => At::after_files(self.kind),
                    _ => At::Put4,
                }
            }
            At::Claim if store.claim.is_none() => {
                store.claim = Some((tx, false));
                At::after_files(self.kind)
            }
            At::Claim => At::ReadClaim,
            At::ReadClaim => match store.claim {
                Some((_, true)) => At::Undo, // repeated: answered with the rows of the first
                Some((holder, _)) if holder != tx => At::HolderPending,
                _ => At::after_files(self.kind),
            },
            At::HolderPending => match store.claim {
                Some((holder, _)) if store.pending[holder as usize].is_some() => At::Claim,
                _ => At::HolderCommits,
            },
            At::HolderCommits => {
                let record = store.claim.and_then(|(holder, _)| record_of(&store.commits, holder));
                self.holder_committed = record.is_some_and(|(_, record)| record.kind != Kind::Abort);
                At::HolderVoid
            }
            // What follows the look at void is a compare-and-swap on the claim: it has no step of its own, for nothing
            // but the claim itself could change its outcome.
            At::HolderVoid => match store.claim {
                Some((holder, _)) if self.holder_committed && store.void & 1 << holder == 0 => {
                    store.mark_claim(holder);
                    At::Claim
                }
                Some((holder, false)) if holder != tx => {
                    store.claim = Some((tx, false));
                    At::Claim
                }
                _ => At::Claim,
            },
            At::Commits5 => {
                self.seq = highest(&store.commits);
                match self.kind {
                    _ if aborts(&store.commits, tx) => At::Undo,
                    Kind::Overwrite => {
                        self.view = Some(View::listed(&store.commits));
                        At::Pending5
                    }
                    _ => At::OwnMarker5,
                }
            }
            At::Pending5 => {
                self.view.iter_mut().for_each(|view| view.see_pending(store));
                At::Void5
            }
            At::Void5 => {
                self.view = self.view.map(|view| View { void: store.void, ..view });
                At::Records5
            }
            At::Records5 => match self.view.as_mut().is_some_and(|view| view.read_records(store)) {
                true => At::OwnMarker5,
                false => At::Commits5,
            },
            At::OwnMarker5 => {
                self.marked = store.pending[tx as usize].is_some();
                At::OwnVoid5
            }
            At::OwnVoid5 if store.void & me != 0 => At::Undo,
            At::OwnVoid5 if !self.marked && self.tried && left_out != Some(LeftOut::SettledByOthers) => {
                if store.counted & me == 0 {
                    return Step::Lied;
                }
                At::Ended
            }
            At::OwnVoid5 if !self.marked => At::Undo,
            At::OwnVoid5 if self.kind == Kind::Overwrite => At::Files5,
            At::OwnVoid5 => At::Commit6,
            At::Files5 => {
                let view = self.view.take();
                self.replaces = view.map_or(0, |view| store.visible(store.files, &view, 0)) & !files_of(tx);
                At::Commit6
            }
            At::Commit6 => match store.commits[self.seq as usize + 1] {
                None => {
                    store.commit(self.seq + 1, Record { tx, kind: self.kind, replaces: self.replaces });
                    if choice == 1 {
                        return Step::Done; // the answer is lost, and it is put again
                    }
                    self.seq += 1;
                    At::Void7
                }
                Some(_) if choice > 0 => return Step::None,
                Some(_) => {
                    self.tried = true;
                    At::ReadBack6
                }
            },
            At::ReadBack6 => match store.commits[self.seq as usize + 1] {
                Some(there)
                    if there.tx == tx && (there.kind != Kind::Abort || left_out == Some(LeftOut::KindCheck)) =>
                {
                    self.seq += 1;
                    At::Void7
                }
                _ => {
                    self.replaces = 0;
                    At::Commits5
                }
            },
            // The marker of an append may go at the same time.
            At::Void7 if choice == 1 => {
                store.pending[tx as usize] = None;
                At::Void7
            }
            At::Void7 if store.void & me != 0 && left_out != Some(LeftOut::VoidCheck) => At::Undo,
            // Committed: it is answered so.
            At::Void7 => {
                if store.counted & me == 0 {
                    return Step::Lied;
                }
                if self.batch { At::MarkClaim8 } else { At::Trash8 }
            }
            At::MarkClaim8 => {
                store.mark_claim(tx);
                At::Trash8
            }
            At::Trash8 => match each(self.replaces & store.files).next() {
                Some(file) => {
                    store.files &= !file;
                    At::Trash8
                }
                None => At::Unmark9,
            },
            At::Unmark9 => {
                store.pending[tx as usize] = None;
                At::Ended
            }
            At::Undo => match each(files_of(tx) & store.files).next() {
                Some(file) => {
                    store.files &= !file;
                    At::Undo
                }
                None => {
                    store.pending[tx as usize] = None;
                    At::Ended
                }
            },
            At::Ended => return Step::None,
        };
        if matches!(self.at, At::Undo | At::Ended) {
            // Nothing of it matters any more: fewer states.
            (self.floor, self.view, self.holder_committed) = (0, None, false);
            (self.tried, self.marked) = (false, false);
        }
        if self.at == At::Ended {
            (self.seq, self.replaces) = (0, 0);
        }
        Step::Done
    }
}

/// Whether a record gives the writer up.
fn aborts(commits: &Commits, tx: u8) -> bool {
    record_of(commits, tx).is_some_and(|(_, record)| record.kind == Kind::Abort)
}
