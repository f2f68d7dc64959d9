//! The root directory: where relative paths lead, and which directories must be synced.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use crate::error::{Error, Result};

/// How often an operation is tried again whose directory another writer's clean-up took away under it.
const MAX_ATTEMPTS: usize = 16;

#[derive(Debug)]
pub(super) struct Root {
    dir: PathBuf,
    durable: bool,
}

/// Directories whose entry in their parent is known to be on disk, for all roots of the process: a write of a few rows
/// would sync the same nine each time.
static SETTLED: LazyLock<Mutex<HashMap<PathBuf, Identity>>> = LazyLock::new(Mutex::default);

/// With more than this, all are forgotten.
const MAX_SETTLED: usize = 200_000;

/// Tells a directory from a later one of the same name: its device, inode and birth.
type Identity = (u64, u64, SystemTime);

/// `None` where the file system does not say.
#[cfg(unix)]
fn identity(dir: &Path) -> Option<Identity> {
    use std::os::unix::fs::MetadataExt;
    let metadata = fs::metadata(dir).ok()?;
    Some((metadata.dev(), metadata.ino(), metadata.created().ok()?))
}

#[cfg(not(unix))]
fn identity(_dir: &Path) -> Option<Identity> {
    None
}

impl Root {
    pub fn open(dir: &Path, durable: bool) -> Result<Self> {
        let absolute = std::path::absolute(dir).map_err(|error| Error::io("open the root", dir.display(), error))?;
        Ok(Self { dir: absolute, durable })
    }

    /// Where `relative` leads, for messages only.
    pub fn location(&self, relative: &str) -> PathBuf {
        let mut path = self.dir.clone();
        path.extend(relative.split('/').filter(|segment| !segment.is_empty()));
        path
    }

    /// The file at `relative`; nothing that could leave the root.
    pub fn file(&self, relative: &str) -> Result<PathBuf> {
        if relative.split('/').all(is_segment) {
            return Ok(self.location(relative));
        }
        Err(Error::internal(format!("\"{}\" is no path below \"{}\"", relative.escape_debug(), self.dir.display())))
    }

    /// The directory at `relative`; `""` is the root.
    pub fn dir(&self, relative: &str) -> Result<PathBuf> {
        if relative.is_empty() { Ok(self.dir.clone()) } else { self.file(relative) }
    }

    /// Runs `operation`, which needs the parents of `path`, and makes them where it finds them missing. Those that
    /// were made here are added to `made`, outermost first.
    pub fn with_parents<T>(
        &self,
        path: &Path,
        made: &mut Vec<PathBuf>,
        mut operation: impl FnMut() -> io::Result<T>,
    ) -> io::Result<T> {
        for _ in 1..MAX_ATTEMPTS {
            match operation() {
                Err(error) if error.kind() == io::ErrorKind::NotFound => self.make_dir(parent(path), made)?,
                result => return result,
            }
        }
        operation()
    }

    fn make_dir(&self, dir: &Path, made: &mut Vec<PathBuf>) -> io::Result<()> {
        match fs::create_dir(dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && dir.parent().is_some() => {
                self.make_dir(parent(dir), made)?;
                match fs::create_dir(dir) {
                    // Taken away again by another writer's clean-up: the caller tries anew.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
                    result => self.made_dir(dir, result, made),
                }
            }
            result => self.made_dir(dir, result, made),
        }
    }

    fn made_dir(&self, dir: &Path, result: io::Result<()>, made: &mut Vec<PathBuf>) -> io::Result<()> {
        match result {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && dir.is_dir() => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                Err(io::Error::new(io::ErrorKind::NotADirectory, format!("\"{}\" is no directory", dir.display())))
            }
            Err(error) => Err(error),
            Ok(()) => {
                made.push(dir.to_owned());
                if dir.starts_with(&self.dir) && dir != self.dir {
                    settled().remove(dir);
                    Ok(())
                } else {
                    self.sync_parent(dir) // the root and what is above it: not seen by `settle`
                }
            }
        }
    }

    /// Sees to it that the directories between the root and the file `path` survive a power cut.
    pub fn settle(&self, path: &Path) -> io::Result<()> {
        if !self.durable {
            return Ok(());
        }
        let below_root = path.ancestors().skip(1).take_while(|dir| *dir != self.dir && dir.starts_with(&self.dir));
        let unsettled: Vec<(&Path, Option<Identity>)> = below_root
            .map(|dir| (dir, identity(dir)))
            .take_while(|(dir, identity)| identity.is_none() || settled().get(*dir) != identity.as_ref())
            .collect();
        for (dir, identity) in unsettled.into_iter().rev() {
            self.sync_parent(dir)?;
            let mut settled = settled();
            if settled.len() >= MAX_SETTLED {
                settled.clear();
            }
            settled.extend(identity.map(|identity| (dir.to_owned(), identity)));
        }
        Ok(())
    }

    /// Syncs the file's bytes.
    pub fn sync_file(&self, file: &File) -> io::Result<()> {
        if self.durable { file.sync_all() } else { Ok(()) }
    }

    /// Syncs the directory that holds `path`, so that its name survives a power cut.
    pub fn sync_parent(&self, path: &Path) -> io::Result<()> {
        if self.durable { sync_dir(parent(path)) } else { Ok(()) }
    }
}

/// Whether a path below the root may have the segment `segment`: it is one name, and does not lead up.
pub(super) fn is_segment(segment: &str) -> bool {
    let special = |byte| matches!(byte, b'\0' | b'/') || cfg!(windows) && matches!(byte, b'\\' | b':');
    !matches!(segment, "" | "." | "..") && !segment.bytes().any(special)
}

fn settled() -> MutexGuard<'static, HashMap<PathBuf, Identity>> {
    SETTLED.lock().unwrap_or_else(PoisonError::into_inner)
}

fn parent(path: &Path) -> &Path {
    path.parent().unwrap_or(path)
}

#[cfg(unix)]
fn sync_dir(dir: &Path) -> io::Result<()> {
    match File::open(dir)?.sync_all() {
        // Some network file systems cannot sync a directory and need not be told to.
        Err(error) if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => Ok(()),
        result => result,
    }
}

/// Directories cannot be opened for this; the file system keeps its own journal.
#[cfg(not(unix))]
fn sync_dir(_dir: &Path) -> io::Result<()> {
    Ok(())
}
