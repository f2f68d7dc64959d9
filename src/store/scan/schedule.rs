//! Who decodes what, and when.
//!
//! The work is a queue of *slots* in the order of the rows: first one for each file, which opening the file replaces by
//! one for each of its row groups. A row group has one or more [`Lane`]s, and each lane a short queue of batches that
//! were decoded ahead. Decoding one batch of one lane (or opening one file) is a *task*; between two tasks a lane
//! belongs to nobody, so any thread can go on where another stopped.
//!
//! - A **consumer** owns the slot it is at, and hands out its batches. What is missing it decodes itself. Where another
//!   thread is just doing that, it does not wait but takes another task.
//! - **Workers** (background threads) take a task within a window of slots whose queue has room. They are
//!   started when a consumer comes back for more.
//!
//! A single consumer owns the first slot, always: its rows come in order. Several consumers own a slot each, and there
//! are fewer workers by as many, so that no more than the threads asked for decode at once.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::decode::{Lane, assemble};
use super::open::OpenFile;
use super::slots::{Content, LARGE_GROUP_ROWS, Slots, Step, Task};
use super::{ScanBatch, ScanContext};
use crate::error::Result;

/// A scan's work and its state.
#[derive(Debug)]
pub(super) struct Schedule {
    context: ScanContext,
    state: Mutex<State>,
    /// Something was decoded or opened: consumers may go on.
    ready: Condvar,
    /// Something was consumed: workers may go on.
    room: Condvar,
}

/// What one consumer owns.
#[derive(Debug, Default)]
pub(super) struct Claim {
    /// Whether the consumer has asked for batches yet.
    active: bool,
    slot: Option<u64>,
}

#[derive(Debug)]
struct State {
    slots: Slots,
    /// Consumers that have asked for batches.
    consumers: usize,
    /// Background threads that run.
    workers: usize,
    /// Whether a consumer came back after its first task: only then are workers worth their start.
    busy: bool,
    stopped: bool,
}

impl Schedule {
    pub(super) fn new(context: ScanContext) -> Self {
        let slots = Slots::new(context.files.len(), context.threads);
        let state = State { slots, consumers: 0, workers: 0, busy: false, stopped: false };
        Self { context, state: Mutex::new(state), ready: Condvar::new(), room: Condvar::new() }
    }

    pub(super) fn context(&self) -> &ScanContext {
        &self.context
    }

    /// Ends the scan: threads stop after their task, consumers get nothing more.
    pub(super) fn stop(&self) {
        let mut state = self.lock();
        state.stopped = true;
        let left = state.slots.clear();
        drop(state);
        drop(left);
        self.ready.notify_all();
        self.room.notify_all();
    }

    /// Gives back what a consumer that leaves has not handed out.
    pub(super) fn release(&self, claim: &mut Claim) {
        let mut state = self.lock();
        if let Some(slot) = claim.slot.take() {
            state.slots.disown(slot);
        }
        state.consumers -= usize::from(std::mem::take(&mut claim.active));
        drop(state);
        self.ready.notify_all();
    }

    /// The next batch for the consumer of `claim`.
    pub(super) fn next(self: &Arc<Self>, claim: &mut Claim) -> Result<Option<ScanBatch>> {
        let mut state = self.lock();
        if !std::mem::replace(&mut claim.active, true) {
            state.consumers += 1;
        } else {
            state.busy = true;
        }
        while !state.stopped {
            let Some(position) = claim.slot.and_then(|slot| state.slots.position(slot)) else {
                claim.slot = state.slots.claim();
                if claim.slot.is_none() {
                    // A file that is being opened may bring row groups to share.
                    if !state.slots.are_opening() {
                        claim.active = false;
                        state.consumers -= 1;
                        return Ok(None);
                    }
                    state = self.ready.wait(state).unwrap_or_else(PoisonError::into_inner);
                }
                continue;
            };
            match state.slots.step(position) {
                Step::Batch(parts, file) => {
                    drop(state);
                    self.room.notify_one();
                    let batch = assemble(&self.context, parts)?;
                    let partition = self.context.files[file].partition.clone();
                    return Ok(Some(ScanBatch { batch, partition, file }));
                }
                Step::Drained => {
                    state.slots.remove(position);
                    self.room.notify_all();
                }
                Step::Failed(error) => {
                    drop(state);
                    self.stop();
                    return Err(error);
                }
                Step::Do(task) => {
                    self.start_worker(&mut state);
                    state = self.run(state, task);
                    state.busy = true;
                }
                Step::Busy => {
                    state = match state.slots.take_task() {
                        Some(task) => self.run(state, task),
                        None => self.ready.wait(state).unwrap_or_else(PoisonError::into_inner),
                    };
                }
            }
        }
        Ok(None)
    }

    /// Starts one more worker where there is a thread to spare and something to do.
    fn start_worker(self: &Arc<Self>, state: &mut State) {
        if !state.busy || state.consumers + state.workers >= self.context.threads || state.slots.find_task().is_none() {
            return;
        }
        let schedule = self.clone();
        let work = move || schedule.work();
        // Without another thread the consumers do all the work themselves.
        if std::thread::Builder::new().name("amplify scan".to_owned()).spawn(work).is_ok() {
            state.workers += 1;
        }
    }

    /// The life of a worker.
    fn work(&self) {
        let mut state = self.lock();
        loop {
            let too_many = state.consumers + state.workers > self.context.threads;
            if state.stopped || too_many || state.slots.is_all_decoded() {
                state.workers -= 1;
                return;
            }
            state = match state.slots.take_task() {
                Some(task) => self.run(state, task),
                None => self.room.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    /// Does a task without the lock, and puts its result where it belongs.
    fn run<'a>(&'a self, state: MutexGuard<'a, State>, task: Task) -> MutexGuard<'a, State> {
        drop(state);
        let mut state;
        match task {
            Task::Open { slot, index } => {
                let opened = OpenFile::open(&self.context, index).map(|file| self.split(file));
                state = self.lock();
                state.slots.opened(slot, opened);
                self.room.notify_all();
            }
            Task::Decode { slot, position, mut lane } => {
                let decoded = lane.next(&self.context);
                state = self.lock();
                state.slots.decoded(slot, position, lane, decoded);
            }
        }
        self.ready.notify_all();
        state
    }

    /// The contents of the slots that replace a file's.
    fn split(&self, file: OpenFile) -> Vec<Content> {
        let file = Arc::new(file);
        let group = |group: usize| {
            // What fits into the queues is better decoded by one thread, while others are at the next row groups.
            let large = file.groups[group].rows > LARGE_GROUP_ROWS;
            let max_lanes = if large { self.context.threads } else { 1 };
            Content::group(file.index, Lane::split(&self.context, &file, group, max_lanes))
        };
        (0..file.groups.len()).map(group).collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
