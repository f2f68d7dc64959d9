//! Listings: of one directory, and of many on several threads.

use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::directory::{Directory, Entry, Found};
use super::root::{Root, is_segment};
use super::staged::is_temporary;
use crate::error::{Error, Result};
use crate::storage::{self, Listing};

/// Listing so many directories is worth a thread. It takes as many at a time: few enough that all threads end together,
/// enough that the parent of many is opened seldom.
const DIRS_PER_THREAD: usize = 32;

/// The listings of `dirs`, in their order. One that is not there is empty.
pub(super) fn list_dirs<D: Directory>(root: &Root, dirs: &[String]) -> Result<Vec<Listing>> {
    let cores = || std::thread::available_parallelism().map_or(1, NonZero::get);
    let threads = if dirs.len() < 2 * DIRS_PER_THREAD { 1 } else { cores().min(dirs.len() / DIRS_PER_THREAD) };
    if threads == 1 {
        return Lister::new(root).list_all::<D>(dirs);
    }
    let shares: Vec<&[String]> = dirs.chunks(DIRS_PER_THREAD).collect();
    let next = AtomicUsize::new(0);
    let work = || {
        let mut lister = Lister::new(root);
        let mut listed = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(share) = shares.get(number) else { return listed };
            let listings = lister.list_all::<D>(share);
            if listings.is_err() {
                next.store(shares.len(), Ordering::Relaxed);
            }
            listed.push((number, listings));
        }
    };
    let mut listed = std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        let mut listed = work();
        for other in others {
            listed.extend(other.join().map_err(|_| Error::internal("A thread that lists panicked"))?);
        }
        Ok::<_, Error>(listed)
    })?;
    listed.sort_unstable_by_key(|(number, _)| *number);
    let mut all = Vec::with_capacity(dirs.len());
    for (_, listings) in listed {
        all.append(&mut listings?);
    }
    Ok(all)
}

/// The names of what is in `dir` and no directory itself, sorted.
pub(super) fn list_names<D: Directory>(root: &Root, dir: &str) -> Result<Vec<String>> {
    let mut names = Vec::new();
    Lister::new(root).read::<D>(None, dir, &mut |entry| {
        let is_dir = entry.is_dir().map_err(|error| failed(root, dir, error))?;
        if let Some(name) = utf8_name(root, dir, entry)?.filter(|name| !is_dir && !is_temporary(name)) {
            names.push(name.to_owned());
        }
        Ok(())
    })?;
    names.sort_unstable();
    Ok(names)
}

/// Lists one directory after the other.
pub(super) struct Lister<'a> {
    root: &'a Root,
    buffer: Vec<u8>,
}

impl<'a> Lister<'a> {
    pub fn new(root: &'a Root) -> Self {
        Self { root, buffer: Vec::new() }
    }

    /// `near`: the open parent of `dir`, and its name there.
    pub fn list_dir<D: Directory>(&mut self, near: Option<(&D, &str)>, dir: &str) -> Result<Listing> {
        let root = self.root;
        let mut listing = Listing::default();
        self.read(near, dir, &mut |entry| {
            let Some(name) = utf8_name(root, dir, entry)? else { return Ok(()) };
            let found = entry.found().map_err(|error| failed(root, &storage::join(dir, name), error))?;
            match found {
                Some(Found::Dir) => listing.dirs.push(name.to_owned()),
                Some(Found::File(state)) if !is_temporary(name) => {
                    // Many directories hold one: room for the usual four would be memory for nothing.
                    if listing.files.is_empty() {
                        listing.files.reserve_exact(1);
                    }
                    listing.files.push(state.file(storage::join(dir, name)));
                }
                Some(Found::File(_)) | None => {}
            }
            Ok(())
        })?;
        listing.dirs.sort_unstable();
        listing.files.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        Ok(listing)
    }

    /// Those next to each other in one parent are looked up from there.
    fn list_all<D: Directory>(&mut self, dirs: &[String]) -> Result<Vec<Listing>> {
        let mut listings = Vec::with_capacity(dirs.len());
        let mut rest = dirs;
        while let Some(first) = rest.first() {
            let parent = first.rsplit_once('/').map(|(parent, _)| parent);
            let count = parent.map_or(1, |parent| rest.iter().take_while(|dir| name_in(parent, dir).is_some()).count());
            let (siblings, others) = rest.split_at(count.max(1));
            // Where that fails, the whole path of each tells what is wrong, or is good even so: it takes no right to
            // read the parent.
            let open = |path| D::open(&self.root.dir(path).ok()?).ok();
            let parent = parent.filter(|_| count > 1).and_then(|path| Some((path, open(path)?)));
            for dir in siblings {
                let near = parent.as_ref().and_then(|(path, parent)| Some((parent, name_in(path, dir)?)));
                listings.push(self.list_dir(near, dir)?);
            }
            rest = others;
        }
        Ok(listings)
    }

    /// Gives `each` the entries of `dir`, which `near` says to look up by its name from its open parent. One that is not
    /// there has none.
    fn read<D: Directory>(
        &mut self,
        near: Option<(&D, &str)>,
        dir: &str,
        each: &mut dyn FnMut(&dyn Entry) -> Result<()>,
    ) -> Result<()> {
        let root = self.root;
        let directory = match near.map(|(parent, name)| parent.open_in(name)) {
            Some(Ok(directory)) => directory,
            // By the whole path: the parent may be another one by now.
            Some(Err(_)) | None => match D::open(&root.dir(dir)?) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
                directory => directory.map_err(|error| failed(root, dir, error))?,
            },
        };
        directory.read(&mut self.buffer, &mut |entry| each(entry.map_err(|error| failed(root, dir, error))?))
    }
}

/// The name of `dir`, where it lies right in `parent`.
fn name_in<'a>(parent: &str, dir: &'a str) -> Option<&'a str> {
    dir.strip_prefix(parent)?.strip_prefix('/').filter(|name| is_segment(name))
}

fn failed(root: &Root, path: &str, error: std::io::Error) -> Error {
    Error::io("list", root.location(path).display(), error)
}

/// The name of an entry of `dir`, or `None` where it is hidden and not UTF-8.
fn utf8_name<'a>(root: &Root, dir: &str, entry: &'a dyn Entry) -> Result<Option<&'a str>> {
    let name = entry.name();
    match name.to_str() {
        Some(name) => Ok(Some(name)),
        None if matches!(name.as_encoded_bytes().first(), Some(b'.' | b'_')) => Ok(None),
        None => {
            Err(Error::corrupt(format!("The name of \"{}\" is not UTF-8!", root.location(dir).join(name).display()))
                .with_hint("Rename it, or move it out of the store."))
        }
    }
}
