//! A file on its way to its name: a temporary file that is published whole or leaves nothing behind.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use uuid::Uuid;

use super::root::Root;

const TEMPORARY_PREFIX: &str = ".";
const TEMPORARY_SUFFIX: &str = ".tmp";
const UUID_DIGITS: usize = 32;
/// A target's name longer than this is left out of the temporary one, which must not pass 255 bytes itself.
const MAX_NAME_BYTES: usize = 200;

/// Whether [`Staged`] made the name up.
pub(super) fn is_temporary(name: &str) -> bool {
    let inner = name.strip_prefix(TEMPORARY_PREFIX).and_then(|name| name.strip_suffix(TEMPORARY_SUFFIX));
    inner.is_some_and(|inner| {
        let id = inner.rsplit_once('.').map_or(inner, |(_, id)| id);
        id.len() == UUID_DIGITS && id.bytes().all(|byte| byte.is_ascii_hexdigit())
    })
}

/// What [`Staged::link`] found.
pub(super) enum Linked {
    Created,
    AlreadyExists,
    /// The file system has no hard links; nothing was done.
    NotSupported,
}

/// Bytes for a file that is not there yet. Nothing is on disk before the first [`Staged::append`], and no file is open
/// between two calls. Dropping it removes the temporary file and the directories made for it.
pub(super) struct Staged {
    root: Arc<Root>,
    target: PathBuf,
    temporary: PathBuf,
    /// Whether the temporary file is on disk.
    begun: bool,
    /// Directories made for it, outermost first.
    made: Vec<PathBuf>,
}

impl Staged {
    pub fn new(root: &Arc<Root>, target: &Path) -> Self {
        let id = Uuid::new_v4().simple();
        let name = match target.file_name().and_then(|name| name.to_str()) {
            Some(name) if name.len() <= MAX_NAME_BYTES => format!("{TEMPORARY_PREFIX}{name}.{id}{TEMPORARY_SUFFIX}"),
            _ => format!("{TEMPORARY_PREFIX}{id}{TEMPORARY_SUFFIX}"),
        };
        let temporary = target.with_file_name(name);
        Self { root: Arc::clone(root), target: target.to_owned(), temporary, begun: false, made: Vec::new() }
    }

    /// Where the file will appear.
    pub fn target(&self) -> &Path {
        &self.target
    }

    /// Adds the parts behind what is there.
    pub fn append(&mut self, parts: &[&[u8]]) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.append(true);
        let mut file = if self.begun {
            options.open(&self.temporary)?
        } else {
            options.create_new(true);
            let open = || options.open(&self.temporary);
            let file = self.root.with_parents(&self.temporary, &mut self.made, open)?;
            self.begun = true;
            file
        };
        for part in parts {
            file.write_all(part)?;
        }
        Ok(file)
    }

    /// Adds the last parts and makes the bytes, and the way to them, durable.
    pub fn seal(&mut self, parts: &[&[u8]]) -> io::Result<Metadata> {
        let file = self.append(parts)?;
        self.root.sync_file(&file)?;
        self.root.settle(&self.target)?;
        file.metadata()
    }

    /// Publishes the file unless one of its name is there.
    pub fn link(&mut self) -> io::Result<Linked> {
        match fs::hard_link(&self.temporary, &self.target) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(Linked::AlreadyExists),
            // What a file system without links answers differs. Where it was something else, the fallback will tell.
            Err(_) => Ok(Linked::NotSupported),
            Ok(()) => {
                // Where this fails, a second, hidden name stays; it takes no space and hides nothing.
                let _ = fs::remove_file(&self.temporary);
                self.published()?;
                Ok(Linked::Created)
            }
        }
    }

    /// [`Staged::link`] for a name that nobody else writes: where there are no links, by a check and a rename.
    pub fn publish(&mut self) -> io::Result<()> {
        let exists = || io::Error::new(io::ErrorKind::AlreadyExists, "a file of that name is there already");
        match self.link()? {
            Linked::Created => Ok(()),
            Linked::AlreadyExists => Err(exists()),
            Linked::NotSupported if fs::symlink_metadata(&self.target).is_ok() => Err(exists()),
            Linked::NotSupported => {
                fs::rename(&self.temporary, &self.target)?;
                self.published()
            }
        }
    }

    /// Publishes the file in place of the one that has its name now, whose permissions it takes over.
    pub fn replace(&mut self) -> io::Result<()> {
        if let Ok(current) = fs::metadata(&self.target) {
            fs::set_permissions(&self.temporary, current.permissions())?;
        }
        fs::rename(&self.temporary, &self.target)?;
        self.published()
    }

    fn published(&mut self) -> io::Result<()> {
        self.begun = false;
        self.made.clear();
        self.root.sync_parent(&self.target)
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        // All of it as far as it goes: there is nobody left to tell.
        if self.begun {
            let _ = fs::remove_file(&self.temporary);
        }
        for dir in self.made.iter().rev() {
            let _ = fs::remove_dir(dir); // stays where something else has come to lie in it
        }
    }
}
