//! A file that goes up in parts while it is still being written.
//!
//! A task of its own sends the parts, some at a time; the writer hands them over and is held up where the network does
//! not keep pace. Parts in memory are bounded for the whole process, since many files may be written at once.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use object_store::path::Path;
use object_store::{Error as StoreError, MultipartUpload, ObjectStore, ObjectStoreExt, PutPayload, PutResult};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::{JoinHandle, JoinSet};

use super::Remote;
use super::failure::is_unanswered;
use super::patience::Patience;
use super::runtime::{runtime, wait};
use crate::error::{Error, Result};

/// Parts of one file under way at a time.
const PARTS_PER_FILE: usize = 4;
/// Parts of all files in memory, under way or waiting.
const PARTS_IN_MEMORY: usize = 16;

static PERMITS: Mutex<Option<(u32, Arc<Semaphore>)>> = Mutex::new(None);

/// A multipart upload under way.
#[derive(Debug)]
pub struct Upload {
    parts: mpsc::Sender<Step>,
    task: JoinHandle<Result<Option<PutResult>, StoreError>>,
}

enum Step {
    Part(Bytes, OwnedSemaphorePermit),
    Finish,
}

/// Why parts are no longer taken: the store's error, or ours.
pub enum Failed {
    Store(StoreError),
    Here(Error),
}

impl Failed {
    /// The error of creating the file at `path`.
    pub fn error(self, remote: &Remote, path: &str) -> Error {
        match self {
            Self::Store(error) => remote.failure("create", path, &error),
            Self::Here(error) => error,
        }
    }
}

impl Upload {
    /// Begins it; the store is asked in the background.
    pub fn begin(store: Arc<dyn ObjectStore>, key: Path) -> Result<Self> {
        let (parts, steps) = mpsc::channel(1);
        Ok(Self { parts, task: runtime()?.spawn(run(store, key, steps)) })
    }

    /// Hands the next part over, and waits while there are too many. After an error the upload is over.
    pub fn send(self, part: Bytes) -> Result<Self, Failed> {
        let permits = permits().map_err(Failed::Here)?;
        let sent = wait(async {
            let closed = || Error::internal("Parts of files are no longer counted");
            let permit = permits.acquire_owned().await.map_err(|_| closed())?;
            Ok(self.parts.send(Step::Part(part, permit)).await)
        });
        match sent {
            Err(error) => Err(Failed::Here(error)),
            Ok(Ok(())) => Ok(self),
            // The task ended before its time: with an error.
            Ok(Err(_)) => match wait(async { Ok(self.outcome().await) }) {
                Ok(Err(failed)) => Err(failed),
                Ok(Ok(_)) => Err(Failed::Here(lost())),
                Err(error) => Err(Failed::Here(error)),
            },
        }
    }

    /// Waits for all parts, and makes the file appear.
    pub async fn finish(self) -> Result<PutResult, Failed> {
        // Where it is not taken, the task has ended, and its outcome says why.
        let _ = self.parts.send(Step::Finish).await;
        self.outcome().await?.ok_or_else(|| Failed::Here(lost()))
    }

    async fn outcome(self) -> Result<Option<PutResult>, Failed> {
        let joined = self.task.await.map_err(|error| Failed::Here(lost().with_source(error)))?;
        joined.map_err(Failed::Store)
    }

    /// Gives it up, and waits until nothing of it is left at the store, as long as there is patience: many may be given
    /// up one after the other.
    pub fn abort(self, patience: &Patience) {
        let Self { parts, task } = self;
        drop(parts);
        // Nobody is left to tell.
        let _ = wait(async { Ok(patience.wait_for(task).await) });
    }
}

fn lost() -> Error {
    Error::internal("The upload of a file ended without an answer")
}

fn permits() -> Result<Arc<Semaphore>> {
    let mut slot = PERMITS.lock().map_err(|_| Error::internal("An earlier upload panicked"))?;
    match &*slot {
        Some((process, permits)) if *process == std::process::id() => Ok(permits.clone()),
        // A fork has none of the uploads that would give their permits back.
        _ => Ok(slot.insert((std::process::id(), Arc::new(Semaphore::new(PARTS_IN_MEMORY)))).1.clone()),
    }
}

/// The life of an upload. Whatever ends it but success, nothing of it stays at the store, if the store lets us.
async fn run(
    store: Arc<dyn ObjectStore>,
    key: Path,
    steps: mpsc::Receiver<Step>,
) -> Result<Option<PutResult>, StoreError> {
    let mut upload = store.put_multipart(&key).await?;
    let result = match feed(upload.as_mut(), steps).await {
        Ok(true) => upload.complete().await.map(Some),
        Ok(false) => Ok(None),
        Err(error) => Err(error),
    };
    match &result {
        Ok(Some(_)) => {}
        // The error is not to wait for a store that does not answer.
        Err(error) if is_unanswered(error) => drop(tokio::spawn(async move { upload.abort().await })),
        _ => drop(Patience::short().wait_for(upload.abort()).await),
    }
    result
}

/// Sends parts until it is told to finish (`true`) or nobody is left to tell (`false`).
async fn feed(upload: &mut dyn MultipartUpload, mut steps: mpsc::Receiver<Step>) -> Result<bool, StoreError> {
    let mut under_way = JoinSet::new();
    loop {
        while under_way.len() >= PARTS_PER_FILE {
            sent(&mut under_way).await?;
        }
        match steps.recv().await {
            Some(Step::Part(bytes, permit)) => {
                let part = upload.put_part(PutPayload::from_bytes(bytes));
                under_way.spawn(async move {
                    let result = part.await;
                    drop(permit);
                    result
                });
            }
            Some(Step::Finish) => {
                while !under_way.is_empty() {
                    sent(&mut under_way).await?;
                }
                return Ok(true);
            }
            None => return Ok(false),
        }
    }
}

async fn sent(under_way: &mut JoinSet<Result<(), StoreError>>) -> Result<(), StoreError> {
    match under_way.join_next().await {
        Some(result) => result?,
        None => Ok(()),
    }
}
