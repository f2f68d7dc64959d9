//! A file being written: in memory while it is small, in parts that go up in the background when it grows.

use std::io::{self, Write};
use std::sync::Arc;

use bytes::Bytes;
use object_store::path::Path;

use super::Remote;
use super::completion::{Completion, Rest, Sealed};
use super::runtime::wait;
use super::spill::Spilled;
use super::upload::Upload;
use crate::error::{Error, ErrorKind, Result};
use crate::storage::{FileMeta, FileWriter, Finishing, Storage};

const PART_BYTES: usize = 8 << 20;
/// S3 takes no smaller part but the last.
const MIN_PART_BYTES: usize = 5 << 20;
/// S3 takes no more than 10,000 parts, so they grow: after as many, each is twice as large.
const PARTS_OF_A_SIZE: u32 = 1000;
const MAX_DOUBLINGS: u32 = 6;

/// See [`crate::storage::Storage::create`].
pub struct RemoteWriter {
    remote: Remote,
    path: String,
    key: Path,
    /// What comes before `buffer` and after the parts that are on their way.
    spilled: Option<Spilled>,
    buffer: Vec<u8>,
    upload: Option<Upload>,
    parts: u32,
    size: u64,
    /// After a failed write nobody knows what has arrived: it can only be dropped.
    failed: bool,
}

impl RemoteWriter {
    pub fn new(remote: Remote, path: &str) -> Result<Self> {
        let key = remote.location.key(path)?;
        let path = path.to_owned();
        Ok(Self {
            remote,
            path,
            key,
            spilled: None,
            buffer: Vec::new(),
            upload: None,
            parts: 0,
            size: 0,
            failed: false,
        })
    }

    fn part_bytes(&self) -> usize {
        PART_BYTES << (self.parts / PARTS_OF_A_SIZE).min(MAX_DOUBLINGS)
    }

    /// How much is held back here.
    fn held_bytes(&self) -> usize {
        self.buffer.len() + self.spilled.as_ref().map_or(0, Spilled::len)
    }

    fn take_held(&mut self) -> Result<Bytes> {
        let buffer = std::mem::take(&mut self.buffer);
        let Some(spilled) = self.spilled.take() else { return Ok(buffer.into()) };
        let bytes = spilled.take(buffer.len());
        let mut bytes = bytes.map_err(|error| Error::io("read back for", self.remote.location(&self.path), error))?;
        bytes.extend(buffer);
        Ok(bytes.into())
    }

    /// Sends what is held back as the next part.
    fn send_part(&mut self) -> Result<()> {
        let part = self.take_held()?;
        let upload = match self.upload.take() {
            Some(upload) => upload,
            None => Upload::begin(Arc::clone(&self.remote.bucket.store), self.key.clone())?,
        };
        self.parts += 1;
        self.upload = Some(upload.send(part).map_err(|failed| failed.error(&self.remote, &self.path))?);
        Ok(())
    }

    /// Encoders pass errors of writing on as they are; afterwards the file can only be dropped.
    fn attempt(&mut self, step: impl FnOnce(&mut Self) -> Result<()>) -> io::Result<()> {
        if self.failed {
            return Err(io::Error::other(format!(
                "an earlier write to \"{}\" failed",
                self.remote.location(&self.path)
            )));
        }
        let result = step(self);
        self.failed = result.is_err();
        result.map_err(io::Error::other)
    }

    fn append(&mut self, mut bytes: &[u8]) -> Result<()> {
        self.size += bytes.len() as u64;
        while !bytes.is_empty() {
            let room = self.part_bytes().saturating_sub(self.held_bytes());
            let (now, rest) = bytes.split_at(room.min(bytes.len()));
            self.buffer.extend_from_slice(now);
            bytes = rest;
            if self.held_bytes() >= self.part_bytes() {
                self.send_part()?;
            }
        }
        Ok(())
    }

    fn put_aside(&mut self) -> Result<()> {
        if self.held_bytes() >= MIN_PART_BYTES {
            return self.send_part();
        }
        if self.buffer.is_empty() {
            return Ok(());
        }
        // Where there is no room for temporary files, memory has to do.
        if self.spilled.is_none() {
            self.spilled = Spilled::new().ok();
        }
        if let Some(spilled) = &mut self.spilled
            && spilled.append(&self.buffer).is_ok()
        {
            self.buffer = Vec::new();
        }
        Ok(())
    }

    /// Sends off all but the last bytes: what is left is to wait.
    fn seal(&mut self) -> Result<Sealed> {
        if self.failed {
            let place = self.remote.location(&self.path);
            return Err(Error::new(
                ErrorKind::Io,
                format!("Could not create \"{place}\": an earlier write to it failed!"),
            ));
        }
        if self.upload.is_some() && self.held_bytes() > 0 {
            self.send_part()?;
        }
        let rest = match self.upload.take() {
            Some(upload) => Rest::Upload(upload),
            None => Rest::Bytes(self.take_held()?),
        };
        let (remote, path) = (self.remote.clone(), std::mem::take(&mut self.path));
        Ok(Sealed { remote, path, key: std::mem::take(&mut self.key), size: self.size, rest })
    }
}

impl Write for RemoteWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.attempt(|this| this.append(bytes))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.attempt(Self::put_aside)
    }
}

impl FileWriter for RemoteWriter {
    fn finish(mut self: Box<Self>) -> Result<FileMeta> {
        let sealed = self.seal()?;
        wait(sealed.finish())
    }

    fn begin_finish(mut self: Box<Self>) -> Finishing {
        match self.seal().and_then(Completion::begin) {
            Ok(completion) => Box::new(|| completion.wait()),
            Err(error) => Box::new(|| Err(error)),
        }
    }
}

impl Drop for RemoteWriter {
    fn drop(&mut self) {
        if let Some(upload) = self.upload.take() {
            upload.abort(&self.remote.patience_with_ends);
        }
    }
}
