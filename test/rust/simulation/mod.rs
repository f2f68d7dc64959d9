//! Deterministic simulation: the journal as it is built, run by several processes on a shared disk in memory.
//!
//! Every call to the storage is a point where another process may go on; the seed says which one does, and what goes
//! wrong: a call fails, or has its effect and fails, or has it long after it failed (as a put on a network may), or is repeated by the layer below, or hangs while others run, or
//! is the last of its process. Listings are not atomic: what changes while one runs is in it or not. The clock may
//! jump, so that markers outlive their lease with their writers alive, and records are old enough to be trimmed.
//!
//! The oracle keeps every committed state. It checks that each read is one of the states between its begin and end,
//! that each answer is true, that a batch is committed once, that a conflict was none of a commit; and, when all
//! processes have ended, that the next writer and vacuum leave exactly the last state and no stray object.
//!
//! `AMPLIFY_SEED=n` runs one seed and prints every step; `AMPLIFY_SEEDS=n` says how many are run.

mod disk;
mod mount;
mod oracle;
mod process;
mod scenario;
mod scheduler;
mod task;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use amplify::store::journal::Kind;
use chrono::Duration;

use self::process::Fault;
use self::scenario::{Plan, Scenario};
use self::scheduler::Pace;
use self::task::Task;

const SEEDS: u64 = 20_000;

fn from_environment(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

/// What is wrong after a run, a panic too.
fn wrong(scenario: &Scenario, traced: bool) -> Vec<String> {
    match catch_unwind(AssertUnwindSafe(|| scenario.run(traced))) {
        Ok(outcome) => outcome.wrong,
        Err(_) => vec!["it panicked".to_owned()],
    }
}

/// Runs `count` scenarios on all processors; the first few that fail, by number.
fn run_all(count: u64, scenario: &(dyn Fn(u64) -> Scenario + Sync)) -> BTreeMap<u64, Vec<String>> {
    const MAX_FAILURES: usize = 3;
    let next = AtomicU64::new(0);
    let failures: Mutex<BTreeMap<u64, Vec<String>>> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while failures.lock().unwrap().len() < MAX_FAILURES {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= count {
                        break;
                    }
                    let wrong = wrong(&scenario(number), false);
                    if !wrong.is_empty() {
                        failures.lock().unwrap().insert(number, wrong);
                    }
                }
            });
        }
    });
    failures.into_inner().unwrap()
}

#[test]
fn every_interleaving_keeps_the_promises() {
    if let Some(seed) = from_environment("AMPLIFY_SEED") {
        let scenario = Scenario::random(seed);
        println!("{scenario:#?}");
        assert_eq!(wrong(&scenario, true), [""; 0], "seed {seed}");
        return;
    }
    let (count, start) = (from_environment("AMPLIFY_SEEDS").unwrap_or(SEEDS), Instant::now());
    let failures = run_all(count, &Scenario::random);
    let seconds = start.elapsed().as_secs_f64();
    println!("{count} seeds in {seconds:.1} s, {:.0} a second", count as f64 / seconds);
    let lines: Vec<String> = failures.iter().map(|(seed, wrong)| format!("AMPLIFY_SEED={seed}: {wrong:#?}")).collect();
    assert!(failures.is_empty(), "{}\nRun again with one of these to see every step.", lines.join("\n"));
}

/// One process does `task` beside a reader; its operation number `at` goes wrong.
fn one_fault(task: &Task, at: u64, fault: Fault, seed: u64) -> Scenario {
    let write = |kind, batch| Task::Write { kind, partitions: vec!["k=1", "k=2"], batch };
    let plan = |task, faults| Plan { tasks: vec![task], faults };
    Scenario {
        seed,
        pace: Pace { switch_one_in: 2, jump_one_in: None },
        file_system: seed.is_multiple_of(2),
        foreign_files: 1,
        before: vec![
            plan(write(Kind::Append, None), vec![]),
            plan(write(Kind::Overwrite, None), vec![]),
            // A dead writer, for the task to recover.
            plan(write(Kind::Overwrite, Some("batch")), vec![(STOPPED_IN_COMMIT[seed as usize % 3], Fault::StopAfter)]),
        ],
        pause: Duration::hours(30),
        at_once: vec![plan(task.clone(), vec![(at, fault)]), plan(Task::Read, vec![])],
    }
}

/// Operations of an overwrite by which it has put its files, claimed its batch, and begun to settle.
const STOPPED_IN_COMMIT: [u64; 3] = [14, 24, 34];

#[test]
fn every_operation_of_every_kind_of_write_may_go_wrong() {
    let write = |kind, batch| Task::Write { kind, partitions: vec!["k=1", "k=2"], batch };
    let tasks = [
        write(Kind::Append, None),
        write(Kind::Overwrite, None),
        write(Kind::Append, Some("batch")),
        write(Kind::Overwrite, Some("batch")),
        Task::Restore { choice: 0 },
        Task::Vacuum { dry_run: false },
    ];
    const SEEDS_EACH: u64 = 6;
    const FAULTS: [Fault; 7] = [
        Fault::Fail,
        Fault::LoseAnswer,
        Fault::LandLate(20),
        Fault::Repeat,
        Fault::StopBefore,
        Fault::StopAfter,
        Fault::Hang(1000),
    ];
    let mut runs = Vec::new();
    for task in &tasks {
        let longest = (0..SEEDS_EACH).map(|seed| one_fault(task, u64::MAX, Fault::Fail, seed).run(false).operations[0]);
        let longest = longest.max().unwrap_or(0);
        assert!(longest > 20, "{task:?} has {longest} operations");
        for at in 0..longest {
            for fault in FAULTS {
                runs.extend((0..SEEDS_EACH).map(|seed| (task, at, fault, seed)));
            }
        }
    }
    println!("{} runs", runs.len());
    let failures = run_all(runs.len() as u64, &|number| {
        let (task, at, fault, seed) = runs[number as usize];
        one_fault(task, at, fault, seed)
    });
    let lines = failures.iter().map(|(number, wrong)| format!("{:?}: {wrong:#?}", runs[*number as usize]));
    assert!(failures.is_empty(), "{}", lines.collect::<Vec<_>>().join("\n"));
}

#[test]
fn a_seed_is_replayed_step_by_step() {
    let operations = |seed| Scenario::random(seed).run(false).operations;
    for seed in 0..50 {
        assert_eq!(operations(seed), operations(seed), "seed {seed}");
    }
}
