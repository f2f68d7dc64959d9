//! The queue of slots: what there is to do, in the order of the rows, and what is done already.

use std::collections::VecDeque;

use super::BATCH_ROWS;
use super::ahead::{Ahead, Charge};
use super::decode::{Decoded, Lane, Part};
use crate::error::{Error, Result};

/// Batches that a lane is decoded ahead of its consumer.
const AHEAD_BATCHES: usize = 16;

/// While row groups that are being decoded, and what was decoded ahead, take more than this for each thread, only what is
/// wanted next is decoded: of wide columns a few rows are a lot.
pub(super) const AHEAD_BYTES_PER_THREAD: u64 = 64 << 20;

/// Slots that are worked on, for each thread.
const WINDOW_SLOTS_PER_THREAD: usize = 2;

/// Row groups with more rows than this do not fit into the queue of one lane.
pub(super) const LARGE_GROUP_ROWS: u64 = (AHEAD_BATCHES * BATCH_ROWS) as u64;

/// All slots of a scan that are not yet handed out.
#[derive(Debug)]
pub(super) struct Slots {
    /// How many files the scan has.
    files: usize,
    /// How many threads may decode at once.
    threads: usize,
    /// The first file that has no slot yet.
    next_file: usize,
    next_id: u64,
    queue: VecDeque<Slot>,
    /// Where bytes have to travel: how far they are fetched ahead. `None`: what opens or decodes also reads.
    ahead: Option<Ahead>,
}

#[derive(Debug)]
pub(super) struct Slot {
    id: u64,
    owned: bool,
    content: Content,
}

#[derive(Debug)]
pub(super) enum Content {
    /// A file (position in the request), and whether somebody is opening it.
    File { index: usize, taken: bool },
    /// A row group of a file.
    Group { file: usize, lanes: Vec<LaneSlot> },
    /// A file that cannot be opened.
    Failed(Option<Error>),
}

#[derive(Debug)]
pub(super) struct LaneSlot {
    /// `None` while somebody decodes it or fetches for it, and when it is finished.
    lane: Option<Box<Lane>>,
    /// What it has in memory from its first batch to its last, in bytes: an estimate.
    stored_bytes: u64,
    begun: bool,
    finished: bool,
    ahead: VecDeque<Part>,
    /// Of what is decoded ahead.
    ahead_bytes: u64,
    /// What ended the lane, behind the batches before it.
    error: Option<Error>,
}

/// Something a thread can do without the lock.
#[derive(Debug)]
pub(super) enum Task {
    Open {
        slot: u64,
        index: usize,
        charge: Option<Charge>,
    },
    Decode {
        slot: u64,
        position: usize,
        lane: Box<Lane>,
    },
    /// Fetch what lanes of one row group need; each comes with its position.
    Fetch {
        slot: u64,
        lanes: Vec<(usize, Box<Lane>)>,
    },
}

/// What the owner of a slot can do.
pub(super) enum Step {
    Batch(Vec<Part>, usize),
    Do(Task),
    /// Another thread is at it.
    Busy,
    Drained,
    Failed(Error),
}

impl Slots {
    /// With `remote`, what travels is fetched by threads of its own.
    pub(super) fn new(files: usize, threads: usize, remote: bool) -> Self {
        let ahead = remote.then(Ahead::default);
        Self { files, threads, next_file: 0, next_id: 0, queue: VecDeque::new(), ahead }
    }

    /// How many slots, from the first, are worked on.
    fn window(&self) -> usize {
        let decoding = WINDOW_SLOTS_PER_THREAD * self.threads;
        self.ahead.as_ref().map_or(decoding, |ahead| ahead.slots().max(decoding))
    }

    /// Lets fetching run further ahead.
    pub(super) fn widen(&mut self) {
        if let Some(ahead) = &mut self.ahead {
            ahead.widen();
        }
    }

    /// Where the slot `id` is; it is gone when it is drained.
    pub(super) fn position(&self, id: u64) -> Option<usize> {
        self.queue.iter().position(|slot| slot.id == id)
    }

    /// Whether a file is being opened, or about to be: it may bring more slots.
    pub(super) fn are_opening(&self) -> bool {
        self.queue.iter().any(|slot| matches!(slot.content, Content::File { .. }))
    }

    /// Lets another consumer have the slot `id`.
    pub(super) fn disown(&mut self, id: u64) {
        if let Some(slot) = self.queue.iter_mut().find(|slot| slot.id == id) {
            slot.owned = false;
        }
    }

    /// Takes the slot at `position` out of the queue.
    pub(super) fn remove(&mut self, position: usize) {
        self.queue.remove(position);
    }

    /// Leaves nothing to do; gives back what there was.
    pub(super) fn clear(&mut self) -> VecDeque<Slot> {
        self.next_file = self.files;
        std::mem::take(&mut self.queue)
    }

    fn new_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    /// Makes slots of the next files, until the window is full.
    fn fill(&mut self, window: usize) {
        while self.queue.len() < window && self.next_file < self.files {
            let content = Content::File { index: self.next_file, taken: false };
            let id = self.new_id();
            self.queue.push_back(Slot { id, owned: false, content });
            self.next_file += 1;
        }
    }

    /// Makes the first slot that nobody owns a consumer's.
    pub(super) fn claim(&mut self) -> Option<u64> {
        if self.queue.iter().all(|slot| slot.owned) {
            self.fill(self.queue.len() + 1);
        }
        let free = self.queue.iter_mut().find(|slot| !slot.owned)?;
        free.owned = true;
        Some(free.id)
    }

    /// What the owner of the slot at `position` does next.
    pub(super) fn step(&mut self, position: usize) -> Step {
        let slot = &mut self.queue[position];
        match &mut slot.content {
            Content::Failed(error) => {
                Step::Failed(error.take().unwrap_or_else(|| Error::internal("An error came twice")))
            }
            Content::File { taken: true, .. } => Step::Busy,
            Content::File { .. } if self.ahead.is_some() => Step::Busy,
            Content::File { taken, index } => {
                *taken = true;
                Step::Do(Task::Open { slot: slot.id, index: *index, charge: None })
            }
            Content::Group { file, lanes } => {
                if lanes.iter().all(|lane| !lane.ahead.is_empty()) {
                    let parts = lanes.iter_mut().filter_map(LaneSlot::pop).collect();
                    return Step::Batch(parts, *file);
                }
                let mut done = 0;
                for (position, lane) in lanes.iter_mut().enumerate().filter(|(_, lane)| lane.ahead.is_empty()) {
                    if let Some(error) = lane.error.take() {
                        return Step::Failed(error);
                    }
                    done += usize::from(lane.finished);
                    if let Some(lane) = lane.take() {
                        return Step::Do(Task::Decode { slot: slot.id, position, lane });
                    }
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

    /// What row groups that are being decoded, and what was decoded ahead, take in memory.
    pub(super) fn bytes(&self) -> u64 {
        self.queue.iter().map(Slot::bytes).fold(0, u64::saturating_add)
    }

    /// What to open or decode within the window: the positions of its slot and, in a row group, of its lane.
    pub(super) fn find_task(&mut self) -> Option<(usize, usize)> {
        let window = self.window();
        self.fill(window);
        let ahead: usize = self.queue.iter().take(window).map(Slot::ahead).sum();
        let has_room = self.bytes() < AHEAD_BYTES_PER_THREAD.saturating_mul(self.threads as u64);
        // With enough decoded, only what is wanted next may still add to it.
        let reach = if has_room && ahead < AHEAD_BATCHES * self.threads { window } else { 1 };
        // The first slot comes last: its consumer is about to decode it, and each thread had better keep to its lane.
        (1..reach).chain([0]).find_map(|position| match &self.queue.get(position)?.content {
            Content::File { taken, .. } => (!taken && self.ahead.is_none()).then_some((position, 0)),
            Content::Group { lanes, .. } => {
                let most = if has_room { AHEAD_BATCHES } else { 1 };
                let free = |lane: &LaneSlot| lane.decodable() && lane.ahead.len() < most;
                lanes.iter().position(free).map(|lane| (position, lane))
            }
            Content::Failed(_) => None,
        })
    }

    pub(super) fn take_task(&mut self) -> Option<Task> {
        let (position, lane) = self.find_task()?;
        let slot = &mut self.queue[position];
        match &mut slot.content {
            Content::File { taken, index } => {
                *taken = true;
                Some(Task::Open { slot: slot.id, index: *index, charge: None })
            }
            Content::Group { lanes, .. } => {
                let taken = lanes[lane].take()?;
                Some(Task::Decode { slot: slot.id, position: lane, lane: taken })
            }
            Content::Failed(_) => None,
        }
    }

    /// The first slot that something has to be fetched for, as far as fetching may run ahead.
    pub(super) fn find_fetch(&mut self) -> Option<usize> {
        let window = self.ahead.as_ref()?.slots();
        self.fill(window);
        let ahead = self.ahead.as_ref()?;
        // The bound is overstepped in the order of the rows only: while a file before is unknown, it may need the room.
        let mut in_order = true;
        // What a consumer waits for is fetched in any case, and for what was begun there is room already.
        self.queue.iter().enumerate().position(|(position, slot)| match &slot.content {
            Content::File { taken, .. } => {
                in_order = false;
                !taken && (slot.owned || (position < window && ahead.has_room()))
            }
            Content::Group { lanes, .. } => {
                let mut short = lanes.iter().filter_map(|lane| lane.lane.as_ref()).filter(|lane| lane.is_short());
                let Some(first) = short.next() else { return false };
                let bytes =
                    || short.fold(first.estimated_bytes(), |sum, lane| sum.saturating_add(lane.estimated_bytes()));
                let has_room = || if in_order { ahead.has_room() } else { ahead.has_room_for(bytes()) };
                slot.owned || first.is_charged() || (position < window && has_room())
            }
            Content::Failed(_) => false,
        })
    }

    /// Takes what [`Slots::find_fetch`] finds; `file_bytes` says what opening a file fetches.
    pub(super) fn take_fetch(&mut self, file_bytes: impl FnOnce(usize) -> u64) -> Option<Task> {
        let position = self.find_fetch()?;
        let ahead = self.ahead.as_ref()?;
        let slot = &mut self.queue[position];
        match &mut slot.content {
            Content::File { taken, index } => {
                *taken = true;
                let charge = Some(ahead.charge(file_bytes(*index)));
                Some(Task::Open { slot: slot.id, index: *index, charge })
            }
            Content::Group { lanes, .. } => {
                let mut taken = Vec::new();
                for (position, lane) in lanes.iter_mut().enumerate() {
                    if let Some(mut lane) = lane.lane.take_if(|lane| lane.is_short()) {
                        lane.charge(ahead);
                        taken.push((position, lane));
                    }
                }
                Some(Task::Fetch { slot: slot.id, lanes: taken })
            }
            Content::Failed(_) => None,
        }
    }

    /// Whether nothing is left but to hand out.
    pub(super) fn is_all_decoded(&self) -> bool {
        self.next_file == self.files
            && self.queue.iter().all(|slot| match &slot.content {
                Content::File { .. } => false,
                Content::Group { lanes, .. } => lanes.iter().all(|lane| lane.finished),
                Content::Failed(_) => true,
            })
    }

    /// Replaces the slot of a file by those of its row groups. The first keeps the file's owner.
    pub(super) fn opened(&mut self, id: u64, opened: Result<Vec<Content>>) {
        // The slot is gone where the scan was stopped.
        let Some(position) = self.position(id) else { return };
        match opened {
            Err(error) => self.queue[position].content = Content::Failed(Some(error)),
            Ok(contents) => {
                if contents.is_empty() {
                    self.widen();
                }
                let behind = self.queue.split_off(position + 1);
                let file = self.queue.pop_back();
                for (index, content) in contents.into_iter().enumerate() {
                    let (id, owned) = match (&file, index) {
                        (Some(file), 0) => (file.id, file.owned),
                        _ => (self.new_id(), false),
                    };
                    self.queue.push_back(Slot { id, owned, content });
                }
                self.queue.extend(behind);
            }
        }
    }

    /// Puts a lane back, with what it gave.
    pub(super) fn decoded(&mut self, id: u64, position: usize, lane: Box<Lane>, decoded: Result<Decoded>) {
        let Some(slot) = self.lane(id, position) else { return };
        match decoded {
            Ok(Decoded::Part(part)) => {
                slot.push(part);
                slot.lane = Some(lane);
            }
            Ok(Decoded::Short) => slot.lane = Some(lane),
            Ok(Decoded::End) => slot.finished = true,
            Err(error) => {
                slot.finished = true;
                slot.error = Some(error);
            }
        }
    }

    /// Puts lanes back that something was fetched for. Where that failed they end: the first with the error.
    pub(super) fn fetched(&mut self, id: u64, lanes: Vec<(usize, Box<Lane>)>, fetched: Result<()>) {
        let mut error = fetched.err();
        let failed = error.is_some();
        for (position, lane) in lanes {
            let Some(slot) = self.lane(id, position) else { return };
            slot.finished = failed;
            slot.error = error.take();
            slot.lane = (!failed).then_some(lane);
        }
    }

    fn lane(&mut self, id: u64, position: usize) -> Option<&mut LaneSlot> {
        let slot = self.position(id)?;
        match &mut self.queue[slot].content {
            Content::Group { lanes, .. } => lanes.get_mut(position),
            _ => None,
        }
    }
}

impl Content {
    /// A row group of the file at `file` in the request.
    pub(super) fn group(file: usize, lanes: Vec<Lane>) -> Self {
        let lanes = lanes.into_iter().map(|lane| LaneSlot {
            stored_bytes: lane.stored_bytes(),
            lane: Some(Box::new(lane)),
            begun: false,
            finished: false,
            ahead: VecDeque::new(),
            ahead_bytes: 0,
            error: None,
        });
        Self::Group { file, lanes: lanes.collect() }
    }
}

impl LaneSlot {
    fn decodable(&self) -> bool {
        self.lane.as_ref().is_some_and(|lane| !lane.is_short())
    }

    /// The lane, to decode it; it is given back by [`Slots::decoded`].
    fn take(&mut self) -> Option<Box<Lane>> {
        let lane = self.lane.take_if(|lane| !lane.is_short());
        self.begun |= lane.is_some();
        lane
    }

    fn push(&mut self, part: Part) {
        self.ahead_bytes += part.memory_bytes();
        self.ahead.push_back(part);
    }

    fn pop(&mut self) -> Option<Part> {
        let part = self.ahead.pop_front()?;
        self.ahead_bytes -= part.memory_bytes();
        Some(part)
    }

    fn bytes(&self) -> u64 {
        let held = if self.begun && !self.finished { self.stored_bytes } else { 0 };
        held.saturating_add(self.ahead_bytes)
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

    /// What it has in memory.
    fn bytes(&self) -> u64 {
        match &self.content {
            Content::Group { lanes, .. } => lanes.iter().map(LaneSlot::bytes).fold(0, u64::saturating_add),
            _ => 0,
        }
    }
}
