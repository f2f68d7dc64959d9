//! The disk as one process sees it: an object store, or a file system, with non-atomic listings.

use std::io::{self, Write};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use amplify::error::Result;
use amplify::storage::{Access, Change, FileMeta, FileWriter, Listing, Numbered, PutOutcome, Run, Storage};
use bytes::Bytes;

use super::process::Process;

/// The process as a store sees it.
#[derive(Debug, Clone)]
pub struct Mount(pub Arc<Process>);

impl Storage for Mount {
    fn location(&self, path: &str) -> String {
        self.0.location(path)
    }

    /// One request at a time also where they travel: a process is one thread here.
    fn access(&self) -> Access {
        Access { remote: !self.0.world.disk().is_file_system(), ..Access::LOCAL }
    }

    fn failed_puts_may_land(&self) -> bool {
        self.access().remote
    }

    /// What changes while it runs may be in it or not.
    fn list_dir(&self, dir: &str) -> Result<Listing> {
        let before = self.0.operate("list", dir, |disk| Ok(disk.list(dir)))?;
        self.0.world.scheduler.step_in_listing();
        let after = self.0.world.disk().list(dir);
        let mut listing = Listing::default();
        for name in before.dirs.iter().chain(after.dirs.iter().filter(|name| !before.dirs.contains(name))) {
            let stays = before.dirs.contains(name) && after.dirs.contains(name);
            if stays || self.0.world.scheduler.flip() {
                listing.dirs.push(name.clone());
            }
        }
        let known = |files: &[FileMeta], path: &str| files.iter().any(|file| file.path == path);
        let news = after.files.iter().filter(|file| !known(&before.files, &file.path));
        for file in before.files.iter().chain(news) {
            let stays = known(&before.files, &file.path) && known(&after.files, &file.path);
            if stays || self.0.world.scheduler.flip() {
                listing.files.push(file.clone());
            }
        }
        listing.dirs.sort_unstable();
        listing.files.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        Ok(listing)
    }

    /// A file system is asked for one name after the other.
    fn list_run(&self, dir: &str, first: u64, name: &Numbered) -> Result<Run> {
        let path = |number: u64| format!("{dir}/{}", name(number));
        let mut run = Run::default();
        if self.0.world.disk().is_file_system() {
            let look_for = |path: String| self.0.operate("look for", &path, |disk| Ok(disk.meta(&path)));
            while let Some(file) = look_for(path(first + run.files.len() as u64))? {
                run.files.push(file);
            }
            if !run.files.is_empty() && look_for(path(first))?.is_none() {
                run.files.clear();
            }
            return Ok(run);
        }
        for file in self.list_dir(dir)?.files.into_iter().filter(|file| file.path >= path(first)) {
            if file.path != path(first + run.files.len() as u64) {
                run.behind = Some(file);
                break;
            }
            run.files.push(file);
        }
        Ok(run)
    }

    fn read(&self, path: &str) -> Result<Option<Bytes>> {
        self.0.operate("read", path, |disk| Ok(disk.get(path)))
    }

    fn read_ranges(&self, path: &str, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        let bytes = self.0.operate("read parts of", path, |disk| disk.get(path).ok_or_else(|| self.0.missing(path)))?;
        Ok(ranges.iter().map(|range| bytes.slice(range.start as usize..range.end as usize)).collect())
    }

    fn put_if_absent(&self, path: &str, bytes: &[u8]) -> Result<PutOutcome> {
        self.0.put((path, bytes), true, |disk| Ok(disk.put_if_absent(path, bytes, self.0.now_on_disk())))
    }

    fn update(&self, path: &str, change: &mut Change) -> Result<()> {
        let mut before = self.0.operate("read to update", path, |disk| Ok(disk.get(path)))?;
        let Some(mut after) = change(before.as_deref())? else { return Ok(()) };
        self.0.operate("update", path, |disk| {
            let current = disk.get(path);
            if current != before {
                match change(current.as_deref())? {
                    Some(bytes) => after = bytes,
                    None => return Ok(()),
                }
                before = current;
            }
            disk.put(path, Bytes::copy_from_slice(&after), self.0.now_on_disk());
            Ok(())
        })
    }

    fn create(&self, path: &str) -> Result<Box<dyn FileWriter>> {
        self.0.operate("create", path, |disk| {
            disk.begin_file(path, self.0.now_on_disk());
            Ok(())
        })?;
        Ok(Box::new(File { process: self.0.clone(), path: path.to_owned(), bytes: Vec::new() }))
    }

    fn rename(&self, from: &str, to: &str) -> Result<()> {
        let in_one_step = self.0.world.disk().is_file_system();
        self.0.operate("move", from, |disk| {
            if !disk.copy(from, to, self.0.now_on_disk()) {
                return Err(self.0.missing(from));
            }
            if in_one_step {
                disk.delete(from);
            }
            Ok(())
        })?;
        if in_one_step { Ok(()) } else { Storage::delete(self, from) }
    }

    fn delete(&self, path: &str) -> Result<()> {
        self.0.operate("delete", path, |disk| {
            disk.delete(path);
            Ok(())
        })
    }

    fn discard_unfinished(&self, dir: &str, part: &str, unchanged_for: Duration) -> Result<()> {
        let before = self.0.now_on_disk() - chrono::Duration::from_std(unchanged_for).unwrap_or_default();
        self.0.operate("discard", dir, |disk| {
            disk.discard_unfinished(dir, part, before);
            Ok(())
        })
    }

    fn remove_empty_dirs(&self, dir: &str) -> Result<()> {
        self.0.operate("remove directories", dir, |disk| {
            disk.remove_empty_dirs(dir);
            Ok(())
        })
    }
}

/// A file being written: it stays behind, unfinished, where its process is stopped.
struct File {
    process: Arc<Process>,
    path: String,
    bytes: Vec<u8>,
}

impl Write for File {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl FileWriter for File {
    fn finish(self: Box<Self>) -> Result<FileMeta> {
        let process = &self.process;
        process.put((&self.path, &self.bytes), false, |disk| {
            disk.put(&self.path, Bytes::copy_from_slice(&self.bytes), process.now_on_disk());
            disk.end_file(&self.path);
            Ok(FileMeta {
                path: self.path.clone(),
                size: self.bytes.len() as u64,
                modified: process.now_on_disk(),
                etag: None,
                inode: None,
            })
        })
    }
}

impl Drop for File {
    fn drop(&mut self) {
        if !self.process.is_stopped() {
            self.process.world.disk().end_file(&self.path);
        }
    }
}
