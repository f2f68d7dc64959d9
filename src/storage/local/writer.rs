//! A file being written, of which thousands may be alive at once: none keeps a file open or much memory while idle.

use std::io::{self, Write};

use super::read::State;
use super::staged::Staged;
use crate::error::{Error, Result};
use crate::storage::{FileMeta, FileWriter};

/// What is gathered in memory before the file is opened to take it.
const BUFFER_BYTES: usize = 512 * 1024;

/// See [`crate::storage::Storage::create`].
pub(super) struct LocalWriter {
    path: String,
    staged: Staged,
    buffer: Vec<u8>,
    /// After a failed write nobody knows what the file holds: it can only be dropped.
    failed: bool,
}

impl LocalWriter {
    pub fn new(path: String, staged: Staged) -> Self {
        Self { path, staged, buffer: Vec::new(), failed: false }
    }

    fn check(&self) -> io::Result<()> {
        if self.failed { Err(io::Error::other("an earlier write to it failed")) } else { Ok(()) }
    }

    /// Writes through to the file. Errors name it, for encoders pass them on as they are.
    fn append(&mut self, parts: &[&[u8]]) -> io::Result<()> {
        let result = self.staged.append(parts).map(drop);
        self.failed = result.is_err();
        let location = self.staged.target().display();
        result.map_err(|error| io::Error::new(error.kind(), format!("\"{location}\": {error}")))
    }
}

impl Write for LocalWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.check()?;
        if self.buffer.len() + bytes.len() <= BUFFER_BYTES {
            self.buffer.extend_from_slice(bytes);
        } else {
            let buffer = std::mem::take(&mut self.buffer);
            self.append(&[&buffer, bytes])?;
        }
        Ok(bytes.len())
    }

    /// Puts what is gathered aside, into the file: who writes many files at once keeps none of them in memory.
    fn flush(&mut self) -> io::Result<()> {
        self.check()?;
        let buffer = std::mem::take(&mut self.buffer);
        if !buffer.is_empty() {
            self.append(&[&buffer])?;
        }
        Ok(())
    }
}

impl FileWriter for LocalWriter {
    fn finish(self: Box<Self>) -> Result<FileMeta> {
        let location = self.staged.target().display().to_string();
        self.check()
            .and_then(|()| {
                let Self { path, mut staged, buffer, .. } = *self;
                let metadata = staged.seal(&[&buffer])?;
                staged.publish()?;
                State::of(&metadata).map(|state| state.file(path))
            })
            .map_err(|error| Error::io("create", location, error))
    }
}
