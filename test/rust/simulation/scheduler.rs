//! Who runs next: tasks are threads, but one runs at a time, and the seed says which.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Duration, Utc};

/// A run that takes longer than this is a livelock.
const MAX_STEPS: u64 = 100_000;

/// splitmix64: small, and the same on every machine.
#[derive(Debug, Clone)]
pub struct Rng(u64);

impl Rng {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 to `bound - 1`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    pub fn one_in(&mut self, count: u64) -> bool {
        self.below(count) == 0
    }

    pub fn pick<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.below(choices.len() as u64) as usize]
    }
}

/// How tasks are interleaved, and time passes.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// At one step of so many, another task may go on; 1: at every step.
    pub switch_one_in: u64,
    /// At one step of so many the clock jumps by hours: markers outlive the lease, records get old. `None`: never.
    pub jump_one_in: Option<u64>,
}

#[derive(Debug)]
pub struct Scheduler {
    state: Mutex<State>,
    wake: Vec<Condvar>,
}

#[derive(Debug)]
struct State {
    rng: Rng,
    pace: Pace,
    /// Who runs. `None`: nobody is scheduled, whoever calls goes on.
    current: Option<usize>,
    tasks: Vec<Task>,
    step: u64,
    clock: DateTime<Utc>,
    jumps_left: Duration,
    /// Listings under way: none takes hours.
    listings: u32,
}

#[derive(Debug, Clone, Default)]
struct Task {
    finished: bool,
    /// The step before which it only runs if nobody else can.
    asleep_until: u64,
}

impl Scheduler {
    /// For at most `tasks` tasks.
    pub fn new(seed: u64, tasks: usize, pace: Pace) -> Self {
        let state = State {
            rng: Rng::new(seed),
            pace,
            current: None,
            tasks: Vec::new(),
            step: 0,
            clock: DateTime::UNIX_EPOCH + Duration::days(20_000),
            // Less than what vacuum leaves in the trash: what a scan has planned stays readable.
            jumps_left: Duration::days(6),
            listings: 0,
        };
        Self { state: Mutex::new(state), wake: (0..tasks).map(|_| Condvar::new()).collect() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs all tasks to their end, one at a time.
    pub fn run(&self, tasks: Vec<Box<dyn FnOnce() + Send + '_>>) {
        {
            let mut state = self.lock();
            state.tasks = vec![Task::default(); tasks.len()];
            let first = state.rng.below(tasks.len() as u64) as usize;
            state.current = Some(first);
        }
        std::thread::scope(|scope| {
            for (number, task) in tasks.into_iter().enumerate() {
                scope.spawn(move || {
                    drop(self.wait_for_turn(self.lock(), number));
                    let _turn = PassOn { scheduler: self, task: number };
                    task();
                });
            }
        });
        self.lock().current = None;
    }

    fn wait_for_turn<'a>(&'a self, mut state: MutexGuard<'a, State>, task: usize) -> MutexGuard<'a, State> {
        while state.current != Some(task) {
            state = self.wake[task].wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state
    }

    /// Lets another task go on, perhaps. `away`: certainly, if there is one.
    pub fn step(&self, away: bool) {
        let mut state = self.lock();
        state.step += 1;
        assert!(state.step < MAX_STEPS, "the tasks do not come to an end");
        let Some(task) = state.current else { return };
        state.pass_time();
        let next = state.choose(task, away);
        if next != task {
            state.current = Some(next);
            self.wake[next].notify_one();
            drop(self.wait_for_turn(state, task));
        }
    }

    /// [`Scheduler::step`] in the middle of a listing.
    pub fn step_in_listing(&self) {
        self.lock().listings += 1;
        self.step(false);
        self.lock().listings -= 1;
    }

    /// Lets the others run for `steps` steps, as far as they can.
    pub fn sleep(&self, steps: u64) {
        let mut state = self.lock();
        if let Some(task) = state.current {
            state.tasks[task].asleep_until = state.step + steps;
        }
        drop(state);
        self.step(true);
    }

    pub fn now(&self) -> DateTime<Utc> {
        let state = self.lock();
        state.clock + Duration::microseconds(state.step as i64)
    }

    pub fn advance(&self, by: Duration) {
        self.lock().clock += by;
    }

    /// A coin.
    pub fn flip(&self) -> bool {
        self.lock().rng.one_in(2)
    }

    pub fn steps(&self) -> u64 {
        self.lock().step
    }
}

impl State {
    fn pass_time(&mut self) {
        if self.listings == 0 && self.pace.jump_one_in.is_some_and(|count| self.rng.one_in(count)) {
            let jump = Duration::hours(1 + self.rng.below(40) as i64);
            if jump < self.jumps_left {
                self.jumps_left -= jump;
                self.clock += jump;
            }
        }
    }

    fn choose(&mut self, task: usize, away: bool) -> usize {
        let awake = |number: &usize| !self.tasks[*number].finished && self.tasks[*number].asleep_until <= self.step;
        let mut ready: Vec<usize> = (0..self.tasks.len()).filter(awake).collect();
        if ready.is_empty() {
            let alive = (0..self.tasks.len()).filter(|number| !self.tasks[*number].finished);
            return alive.min_by_key(|number| self.tasks[*number].asleep_until).unwrap_or(task);
        }
        if ready.contains(&task) && !away && !self.rng.one_in(self.pace.switch_one_in) {
            return task;
        }
        if away && ready.len() > 1 {
            ready.retain(|number| *number != task);
        }
        *self.rng.pick(&ready)
    }
}

/// Hands the turn on when a task ends, also by a panic.
struct PassOn<'a> {
    scheduler: &'a Scheduler,
    task: usize,
}

impl Drop for PassOn<'_> {
    fn drop(&mut self) {
        let mut state = self.scheduler.lock();
        state.tasks[self.task].finished = true;
        let next = state.choose(self.task, true);
        if !state.tasks[next].finished {
            state.current = Some(next);
            self.scheduler.wake[next].notify_one();
        }
    }
}
