//! Objects moved, copied and deleted, many at a time.

use std::future::Future;
use std::sync::atomic::Ordering;

use futures_util::{StreamExt, TryStreamExt, stream};
use object_store::{Error as StoreError, ObjectStore, ObjectStoreExt};

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
        Ok(self.in_time(self.copy_one("move", from, to)).await?
            && self.in_time(self.delete_one(from)).await.map(|()| true)?)
    }

    /// See [`crate::storage::Storage::rename_all`]: copies, then deletes what was copied.
    pub async fn rename_many(&self, moves: &[(String, String)]) -> Result<()> {
        let mut result = Ok(());
        for moves in moves.chunks(BULK) {
            let copies = moves.iter().map(|(from, to)| self.in_time(self.copy_one("move", from, to)));
            let copies: Vec<Result<bool>> = stream::iter(copies).buffered(CONCURRENT_REQUESTS).collect().await;
            let mut copied = Vec::with_capacity(moves.len());
            for (answer, (from, _)) in copies.into_iter().zip(moves) {
                match answer {
                    Ok(true) => copied.push(from.clone()),
                    Ok(false) => {}
                    Err(error) => result = result.and(Err(error)),
                }
            }
            result = result.and(self.delete_many(&copied).await);
        }
        result
    }

    /// Copies as many as are small enough for the store to do it by itself.
    pub async fn copy_many(&self, copies: impl Iterator<Item = (&str, &str)>) -> Result<()> {
        all(copies.map(|(from, to)| async move {
            match self.in_time(self.copy_one("copy", from, to)).await? {
                true => Ok(()),
                false => Err(Error::new(
                    ErrorKind::NotFound,
                    format!("File \"{}\" is not there!", self.location.display(from)),
                )),
            }
        }))
        .await
    }

    /// `false` where nothing is there to be copied; `what` is being done.
    async fn copy_one(&self, what: &str, from: &str, to: &str) -> Result<bool> {
        let (source, target) = (self.location.key(from)?, self.location.key(to)?);
        let failed = |error: StoreError| self.failure(what, from, &error);
        match self.bucket.store.copy(&source, &target).await {
            Ok(()) => Ok(true),
            // Some stores do not find what they are to copy though it is there: who takes that for moved would leave
            // replaced rows behind.
            Err(StoreError::NotFound { .. }) => match self.bucket.store.get(&source).await {
                Err(StoreError::NotFound { .. }) => Ok(false),
                answer => {
                    let bytes = answer.map_err(failed)?.bytes().await.map_err(failed)?;
                    self.bucket.store.put(&target, bytes.into()).await.map_err(failed)?;
                    Ok(true)
                }
            },
            Err(error) => Err(failed(error)),
        }
    }

    pub async fn delete_one(&self, path: &str) -> Result<()> {
        match self.bucket.store.delete(&self.location.key(path)?).await {
            Ok(()) | Err(StoreError::NotFound { .. }) => Ok(()),
            Err(error) => Err(self.failure("delete", path, &error)),
        }
    }

    /// See [`crate::storage::Storage::delete_all`]: by the thousand where the store can.
    pub async fn delete_many(&self, paths: &[String]) -> Result<()> {
        // What one round of single requests does is not worth a try.
        let Some(client) = self.bucket.bulk_deletes.as_deref().filter(|_| paths.len() > CONCURRENT_REQUESTS) else {
            return self.delete_singly(paths).await;
        };
        let bulks = paths.chunks(BULK).map(|paths| self.delete_bulk(client, paths));
        let results: Vec<Result<()>> = stream::iter(bulks).buffered(CONCURRENT_BULKS).collect().await;
        first_failure(results.into_iter())
    }

    /// By one request; where the store does not do that, or not all of it, singly.
    async fn delete_bulk(&self, client: &dyn ObjectStore, paths: &[String]) -> Result<()> {
        let refuses = &self.bucket.refuses_bulk_deletes;
        if refuses.load(Ordering::Relaxed) {
            return self.delete_singly(paths).await;
        }
        let keys = paths.iter().map(|path| self.location.key(path)).collect::<Result<Vec<_>>>()?;
        let keys = stream::iter(keys.into_iter().map(Ok)).boxed();
        let deleted = client.delete_stream(keys).try_collect::<Vec<_>>();
        let deleted = async { deleted.await.map_err(|error| self.failure("delete", "", &error)) };
        if self.in_time(deleted).await.is_ok() {
            return Ok(());
        }
        self.delete_singly(paths).await?;
        refuses.store(true, Ordering::Relaxed);
        Ok(())
    }

    async fn delete_singly(&self, paths: &[String]) -> Result<()> {
        all(paths.iter().map(|path| self.in_time(self.delete_one(path)))).await
    }
}

/// Does all of `work`, some at a time; the first failure is the answer.
async fn all(work: impl Iterator<Item = impl Future<Output = Result<()>>>) -> Result<()> {
    let results: Vec<Result<()>> = stream::iter(work).buffered(CONCURRENT_REQUESTS).collect().await;
    first_failure(results.into_iter())
}
