//! Objects moved, copied and deleted, many at a time.
//!
//! What a store refuses of one object says nothing of the others: they are tried all the same. A store that does not
//! answer at all is not asked for the rest: that would be a long wait for each few of thousands.

use std::future::Future;
use std::sync::atomic::Ordering;

use futures_util::{StreamExt, TryStreamExt, stream};
use object_store::path::Path;
use object_store::{Error as StoreError, ObjectStore, ObjectStoreExt};

use super::failure::is_unanswered;
use super::patience::{GivenUp, Patience};
use super::{CONCURRENT_REQUESTS, Remote};
use crate::error::{Error, ErrorKind, Result};
use crate::storage::first_failure;

/// Objects that one request deletes.
const BULK: usize = 1000;
/// Such requests under way at a time, of one call: each is work for the store.
const CONCURRENT_BULKS: usize = 4;

impl Remote {
    /// `false` where nothing is there to be moved.
    pub async fn rename_one(&self, from: &str, to: &str) -> Result<bool> {
        let requests = Requests::of(self);
        Ok(requests.copy("move", from, to).await? && requests.delete(from).await.map(|()| true)?)
    }

    /// See [`crate::storage::Storage::rename_all`]: copies, then deletes what was copied.
    pub async fn rename_many(&self, moves: &[(String, String)]) -> Result<()> {
        let requests = Requests::of(self);
        let mut result = Ok(());
        for moves in moves.chunks(BULK) {
            let copies = moves.iter().map(|(from, to)| requests.copy("move", from, to));
            let copies: Vec<Result<bool>> = stream::iter(copies).buffered(CONCURRENT_REQUESTS).collect().await;
            let mut copied = Vec::with_capacity(moves.len());
            for (answer, (from, _)) in copies.into_iter().zip(moves) {
                match answer {
                    Ok(true) => copied.push(from.clone()),
                    Ok(false) => {}
                    Err(error) => result = result.and(Err(error)),
                }
            }
            result = result.and(requests.delete_many(&copied).await);
            if requests.patience.is_over() {
                break;
            }
        }
        result
    }

    /// Copies as many as are small enough for the store to do it by itself.
    pub async fn copy_many(&self, copies: impl Iterator<Item = (&str, &str)>) -> Result<()> {
        let requests = &Requests::of(self);
        all(copies.map(|(from, to)| async move {
            match requests.copy("copy", from, to).await? {
                true => Ok(()),
                false => Err(Error::new(
                    ErrorKind::NotFound,
                    format!("File \"{}\" is not there!", self.location.display(from)),
                )),
            }
        }))
        .await
    }

    /// One that is not there is no error.
    pub async fn delete_one(&self, path: &str) -> Result<()> {
        Requests::of(self).delete(path).await
    }

    /// See [`crate::storage::Storage::delete_all`]: by the thousand where the store can.
    pub async fn delete_many(&self, paths: &[String]) -> Result<()> {
        Requests::of(self).delete_many(paths).await
    }
}

/// The requests of one call.
struct Requests<'a> {
    remote: &'a Remote,
    patience: Patience,
}

impl<'a> Requests<'a> {
    fn of(remote: &'a Remote) -> Self {
        Self { remote, patience: remote.patience.for_a_call() }
    }

    /// One of them, which does `what` to `path`.
    async fn make<T>(&self, what: &str, path: &str, request: impl Future<Output = Result<T, StoreError>>) -> Result<T> {
        let remote = self.remote;
        let answer = self.patience.wait_for(request).await.map_err(|GivenUp| {
            let (place, endpoint) = (remote.location.display(path), &remote.bucket.place.endpoint);
            let why = "the store did not answer in time, to this request or to one before it";
            Error::new(ErrorKind::Io, format!("Could not {what} \"{place}\" at {endpoint}: {why}!"))
        })?;
        answer.map_err(|error| {
            if is_unanswered(&error) {
                self.patience.end();
            }
            remote.failure(what, path, &error)
        })
    }

    /// `false` where nothing is there to be copied; `what` is being done.
    async fn copy(&self, what: &str, from: &str, to: &str) -> Result<bool> {
        let (source, target) = (self.remote.location.key(from)?, self.remote.location.key(to)?);
        self.make(what, from, copy(self.remote.bucket.store.as_ref(), &source, &target)).await
    }

    async fn delete(&self, path: &str) -> Result<()> {
        let key = self.remote.location.key(path)?;
        let request = async {
            match self.remote.bucket.store.delete(&key).await {
                Err(StoreError::NotFound { .. }) => Ok(()),
                answer => answer,
            }
        };
        self.make("delete", path, request).await
    }

    async fn delete_many(&self, paths: &[String]) -> Result<()> {
        // What one round of single requests does is not worth a try.
        let client = self.remote.bucket.bulk_deletes.as_deref();
        let Some(client) = client.filter(|_| paths.len() > CONCURRENT_REQUESTS) else {
            return self.delete_singly(paths).await;
        };
        let bulks = paths.chunks(BULK).map(|paths| self.delete_bulk(client, paths));
        let results: Vec<Result<()>> = stream::iter(bulks).buffered(CONCURRENT_BULKS).collect().await;
        first_failure(results.into_iter())
    }

    /// By one request; where the store does not do that, or not all of it, singly.
    async fn delete_bulk(&self, client: &dyn ObjectStore, paths: &[String]) -> Result<()> {
        let refuses = &self.remote.bucket.refuses_bulk_deletes;
        if refuses.load(Ordering::Relaxed) {
            return self.delete_singly(paths).await;
        }
        let keys = paths.iter().map(|path| self.remote.location.key(path)).collect::<Result<Vec<_>>>()?;
        let keys = stream::iter(keys.into_iter().map(Ok)).boxed();
        let request = async { client.delete_stream(keys).try_collect::<Vec<_>>().await };
        let deleted = self.make("delete", "", request).await;
        if deleted.is_ok() || self.patience.is_over() {
            return deleted.map(drop);
        }
        self.delete_singly(paths).await?;
        refuses.store(true, Ordering::Relaxed);
        Ok(())
    }

    async fn delete_singly(&self, paths: &[String]) -> Result<()> {
        all(paths.iter().map(|path| self.delete(path))).await
    }
}

/// `false` where nothing is there to be copied.
async fn copy(store: &dyn ObjectStore, source: &Path, target: &Path) -> Result<bool, StoreError> {
    match store.copy(source, target).await {
        Ok(()) => Ok(true),
        // Some stores do not find what they are to copy though it is there: who takes that for moved would leave
        // replaced rows behind.
        Err(StoreError::NotFound { .. }) => match store.get(source).await {
            Err(StoreError::NotFound { .. }) => Ok(false),
            answer => {
                let bytes = answer?.bytes().await?;
                store.put(target, bytes.into()).await.map(|_| true)
            }
        },
        Err(error) => Err(error),
    }
}

/// Does all of `work`, some at a time; the first failure is the answer.
async fn all(work: impl Iterator<Item = impl Future<Output = Result<()>>>) -> Result<()> {
    let results: Vec<Result<()>> = stream::iter(work).buffered(CONCURRENT_REQUESTS).collect().await;
    first_failure(results.into_iter())
}
