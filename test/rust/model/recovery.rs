//! The recoverer, and the trimmer: step 10.

use super::process::Step;
use super::protocol::{Commits, Files, Kind, LeftOut, Record, SEQS, Store, each, files_of, highest, record_of};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
enum Recovery {
    #[default]
    Pick,
    Commits,
    CommittedVoid,
    Void,
    Marker,
    Abort,
    MarkerAgain,
    PutVoid,
    Delete,
    MarkClaim,
    Trash,
    Unmark,
    Ended,
}

/// Recovers one write, which may be alive.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Recoverer {
    at: Recovery,
    tx: u8,
    seq: u8,
    replaces: Files,
}

impl Recoverer {
    pub fn step(&mut self, choice: u8, store: &mut Store, left_out: Option<LeftOut>) -> Step {
        if choice > 0 && self.at != Recovery::Pick {
            return Step::None;
        }
        let tx = self.tx as usize;
        let is_void = store.void & 1 << self.tx != 0;
        self.at = match self.at {
            Recovery::Pick => {
                if store.pending[choice as usize].is_none() {
                    return Step::None;
                }
                self.tx = choice;
                Recovery::Commits
            }
            Recovery::Commits => {
                self.seq = highest(&store.commits);
                match record_of(&store.commits, self.tx) {
                    Some((_, record)) if record.kind != Kind::Abort => {
                        self.replaces = record.replaces;
                        Recovery::CommittedVoid
                    }
                    Some(_) => Recovery::PutVoid,
                    None => Recovery::Void,
                }
            }
            Recovery::CommittedVoid if is_void => Recovery::PutVoid,
            Recovery::CommittedVoid => Recovery::MarkClaim,
            Recovery::Void if is_void => Recovery::PutVoid,
            Recovery::Void if left_out == Some(LeftOut::MarkerCheck) => Recovery::Abort,
            Recovery::Void => Recovery::Marker,
            Recovery::Marker if store.pending[tx].is_none() => Recovery::Ended,
            Recovery::Marker => Recovery::Abort,
            Recovery::Abort => match store.commits[self.seq as usize + 1] {
                Some(_) => Recovery::Commits,
                None => {
                    store.commit(self.seq + 1, Record { tx: self.tx, kind: Kind::Abort, replaces: 0 });
                    let checks = left_out != Some(LeftOut::MarkerCheck);
                    if checks { Recovery::MarkerAgain } else { Recovery::PutVoid }
                }
            },
            Recovery::MarkerAgain if store.pending[tx].is_none() => Recovery::Ended,
            Recovery::MarkerAgain => Recovery::PutVoid,
            Recovery::PutVoid => {
                store.void |= 1 << self.tx;
                Recovery::Delete
            }
            Recovery::Delete => match each(files_of(self.tx) & store.files).next() {
                Some(file) => {
                    store.files &= !file;
                    Recovery::Delete
                }
                None => Recovery::Unmark,
            },
            Recovery::MarkClaim => {
                store.mark_claim(self.tx);
                Recovery::Trash
            }
            Recovery::Trash => match each(self.replaces & store.files).next() {
                Some(file) => {
                    store.files &= !file;
                    Recovery::Trash
                }
                None => Recovery::Unmark,
            },
            Recovery::Unmark => {
                store.pending[tx] = None;
                Recovery::Ended
            }
            Recovery::Ended => return Step::None,
        };
        if self.at == Recovery::Ended {
            *self = Self { at: Recovery::Ended, ..Self::default() };
        }
        Step::Done
    }
}

/// Trims once, without regard to time: any part of what may go. (An overwrite's record goes when its trash is empty,
/// which may be at any time.)
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Trimmer {
    listed: Option<Commits>,
    /// Numbers, as bits.
    trimmable: Option<u8>,
}

impl Trimmer {
    pub fn step(&mut self, choice: u8, store: &mut Store) -> Step {
        match (self.listed, self.trimmable) {
            (None, None) if choice == 0 => self.listed = Some(store.commits),
            (Some(commits), None) if choice == 0 => {
                let floor = store.pending.iter().flatten().min().copied().unwrap_or(u8::MAX);
                let may_go = |seq: &u8| {
                    let Some(record) = commits[*seq as usize] else { return false };
                    let settled = store.pending.get(record.tx as usize).is_none_or(|marker| marker.is_none());
                    *seq < highest(&commits) && *seq < floor && settled && !unclaimed(store, record)
                };
                self.trimmable = Some((0..SEQS as u8).filter(may_go).fold(0, |seqs, seq| seqs | 1 << seq));
                self.listed = None;
            }
            (_, Some(seqs)) if seqs & 1 << choice != 0 => {
                store.commits[choice as usize] = None;
                // In their order: what is passed over stays.
                self.trimmable = Some(seqs & !((1 << (choice + 1)) - 1));
            }
            _ => return Step::None,
        }
        Step::Done
    }
}

/// Whether the record's batch is not marked as committed yet.
fn unclaimed(store: &Store, record: Record) -> bool {
    record.kind != Kind::Abort && store.void & 1 << record.tx == 0 && store.claim == Some((record.tx, false))
}
