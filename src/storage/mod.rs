//! Bytes under one root: what the store needs of a file system or an object store, and no more.
//!
//! The store above speaks in paths relative to the root, with `/` between segments on every system, and knows nothing
//! of how they are kept. A backend promises:
//!
//! - a file appears under its name only when it is whole ([`Storage::create`]);
//! - [`Storage::put_if_absent`] lets one of several racing writers win, and tells the others;
//! - [`Storage::update`] is a compare-and-swap: `change` sees the bytes that its answer replaces;
//! - what a call answered `Ok` for is durable, where the backend was opened to be so.
//!
//! Calls block. A backend with a network below runs its own threads, and takes lists of directories and of ranges at
//! once so that it can work on them concurrently.

mod cancel;
mod local;
mod options;
mod remote;
mod stats;
mod tree;

use std::cmp::Ordering;
use std::fmt::Debug;
use std::io::Write;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};

pub use self::cancel::Cancel;
pub use self::local::Local;
pub use self::options::{DEFAULT_COALESCE_GAP_BYTES, DEFAULT_REGION, OpenOptions, S3Options, Secret, UrlStyle};
use self::remote::{Remote, is_known_scheme};
pub use self::stats::{IoStats, io_stats};
pub use self::tree::{Breadth, files_below};
use crate::error::{Error, ErrorKind, Result};

/// One file of the store, as a listing shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileMeta {
    /// Relative to the root, `/` between segments.
    pub path: String,
    /// In bytes.
    pub size: u64,
    /// When it was last written; millisecond precision or better, but whole seconds on most object stores.
    pub modified: DateTime<Utc>,
    /// What an object store calls this state of the file; `None` where size and time have to tell states apart.
    pub etag: Option<String>,
    /// What a file system knows it by; `None` where it tells no more than size and time.
    pub inode: Option<Inode>,
}

/// What tells a file from another one that has come to have its name, its size and its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Inode {
    /// Its number, which most file systems keep until the file is deleted.
    pub number: u64,
    /// When anything about it was last changed, its name included; in nanoseconds since 1970.
    pub changed_ns: i128,
}

impl FileMeta {
    /// The last segment of the path.
    pub fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }
}

/// How a backend is best read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Access {
    /// Whether what is asked for has to travel: then requests count.
    pub remote: bool,
    /// Requests that may wait for their answers at one time. 1: waiting is not worth a thread.
    pub concurrency: usize,
    /// Ranges of a file with at most this much between them are better read as one.
    pub coalesce_gap_bytes: u64,
    /// What is larger is better read in several requests.
    pub request_max_bytes: u64,
}

impl Access {
    /// Of a file system on this machine.
    pub const LOCAL: Self =
        Self { remote: false, concurrency: 1, coalesce_gap_bytes: 64 << 10, request_max_bytes: 8 << 20 };
}

/// One level of a directory: what lies right in it. Both lists are sorted by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// Names (not paths) of the directories.
    pub dirs: Vec<String>,
    /// The files, with whole relative paths.
    pub files: Vec<FileMeta>,
}

/// What [`Storage::list_run`] found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Run {
    /// In the order of their numbers.
    pub files: Vec<FileMeta>,
    /// The next file behind the end of the run, whatever it is called; `None` where there is none, and where the
    /// backend does not look ([`Access::remote`] ones do).
    pub behind: Option<FileMeta>,
}

/// What [`Storage::put_if_absent`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PutOutcome {
    /// It was not there, and now is.
    Created,
    /// Something is there already; it was left alone.
    AlreadyExists,
}

/// What makes the new bytes of a file from those that are there (`None`: no such file); `Ok(None)` leaves it alone.
pub type Change<'a> = dyn FnMut(Option<&[u8]>) -> Result<Option<Vec<u8>>> + 'a;

/// The name of the file of a number.
pub type Numbered = dyn Fn(u64) -> String + Sync;

/// What takes the files of a tree, page by page: the number of the tree, and files. Its answer is whether more of that tree
/// is wanted.
pub type Visit<'a> = dyn FnMut(usize, Vec<FileMeta>) -> bool + 'a;

/// The end of a file that was told to finish: waited for, it is [`FileWriter::finish`]'s answer. Dropped instead, it is
/// given up, and the file may have appeared or not.
pub type Finishing = Box<dyn FnOnce() -> Result<FileMeta> + Send>;

/// A file being written, invisible until [`FileWriter::finish`]. Dropping it instead leaves nothing behind.
/// [`Write::flush`] puts aside what is held in memory, for a file that will rest while many others are written.
pub trait FileWriter: Write + Send {
    /// Makes the file appear, whole, under its name.
    fn finish(self: Box<Self>) -> Result<FileMeta>;

    /// [`FileWriter::finish`], in the background where it has to wait for an answer: others can be told to finish
    /// meanwhile.
    fn begin_finish(self: Box<Self>) -> Finishing {
        let finished = self.finish();
        Box::new(move || finished)
    }
}

/// A root that holds a store. See the module's page for what a backend promises.
pub trait Storage: Send + Sync + Debug {
    /// Where `path` is, in full, as an error message or `amplify_files` shows it.
    fn location(&self, path: &str) -> String;

    /// How it is best read.
    fn access(&self) -> Access {
        Access::LOCAL
    }

    /// The same root, whose calls that wait for answers end as `Interrupted` soon after `cancel` is thrown; `None` where
    /// none ever waits long. See [`cancellable`].
    fn cancellable(&self, _cancel: &Cancel) -> Option<Arc<dyn Storage>> {
        None
    }

    /// The same root, for clearing up after a failure: a request that is not answered within seconds fails, and every
    /// later one at once. `None` where none ever waits long. See [`hurried`].
    fn hurried(&self) -> Option<Arc<dyn Storage>> {
        None
    }

    /// Lists one level below `dir` (`""` is the root). A directory that is not there is empty.
    fn list_dir(&self, dir: &str) -> Result<Listing>;

    /// [`Storage::list_dir`] of many, in their order, concurrently where that helps.
    fn list_dirs(&self, dirs: &[String]) -> Result<Vec<Listing>> {
        dirs.iter().map(|dir| self.list_dir(dir)).collect()
    }

    /// Gives `visit` every file below each of `dirs`, however deep, with the number of the directory; several times for
    /// each directory, in no particular order, concurrently where that helps. The answer says which directories were
    /// listed to their end: those of which `visit` wanted no more before were not, and neither were those of which only
    /// a listing level by level can make something.
    ///
    /// What marks a directory in an object store may be among the files, with size 0.
    ///
    /// Where directories are not kept this takes as many requests as there are pages of files, one after the other for
    /// each of `dirs`, however many directories lie below. See [`Breadth`] for when that pays.
    fn list_below(&self, dirs: &[String], visit: &mut Visit) -> Result<Vec<bool>> {
        for (number, dir) in dirs.iter().enumerate() {
            let mut level = vec![dir.clone()];
            let mut files = Vec::new();
            while !level.is_empty() {
                let mut below = Vec::new();
                for (dir, listing) in level.iter().zip(self.list_dirs(&level)?) {
                    below.extend(listing.dirs.iter().map(|name| join(dir, name)));
                    files.extend(listing.files);
                }
                level = below;
            }
            visit(number, files);
        }
        Ok(vec![true; dirs.len()])
    }

    /// The names of the files right in `dir`, sorted: a [`Storage::list_dir`] that need not ask for sizes and times.
    fn list_names(&self, dir: &str) -> Result<Vec<String>> {
        Ok(self.list_dir(dir)?.files.iter().map(|file| file.name().to_owned()).collect())
    }

    /// Of files that are called `name(0)`, `name(1)` and so on, names that sort as their numbers do: those in `dir` from
    /// the number `first` on, up to the first that is not there. How many there are before costs nothing.
    ///
    /// That one was not there while `first` still was, or the answer is an empty run: where files are deleted from the
    /// lowest number on, none in between has been missed.
    fn list_run(&self, dir: &str, first: u64, name: &Numbered) -> Result<Run> {
        let mut run = RunBuilder::new(dir, first, name);
        run.take(self.list_dir(dir)?.files);
        Ok(run.run)
    }

    /// A whole small file, or `None` where there is none.
    fn read(&self, path: &str) -> Result<Option<Bytes>>;

    /// [`Storage::read`] of many, in their order, concurrently where that helps.
    fn read_all(&self, paths: &[String]) -> Result<Vec<Option<Bytes>>> {
        paths.iter().map(|path| self.read(path)).collect()
    }

    /// Byte ranges of a file, one answer a range in their order, concurrently where that helps.
    /// A range that ends past the file is an error.
    fn read_ranges(&self, path: &str, ranges: &[Range<u64>]) -> Result<Vec<Bytes>>;

    /// [`Storage::read_ranges`] of a file in the state that it was listed in. Where it is known to be another one by now,
    /// since somebody replaced it, the error is a `Conflict`: no part of one state may be taken for one of another.
    fn read_listed(&self, file: &FileMeta, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.read_ranges(&file.path, ranges)
    }

    /// Writes a small file unless one of that name is there. Parents are made as needed.
    fn put_if_absent(&self, path: &str, bytes: &[u8]) -> Result<PutOutcome>;

    /// Whether a put that was answered with an error may still come to be, as on the far side of a network.
    fn failed_puts_may_land(&self) -> bool {
        true
    }

    /// Replaces a small file by what `change` makes of its bytes (`None`: no such file); `Ok(None)` leaves it alone.
    /// `change` is called again with the newer bytes where another process was faster.
    fn update(&self, path: &str, change: &mut Change) -> Result<()>;

    /// Begins a file that will appear at `path` when it is finished. Parents are made as needed.
    fn create(&self, path: &str) -> Result<Box<dyn FileWriter>>;

    /// Moves a file. The target's parents are made as needed.
    fn rename(&self, from: &str, to: &str) -> Result<()>;

    /// [`Storage::rename`] of many (from, to), concurrently where that helps. A file that is not there (any more) is
    /// passed over; the others are tried as long as the store answers, and the first failure is the answer.
    fn rename_all(&self, moves: &[(String, String)]) -> Result<()> {
        let passed_over = |result: Result<()>| match result {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            result => result,
        };
        first_failure(moves.iter().map(|(from, to)| passed_over(self.rename(from, to))))
    }

    /// Copies many (from, to), to where nothing is yet, concurrently where that helps. The first failure is the
    /// answer, that of a file that is not there included; others may have been copied, or not.
    fn copy_all(&self, copies: &[(FileMeta, String)]) -> Result<()> {
        first_failure(copies.iter().map(|(from, to)| copy_through(self, from, to)))
    }

    /// Deletes a file; one that is not there is no error.
    fn delete(&self, path: &str) -> Result<()>;

    /// [`Storage::delete`] of many, concurrently where that helps. All are tried as long as the store answers;
    /// the first failure is the answer.
    fn delete_all(&self, paths: &[String]) -> Result<()> {
        first_failure(paths.iter().map(|path| self.delete(path)))
    }

    /// Deletes what writers that died left in `dir` of files whose name contains `part`, and have not changed for a
    /// while. A backend whose writers leave nothing there does nothing.
    fn discard_unfinished(&self, _dir: &str, _part: &str, _unchanged_for: Duration) -> Result<()> {
        Ok(())
    }

    /// Removes `dir` and the directories below it that hold no file. Where directories are not kept there is nothing
    /// to do.
    fn remove_empty_dirs(&self, _dir: &str) -> Result<()> {
        Ok(())
    }
}

/// Copies a file by reading and writing it, some of it at a time.
fn copy_through(storage: &(impl Storage + ?Sized), from: &FileMeta, to: &str) -> Result<()> {
    const COPY_BYTES: u64 = 8 << 20;
    let mut writer = storage.create(to)?;
    let mut start = 0;
    while start < from.size {
        let end = (start + COPY_BYTES).min(from.size);
        let part = start..end;
        for bytes in storage.read_ranges(&from.path, std::slice::from_ref(&part))? {
            writer.write_all(&bytes).map_err(|error| Error::io("write", storage.location(to), error))?;
        }
        start = end;
    }
    writer.finish().map(drop)
}

/// See [`Storage::list_run`].
struct RunBuilder<'a> {
    dir: &'a str,
    name: &'a Numbered,
    next: u64,
    run: Run,
}

impl<'a> RunBuilder<'a> {
    fn new(dir: &'a str, first: u64, name: &'a Numbered) -> Self {
        Self { dir, name, next: first, run: Run::default() }
    }

    /// Takes those of `listed`, sorted by path, that belong to it, and passes over those that no number has. `false`:
    /// the run has come to its end.
    fn take(&mut self, listed: impl IntoIterator<Item = FileMeta>) -> bool {
        for file in listed {
            match file.path.cmp(&join(self.dir, &(self.name)(self.next))) {
                Ordering::Less => {}
                Ordering::Equal => {
                    self.run.files.push(file);
                    self.next += 1;
                }
                Ordering::Greater => {
                    self.run.behind = Some(file);
                    return false;
                }
            }
        }
        true
    }
}

/// The path of what is called `name` in `dir` (`""`: the root).
fn join(dir: &str, name: &str) -> String {
    if dir.is_empty() { name.to_owned() } else { [dir, name].join("/") }
}

/// The error for a file at `location` that is not the one that was listed any more.
fn replaced(location: String) -> Error {
    Error::new(ErrorKind::Conflict, format!("File \"{location}\" was replaced while it was to be read!"))
        .with_hint("Run the query again. What amplify writes never changes under its name: another program did this.")
}

/// Sees all results; the first failure among them.
fn first_failure(results: impl Iterator<Item = Result<()>>) -> Result<()> {
    let mut first = Ok(());
    for result in results {
        first = first.and(result);
    }
    first
}

/// `storage`, whose calls that wait for answers end as `Interrupted` soon after `cancel` is thrown.
pub fn cancellable(storage: Arc<dyn Storage>, cancel: &Cancel) -> Arc<dyn Storage> {
    storage.cancellable(cancel).unwrap_or(storage)
}

/// `storage`, for clearing up after a failure: it gives up at the first request that is not answered within seconds.
pub fn hurried(storage: &Arc<dyn Storage>) -> Arc<dyn Storage> {
    storage.hurried().unwrap_or_else(|| storage.clone())
}

/// Runs two pieces of work: at the same time where several requests may wait, else one after the other.
pub fn both<A: Send, B: Send>(
    storage: &dyn Storage,
    first: impl FnOnce() -> Result<A> + Send,
    second: impl FnOnce() -> Result<B>,
) -> Result<(A, B)> {
    if storage.access().concurrency < 2 {
        return Ok((first()?, second()?));
    }
    std::thread::scope(|scope| {
        let other = scope.spawn(first);
        let second = second();
        let first = other.join().unwrap_or_else(|_| Err(Error::internal("A request's thread panicked")));
        Ok((first?, second?))
    })
}

/// Opens the store at `root`: a local path, absolute or relative to the working directory, `~/…` or `file://…`; or
/// `s3://bucket/prefix`, `gs://…`, `az://…`, `abfss://…`. Nothing is read or written yet.
///
/// # Errors
/// `InvalidInput` for an empty root, one that holds NUL, or options that do not fit together; `Unsupported` for another
/// URL.
pub fn open(root: &str, options: &OpenOptions) -> Result<Arc<dyn Storage>> {
    if root.trim().is_empty() || root.contains('\0') {
        return Err(Error::invalid(format!("\"{}\" cannot be the root of a store!", root.escape_debug())));
    }
    let slashes = root.split_once(":/").filter(|(_, rest)| !rest.starts_with('/'));
    if let Some((scheme, rest)) = slashes.filter(|(scheme, _)| is_known_scheme(scheme)) {
        return Err(Error::invalid(format!("\"{root}\" cannot be the root of a store: it has one slash too few!"))
            .with_hint(format!("Write {scheme}://{rest}; for a local directory of such a name ./{root}.")));
    }
    let path = match root.split_once("://") {
        None => root,
        Some(("file", path)) => path,
        Some(_) => return Ok(Arc::new(Remote::open(root, options)?)),
    };
    let path = match (path.strip_prefix("~/"), std::env::home_dir()) {
        (Some(below), Some(home)) => home.join(below),
        _ => PathBuf::from(path),
    };
    Ok(Arc::new(Local::open(&path, options.durable)?))
}
