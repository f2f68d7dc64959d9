//! The local file system.
//!
//! What is durable when, in the order it is done (syncing is left out where the root was opened without durability):
//!
//! 1. the bytes go to a temporary file next to the target, hidden by a leading `.` and without the target's ending;
//! 2. the temporary file is synced;
//! 3. from the root down, for every directory on the way to the target that this process has not settled before, its
//!    parent is synced, so that the way to the file survives a power cut too, whoever made it;
//! 4. the file gets its name: by a hard link, which never replaces a file ([`Storage::create`],
//!    [`Storage::put_if_absent`]), or by a rename, which does ([`Storage::update`]);
//! 5. the temporary name is removed where it was linked;
//! 6. the directory is synced.
//!
//! A rename syncs the target's directory, then the one the file left; a delete syncs the directory.
//!
//! Without hard links (FAT, some network file systems), step 4 of a new file is a check and a rename: safe because the
//! names of data files are unique. [`Storage::put_if_absent`] then creates the file under its own name exclusively and
//! writes it there: still one winner, but a reader may meet it half written for a moment.
//!
//! Temporary files are never listed. A process that is killed leaves its own behind;
//! [`Storage::discard_unfinished`] removes them.
//!
//! Symbolic links inside the root are followed: they are the user's. Names that are not UTF-8 are passed over where
//! they start with `.` or `_`; elsewhere they are an error, since what lies there would silently be missing.

mod directory;
mod list;
#[cfg(test)]
mod list_tests;
mod read;
mod root;
mod staged;
#[cfg(test)]
mod tests;
mod writer;

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind as IoErrorKind, Write};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use self::directory::NativeDirectory;
use self::list::Lister;
use self::read::{State, missing_or_io, read_file, read_ranges};
use self::root::Root;
use self::staged::{Linked, Staged, is_temporary};
use self::writer::LocalWriter;
use crate::error::{Error, Result};
use crate::storage::{self, Change, FileMeta, FileWriter, Listing, Numbered, PutOutcome, Run, Storage};

/// A root on the local file system. See the module's page for what is durable when.
#[derive(Debug)]
pub struct Local {
    root: Arc<Root>,
}

impl Local {
    /// Opens the directory `root`, which need not be there: the first write makes it. With `durable`, what was
    /// answered `Ok` survives a power cut.
    ///
    /// # Errors
    /// `Io` where `root` is empty or the current directory, needed to make it absolute, is gone.
    pub fn open(root: &Path, durable: bool) -> Result<Self> {
        Ok(Self { root: Arc::new(Root::open(root, durable)?) })
    }

    /// The file at `path`; `None` where there is none.
    fn look_for(&self, path: String) -> Result<Option<FileMeta>> {
        let target = self.root.file(&path)?;
        match fs::metadata(&target).and_then(|metadata| Ok((metadata.is_file(), State::of(&metadata)?))) {
            Ok((is_file, state)) => Ok(is_file.then(|| state.file(path))),
            Err(error) if matches!(error.kind(), IoErrorKind::NotFound | IoErrorKind::NotADirectory) => Ok(None),
            Err(error) => Err(Error::io("look for", target.display(), error)),
        }
    }

    /// Takes the advisory lock on the file `path`, which is made and stays. It is given back by dropping the answer.
    fn lock(&self, path: &Path) -> Result<File> {
        let open = || match OpenOptions::new().create(true).truncate(false).write(true).open(path) {
            // Another user's lock file: a lock needs no more than to open it.
            Err(error) if error.kind() == IoErrorKind::PermissionDenied => File::open(path).map_err(|_| error),
            result => result,
        };
        let file = self.root.with_parents(path, &mut Vec::new(), open);
        let file = file.map_err(|error| Error::io("open the lock file", path.display(), error))?;
        loop {
            match file.lock() {
                Err(error) if error.kind() == IoErrorKind::Interrupted => {}
                Err(error) => return Err(Error::io("lock", path.display(), error)),
                Ok(()) => return Ok(file),
            }
        }
    }
}

impl Storage for Local {
    fn location(&self, path: &str) -> String {
        self.root.location(path).display().to_string()
    }

    fn list_dir(&self, dir: &str) -> Result<Listing> {
        Lister::new(&self.root).list_dir::<NativeDirectory>(None, dir)
    }

    fn list_dirs(&self, dirs: &[String]) -> Result<Vec<Listing>> {
        list::list_dirs::<NativeDirectory>(&self.root, dirs)
    }

    fn read(&self, path: &str) -> Result<Option<Bytes>> {
        Ok(read_file(&self.root.file(path)?)?.map(Bytes::from))
    }

    fn read_ranges(&self, path: &str, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        read_ranges(&self.root.file(path)?, ranges, None)
    }

    fn read_listed(&self, file: &FileMeta, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        read_ranges(&self.root.file(&file.path)?, ranges, Some(file))
    }

    fn put_if_absent(&self, path: &str, bytes: &[u8]) -> Result<PutOutcome> {
        let target = self.root.file(path)?;
        let failed = |error| Error::io("create", target.display(), error);
        if fs::symlink_metadata(&target).is_ok() {
            return Ok(PutOutcome::AlreadyExists);
        }
        let mut staged = Staged::new(&self.root, &target);
        staged.seal(&[bytes]).map_err(failed)?;
        match staged.link().map_err(failed)? {
            Linked::Created => Ok(PutOutcome::Created),
            Linked::AlreadyExists => Ok(PutOutcome::AlreadyExists),
            Linked::NotSupported => put_exclusively(&self.root, &target, bytes).map_err(failed),
        }
    }

    fn update(&self, path: &str, change: &mut Change) -> Result<()> {
        let target = self.root.file(path)?;
        let failed = |error| Error::io("replace", target.display(), error);
        // Asked without the lock first: what changes nothing, or is refused, needs no right to write.
        let before = read_file(&target)?;
        let Some(mut after) = change(before.as_deref())? else { return Ok(()) };
        let _lock = self.lock(&target.with_extension("lock"))?;
        let current = read_file(&target)?;
        if current != before {
            match change(current.as_deref())? {
                Some(bytes) => after = bytes,
                None => return Ok(()),
            }
        }
        let mut staged = Staged::new(&self.root, &target);
        staged.seal(&[&after]).map_err(failed)?;
        staged.replace().map_err(failed)
    }

    fn create(&self, path: &str) -> Result<Box<dyn FileWriter>> {
        let target = self.root.file(path)?;
        Ok(Box::new(LocalWriter::new(path.to_owned(), Staged::new(&self.root, &target))))
    }

    fn rename(&self, from: &str, to: &str) -> Result<()> {
        let (from, to) = (self.root.file(from)?, self.root.file(to)?);
        // Before directories are made for a file that is not there.
        fs::symlink_metadata(&from).map_err(|error| missing_or_io("move", &from, error))?;
        self.root
            .with_parents(&to, &mut Vec::new(), || fs::rename(&from, &to))
            .and_then(|()| self.root.settle(&to))
            .and_then(|()| self.root.sync_parent(&to))
            .and_then(|()| self.root.sync_parent(&from))
            .map_err(|error| missing_or_io("move", &from, error))
    }

    fn delete(&self, path: &str) -> Result<()> {
        let path = self.root.file(path)?;
        match fs::remove_file(&path) {
            // Not a directory: something on the way is a file, so nothing of this name is there either.
            Err(error) if matches!(error.kind(), IoErrorKind::NotFound | IoErrorKind::NotADirectory) => Ok(()),
            result => result.and_then(|()| self.root.sync_parent(&path)),
        }
        .map_err(|error| Error::io("delete", path.display(), error))
    }

    fn failed_puts_may_land(&self) -> bool {
        false
    }

    fn list_names(&self, dir: &str) -> Result<Vec<String>> {
        list::list_names::<NativeDirectory>(&self.root, dir)
    }

    fn list_run(&self, dir: &str, first: u64, name: &Numbered) -> Result<Run> {
        // Kept open, and not read: NFS asks the server for a directory's state when it is opened. Without that it may
        // say for half a minute that a name is not there which it has been asked for before.
        let directory = self.root.dir(dir)?;
        let _open = match fs::read_dir(&directory) {
            Err(error) if error.kind() == IoErrorKind::NotFound => return Ok(Run::default()),
            open => open.map_err(|error| Error::io("list", directory.display(), error))?,
        };
        let mut files = Vec::new();
        while let Some(file) = self.look_for(storage::join(dir, &name(first + files.len() as u64)))? {
            files.push(file);
        }
        // It may have gone since, and what came behind it too.
        let holds = !files.is_empty() && self.look_for(storage::join(dir, &name(first)))?.is_some();
        Ok(Run { files: if holds { files } else { Vec::new() }, behind: None })
    }

    fn remove_empty_dirs(&self, dir: &str) -> Result<()> {
        remove_empty_dirs(&self.root.dir(dir)?)
    }

    fn discard_unfinished(&self, dir: &str, part: &str, unchanged_for: Duration) -> Result<()> {
        let directory = self.root.dir(dir)?;
        let failed = |error| Error::io("clean up", directory.display(), error);
        let entries = match fs::read_dir(&directory) {
            Err(error) if error.kind() == IoErrorKind::NotFound => return Ok(()),
            entries => entries.map_err(failed)?,
        };
        for entry in entries {
            let entry = entry.map_err(failed)?;
            let ours = entry.file_name().to_str().is_some_and(|name| is_temporary(name) && name.contains(part));
            let rested = || Some(entry.metadata().ok()?.modified().ok()?.elapsed().ok()? >= unchanged_for);
            if ours && (unchanged_for.is_zero() || rested() == Some(true)) {
                match fs::remove_file(entry.path()) {
                    Err(error) if error.kind() == IoErrorKind::NotFound => {}
                    result => result.map_err(failed)?,
                }
            }
        }
        Ok(())
    }
}

/// Removes a directory and those below it, as far as they are empty. One that is gone, or is filled meanwhile, is no
/// error.
fn remove_empty_dirs(directory: &Path) -> Result<()> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == IoErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(|error| Error::io("list", directory.display(), error))?,
    };
    for entry in entries.flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_empty_dirs(&entry.path())?;
        }
    }
    match fs::remove_dir(directory) {
        Err(error) if matches!(error.kind(), IoErrorKind::NotFound | IoErrorKind::DirectoryNotEmpty) => Ok(()),
        result => result.map_err(|error| Error::io("remove", directory.display(), error)),
    }
}

/// [`Storage::put_if_absent`] without hard links: the file is whole only after it is there.
fn put_exclusively(root: &Root, target: &Path, bytes: &[u8]) -> io::Result<PutOutcome> {
    let open = || OpenOptions::new().write(true).create_new(true).open(target);
    let mut file = match root.with_parents(target, &mut Vec::new(), open) {
        Err(error) if error.kind() == IoErrorKind::AlreadyExists => return Ok(PutOutcome::AlreadyExists),
        file => file?,
    };
    let written = file.write_all(bytes).and_then(|()| root.sync_file(&file));
    if let Err(error) = written {
        // Nothing better can be done where this fails too.
        let _ = fs::remove_file(target);
        return Err(error);
    }
    root.settle(target)?;
    root.sync_parent(target)?;
    Ok(PutOutcome::Created)
}
