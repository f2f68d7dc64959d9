//! Who decodes what, and when.
//!
//! The work is a queue of *slots* in the order of the rows: first one for each file, which opening the file replaces by
//! one for each of its row groups. A row group has one or more [`Lane`]s, and each lane a short queue of batches that
//! were decoded ahead. Decoding one batch of one lane (or opening one file) is a *task*; between two tasks a lane
//! belongs to nobody, so any thread can go on where another stopped.
//!
//! - A **consumer** owns the slot it is at, and hands out its batches. What is missing it decodes itself. Where another
//!   thread is just doing that, it does not wait but takes another task.
//! - **Workers** (background threads) take the first task within a window of slots whose queue has room. They are
//!   started when a consumer comes back for more.
//!
//! A single consumer owns the first slot, always: its rows come in order. Several consumers own a slot each, and there
//! are fewer workers by as many, so that no more than the threads asked for decode at once.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::decode::{Lane, Part, assemble};
use super::open::OpenFile;
use super::{BATCH_ROWS, ScanBatch, ScanContext};
use crate::error::{Error, Result};

/// Batches that a lane is decoded ahead of its consumer.
const AHEAD_BATCHES: usize = 16;

/// Slots that are worked on, for each thread.
const WINDOW_SLOTS_PER_THREAD: usize = 2;

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

#[derive(Debug, Default)]
struct State {
    /// The first file that has no slot yet.
    next_file: usize,
    next_id: u64,
    slots: VecDeque<Slot>,
    /// Consumers that have asked for batches.
    consumers: usize,
    /// Background threads that run.
    workers: usize,
    /// Whether a consumer came back after its first task: only then are workers worth their start.
    busy: bool,
    stopped: bool,
}

#[derive(Debug)]
struct Slot {
    id: u64,
    owned: bool,
    content: Content,
}

#[derive(Debug)]
enum Content {
    /// A file (position in the request), and whether somebody is opening it.
    File { index: usize, taken: bool },
    /// A row group of a file.
    Group { file: usize, lanes: Vec<LaneSlot> },
    /// A file that cannot be opened.
    Failed(Option<Error>),
}

#[derive(Debug)]
struct LaneSlot {
    /// `None` while somebody decodes it, and when it is finished.
    lane: Option<Box<Lane>>,
    finished: bool,
    ahead: VecDeque<Part>,
    /// What ended the lane, behind the batches before it.
    error: Option<Error>,
}

/// Something a thread can do without the lock.
#[derive(Debug)]
enum Task {
    Open { slot: u64, index: usize },
    Decode { slot: u64, position: usize, lane: Box<Lane> },
}

/// What the owner of a slot can do.
enum Step {
    Batch(Vec<Part>, usize),
    Do(Task),
    /// Another thread is at it.
    Busy,
    Drained,
    Failed(Error),
}

impl Schedule {
    pub(super) fn new(context: ScanContext) -> Self {
        Self { context, state: Mutex::default(), ready: Condvar::new(), room: Condvar::new() }
    }

    pub(super) fn context(&self) -> &ScanContext {
        &self.context
    }

    /// Ends the scan: threads stop after their task, consumers get nothing more.
    pub(super) fn stop(&self) {
        let mut state = self.lock();
        state.stopped = true;
        let slots = std::mem::take(&mut state.slots);
        drop(state);
        drop(slots);
        self.ready.notify_all();
        self.room.notify_all();
    }

    /// Gives back what a consumer that leaves has not handed out.
    pub(super) fn release(&self, claim: &mut Claim) {
        let mut state = self.lock();
        if let Some(position) = claim.slot.take().and_then(|slot| state.position(slot)) {
            state.slots[position].owned = false;
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
            let Some(position) = claim.slot.and_then(|slot| state.position(slot)) else {
                claim.slot = state.claim(self);
                if claim.slot.is_none() {
                    // A file that is being opened may bring row groups to share.
                    if !state.slots.iter().any(|slot| matches!(slot.content, Content::File { .. })) {
                        claim.active = false;
                        state.consumers -= 1;
                        return Ok(None);
                    }
                    state = self.ready.wait(state).unwrap_or_else(PoisonError::into_inner);
                }
                continue;
            };
            match state.step(position) {
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
                    state = match state.take_task(self) {
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
        if !state.busy || state.consumers + state.workers >= self.context.threads || state.find_task(self).is_none() {
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
            if state.stopped || too_many || state.is_all_decoded(self) {
                state.workers -= 1;
                return;
            }
            state = match state.take_task(self) {
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
                state.opened(slot, opened);
                self.room.notify_all();
            }
            Task::Decode { slot, position, mut lane } => {
                let decoded = lane.next(&self.context);
                state = self.lock();
                state.decoded(slot, position, lane, decoded);
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
            let large = file.groups[group].rows > (AHEAD_BATCHES * BATCH_ROWS) as u64;
            let max_lanes = if large { self.context.threads } else { 1 };
            let lanes = Lane::split(&self.context, &file, group, max_lanes).into_iter().map(|lane| LaneSlot {
                lane: Some(Box::new(lane)),
                finished: false,
                ahead: VecDeque::new(),
                error: None,
            });
            Content::Group { file: file.index, lanes: lanes.collect() }
        };
        (0..file.groups.len()).map(group).collect()
    }

    fn window(&self) -> usize {
        WINDOW_SLOTS_PER_THREAD * self.context.threads
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn position(&self, id: u64) -> Option<usize> {
        self.slots.iter().position(|slot| slot.id == id)
    }

    fn new_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    /// Makes slots of the next files, until the window is full.
    fn fill(&mut self, schedule: &Schedule, window: usize) {
        while self.slots.len() < window && self.next_file < schedule.context.files.len() {
            let content = Content::File { index: self.next_file, taken: false };
            let id = self.new_id();
            self.slots.push_back(Slot { id, owned: false, content });
            self.next_file += 1;
        }
    }

    /// Makes the first slot that nobody owns a consumer's.
    fn claim(&mut self, schedule: &Schedule) -> Option<u64> {
        if self.slots.iter().all(|slot| slot.owned) {
            self.fill(schedule, self.slots.len() + 1);
        }
        let free = self.slots.iter_mut().find(|slot| !slot.owned)?;
        free.owned = true;
        Some(free.id)
    }

    /// What the owner of the slot at `position` does next.
    fn step(&mut self, position: usize) -> Step {
        let slot = &mut self.slots[position];
        match &mut slot.content {
            Content::Failed(error) => {
                Step::Failed(error.take().unwrap_or_else(|| Error::internal("An error came twice")))
            }
            Content::File { taken: true, .. } => Step::Busy,
            Content::File { taken, index } => {
                *taken = true;
                Step::Do(Task::Open { slot: slot.id, index: *index })
            }
            Content::Group { file, lanes } => {
                if lanes.iter().all(|lane| !lane.ahead.is_empty()) {
                    let parts = lanes.iter_mut().filter_map(|lane| lane.ahead.pop_front()).collect();
                    return Step::Batch(parts, *file);
                }
                let mut done = 0;
                for (position, lane) in lanes.iter_mut().enumerate().filter(|(_, lane)| lane.ahead.is_empty()) {
                    if let Some(error) = lane.error.take() {
                        return Step::Failed(error);
                    }
                    if let Some(lane) = lane.lane.take() {
                        return Step::Do(Task::Decode { slot: slot.id, position, lane });
                    }
                    done += usize::from(lane.finished);
                }
                match done {
                    0 => Step::Busy,
                    done if done == lanes.len() => Step::Drained,
                    _ if lanes.iter().all(|lane| lane.finished) => {
                        Step::Failed(Error::internal("The columns of a row group fell out of step"))
                    }
                    _ => Step::Busy,
                }
            }
        }
    }

    /// The first task within the window: the positions of its slot and, in a row group, of its lane.
    fn find_task(&mut self, schedule: &Schedule) -> Option<(usize, usize)> {
        let window = schedule.window();
        self.fill(schedule, window);
        let ahead: usize = self.slots.iter().take(window).map(Slot::ahead).sum();
        // With enough decoded, only what is wanted next may still add to it.
        let reach = if ahead < AHEAD_BATCHES * schedule.context.threads { window } else { 1 };
        self.slots.iter().take(reach).enumerate().find_map(|(position, slot)| match &slot.content {
            Content::File { taken, .. } => (!taken).then_some((position, 0)),
            Content::Group { lanes, .. } => {
                let free = |lane: &LaneSlot| lane.lane.is_some() && lane.ahead.len() < AHEAD_BATCHES;
                lanes.iter().position(free).map(|lane| (position, lane))
            }
            Content::Failed(_) => None,
        })
    }

    fn take_task(&mut self, schedule: &Schedule) -> Option<Task> {
        let (position, lane) = self.find_task(schedule)?;
        let slot = &mut self.slots[position];
        match &mut slot.content {
            Content::File { taken, index } => {
                *taken = true;
                Some(Task::Open { slot: slot.id, index: *index })
            }
            Content::Group { lanes, .. } => {
                let taken = lanes[lane].lane.take()?;
                Some(Task::Decode { slot: slot.id, position: lane, lane: taken })
            }
            Content::Failed(_) => None,
        }
    }

    /// Whether nothing is left but to hand out.
    fn is_all_decoded(&self, schedule: &Schedule) -> bool {
        self.next_file == schedule.context.files.len()
            && self.slots.iter().all(|slot| match &slot.content {
                Content::File { .. } => false,
                Content::Group { lanes, .. } => lanes.iter().all(|lane| lane.finished),
                Content::Failed(_) => true,
            })
    }

    /// Replaces the slot of a file by those of its row groups. The first keeps the file's owner.
    fn opened(&mut self, id: u64, opened: Result<Vec<Content>>) {
        // The slot is gone where the scan was stopped.
        let Some(position) = self.position(id) else { return };
        match opened {
            Err(error) => self.slots[position].content = Content::Failed(Some(error)),
            Ok(contents) => {
                let behind = self.slots.split_off(position + 1);
                let file = self.slots.pop_back();
                for (index, content) in contents.into_iter().enumerate() {
                    let (id, owned) = match (&file, index) {
                        (Some(file), 0) => (file.id, file.owned),
                        _ => (self.new_id(), false),
                    };
                    self.slots.push_back(Slot { id, owned, content });
                }
                self.slots.extend(behind);
            }
        }
    }

    /// Puts a lane back, with what it gave.
    fn decoded(&mut self, id: u64, position: usize, lane: Box<Lane>, decoded: Result<Option<Part>>) {
        let Some(slot) = self.position(id) else { return };
        let Content::Group { lanes, .. } = &mut self.slots[slot].content else { return };
        let slot = &mut lanes[position];
        match decoded {
            Ok(Some(part)) => {
                slot.ahead.push_back(part);
                slot.lane = Some(lane);
            }
            Ok(None) => slot.finished = true,
            Err(error) => {
                slot.finished = true;
                slot.error = Some(error);
            }
        }
    }
}

impl Slot {
    /// Batches decoded ahead; the lanes of a row group hold parts of the same ones.
    fn ahead(&self) -> usize {
        match &self.content {
            Content::Group { lanes, .. } => lanes.iter().map(|lane| lane.ahead.len()).max().unwrap_or(0),
            _ => 0,
        }
    }
}
