//! Directories by Linux's own calls: four for a directory, and one for a file in it.

use std::ffi::{CStr, OsStr};
use std::io::{self, ErrorKind as IoErrorKind};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use chrono::DateTime;
use rustix::fd::AsFd;
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, RawDir, Stat, openat, statat};
use rustix::io::{Errno, retry_on_intr};
use rustix::path::Arg;

use super::{Directory, Each, Entry, Found};
use crate::error::Result;
use crate::storage::local::read::{State, inode};

/// What one call for entries may fill: some hundred of them, and any single one.
const BUFFER_BYTES: usize = 32 << 10;

/// See [`Directory`].
#[derive(Debug)]
pub struct LinuxDirectory(OwnedFd);

impl Directory for LinuxDirectory {
    fn open(path: &Path) -> io::Result<Self> {
        open(CWD, path)
    }

    fn open_in(&self, name: &str) -> io::Result<Self> {
        open(self.0.as_fd(), name)
    }

    fn read(self, buffer: &mut Vec<u8>, each: &mut Each) -> Result<()> {
        buffer.clear();
        buffer.reserve(BUFFER_BYTES);
        let mut entries = RawDir::new(&self.0, buffer.spare_capacity_mut());
        while let Some(entry) = entries.next() {
            match entry {
                Err(Errno::INTR) => {}
                // The directory was removed meanwhile.
                Err(Errno::NOENT) => break,
                Err(error) => return each(Err(error.into())),
                Ok(entry) if matches!(entry.file_name().to_bytes(), b"." | b"..") => {}
                Ok(entry) => {
                    let (name, kind) = (entry.file_name(), entry.file_type());
                    each(Ok(&LinuxEntry { directory: self.0.as_fd(), name, kind }))?;
                }
            }
        }
        Ok(())
    }
}

fn open(from: BorrowedFd, path: impl Arg + Copy) -> io::Result<LinuxDirectory> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(LinuxDirectory(retry_on_intr(|| openat(from, path, flags, Mode::empty()))?))
}

struct LinuxEntry<'a> {
    directory: BorrowedFd<'a>,
    name: &'a CStr,
    /// As the directory has it: some file systems leave it unknown.
    kind: FileType,
}

impl LinuxEntry<'_> {
    /// `None` where nothing of the name is there.
    fn stat(&self, flags: AtFlags) -> io::Result<Option<Stat>> {
        match statat(self.directory, self.name, flags).map_err(io::Error::from) {
            Err(error) if error.kind() == IoErrorKind::NotFound => Ok(None),
            stat => stat.map(Some),
        }
    }
}

impl Entry for LinuxEntry<'_> {
    fn name(&self) -> &OsStr {
        OsStr::from_bytes(self.name.to_bytes())
    }

    fn is_dir(&self) -> io::Result<bool> {
        if self.kind != FileType::Unknown {
            return Ok(self.kind == FileType::Directory);
        }
        let stat = self.stat(AtFlags::SYMLINK_NOFOLLOW)?;
        Ok(stat.is_some_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Directory))
    }

    fn found(&self) -> io::Result<Option<Found>> {
        if self.kind == FileType::Directory {
            return Ok(Some(Found::Dir));
        }
        let Some(stat) = self.stat(AtFlags::empty())? else { return Ok(None) };
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => Ok(Some(Found::Dir)),
            FileType::RegularFile => Ok(Some(Found::File(state(&stat)?))),
            _ => Ok(None),
        }
    }
}

/// What [`State::of`] makes of the same file.
fn state(stat: &Stat) -> io::Result<State> {
    let modified = DateTime::from_timestamp(stat.st_mtime, stat.st_mtime_nsec as u32);
    let modified = modified.ok_or_else(|| io::Error::other("its time of change is none of this calendar"))?;
    Ok(State {
        size: stat.st_size as u64,
        modified,
        inode: Some(inode(stat.st_ino, stat.st_ctime, stat.st_ctime_nsec as i64)),
    })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use tempfile::TempDir;

    use super::*;

    #[test]
    fn what_the_directory_does_not_tell_is_asked() {
        let dir = TempDir::new().unwrap();
        fs::create_dir(dir.path().join("dir")).unwrap();
        fs::write(dir.path().join("file"), b"abc").unwrap();
        symlink("dir", dir.path().join("to-dir")).unwrap();
        symlink("file", dir.path().join("to-file")).unwrap();
        symlink("none", dir.path().join("dangling")).unwrap();
        let open = LinuxDirectory::open(dir.path()).unwrap();
        let ask = |name: &CStr, kind: FileType| {
            let entry = LinuxEntry { directory: open.0.as_fd(), name, kind };
            (entry.is_dir().unwrap(), entry.found().unwrap())
        };
        let state = State::of(&fs::metadata(dir.path().join("file")).unwrap()).unwrap();
        assert_eq!(state.size, 3);
        let file = || Some(Found::File(State { ..state }));
        for (name, kind, is_dir, found) in [
            (c"dir", FileType::Directory, true, Some(Found::Dir)),
            (c"file", FileType::RegularFile, false, file()),
            (c"to-dir", FileType::Symlink, false, Some(Found::Dir)),
            (c"to-file", FileType::Symlink, false, file()),
            (c"dangling", FileType::Symlink, false, None),
            (c"vanished", FileType::RegularFile, false, None),
        ] {
            assert_eq!(ask(name, kind), (is_dir, found), "{name:?}");
            assert_eq!(ask(name, kind), ask(name, FileType::Unknown), "{name:?}");
        }
    }

    #[test]
    fn more_entries_than_the_buffer_holds() {
        let dir = TempDir::new().unwrap();
        let long = "n".repeat(200);
        for n in 0..300 {
            fs::write(dir.path().join(format!("{n}{long}")), b"").unwrap();
        }
        let mut numbers = Vec::new();
        let mut each = |entry: io::Result<&dyn Entry>| {
            let name = entry.unwrap().name().to_str().unwrap().trim_end_matches('n').to_owned();
            numbers.push(name.parse::<usize>().unwrap());
            Ok(())
        };
        LinuxDirectory::open(dir.path()).unwrap().read(&mut Vec::new(), &mut each).unwrap();
        numbers.sort_unstable();
        assert_eq!(numbers, (0..300).collect::<Vec<_>>());
    }
}
