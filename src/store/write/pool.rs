//! The worker threads of one write: jobs in, failures out, and how much memory jobs in progress may hold.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, unbounded};

use super::buffer::RowGroupRows;
use super::encode::Encoder;
use super::stream::{FileRules, Files, Item, Stream};
use super::transaction::Transaction;
use crate::error::{Error, Result};

/// One row group to encode and deliver, or (without rows) the end of a stream.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) stream: Arc<Stream>,
    /// The job's place in its stream.
    pub(super) sequence: u64,
    pub(super) rows: Option<RowGroupRows>,
    /// Whether the stream ends after it.
    pub(super) last: bool,
}

impl Job {
    fn run(self, files: &Files) -> Result<()> {
        let row_group = match self.rows {
            None => None,
            Some(rows) => {
                let batch = rows.gather()?;
                drop(rows); // with the last row group of a buffer, the buffer's memory is free for the next
                Some(files.encoder.encode(files.encoder.order().sort(batch)?)?)
            }
        };
        self.stream.deliver(self.sequence, Item { row_group, last: self.last }, files)
    }
}

/// Threads that take jobs in the order they were sent. Dropped, they stop after the job at hand.
#[derive(Debug)]
pub(super) struct Pool {
    jobs: Option<Sender<Job>>,
    /// For the threads, and for the one that pushes rows, which takes jobs where it would have to wait.
    queue: Receiver<Job>,
    files: Arc<Files>,
    threads: Vec<JoinHandle<()>>,
    max_threads: usize,
    failure: Arc<Failure>,
    memory: Arc<Memory>,
}

impl Pool {
    /// A pool of at most `max_threads`, at least one. `memory_bytes` is what the rows of jobs may take; see
    /// [`Pool::reserve`].
    pub(super) fn new(
        max_threads: usize,
        memory_bytes: usize,
        encoder: Encoder,
        rules: FileRules,
        transaction: Arc<Transaction>,
    ) -> Self {
        let (sender, receiver) = unbounded();
        Self {
            jobs: Some(sender),
            queue: receiver,
            files: Arc::new(Files { encoder, transaction, rules, open_footers_bytes: AtomicUsize::new(0) }),
            threads: Vec::new(),
            max_threads: max_threads.max(1),
            failure: Arc::default(),
            memory: Arc::new(Memory { limit: memory_bytes, used: Mutex::new(0), freed: Condvar::new() }),
        }
    }

    /// Starts the threads that so many jobs can use. A write of one row group is done faster without any, by
    /// [`Pool::finish`].
    pub(super) fn staff(&mut self, jobs: usize) -> Result<()> {
        while self.threads.len() < self.max_threads.min(jobs) {
            let (queue, files, failure) = (self.queue.clone(), self.files.clone(), self.failure.clone());
            let thread = std::thread::Builder::new()
                .name("amplify-write".to_owned())
                .spawn(move || queue.iter().for_each(|job| attempt(job, &files, &failure)))
                .map_err(|source| Error::internal("Could not start a thread").with_source(source))?;
            self.threads.push(thread);
        }
        Ok(())
    }

    /// Waits until jobs may hold `bytes` more, and works on them meanwhile. A request above the limit waits until it is
    /// the only one.
    pub(super) fn reserve(&self, bytes: usize) -> Reservation {
        loop {
            if let Some(reservation) = self.memory.try_reserve(bytes) {
                return reservation;
            }
            match self.queue.try_recv() {
                Ok(job) => attempt(job, &self.files, &self.failure),
                Err(_) => return self.memory.reserve(bytes),
            }
        }
    }

    /// Queues a job. It is dropped where a job before it failed.
    pub(super) fn send(&self, job: Job) {
        if let Some(jobs) = &self.jobs {
            // This pool receives itself, so that it cannot fail.
            let _ = jobs.send(job);
        }
    }

    /// The error of the first job that failed, once; afterwards that the write has failed.
    pub(super) fn check(&self) -> Result<()> {
        if !self.failure.failed.load(Ordering::Acquire) {
            return Ok(());
        }
        let first = lock(&self.failure.error).take();
        Err(first.unwrap_or_else(|| Error::invalid("This write has failed before; nothing of it was kept!")))
    }

    /// Does what is left, and waits until every job is done.
    pub(super) fn finish(&mut self) -> Result<()> {
        while let Ok(job) = self.queue.try_recv() {
            attempt(job, &self.files, &self.failure);
        }
        self.join();
        self.check()
    }

    fn join(&mut self) {
        self.jobs = None;
        for thread in self.threads.drain(..) {
            if let Err(panic) = thread.join() {
                self.failure.set(panicked(panic.as_ref()));
            }
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.failure.failed.store(true, Ordering::Release);
        self.join();
    }
}

/// Does a job. After a failure jobs are only dropped, so that nobody waits for their memory.
fn attempt(job: Job, files: &Files, failure: &Failure) {
    if failure.failed.load(Ordering::Acquire) {
        return;
    }
    match catch_unwind(AssertUnwindSafe(|| job.run(files))) {
        Ok(Ok(())) => {}
        Ok(Err(error)) => failure.set(error),
        Err(panic) => failure.set(panicked(panic.as_ref())),
    }
}

fn panicked(panic: &(dyn Any + Send)) -> Error {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    Error::internal(format!("A thread that encodes records panicked: {}", text.unwrap_or("for unknown reasons")))
}

/// The first failure of any job.
#[derive(Debug, Default)]
struct Failure {
    failed: AtomicBool,
    error: Mutex<Option<Error>>,
}

impl Failure {
    fn set(&self, error: Error) {
        let mut first = lock(&self.error);
        if !self.failed.swap(true, Ordering::AcqRel) {
            *first = Some(error);
        }
    }
}

/// A share of the memory for jobs, given back when dropped.
#[derive(Debug)]
pub(super) struct Reservation {
    memory: Arc<Memory>,
    bytes: usize,
}

#[derive(Debug)]
struct Memory {
    limit: usize,
    used: Mutex<usize>,
    freed: Condvar,
}

impl Memory {
    fn reserve(self: &Arc<Self>, bytes: usize) -> Reservation {
        let full = |used: &mut usize| self.is_full(*used, bytes);
        let mut used = self.freed.wait_while(lock(&self.used), full).unwrap_or_else(PoisonError::into_inner);
        *used += bytes;
        Reservation { memory: self.clone(), bytes }
    }

    /// [`Memory::reserve`] where that need not wait.
    fn try_reserve(self: &Arc<Self>, bytes: usize) -> Option<Reservation> {
        let mut used = lock(&self.used);
        if self.is_full(*used, bytes) {
            return None;
        }
        *used += bytes;
        Some(Reservation { memory: self.clone(), bytes })
    }

    fn is_full(&self, used: usize, bytes: usize) -> bool {
        used > 0 && used + bytes > self.limit
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        *lock(&self.memory.used) -= self.bytes;
        self.memory.freed.notify_all();
    }
}

/// Locks; a panic elsewhere is reported by itself and leaves these values whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn memory_is_given_out_up_to_the_limit() {
        let memory = Arc::new(Memory { limit: 100, used: Mutex::new(0), freed: Condvar::new() });
        let first = memory.reserve(60);
        let second = memory.reserve(40);
        let (sender, receiver) = unbounded();
        let waiting = {
            let memory = memory.clone();
            std::thread::spawn(move || sender.send(memory.reserve(500)).unwrap())
        };
        assert!(memory.try_reserve(1).is_none());
        drop(second);
        assert!(memory.try_reserve(41).is_none());
        drop(memory.try_reserve(40).unwrap());
        assert!(receiver.recv_timeout(Duration::from_millis(50)).is_err(), "60 of 100 are in use");
        drop(first);
        // More than the limit, but alone.
        drop(receiver.recv_timeout(Duration::from_secs(10)).unwrap());
        waiting.join().unwrap();
        assert_eq!(*lock(&memory.used), 0);
    }
}
