//! What is there: the state of a file, and its bytes.

use std::fs::{self, File};
use std::io::{self, ErrorKind as IoErrorKind};
use std::ops::Range;
use std::path::Path;

use bytes::Bytes;
use chrono::{DateTime, Utc};

use crate::error::{Error, ErrorKind, Result};
use crate::storage::{self, FileMeta, Inode};

/// What a file is like at one time: by this a listing tells it from another of its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct State {
    pub size: u64,
    pub modified: DateTime<Utc>,
    pub inode: Option<Inode>,
}

impl State {
    pub fn of(metadata: &fs::Metadata) -> io::Result<Self> {
        Ok(Self { size: metadata.len(), modified: metadata.modified()?.into(), inode: inode_of(metadata) })
    }

    /// The file at `path` below the root.
    pub fn file(self, path: String) -> FileMeta {
        FileMeta { path, size: self.size, modified: self.modified, etag: None, inode: self.inode }
    }
}

#[cfg(unix)]
fn inode_of(metadata: &fs::Metadata) -> Option<Inode> {
    use std::os::unix::fs::MetadataExt;
    Some(inode(metadata.ino(), metadata.ctime(), metadata.ctime_nsec()))
}

#[cfg(not(unix))]
fn inode_of(_: &fs::Metadata) -> Option<Inode> {
    None
}

/// Number `number`, changed at `seconds` and `nanoseconds` since 1970.
#[cfg(unix)]
pub(super) fn inode(number: u64, seconds: i64, nanoseconds: i64) -> Inode {
    const SECOND_NS: i128 = 1_000_000_000;
    Inode { number, changed_ns: i128::from(seconds) * SECOND_NS + i128::from(nanoseconds) }
}

/// Ranges of the file at `path`, which has to be the one that was `listed`, and to stay it.
pub(super) fn read_ranges(path: &Path, ranges: &[Range<u64>], listed: Option<&FileMeta>) -> Result<Vec<Bytes>> {
    let failed = |error| missing_or_io("read", path, error);
    let file = File::open(path).map_err(failed)?;
    // Only what stays as a file is moved or linked: the inode does not, and some network file systems make its number up
    // anew.
    let check = || {
        let metadata = file.metadata()?;
        let modified = DateTime::<Utc>::from(metadata.modified()?);
        let is_listed = listed.is_none_or(|listed| (metadata.len(), modified) == (listed.size, listed.modified));
        Ok((metadata.len(), is_listed))
    };
    let replaced = || storage::replaced(path.display().to_string());
    let (size, is_listed) = check().map_err(failed)?;
    if !is_listed {
        return Err(replaced());
    }
    let cut_off = |range: &Range<u64>| {
        Error::corrupt(format!(
            "\"{}\" is cut off: bytes {} to {} were to be read, but it has {size}!",
            path.display(),
            range.start,
            range.end
        ))
    };
    let read = |range: &Range<u64>| {
        let length = range.end.checked_sub(range.start).and_then(|length| usize::try_from(length).ok());
        let length = length.ok_or_else(|| Error::internal(format!("{range:?} is no range of bytes")))?;
        // Checked before memory is taken: a damaged footer may ask for any length.
        if range.end > size {
            return Err(cut_off(range));
        }
        let mut bytes = vec![0; length];
        match read_exact_at(&file, &mut bytes, range.start) {
            Err(error) if error.kind() == IoErrorKind::UnexpectedEof => Err(cut_off(range)),
            result => result.map_err(failed),
        }?;
        Ok(Bytes::from(bytes))
    };
    let answers = ranges.iter().map(read).collect();
    // It may have been written to meanwhile.
    if listed.is_some() && !check().map_err(failed)?.1 {
        return Err(replaced());
    }
    answers
}

/// All of a file; `None` where it is not there.
pub(super) fn read_file(path: &Path) -> Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Err(error) if error.kind() == IoErrorKind::NotFound => Ok(None),
        result => result.map(Some).map_err(|error| Error::io("read", path.display(), error)),
    }
}

/// `NotFound` where the file is gone, so that a reader may look for it elsewhere.
pub(super) fn missing_or_io(what: &str, path: &Path, error: io::Error) -> Error {
    if error.kind() == IoErrorKind::NotFound {
        return Error::new(ErrorKind::NotFound, format!("File \"{}\" is not there!", path.display()));
    }
    Error::io(what, path.display(), error)
}

#[cfg(unix)]
fn read_exact_at(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, bytes, offset)
}

#[cfg(not(unix))]
fn read_exact_at(mut file: &File, bytes: &mut [u8], offset: u64) -> io::Result<()> {
    use std::io::{Read, Seek, SeekFrom};
    file.seek(SeekFrom::Start(offset))?;
    file.read_exact(bytes)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::super::tests::{fresh, put};
    use super::*;
    use crate::storage::Storage;

    #[test]
    fn reads_ranges_and_tells_what_is_cut_off() {
        let (_dir, local) = fresh();
        put(&local, "t/a", b"0123456789");
        assert_eq!(local.read_ranges("t/a", &[2..4, 0..0, 9..10]).unwrap(), ["23", "", "9"]);
        for range in [8..11, 0..u64::MAX, 11..11] {
            let error = local.read_ranges("t/a", std::slice::from_ref(&range)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt);
            assert!(
                error.to_string().contains("deep/root/t/a\" is cut off") && error.to_string().contains("10!"),
                "{error}"
            );
        }
        assert_eq!(local.read_ranges("t/none", &[]).unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(local.read("t/none").unwrap(), None);
    }

    #[test]
    fn a_file_that_was_replaced_is_not_taken_for_the_one_that_was_listed() {
        let (dir, local) = fresh();
        let path = dir.path().join("deep/root/t/a.parquet");
        put(&local, "t/a.parquet", b"0123456789");
        let listed = local.list_dir("t").unwrap().files.remove(0);
        let read = |file: &FileMeta| local.read_listed(file, std::slice::from_ref(&(2..4)));
        assert_eq!(read(&listed).unwrap(), ["23"]);

        // Moved, it is the same file; so is one that a backup links.
        local.rename("t/a.parquet", "trash/a.parquet").unwrap();
        assert_eq!(read(&listed).unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(read(&FileMeta { path: "trash/a.parquet".to_owned(), ..listed.clone() }).unwrap(), ["23"]);
        local.rename("trash/a.parquet", "t/a.parquet").unwrap();
        fs::hard_link(&path, dir.path().join("backup")).unwrap();
        assert_eq!(read(&listed).unwrap(), ["23"]);

        // Another file of the same size under the same name.
        let replace = |modified: SystemTime| {
            let other = dir.path().join("other");
            fs::write(&other, b"abcdefghij").unwrap();
            fs::File::options().write(true).open(&other).unwrap().set_modified(modified).unwrap();
            fs::rename(&other, &path).unwrap();
        };
        replace(SystemTime::from(listed.modified) + Duration::from_millis(1));
        let error = read(&listed).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict);
        assert!(error.to_string().contains("t/a.parquet\" was replaced"), "{error}");
        // Of the same time too, a listing tells it by its inode.
        replace(listed.modified.into());
        let now = local.list_dir("t").unwrap().files.remove(0);
        assert_eq!((now.size, now.modified), (listed.size, listed.modified));
        assert_ne!(now.inode, listed.inode);
        assert_eq!(read(&now).unwrap(), ["cd"]);

        // In place.
        fs::write(&path, b"xyz").unwrap();
        assert_eq!(read(&now).unwrap_err().kind(), ErrorKind::Conflict);
    }
}
