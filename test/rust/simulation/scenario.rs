//! One run: what is there before, who does what, what goes wrong, and what must be true in the end.

use std::sync::Arc;

use amplify::store::journal::{Kind, Snapshot, Visibility};
use bytes::Bytes;
use chrono::Duration;

use super::disk::Disk;
use super::oracle::{Oracle, Rows, row};
use super::process::{Fault, Process, World};
use super::scheduler::{Pace, Rng, Scheduler};
use super::task::{self, TRASH_AGE, Task};

/// The partitions, by their directories.
const PARTITIONS: [&str; 2] = ["k=1", "k=2"];
/// Processes with numbers from here on only set the scene and clean up.
const FIRST_HELPER: u32 = 1000;

/// A process: its tasks one after the other, and the numbers of its operations that go wrong.
#[derive(Debug, Clone)]
pub struct Plan {
    pub tasks: Vec<Task>,
    pub faults: Vec<(u64, Fault)>,
}

/// What happens in a run.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// Of the interleaving.
    pub seed: u64,
    pub pace: Pace,
    /// A file system, or an object store without directories and with renames in two steps.
    pub file_system: bool,
    /// Files that another program has put.
    pub foreign_files: u64,
    /// Done before, one after the other; each by a process of its own, which ends.
    pub before: Vec<Plan>,
    /// Between those and the rest.
    pub pause: Duration,
    /// Done at the same time.
    pub at_once: Vec<Plan>,
}

/// What a run came to.
#[derive(Debug)]
pub struct Outcome {
    /// Rules that were broken, none where all is well.
    pub wrong: Vec<String>,
    /// How many operations each of the concurrent processes asked for.
    pub operations: Vec<u64>,
}

impl Scenario {
    /// The scenario of a seed.
    pub fn random(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let file_system = rng.one_in(2);
        let mut before = Vec::new();
        if !rng.one_in(4) {
            before.push(Plan { tasks: vec![write(&mut rng)], faults: Vec::new() });
        }
        for _ in 0..rng.below(3) {
            let stopped = rng.one_in(2);
            let faults = if stopped { vec![(rng.below(45), stop(&mut rng))] } else { Vec::new() };
            before.push(Plan { tasks: vec![write(&mut rng)], faults });
        }
        let pause = *rng.pick(&[Duration::zero(), Duration::hours(30), Duration::days(9)]);
        let mut at_once = Vec::new();
        for _ in 0..2 + rng.below(3) {
            let task = match rng.below(8) {
                0 => Task::Restore { choice: rng.next() },
                _ => write(&mut rng),
            };
            at_once.push(Plan { tasks: vec![task], faults: faults(&mut rng) });
        }
        for _ in 0..1 + rng.below(2) {
            let hang = if rng.one_in(2) { vec![(rng.below(16), Fault::Hang(50 + rng.below(200)))] } else { Vec::new() };
            at_once.push(Plan { tasks: vec![Task::Read; 2], faults: hang });
        }
        if rng.one_in(3) {
            at_once.push(Plan { tasks: vec![Task::Vacuum { dry_run: rng.one_in(4) }], faults: faults(&mut rng) });
        }
        let jump_one_in = rng.one_in(2).then(|| 10 + rng.below(60));
        let pace = Pace { switch_one_in: *rng.pick(&[1, 4, 16]), jump_one_in };
        Self { seed: rng.next(), pace, file_system, foreign_files: rng.below(3), before, pause, at_once }
    }

    /// Runs it.
    pub fn run(&self, traced: bool) -> Outcome {
        let scheduler = Scheduler::new(self.seed, self.at_once.len(), self.pace);
        let world = World::new(scheduler, self.first_disk(), traced);
        for (number, plan) in (FIRST_HELPER..).zip(&self.before) {
            let process = Process::new(&world, number, plan.faults.clone());
            do_all(&process, plan);
        }
        world.scheduler.advance(self.pause);
        let processes: Vec<Arc<Process>> =
            (1..).zip(&self.at_once).map(|(pid, plan)| Process::new(&world, pid, plan.faults.clone())).collect();
        let tasks = processes.iter().zip(&self.at_once);
        world.scheduler.run(tasks.map(|(process, plan)| Box::new(|| do_all(process, plan)) as Box<_>).collect());
        world.land(true);
        if world.disk().oracle.wrong().is_empty() {
            clean_up(&world);
        }
        let wrong = world.disk().oracle.wrong().to_vec();
        Outcome { wrong, operations: processes.iter().map(|process| process.operations()).collect() }
    }

    fn first_disk(&self) -> Disk {
        let files = (0..self.foreign_files).map(|number| {
            let tag = (u64::MAX >> 1) - number;
            (
                format!("{}/part-{number}.parquet", PARTITIONS[number as usize % 2]),
                Bytes::copy_from_slice(&tag.to_le_bytes()),
            )
        });
        let files: Vec<(String, Bytes)> = files.collect();
        let rows: Rows = files.iter().map(|(below, bytes)| row(below, bytes)).collect();
        let mut disk = Disk::new(self.file_system, Oracle::new(rows));
        for (below, bytes) in files {
            disk.put(&format!("images/{below}"), bytes, chrono::DateTime::UNIX_EPOCH);
        }
        disk
    }
}

fn write(rng: &mut Rng) -> Task {
    let partitions = match rng.below(3) {
        0 => vec![PARTITIONS[0]],
        1 => vec![PARTITIONS[1]],
        _ => PARTITIONS.to_vec(),
    };
    let batch = rng.one_in(4).then(|| *rng.pick(&["first", "second"]));
    Task::Write { kind: *rng.pick(&[Kind::Append, Kind::Append, Kind::Overwrite]), partitions, batch }
}

fn faults(rng: &mut Rng) -> Vec<(u64, Fault)> {
    let one = |rng: &mut Rng| {
        let fault = match rng.below(7) {
            6 => Fault::LandLate(rng.below(400)),
            0 => Fault::Fail,
            1 => Fault::LoseAnswer,
            2 => Fault::Repeat,
            3 => stop(rng),
            _ => Fault::Hang(50 + rng.below(300)),
        };
        (rng.below(50), fault)
    };
    (0..rng.below(3)).map(|_| one(rng)).collect()
}

fn stop(rng: &mut Rng) -> Fault {
    *rng.pick(&[Fault::StopBefore, Fault::StopAfter])
}

fn do_all(process: &Arc<Process>, plan: &Plan) {
    for task in &plan.tasks {
        task::run(process, task);
    }
    process.end();
}

/// All processes have ended: the next writer recovers what they left, vacuum takes away what is old; and nothing is
/// left but what must be.
fn clean_up(world: &Arc<World>) {
    let writer = Process::new(world, FIRST_HELPER + 100, Vec::new());
    task::run(&writer, &Task::Write { kind: Kind::Append, partitions: vec![PARTITIONS[0]], batch: None });
    writer.end();
    // A writer that was given up while it lived may have put a file since: vacuum finds it.
    let void = |path: &str| {
        let disk = world.disk();
        disk.paths()
            .filter_map(|marker| marker.strip_prefix("_registry/journal/images/void/"))
            .any(|txid| path.contains(txid))
    };
    check_settled(world, "after a writer", &void);
    let vacuum = Process::new(world, FIRST_HELPER + 101, Vec::new());
    world.scheduler.advance(TRASH_AGE + Duration::days(1));
    task::run(&vacuum, &Task::Vacuum { dry_run: false });
    vacuum.end();
    check_settled(world, "after vacuum", &|_| false);
    let mut disk = world.disk();
    let left = |dir: &str| disk.paths().filter(|path| path.starts_with(dir)).count();
    let (records, trash) = (left("_registry/journal/images/commits/"), left("_registry/trash/"));
    if records != 1 || trash != 0 {
        disk.oracle.is_wrong(format!("vacuum has left {records} records, and {trash} files in the trash"));
    }
    let unfinished: Vec<String> = disk.unfinished().map(str::to_owned).collect();
    if !unfinished.is_empty() {
        disk.oracle.is_wrong(format!("vacuum has left {unfinished:?}, which nobody finishes"));
    }
}

/// Readers see the last state; no marker is there, and no data file but theirs.
fn check_settled(world: &Arc<World>, when: &str, allowed: &dyn Fn(&str) -> bool) {
    let reader = Process::new(world, FIRST_HELPER + 102, Vec::new());
    let read = task::rows(&reader);
    let planned = task::journal(&reader).read(|| Ok(())).map(|(snapshot, ())| snapshot);
    let mut disk = world.disk();
    match read {
        Ok(rows) if rows == *disk.oracle.current() => {}
        Ok(rows) => {
            let wrong = format!("{when} the table has {rows:?} instead of {:?}", disk.oracle.current());
            disk.oracle.is_wrong(wrong);
        }
        Err(error) => disk.oracle.is_wrong(format!("{when} the table cannot be read: {error}")),
    }
    let snapshot = planned.unwrap_or_default();
    let mut strays: Vec<String> = disk.paths().filter(|path| is_stray(path, &snapshot)).map(str::to_owned).collect();
    drop(disk);
    strays.retain(|path| !allowed(path));
    let mut disk = world.disk();
    if !strays.is_empty() {
        disk.oracle.is_wrong(format!("{when} there are strays: {strays:?}"));
    }
}

fn is_stray(path: &str, snapshot: &Snapshot) -> bool {
    match path.strip_prefix("images/") {
        Some(below) => snapshot.visibility(below) != Visibility::Visible,
        None => path.starts_with("_registry/journal/images/pending/"),
    }
}
