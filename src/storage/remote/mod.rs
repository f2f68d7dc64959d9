//! A root in an object store: S3 and what speaks as it does, and with less testing Google's and Azure's stores.
//!
//! The crate object_store speaks the protocols; here is what makes a [`Storage`] of it:
//!
//! - [`location`]: what a root's URL names; [`s3`]: where the store is and who asks;
//! - [`bucket`]: opened buckets, kept by the process with their connections and credentials;
//! - [`runtime`], [`http`] and [`sending`]: the threads that wait for the network, and how requests and their bodies go
//!   out: counted and bounded;
//! - [`conditional`]: put-if-absent, compare-and-swap, and the probe whether a store knows them;
//! - [`listing`]: by levels, or flat; [`changes`]: many objects moved, copied and deleted;
//! - [`writer`], [`upload`], [`spill`], [`completion`]: files being written, in one request or in parts;
//! - [`patience`]: whether a store that has gone silent is still waited for;
//! - [`failure`], [`refusal`]: what went wrong, by meaning, and without keys.
//!
//! A directory is a prefix that ends in `/`; it is there as long as a key below it is. An object whose key is a
//! directory's own, which some programs put there to mark it, is not listed. Objects of size 0 are.
//!
//! A rename is a copy that the store makes by itself, then a deletion: between the two both files are there.

mod bucket;
mod changes;
mod completion;
mod conditional;
mod failure;
mod http;
mod listing;
mod location;
mod patience;
mod refusal;
mod runtime;
mod s3;
mod sending;
mod spill;
mod upload;
mod writer;

use std::cell::RefCell;
use std::future::Future;
use std::ops::Range;
use std::sync::Arc;

use ::http::StatusCode;
use bytes::Bytes;
use futures_util::future::{Either, select};
use futures_util::{StreamExt, TryStreamExt, stream};
use object_store::path::Path;
use object_store::{Error as StoreError, GetOptions, GetRange, ObjectMeta, ObjectStoreExt};

use self::bucket::Bucket;
use self::location::Location;
pub use self::location::is_known_scheme;
use self::patience::{GivenUp, Patience};
use self::refusal::Refusal;
use self::writer::RemoteWriter;
use super::{
    Access, Cancel, Change, FileMeta, FileWriter, Listing, Numbered, OpenOptions, PutOutcome, Run, Storage, Visit,
    copy_through, replaced,
};
use crate::error::{Error, ErrorKind, Result};

/// Directories listed at a time, of one call.
const CONCURRENT_LISTS: usize = 64;
/// Other requests under way at a time, of one call.
const CONCURRENT_REQUESTS: usize = 32;
/// What is larger a store does not copy by one request.
const COPY_MAX_BYTES: u64 = 5 << 30;
/// What is larger is better read in several requests.
const REQUEST_MAX_BYTES: u64 = 8 << 20;

/// A root in an object store. See the module's page.
#[derive(Debug, Clone)]
pub struct Remote {
    bucket: Arc<Bucket>,
    location: Location,
    single_writer: bool,
    coalesce_gap_bytes: u64,
    cancel: Option<Cancel>,
    /// For the requests of its calls.
    patience: Patience,
    /// For the ends of files that nobody wants any more.
    patience_with_ends: Patience,
}

impl Remote {
    /// Opens `root`, a URL. Nothing is asked of the store.
    ///
    /// # Errors
    /// `Unsupported` for a scheme that no store has; `InvalidInput` for a root that cannot be meant, and for options
    /// that do not fit together.
    pub fn open(root: &str, options: &OpenOptions) -> Result<Self> {
        let location = Location::parse(root)?;
        Ok(Self {
            bucket: Bucket::open(&location, &options.s3)?,
            location,
            single_writer: options.single_writer,
            coalesce_gap_bytes: options.coalesce_gap_bytes,
            cancel: None,
            patience: Patience::ample(),
            patience_with_ends: Patience::short(),
        })
    }

    /// See [`Storage::hurried`].
    fn in_a_hurry(&self) -> Self {
        Self { patience: Patience::short(), ..self.clone() }
    }

    /// Waits for `future` on this thread: see [`Remote::attend`].
    fn wait<T>(&self, future: impl Future<Output = Result<T>>) -> Result<T> {
        runtime::wait(self.attend(future))
    }

    /// Does `future`, with credentials at hand, until nobody wants its answer any more.
    async fn attend<T>(&self, future: impl Future<Output = Result<T>>) -> Result<T> {
        let work = async {
            self.bucket.authenticate(&self.location).await?;
            future.await
        };
        let Some(cancel) = &self.cancel else { return work.await };
        match select(Box::pin(work), Box::pin(cancel.cancelled())).await {
            Either::Left((result, _)) => result,
            Either::Right(_) => {
                let message = format!("Reading from \"{}\" was interrupted!", self.location.display(""));
                Err(Error::new(ErrorKind::Interrupted, message))
            }
        }
    }

    /// `request`, with all its tries, as far as this handle has patience.
    async fn in_time<T>(&self, request: impl Future<Output = Result<T>>) -> Result<T> {
        self.patience.wait_for(request).await.unwrap_or_else(|GivenUp| {
            let (place, endpoint) = (self.location.display(""), &self.bucket.place.endpoint);
            Err(Error::new(ErrorKind::Io, format!("The store \"{place}\" at {endpoint} did not answer in time!")))
        })
    }

    /// The error of doing `what` to `path`.
    fn failure(&self, what: &str, path: &str, error: &StoreError) -> Error {
        self.bucket.place.failure(what, &self.location, path, error)
    }

    /// A range of the file at `path`, which has to be the one that was `listed`.
    async fn read_range(&self, path: &str, key: &Path, range: &Range<u64>, listed: Option<&FileMeta>) -> Result<Bytes> {
        let length = range.end.checked_sub(range.start);
        let length = length.ok_or_else(|| Error::internal(format!("{range:?} is no range of bytes")))?;
        let cut_off = |size: Option<u64>| {
            let size = size.map_or_else(|| "fewer".to_owned(), |size| size.to_string());
            Error::corrupt(format!(
                "\"{}\" is cut off: bytes {} to {} were to be read, but it has {size}!",
                self.location(path),
                range.start,
                range.end
            ))
        };
        let failed = |error: StoreError| match failure::find::<Refusal>(&error) {
            Some(refusal) if refusal.status == StatusCode::RANGE_NOT_SATISFIABLE => cut_off(None),
            _ => self.failure("read", path, &error),
        };
        if length == 0 {
            let size = self.bucket.store.head(key).await.map_err(failed)?.size;
            return if range.end <= size { Ok(Bytes::new()) } else { Err(cut_off(Some(size))) };
        }
        let options = GetOptions { range: Some(GetRange::Bounded(range.clone())), ..GetOptions::default() };
        let answer = self.bucket.store.get_opts(key, options).await.map_err(failed)?;
        if listed.is_some_and(|listed| !is_listed(&answer.meta, listed)) {
            return Err(replaced(self.location(path)));
        }
        let size = answer.meta.size;
        if size < range.end {
            return Err(cut_off(Some(size)));
        }
        let bytes = answer.bytes().await.map_err(failed)?;
        if bytes.len() as u64 != length {
            return Err(Error::new(
                ErrorKind::Io,
                format!("\"{}\" came in short: {} bytes instead of {length}!", self.location(path), bytes.len()),
            ));
        }
        Ok(bytes)
    }

    async fn read_one(&self, path: &str) -> Result<Option<Bytes>> {
        let key = self.location.key(path)?;
        let failed = |error: StoreError| self.failure("read", path, &error);
        match self.bucket.store.get(&key).await {
            Err(StoreError::NotFound { .. }) => Ok(None),
            answer => answer.map_err(failed)?.bytes().await.map(Some).map_err(failed),
        }
    }
}

/// Whether an object is in the state that was listed. Stores that spell ETags otherwise in listings than elsewhere are
/// believed by size and time.
fn is_listed(now: &ObjectMeta, listed: &FileMeta) -> bool {
    let bare = |etag: &str| etag.trim_start_matches("W/").trim_matches('"').to_owned();
    let same_etag = match (&now.e_tag, &listed.etag) {
        (Some(now), Some(listed)) => bare(now) == bare(listed),
        _ => true,
    };
    same_etag || (now.size == listed.size && now.last_modified.timestamp() == listed.modified.timestamp())
}

impl Storage for Remote {
    fn location(&self, path: &str) -> String {
        self.location.display(path)
    }

    fn access(&self) -> Access {
        Access {
            remote: true,
            concurrency: CONCURRENT_REQUESTS,
            coalesce_gap_bytes: self.coalesce_gap_bytes,
            request_max_bytes: REQUEST_MAX_BYTES,
        }
    }

    fn cancellable(&self, cancel: &Cancel) -> Option<Arc<dyn Storage>> {
        Some(Arc::new(Self { cancel: Some(cancel.clone()), ..self.clone() }))
    }

    fn hurried(&self) -> Option<Arc<dyn Storage>> {
        Some(Arc::new(self.in_a_hurry()))
    }

    fn list_dir(&self, dir: &str) -> Result<Listing> {
        self.wait(self.in_time(self.list(dir)))
    }

    fn list_dirs(&self, dirs: &[String]) -> Result<Vec<Listing>> {
        let lists = dirs.iter().map(|dir| self.in_time(self.list(dir)));
        self.wait(stream::iter(lists).buffered(CONCURRENT_LISTS).try_collect())
    }

    fn list_below(&self, dirs: &[String], visit: &mut Visit) -> Result<Vec<bool>> {
        // All on this thread, one at a time.
        let visit = RefCell::new(visit);
        let lists = dirs.iter().enumerate().map(|(number, dir)| self.list_below_one(number, dir, &visit));
        self.wait(stream::iter(lists).buffered(CONCURRENT_LISTS).try_collect())
    }

    fn list_run(&self, dir: &str, first: u64, name: &Numbered) -> Result<Run> {
        self.wait(self.in_time(self.list_run_from(dir, first, name)))
    }

    fn read(&self, path: &str) -> Result<Option<Bytes>> {
        self.wait(self.in_time(self.read_one(path)))
    }

    fn read_all(&self, paths: &[String]) -> Result<Vec<Option<Bytes>>> {
        let reads = paths.iter().map(|path| self.in_time(self.read_one(path)));
        self.wait(stream::iter(reads).buffered(CONCURRENT_REQUESTS).try_collect())
    }

    fn read_ranges(&self, path: &str, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        let key = self.location.key(path)?;
        let reads = ranges.iter().map(|range| self.in_time(self.read_range(path, &key, range, None)));
        self.wait(stream::iter(reads).buffered(CONCURRENT_REQUESTS).try_collect())
    }

    fn read_listed(&self, file: &FileMeta, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        let key = self.location.key(&file.path)?;
        let reads = ranges.iter().map(|range| self.in_time(self.read_range(&file.path, &key, range, Some(file))));
        self.wait(stream::iter(reads).buffered(CONCURRENT_REQUESTS).try_collect())
    }

    fn put_if_absent(&self, path: &str, bytes: &[u8]) -> Result<PutOutcome> {
        conditional::put_if_absent(self, path, bytes)
    }

    fn update(&self, path: &str, change: &mut Change) -> Result<()> {
        conditional::update(self, path, change)
    }

    fn create(&self, path: &str) -> Result<Box<dyn FileWriter>> {
        self.require_conditional_writes()?;
        Ok(Box::new(RemoteWriter::new(self.clone(), path)?))
    }

    fn rename(&self, from: &str, to: &str) -> Result<()> {
        self.require_conditional_writes()?;
        if self.wait(self.rename_one(from, to))? {
            return Ok(());
        }
        Err(Error::new(ErrorKind::NotFound, format!("File \"{}\" is not there!", self.location(from))))
    }

    fn rename_all(&self, moves: &[(String, String)]) -> Result<()> {
        if moves.is_empty() {
            return Ok(());
        }
        self.require_conditional_writes()?;
        self.wait(self.rename_many(moves))
    }

    fn copy_all(&self, copies: &[(FileMeta, String)]) -> Result<()> {
        if copies.is_empty() {
            return Ok(());
        }
        self.require_conditional_writes()?;
        let is_small = |copy: &&(FileMeta, String)| copy.0.size <= COPY_MAX_BYTES;
        let small = copies.iter().filter(is_small).map(|(from, to)| (from.path.as_str(), to.as_str()));
        let mut result = self.wait(self.copy_many(small));
        for (from, to) in copies.iter().filter(|copy| !is_small(copy)) {
            // Each is a long time's work, which may be in vain.
            if result.is_err() {
                break;
            }
            result = copy_through(self, from, to);
        }
        result
    }

    fn delete(&self, path: &str) -> Result<()> {
        self.require_conditional_writes()?;
        self.wait(self.delete_one(path))
    }

    fn delete_all(&self, paths: &[String]) -> Result<()> {
        if paths.is_empty() {
            return Ok(());
        }
        self.require_conditional_writes()?;
        self.wait(self.delete_many(paths))
    }
}
