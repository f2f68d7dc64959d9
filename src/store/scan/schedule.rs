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
//! - Where bytes have to travel, **fetchers** (more background threads, which wait rather than work) open files and
//!   fetch what row groups need, before the others come to them; those then decode and never wait for an answer
//!   themselves. How far ahead is up to [`super::ahead`].
//!
//! A single consumer owns the first slot, always: its rows come in order. Several consumers own a slot each, and there
//! are fewer workers by as many, so that no more than the threads asked for decode at once.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::ahead::MAX_FETCHERS;
use super::decode::{Lane, assemble, fetch};
use super::open::OpenFile;
use super::slots::{Content, LARGE_GROUP_ROWS, Slots, Step, Task};
use super::{ScanBatch, ScanContext};
use crate::error::{Error, Result};

/// A scan's work and its state.
#[derive(Debug)]
pub(super) struct Schedule {
    context: ScanContext,
    state: Mutex<State>,
    /// Something was decoded or opened: consumers may go on.
    ready: Condvar,
    /// Something was consumed: workers may go on.
    room: Condvar,
    /// There is more to fetch.
    line: Condvar,
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
    /// Threads that fetch, and how many of them have nothing to do.
    fetchers: usize,
    idle_fetchers: usize,
    /// Whether a consumer came back after its first task: only then are workers worth their start.
    busy: bool,
    stopped: bool,
}

impl Schedule {
    pub(super) fn new(context: ScanContext) -> Self {
        let slots = Slots::new(context.files.len(), context.threads, context.access.remote);
        let state =
            State { slots, consumers: 0, workers: 0, fetchers: 0, idle_fetchers: 0, busy: false, stopped: false };
        let [ready, room, line] = std::array::from_fn(|_| Condvar::new());
        Self { context, state: Mutex::new(state), ready, room, line }
    }

    pub(super) fn context(&self) -> &ScanContext {
        &self.context
    }

    /// See [`Slots::bytes`].
    #[cfg(test)]
    pub(super) fn bytes(&self) -> u64 {
        self.lock().slots.bytes()
    }

    /// Ends the scan: threads stop after their task, consumers get nothing more. Nobody waits for them.
    pub(super) fn stop(&self) {
        self.context.cancel.cancel();
        let mut state = self.lock();
        state.stopped = true;
        let left = state.slots.clear();
        drop(state);
        drop(left);
        self.ready.notify_all();
        self.room.notify_all();
        self.line.notify_all();
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
                    state.slots.widen();
                    self.call_fetcher(&mut state);
                    drop(state);
                    self.room.notify_one();
                    let batch = assemble(&self.context, parts)?;
                    let partition = self.context.files[file].partition.clone();
                    return Ok(Some(ScanBatch { batch, partition, file }));
                }
                Step::Drained => {
                    state.slots.remove(position);
                    state.slots.widen();
                    self.room.notify_all();
                    if state.slots.is_all_decoded() {
                        self.line.notify_all();
                    }
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
                    self.call_fetcher(&mut state);
                    let mut task = state.slots.take_task();
                    if task.is_none() && state.fetchers == 0 {
                        // Without a thread that fetches, the consumers do it themselves.
                        task = self.take_fetch(&mut state);
                    }
                    state = match task {
                        Some(task) => {
                            self.start_worker(&mut state);
                            self.run(state, task)
                        }
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

    /// Sees to it that somebody fetches, where there is something to fetch.
    fn call_fetcher(self: &Arc<Self>, state: &mut State) {
        if state.stopped || state.slots.find_fetch().is_none() {
            return;
        }
        if state.idle_fetchers > 0 {
            self.line.notify_one();
        } else if state.fetchers < self.context.access.concurrency.min(MAX_FETCHERS) {
            let schedule = self.clone();
            let fetch = move || schedule.fetch();
            if std::thread::Builder::new().name("amplify fetch".to_owned()).spawn(fetch).is_ok() {
                state.fetchers += 1;
            }
        }
    }

    fn take_fetch(&self, state: &mut State) -> Option<Task> {
        state.slots.take_fetch(|file| OpenFile::fetched_bytes(&self.context, &self.context.files[file].meta))
    }

    /// The life of a fetcher.
    fn fetch(self: &Arc<Self>) {
        let mut state = self.lock();
        while !state.stopped && !state.slots.is_all_decoded() {
            state = match self.take_fetch(&mut state) {
                Some(task) => {
                    self.call_fetcher(&mut state);
                    self.run(state, task)
                }
                None => {
                    state.idle_fetchers += 1;
                    let mut state = self.line.wait(state).unwrap_or_else(PoisonError::into_inner);
                    state.idle_fetchers -= 1;
                    state
                }
            };
        }
        state.fetchers -= 1;
    }

    /// The life of a worker.
    fn work(self: &Arc<Self>) {
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
    fn run<'a>(self: &'a Arc<Self>, state: MutexGuard<'a, State>, task: Task) -> MutexGuard<'a, State> {
        drop(state);
        let mut state;
        match task {
            Task::Open { slot, index, charge } => {
                let open = || OpenFile::open(&self.context, index, charge).map(|file| self.split(file));
                let opened = guarded(open);
                state = self.lock();
                state.slots.opened(slot, opened);
                self.room.notify_all();
            }
            Task::Fetch { slot, mut lanes } => {
                let fetched = guarded(|| fetch(&mut lanes));
                state = self.lock();
                state.slots.fetched(slot, lanes, fetched);
                self.room.notify_all();
            }
            Task::Decode { slot, position, mut lane } => {
                let decoded = lane.next(&self.context);
                state = self.lock();
                state.slots.decoded(slot, position, lane, decoded);
            }
        }
        self.ready.notify_all();
        self.call_fetcher(&mut state);
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

/// A panic of a backend must not leave a consumer waiting.
fn guarded<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err(Error::internal("A thread that reads files panicked")))
}
