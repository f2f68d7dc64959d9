//! The end of a file that was written: waited for, or in the background while others are written.

use bytes::Bytes;
use chrono::Utc;
use object_store::path::Path;
use object_store::{Error as StoreError, ObjectStoreExt, PutPayload};
use tokio::task::JoinHandle;

use super::Remote;
use super::patience::Patience;
use super::runtime::{runtime, wait};
use super::upload::{Failed, Upload};
use crate::error::{Error, ErrorKind, Result};
use crate::storage::{FileMeta, Storage};

/// A file of which everything has been written; it does not appear yet.
pub struct Sealed {
    pub remote: Remote,
    pub path: String,
    pub key: Path,
    pub size: u64,
    pub rest: Rest,
}

/// What is to be done yet.
pub enum Rest {
    /// To put these, all of it.
    Bytes(Bytes),
    /// To wait for the parts, and to say that there are no more.
    Upload(Upload),
}

impl Sealed {
    /// Makes the file appear.
    pub async fn finish(self) -> Result<FileMeta> {
        let Self { remote, path, key, size, rest } = self;
        let etag = match rest {
            Rest::Bytes(bytes) => {
                let put = remote.bucket.store.put(&key, PutPayload::from_bytes(bytes));
                let put = async { put.await.map_err(|error| remote.failure("create", &path, &error)) };
                remote.attend(put).await?.e_tag
            }
            Rest::Upload(upload) => match upload.finish().await {
                Ok(result) => result.e_tag,
                // No such upload: perhaps because it was completed, and the answer was lost.
                Err(Failed::Store(StoreError::NotFound { .. })) => {
                    let head = async { Ok(remote.bucket.store.head(&key).await) };
                    match remote.attend(head).await? {
                        Ok(meta) if meta.size == size => meta.e_tag,
                        _ => {
                            let place = remote.location(&path);
                            let message = format!("Could not create \"{place}\": the store gave its upload up!");
                            return Err(Error::new(ErrorKind::Io, message));
                        }
                    }
                }
                Err(failed) => return Err(failed.error(&remote, &path)),
            },
        };
        Ok(FileMeta { path, size, modified: Utc::now(), etag, inode: None })
    }
}

/// The same in the background. Dropped, it is given up, but waited for as long as there is patience: who deletes the
/// file after it was put leaves nothing behind.
pub struct Completion {
    patience: Patience,
    task: Option<JoinHandle<Result<FileMeta>>>,
}

impl Completion {
    pub fn begin(sealed: Sealed) -> Result<Self> {
        let patience = sealed.remote.patience_with_ends.clone();
        Ok(Self { patience, task: Some(runtime()?.spawn(sealed.finish())) })
    }

    /// What it came to.
    pub fn wait(mut self) -> Result<FileMeta> {
        let lost = || Error::internal("A file was finished without an answer");
        let Some(task) = self.task.take() else { return Err(lost()) };
        wait(async { task.await.map_err(|error| lost().with_source(error))? })
    }
}

impl Drop for Completion {
    fn drop(&mut self) {
        let Some(task) = self.task.take() else { return };
        let give_up = task.abort_handle();
        // Nobody is left to tell.
        let _ = wait(async { Ok(self.patience.wait_for(task).await) });
        give_up.abort();
    }
}
