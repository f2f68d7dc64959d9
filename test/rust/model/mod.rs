//! A model of the journal's protocol as `src/store/journal` has it, explored exhaustively.
//!
//! One step is one call to the storage: a listing, a look, a put or a delete. Explored is every interleaving of two
//! writers with a reader, a recoverer that may take anyone for dead, and a trimmer that knows no time: two of these three at
//! once here (reader and recoverer from step 5 of the writers on), and by `make model` what takes minutes: all three
//! from step 5 on, reader and recoverer from step 1 on, and three whole appends.
//! A process that dies just takes no further step, and each prefix is checked: a stop at any step is covered.
//!
//! Checked in every state: what is visible at this instant is the last committed state; what a reader saw is one of
//! the states committed between its begin and its end; and a batch is committed once at the most.
//!
//! Not in the model: listings are atomic (the simulation's are not); one partition; one recovery and one trim, whoever
//! does it; times and leases (anything may be old at any time).

mod process;
mod protocol;
mod reader;
mod recovery;
mod writer;

use stateright::{Checker, HasDiscoveries, Model, Property};

use self::process::Step;
use self::protocol::{Bounds, Kind, LeftOut, State};

const TRUTH: &str = "what is read is a committed state, and what is answered is so";
const VISIBLE: &str = "what is visible is the last committed state";
const ONCE: &str = "a batch is committed once";

impl Model for Bounds {
    type State = State;
    /// A process, and its choice.
    type Action = (u8, u8);

    fn init_states(&self) -> Vec<State> {
        vec![State::first(self)]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Self::Action>) {
        for (number, process) in (0..).zip(&state.processes) {
            actions.extend((0..process.choices()).map(|choice| (number, choice)));
        }
    }

    fn next_state(&self, last: &State, (process, choice): Self::Action) -> Option<State> {
        let mut state = last.clone();
        match state.processes[process as usize].step(choice, &mut state.store, self.left_out) {
            Step::None => None,
            Step::Done => Some(state),
            Step::Lied => {
                state.lied = true;
                Some(state)
            }
        }
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(TRUTH, |_, state: &State| !state.lied),
            Property::always(VISIBLE, |_, state: &State| state.store.visible_now() == state.store.current()),
            Property::always(ONCE, |bounds: &Bounds, state: &State| !bounds.batch || state.store.states.len() <= 2),
        ]
    }
}

const APPEND: Kind = Kind::Append;
const OVERWRITE: Kind = Kind::Overwrite;

/// Writers alone.
fn writers(kinds: &[Kind]) -> Bounds {
    Bounds {
        writers: kinds.to_vec(),
        batch: false,
        reader: false,
        recoverer: false,
        trimmer: false,
        lost_answers: false,
        begun: false,
        left_out: None,
    }
}

const PAIRS: [[Kind; 2]; 4] = [[APPEND, APPEND], [APPEND, OVERWRITE], [OVERWRITE, APPEND], [OVERWRITE, OVERWRITE]];

/// Explores all of it.
fn holds(bounds: Bounds) {
    let started = std::time::Instant::now();
    let text = format!("{bounds:?}");
    let checker = bounds.checker().threads(2).spawn_bfs().join();
    checker.assert_properties();
    let states = checker.unique_state_count();
    println!("{states} states in {:.1} s: {text}", started.elapsed().as_secs_f64());
}

/// The first property that is found broken.
fn violation(bounds: Bounds, left_out: LeftOut) -> Vec<&'static str> {
    let bounds = Bounds { left_out: Some(left_out), ..bounds };
    let checker = bounds.checker().threads(2).finish_when(HasDiscoveries::Any).spawn_dfs().join();
    let found: Vec<&str> = checker.discoveries().into_keys().collect();
    println!("{found:?} after {} states without {left_out:?}", checker.unique_state_count());
    found
}

#[test]
fn readers_see_committed_states() {
    for pair in PAIRS {
        holds(Bounds { reader: true, lost_answers: true, ..writers(&pair) });
        holds(Bounds { reader: true, trimmer: true, ..writers(&pair) });
    }
}

#[test]
fn recovery_and_trimming_keep_the_last_state() {
    for pair in PAIRS {
        holds(Bounds { recoverer: true, trimmer: true, lost_answers: true, ..writers(&pair) });
    }
}

#[test]
fn readers_beside_recovery_see_committed_states() {
    for pair in PAIRS {
        holds(Bounds { reader: true, recoverer: true, begun: true, ..writers(&pair) });
    }
}

#[test]
fn three_begun_writers_are_seen_in_their_order() {
    for third in [APPEND, OVERWRITE] {
        holds(Bounds { reader: true, begun: true, ..writers(&[APPEND, APPEND, third]) });
    }
}

#[test]
fn a_batch_is_committed_once() {
    for pair in PAIRS {
        holds(Bounds { batch: true, recoverer: true, trimmer: true, lost_answers: true, ..writers(&pair) });
    }
}

#[test]
#[ignore = "takes long: make model"]
fn readers_beside_recovery_from_the_beginning() {
    for pair in PAIRS {
        holds(Bounds { reader: true, recoverer: true, ..writers(&pair) });
    }
}

#[test]
#[ignore = "takes long: make model"]
fn all_at_once_keep_the_promises() {
    for pair in PAIRS {
        holds(Bounds { reader: true, recoverer: true, trimmer: true, begun: true, ..writers(&pair) });
    }
}

#[test]
#[ignore = "takes long: make model"]
fn three_appends_are_seen_in_their_order() {
    holds(Bounds { reader: true, ..writers(&[APPEND; 3]) });
}

#[test]
fn step_7_is_needed() {
    let bounds = Bounds { recoverer: true, trimmer: true, ..writers(&[APPEND, APPEND]) };
    assert!(!violation(bounds, LeftOut::VoidCheck).is_empty());
}

#[test]
fn the_late_base_is_needed() {
    assert_eq!(violation(Bounds { reader: true, ..writers(&[APPEND, APPEND]) }, LeftOut::LateBase), [TRUTH]);
}

#[test]
fn the_second_look_is_needed() {
    assert_eq!(violation(Bounds { reader: true, ..writers(&[APPEND, OVERWRITE]) }, LeftOut::SecondLook), [TRUTH]);
}

#[test]
fn hiding_what_came_after_is_needed() {
    assert_eq!(
        violation(Bounds { reader: true, begun: true, ..writers(&[APPEND; 3]) }, LeftOut::HidingOfLater),
        [TRUTH]
    );
}

#[test]
fn starting_over_for_gone_records_is_needed() {
    let bounds = Bounds { reader: true, trimmer: true, ..writers(&[APPEND, APPEND]) };
    assert_eq!(violation(bounds, LeftOut::GoneRecords), [TRUTH]);
}

#[test]
fn an_append_must_look_for_its_abort() {
    let bounds = Bounds { recoverer: true, ..writers(&[APPEND]) };
    assert_eq!(violation(bounds, LeftOut::AbortCheck), [VISIBLE]);
}

#[test]
fn a_writer_must_know_what_others_settled() {
    let bounds = Bounds { recoverer: true, trimmer: true, lost_answers: true, ..writers(&[APPEND, APPEND]) };
    assert_eq!(violation(bounds, LeftOut::SettledByOthers), [VISIBLE]);
}

#[test]
fn the_recoverer_must_look_at_the_marker() {
    let bounds = Bounds { recoverer: true, trimmer: true, ..writers(&[APPEND, APPEND]) };
    assert!(!violation(bounds, LeftOut::MarkerCheck).is_empty());
}

#[test]
fn ones_own_abort_is_no_commit() {
    let bounds = Bounds { recoverer: true, ..writers(&[APPEND]) };
    assert!(violation(bounds, LeftOut::KindCheck).contains(&TRUTH));
}
