//! Where files that rest while others are written keep their bytes: one nameless temporary file for the whole process.
//!
//! Thousands of files may be under way at once, so each can have neither much memory nor a file handle of its own. The
//! temporary file is cut into blocks, which go back to a free list; nothing of it outlives the process.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::sync::{Arc, Mutex};

const BLOCK_BYTES: usize = 256 << 10;

/// And the process that it belongs to: a fork would read and write it at the same place.
static SHARED: Mutex<Option<(u32, Arc<Mutex<Blocks>>)>> = Mutex::new(None);

/// Bytes put aside, in the order they came.
#[derive(Debug)]
pub struct Spilled {
    blocks: Arc<Mutex<Blocks>>,
    numbers: Vec<u64>,
    len: usize,
}

#[derive(Debug)]
struct Blocks {
    file: File,
    free: Vec<u64>,
    /// One past the highest block that was ever taken.
    end: u64,
}

impl Spilled {
    /// Nothing yet. The temporary file is made by the first that asks.
    ///
    /// # Errors
    /// Where the directory for temporary files takes none.
    pub fn new() -> io::Result<Self> {
        let mut shared = SHARED.lock().map_err(|_| poisoned())?;
        let blocks = match &*shared {
            Some((process, blocks)) if *process == std::process::id() => blocks.clone(),
            _ => {
                let blocks = Arc::new(Mutex::new(Blocks { file: nameless()?, free: Vec::new(), end: 0 }));
                *shared = Some((std::process::id(), blocks.clone()));
                blocks
            }
        };
        Ok(Self { blocks, numbers: Vec::new(), len: 0 })
    }

    /// How many bytes are put aside.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Puts more aside.
    ///
    /// # Errors
    /// Where the disk is full, for one; then nothing was added.
    pub fn append(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        let mut blocks = self.blocks.lock().map_err(|_| poisoned())?;
        let (len, count) = (self.len, self.numbers.len());
        while !bytes.is_empty() {
            let within = self.len % BLOCK_BYTES;
            if within == 0 {
                self.numbers.push(blocks.take());
            }
            let (now, rest) = bytes.split_at(bytes.len().min(BLOCK_BYTES - within));
            let number = self.numbers.last().copied().unwrap_or_default();
            let written = blocks.seek(number, within).and_then(|()| blocks.file.write_all(now));
            if let Err(error) = written {
                self.len = len;
                blocks.give_back(self.numbers.drain(count..));
                return Err(error);
            }
            self.len += now.len();
            bytes = rest;
        }
        Ok(())
    }

    /// Takes all of it back, with room for `more` bytes behind.
    pub fn take(mut self, more: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; self.len];
        bytes.reserve_exact(more);
        let mut blocks = self.blocks.lock().map_err(|_| poisoned())?;
        for (&number, part) in self.numbers.iter().zip(bytes.chunks_mut(BLOCK_BYTES)) {
            blocks.seek(number, 0)?;
            blocks.file.read_exact(part)?;
        }
        blocks.give_back(self.numbers.drain(..));
        drop(blocks);
        Ok(bytes)
    }
}

impl Drop for Spilled {
    fn drop(&mut self) {
        if let Ok(mut blocks) = self.blocks.lock() {
            blocks.give_back(self.numbers.drain(..));
        }
    }
}

impl Blocks {
    fn take(&mut self) -> u64 {
        self.free.pop().unwrap_or_else(|| {
            self.end += 1;
            self.end - 1
        })
    }

    fn give_back(&mut self, numbers: impl Iterator<Item = u64>) {
        self.free.extend(numbers);
        // Nobody uses it: the disk gets its room back. A file that stays large is used again, so failing is no harm.
        if self.free.len() as u64 == self.end && self.file.set_len(0).is_ok() {
            self.free.clear();
            self.end = 0;
        }
    }

    fn seek(&mut self, number: u64, within: usize) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(number * BLOCK_BYTES as u64 + within as u64)).map(drop)
    }
}

fn poisoned() -> io::Error {
    io::Error::other("an earlier use of the temporary file panicked")
}

/// A file that only this process can see, and that ends with it.
fn nameless() -> io::Result<File> {
    let path = std::env::temp_dir().join(format!("amplify-{}", uuid::Uuid::new_v4().simple()));
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(&path)?;
    std::fs::remove_file(&path)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_back_as_they_were_put_aside() {
        let pattern = |seed: usize, len: usize| -> Vec<u8> { (0..len).map(|at| (at * 31 + seed) as u8).collect() };
        let mut all: Vec<(Spilled, Vec<u8>)> = (0..5).map(|_| (Spilled::new().unwrap(), Vec::new())).collect();
        for round in 0..4 {
            for (seed, (spilled, expected)) in all.iter_mut().enumerate() {
                let more = pattern(seed + round, BLOCK_BYTES / 3 * (round * seed + 1) + seed);
                spilled.append(&more).unwrap();
                expected.extend(more);
            }
        }
        drop(all.remove(1)); // its blocks are used again
        let mut late = Spilled::new().unwrap();
        late.append(&pattern(9, BLOCK_BYTES * 2)).unwrap();
        all.push((late, pattern(9, BLOCK_BYTES * 2)));
        for (spilled, expected) in all {
            assert_eq!(spilled.len(), expected.len());
            assert!(spilled.take(7).unwrap() == expected);
        }
    }
}
