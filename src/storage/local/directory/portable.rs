//! Directories by the standard library.

use std::ffi::{OsStr, OsString};
use std::fs::{self, DirEntry, ReadDir};
use std::io::{self, ErrorKind as IoErrorKind};
use std::path::{Path, PathBuf};

use super::{Directory, Each, Entry, Found};
use crate::error::Result;
use crate::storage::local::read::State;

/// See [`Directory`].
#[derive(Debug)]
pub struct PortableDirectory {
    path: PathBuf,
    entries: ReadDir,
}

impl Directory for PortableDirectory {
    fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { path: path.to_owned(), entries: fs::read_dir(path)? })
    }

    fn open_in(&self, name: &str) -> io::Result<Self> {
        Self::open(&self.path.join(name))
    }

    fn read(self, _buffer: &mut Vec<u8>, each: &mut Each) -> Result<()> {
        for entry in self.entries {
            match entry {
                Err(error) => return each(Err(error)),
                Ok(entry) => each(Ok(&PortableEntry { name: entry.file_name(), entry }))?,
            }
        }
        Ok(())
    }
}

struct PortableEntry {
    name: OsString,
    entry: DirEntry,
}

impl Entry for PortableEntry {
    fn name(&self) -> &OsStr {
        &self.name
    }

    fn is_dir(&self) -> io::Result<bool> {
        Ok(self.entry.file_type()?.is_dir())
    }

    fn found(&self) -> io::Result<Option<Found>> {
        let file_type = self.entry.file_type()?;
        if file_type.is_dir() {
            return Ok(Some(Found::Dir));
        }
        let followed = || fs::metadata(self.entry.path());
        match if file_type.is_symlink() { followed() } else { self.entry.metadata() } {
            Err(error) if error.kind() == IoErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
            Ok(metadata) if metadata.is_dir() => Ok(Some(Found::Dir)),
            Ok(metadata) if metadata.is_file() => Ok(Some(Found::File(State::of(&metadata)?))),
            Ok(_) => Ok(None),
        }
    }
}
