//! Trees of files: listed flat, as an object store can, or directory by directory.
//!
//! A flat listing gives a page of files (1,000 in S3) a request, one after the other, in whatever directories they are. A
//! listing by directories takes a request each, many at the same time. So a tree of many small directories is better
//! listed flat, and one of few large ones is better split into them; which one it is, the pages tell.

use std::collections::HashSet;

use super::{FileMeta, Storage, join};
use crate::error::Result;

/// How many requests for small directories, many at the same time, are as good as one for a page after another: half of
/// what a backend has under way takes less time, and is not yet a burden to the store.
const REQUESTS_A_PAGE: u64 = 32;

/// Into how many directories a tree would have to be split, as far as its pages tell.
#[derive(Debug, Default)]
pub struct Breadth {
    pages: u64,
    names: HashSet<Box<str>>,
    last: String,
}

impl Breadth {
    /// Takes note of a page: the names, of directories right in the tree, that its files lie in.
    pub fn add_page<'a>(&mut self, names: impl Iterator<Item = &'a str>) {
        self.pages += 1;
        for name in names {
            // Most often files of one directory follow each other.
            if name != self.last {
                name.clone_into(&mut self.last);
                if !self.names.contains(name) {
                    self.names.insert(name.into());
                }
            }
        }
    }

    /// Whether to go on by pages rather than by directories, `wanted` out of every `all` of which are to be listed: one
    /// page must spare as many requests as are better asked at the same time. So the pages of a tree are never more than
    /// a thirty-second of what its directories would have taken.
    pub fn is_great(&self, wanted: u64, all: u64) -> bool {
        self.names.len() as u64 * wanted >= REQUESTS_A_PAGE * self.pages * all
    }
}

/// Every file below `dir`, by path. What marks a directory in an object store may be among them, with size 0.
///
/// # Errors
/// What listing fails with.
pub fn files_below(storage: &dyn Storage, dir: &str) -> Result<Vec<FileMeta>> {
    let mut files = Vec::new();
    let mut dirs = vec![dir.to_owned()];
    while !dirs.is_empty() {
        let mut trees: Vec<(Breadth, Vec<FileMeta>)> = Vec::new();
        trees.resize_with(dirs.len(), Default::default);
        let whole = storage.list_below(&dirs, &mut |number, page| {
            let Some((breadth, found)) = trees.get_mut(number) else { return false };
            breadth.add_page(page.iter().filter_map(|file| child_of(&dirs[number], file)));
            found.extend(page);
            breadth.is_great(1, 1)
        })?;
        let mut split = Vec::new();
        for ((dir, whole), (_, found)) in dirs.into_iter().zip(whole).zip(trees) {
            if whole { files.extend(found) } else { split.push(dir) }
        }
        dirs = Vec::new();
        for (dir, listing) in split.iter().zip(storage.list_dirs(&split)?) {
            dirs.extend(listing.dirs.iter().map(|name| join(dir, name)));
            files.extend(listing.files);
        }
    }
    files.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

/// The directory, right in `dir`, that a file below it lies in.
fn child_of<'a>(dir: &str, file: &'a FileMeta) -> Option<&'a str> {
    let below = if dir.is_empty() { &file.path } else { file.path.strip_prefix(dir)?.strip_prefix('/')? };
    below.split_once('/').map(|(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_must_spare_many_requests() {
        let names: Vec<String> = (0..100).map(|number| format!("k={number}")).collect();
        let mut breadth = Breadth::default();
        breadth.add_page(names[..31].iter().map(String::as_str));
        assert!(!breadth.is_great(1, 1), "31 directories");
        breadth.add_page(names[..64].iter().chain(&names[..64]).map(String::as_str));
        assert!(breadth.is_great(1, 1), "64 of two pages");
        assert!(!breadth.is_great(15, 16), "of which 60 are wanted");
        breadth.add_page(["k=63"].into_iter());
        assert!(!breadth.is_great(1, 1));
    }
}
