//! The reader.

use super::process::Step;
use super::protocol::{Commits, Files, Kind, LeftOut, Store, Txids, View, highest};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
enum Look {
    #[default]
    Commits,
    Pending,
    Void,
    Records,
    Files,
    SecondCommits,
    SecondRecords,
    SecondVoid,
    Ended,
}

/// Reads once, and starts over once where it must.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Reader {
    at: Look,
    /// The state that was current when it began.
    from: u8,
    again: bool,
    view: Option<View>,
    files: Files,
    /// The highest number by the second listing.
    last: u8,
    /// Who appended since; `None` where something else happened.
    later: Option<Txids>,
}

impl Reader {
    pub fn step(&mut self, store: &Store, left_out: Option<LeftOut>) -> Step {
        self.at = match self.at {
            Look::Commits => {
                if !self.again {
                    self.from = store.states.len() as u8 - 1;
                }
                self.view = Some(View::listed(&store.commits));
                Look::Pending
            }
            Look::Pending => {
                self.view.iter_mut().for_each(|view| view.see_pending(store));
                Look::Void
            }
            Look::Void => {
                self.view = self.view.map(|view| View { void: store.void, ..view });
                Look::Records
            }
            Look::Records => {
                let whole = self.view.as_mut().is_some_and(|view| view.read_records(store));
                if whole || left_out == Some(LeftOut::GoneRecords) { Look::Files } else { self.start_over() }
            }
            Look::Files => {
                self.files = store.files;
                if left_out == Some(LeftOut::SecondLook) {
                    return self.end(store, 0);
                }
                Look::SecondCommits
            }
            Look::SecondCommits => {
                self.last = highest(&store.commits);
                Look::SecondRecords
            }
            Look::SecondRecords => {
                self.later = self.later(&store.commits);
                Look::SecondVoid
            }
            Look::SecondVoid => match self.later.filter(|later| later & store.void == 0) {
                Some(_) if left_out == Some(LeftOut::HidingOfLater) => return self.end(store, 0),
                Some(later) => return self.end(store, later),
                None => self.start_over(),
            },
            Look::Ended => return Step::None,
        };
        Step::Done
    }

    fn start_over(&mut self) -> Look {
        if self.again {
            *self = Self { at: Look::Ended, ..Self::default() };
            return Look::Ended;
        }
        *self = Self { from: self.from, again: true, ..Self::default() };
        Look::Commits
    }

    /// Who appended since; `None` where the state does not hold any more.
    fn later(&self, commits: &Commits) -> Option<Txids> {
        let first = highest(&self.view?.commits) + 1;
        (first..=self.last).try_fold(0, |later, seq| match commits[seq as usize] {
            Some(record) if record.kind == Kind::Append => Some(later | 1 << record.tx),
            _ => None,
        })
    }

    fn end(&mut self, store: &Store, later: Txids) -> Step {
        let seen = self.view.map(|view| store.visible(self.files, &view, later));
        let is_state = store.states[self.from as usize..].iter().any(|state| Some(*state) == seen);
        *self = Self { at: Look::Ended, ..Self::default() };
        if is_state { Step::Done } else { Step::Lied }
    }
}
