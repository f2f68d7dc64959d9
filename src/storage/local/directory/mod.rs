//! One directory, read entry by entry.
//!
//! The work of a listing is system calls, so on Linux no more are made than it takes: [`Directory::open_in`] spares the
//! kernel the way from the root, entries are asked for their state from the open directory, and one buffer serves many
//! directories. Elsewhere the standard library does it; the tests run both.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(any(test, not(target_os = "linux")))]
mod portable;

use std::ffi::OsStr;
use std::io;
use std::path::Path;

#[cfg(target_os = "linux")]
pub(super) use self::linux::LinuxDirectory as NativeDirectory;
#[cfg(test)]
pub(super) use self::portable::PortableDirectory;
#[cfg(not(target_os = "linux"))]
pub(super) use self::portable::PortableDirectory as NativeDirectory;
use super::read::State;
use crate::error::Result;

/// What takes the entries of a directory, or why there are no more of them. An error of its own ends the reading.
pub(super) type Each<'a> = dyn FnMut(io::Result<&dyn Entry>) -> Result<()> + 'a;

/// An open directory.
pub(super) trait Directory: Sized {
    fn open(path: &Path) -> io::Result<Self>;

    /// The directory `name` in this one.
    fn open_in(&self, name: &str) -> io::Result<Self>;

    /// Gives `each` every entry, in no particular order. `buffer` holds what was read; given again, it is used again.
    fn read(self, buffer: &mut Vec<u8>, each: &mut Each) -> Result<()>;
}

/// An entry of a directory, asked while the directory is open.
pub(super) trait Entry {
    fn name(&self) -> &OsStr;

    /// Whether it is a directory itself, and no link to one. This rarely costs a system call.
    fn is_dir(&self) -> io::Result<bool>;

    /// What it is, links followed. `None` for what vanished since it was listed, a link to nowhere, or neither file nor
    /// directory. Directories are told by the listing itself, so that only files cost a system call.
    fn found(&self) -> io::Result<Option<Found>>;
}

/// What an entry is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    Dir,
    File(State),
}
