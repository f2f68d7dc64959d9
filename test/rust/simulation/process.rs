//! One simulated process: its way to the shared disk, which may fail, lose an answer, hang, or end with the process;
//! and its view of the world.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use amplify::error::{Error, ErrorKind, Result};
use amplify::store::environment::{Environment, Writer};
use amplify::store::journal::Memory;
use bytes::Bytes;
use chrono::{DateTime, Utc};

use super::disk::Disk;
use super::scheduler::Scheduler;

/// What goes wrong at one operation of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It fails, without effect.
    Fail,
    /// It has its effect, but fails.
    LoseAnswer,
    /// It has its effect, and is tried again by the layer below: put-if-absent finds its own object.
    Repeat,
    /// The process ends right before it.
    StopBefore,
    /// The process ends right after it.
    StopAfter,
    /// It fails, and a put has its effect only so many steps later. On a file system it just fails.
    LandLate(u64),
    /// It takes as long as so many steps of the others.
    Hang(u64),
}

/// What all processes of a run share.
#[derive(Debug)]
pub struct World {
    pub scheduler: Scheduler,
    disk: Mutex<Disk>,
    ended: Mutex<Vec<u32>>,
    late: Mutex<Vec<LatePut>>,
    /// Tells the files of this run from those of others.
    run: u64,
    traced: bool,
}

impl World {
    pub fn new(scheduler: Scheduler, disk: Disk, traced: bool) -> Arc<Self> {
        static RUNS: AtomicU64 = AtomicU64::new(0);
        let run = RUNS.fetch_add(1, Ordering::Relaxed);
        Arc::new(Self {
            scheduler,
            disk: Mutex::new(disk),
            ended: Mutex::default(),
            late: Mutex::default(),
            run,
            traced,
        })
    }

    pub fn disk(&self) -> MutexGuard<'_, Disk> {
        self.disk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ended(&self) -> MutexGuard<'_, Vec<u32>> {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets those puts have their effect that are due; with `all`, all of them.
    pub fn land(&self, all: bool) {
        let mut late = self.late.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.scheduler.steps();
        for LatePut { path, bytes, if_absent, .. } in late.extract_if(.., |put| all || put.due <= now) {
            self.trace(0, || format!("lands {path}"));
            let mut disk = self.disk();
            match if_absent {
                true => drop(disk.put_if_absent(&path, &bytes, self.scheduler.now())),
                false => disk.put(&path, bytes, self.scheduler.now()),
            }
        }
    }

    pub fn trace(&self, pid: u32, text: impl FnOnce() -> String) {
        if self.traced {
            println!("{:>5} process {pid}: {}", self.scheduler.steps(), text());
        }
    }
}

/// A put on its way, of which its writer was told that it failed.
#[derive(Debug)]
struct LatePut {
    due: u64,
    path: String,
    bytes: Bytes,
    if_absent: bool,
}

#[derive(Debug)]
pub struct Process {
    pub pid: u32,
    pub world: Arc<World>,
    faults: Vec<(u64, Fault)>,
    operations: AtomicU64,
    stopped: AtomicBool,
    /// Whether a fault was met that the process must notice.
    troubled: AtomicBool,
    txids: AtomicU64,
    memory: Memory,
}

impl Process {
    /// One whose operations of these numbers (from 0) go wrong.
    pub fn new(world: &Arc<World>, pid: u32, faults: Vec<(u64, Fault)>) -> Arc<Self> {
        Arc::new(Self {
            pid,
            world: world.clone(),
            faults,
            operations: AtomicU64::new(0),
            stopped: AtomicBool::new(false),
            troubled: AtomicBool::new(false),
            txids: AtomicU64::new(0),
            memory: Memory::default(),
        })
    }

    /// Whether a fault other than a delay was met.
    pub fn is_troubled(&self) -> bool {
        self.troubled.load(Ordering::SeqCst)
    }

    pub fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::SeqCst)
    }

    /// How many operations it has asked for.
    pub fn operations(&self) -> u64 {
        self.operations.load(Ordering::SeqCst)
    }

    /// Its end, of itself or by a stop.
    pub fn end(&self) {
        self.stopped.store(true, Ordering::SeqCst);
        self.world.ended().push(self.pid);
    }

    /// Where `path` is; no other run has the same.
    pub fn location(&self, path: &str) -> String {
        format!("simulation-{}/{path}", self.world.run)
    }

    fn error(&self, path: &str) -> Error {
        Error::io("reach", self.location(path), io::Error::other("simulated"))
    }

    /// One operation: others may run before it, then `effect` is atomic.
    pub fn operate<T>(&self, what: &str, path: &str, mut effect: impl FnMut(&mut Disk) -> Result<T>) -> Result<T> {
        if self.is_stopped() {
            return Err(self.error(path));
        }
        let number = self.operations.fetch_add(1, Ordering::SeqCst);
        let fault = self.faults.iter().find(|(at, _)| *at == number).map(|(_, fault)| *fault);
        match fault {
            Some(Fault::Hang(steps)) => self.world.scheduler.sleep(steps),
            _ => self.world.scheduler.step(false),
        }
        self.world.land(false);
        self.world.trace(self.pid, || match fault {
            Some(fault) => format!("{number} {what} {path}: {fault:?}"),
            None => format!("{number} {what} {path}"),
        });
        if matches!(
            fault,
            Some(Fault::Fail | Fault::LandLate(_) | Fault::LoseAnswer | Fault::StopBefore | Fault::StopAfter)
        ) {
            self.troubled.store(true, Ordering::SeqCst);
        }
        match fault {
            None | Some(Fault::Hang(_)) => effect(&mut self.world.disk()),
            Some(Fault::Repeat) => {
                let first = effect(&mut self.world.disk())?;
                drop(first);
                effect(&mut self.world.disk())
            }
            Some(Fault::Fail | Fault::LandLate(_)) => Err(self.error(path)),
            Some(Fault::LoseAnswer) => {
                effect(&mut self.world.disk()).ok();
                Err(self.error(path))
            }
            Some(Fault::StopBefore) => {
                self.end();
                Err(self.error(path))
            }
            Some(Fault::StopAfter) => {
                effect(&mut self.world.disk()).ok();
                self.end();
                Err(self.error(path))
            }
        }
    }

    /// [`Process::operate`] of a put: it may land late.
    pub fn put<T>(
        &self,
        (path, bytes): (&str, &[u8]),
        if_absent: bool,
        effect: impl FnMut(&mut Disk) -> Result<T>,
    ) -> Result<T> {
        let number = self.operations();
        let late = self.faults.iter().find_map(|(at, fault)| match fault {
            Fault::LandLate(steps) if *at == number => Some(*steps),
            _ => None,
        });
        let answer = self.operate("put", path, effect);
        // What was answered well has landed, and does not once more.
        if let Some(steps) = late.filter(|_| answer.is_err() && !self.world.disk().is_file_system()) {
            let put = LatePut {
                due: self.world.scheduler.steps() + steps,
                path: path.to_owned(),
                bytes: Bytes::copy_from_slice(bytes),
                if_absent,
            };
            self.world.late.lock().unwrap_or_else(PoisonError::into_inner).push(put);
        }
        answer
    }

    pub fn now_on_disk(&self) -> DateTime<Utc> {
        self.world.scheduler.now()
    }

    pub fn missing(&self, path: &str) -> Error {
        Error::new(ErrorKind::NotFound, format!("File \"{}\" is not there!", self.location(path)))
    }
}

impl Environment for Process {
    fn now(&self) -> DateTime<Utc> {
        self.world.scheduler.now()
    }

    fn new_txid(&self) -> String {
        let number = self.txids.fetch_add(1, Ordering::SeqCst);
        format!("{:032x}", u64::from(self.pid) << 32 | number)
    }

    fn writer(&self) -> Writer {
        Writer { host: "here".into(), pid: self.pid, engine: "simulation".into(), process: self.pid.to_string() }
    }

    fn is_gone(&self, writer: &Writer) -> bool {
        self.world.ended().contains(&writer.pid)
    }

    /// Nobody can tell: markers outlive their lease with their writers alive.
    fn is_running(&self, _: &Writer) -> bool {
        false
    }

    fn memory(&self) -> &Memory {
        &self.memory
    }

    fn back_off(&self, _attempt: u32) {
        if !self.is_stopped() {
            self.world.scheduler.step(true);
        }
    }
}
