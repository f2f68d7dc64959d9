//! The walk over the directories of a table.

use std::sync::Arc;

use super::refusals::Refusals;
use super::selection::{Levels, Meaning, Selection, is_passed_over};
use super::tree::Tree;
use crate::error::Result;
use crate::storage::{FileMeta, Listing, Storage};
use crate::store::scalar::Scalar;
use crate::store::table::Table;

/// How many directories one call to the storage lists: enough for a remote backend to work on many at once, few enough
/// that the listings of a large table are never in memory together.
const LIST_BATCH_DIRS: usize = 4096;

/// So many times as many directories as those that were listed before are worth a look at what lies below those before.
const WORTH_A_LOOK: usize = 4;

/// A directory that a walk has come to.
pub(super) struct Dir {
    pub(super) path: String,
    /// Of the keys down to here.
    pub(super) values: Arc<[Scalar]>,
}

/// Calls `found` for every directory at the last level that `selection` does not rule out and that holds data files.
///
/// The walk goes down level by level, and leaves out what is ruled out. Where requests count, it lists all files below a
/// directory flat instead, page by page, as long as the pages are few beside the directories: where no deeper level rules
/// anything out; and where so many directories are left of a level that a look is cheap.
pub(super) fn walk(
    storage: &dyn Storage,
    table: &Table,
    selection: &Selection,
    found: &mut dyn FnMut(Arc<[Scalar]>, Vec<FileMeta>),
) -> Result<()> {
    let levels = Levels::new(table, selection);
    // Who overwrites given partitions leaves alone what is none of the table's.
    let is_strict = matches!(selection, Selection::Filters(_));
    let mut walk = Walk { storage, table, levels, is_strict };
    let mut dirs = vec![Dir { path: table.name().as_str().to_owned(), values: Arc::from([]) }];
    for level in 0..walk.levels.count() {
        dirs = walk.descend(level, dirs, found)?;
    }
    walk.take_leaves(dirs, found)
}

struct Walk<'a> {
    storage: &'a dyn Storage,
    table: &'a Table,
    levels: Levels<'a>,
    is_strict: bool,
}

/// Directories, each with the number of the one that it is in.
type Children = Vec<(usize, Dir)>;

impl Walk<'_> {
    /// From the directories at `level` to those in them. Where all files below one of them are listed at once, `found`
    /// gets them, and nothing in it is among the answer.
    fn descend(
        &mut self,
        level: usize,
        dirs: Vec<Dir>,
        found: &mut dyn FnMut(Arc<[Scalar]>, Vec<FileMeta>),
    ) -> Result<Vec<Dir>> {
        // A walk over a file system's tree would list its directories one by one, too.
        let is_remote = self.storage.access().remote && !dirs.is_empty();
        if is_remote && !self.levels.prunes_from(level) {
            let whole = self.take_trees(level, &dirs, &vec![(1, 1); dirs.len()], found)?;
            let dirs: Vec<Dir> = dirs.into_iter().zip(whole).filter(|(_, whole)| !whole).map(|(dir, _)| dir).collect();
            let (children, _) = self.children(level, &dirs)?;
            return Ok(children.into_iter().map(|(_, child)| child).collect());
        }
        let (mut children, shares) = self.children(level, &dirs)?;
        if is_remote && children.len() >= WORTH_A_LOOK * dirs.len() {
            let whole = self.take_trees(level, &dirs, &shares, found)?;
            children.retain(|(parent, _)| !whole[*parent]);
        }
        Ok(children.into_iter().map(|(_, child)| child).collect())
    }

    /// The wanted directories in `dirs`, which are at `level`; and for each of those how many out of all in it that is.
    fn children(&mut self, level: usize, dirs: &[Dir]) -> Result<(Children, Vec<(u64, u64)>)> {
        let mut children = Children::new();
        let mut shares = Vec::with_capacity(dirs.len());
        let paths: Vec<String> = dirs.iter().map(|dir| dir.path.clone()).collect();
        let (storage, table, is_strict) = (self.storage, self.table, self.is_strict);
        let refusal = Refusals { storage, table };
        list(storage, &paths, &mut |index, listing| {
            if is_strict {
                refusal.refuse_files_above(&listing)?;
            }
            let before = children.len();
            let mut all = 0;
            for name in listing.dirs.iter().filter(|name| !is_passed_over(name)) {
                let Dir { path, values } = &dirs[index];
                let path = [path, "/", name].concat();
                all += 1;
                match self.levels.meaning(level, values, name) {
                    Meaning::Wanted(value) => {
                        let values = values.iter().cloned().chain([value]).collect();
                        children.push((index, Dir { path, values }));
                    }
                    Meaning::Misfit if is_strict => refusal.refuse_misfit(&path, name, self.levels.field(level))?,
                    Meaning::RuledOut | Meaning::Misfit => {}
                }
            }
            // What is ordered piece by piece is soon ordered as a whole: names come in another order than values.
            children[before..].sort_by(|(_, a), (_, b)| a.values.last().cmp(&b.values.last()));
            shares.push(((children.len() - before) as u64, all));
            Ok(())
        })?;
        Ok((children, shares))
    }

    /// Lists all files below `dirs`, which are at `level`, as long as that pays: says for which it was done.
    fn take_trees(
        &mut self,
        level: usize,
        dirs: &[Dir],
        shares: &[(u64, u64)],
        found: &mut dyn FnMut(Arc<[Scalar]>, Vec<FileMeta>),
    ) -> Result<Vec<bool>> {
        let paths: Vec<String> = dirs.iter().map(|dir| dir.path.clone()).collect();
        let mut trees: Vec<Tree> = dirs.iter().zip(shares).map(|(dir, &share)| Tree::new(dir, level, share)).collect();
        let mut whole =
            self.storage.list_below(&paths, &mut |number, page| trees[number].take_page(page, &mut self.levels))?;
        for (tree, whole) in trees.into_iter().zip(&mut whole).filter(|(_, whole)| **whole) {
            match tree.into_directories() {
                Some(directories) => directories.for_each(|(values, files)| found(values, files)),
                None => *whole = false,
            }
        }
        Ok(whole)
    }

    /// The files of directories at the last level.
    fn take_leaves(&self, dirs: Vec<Dir>, found: &mut dyn FnMut(Arc<[Scalar]>, Vec<FileMeta>)) -> Result<()> {
        let (paths, values): (Vec<String>, Vec<Arc<[Scalar]>>) =
            dirs.into_iter().map(|dir| (dir.path, dir.values)).unzip();
        let refusal = Refusals { storage: self.storage, table: self.table };
        list(self.storage, &paths, &mut |index, listing| {
            for name in listing.dirs.iter().filter(|name| self.is_strict && !is_passed_over(name)) {
                refusal.refuse_files_below(&format!("{}/{name}", paths[index]))?;
            }
            let mut files = listing.files;
            files.retain(is_data_file);
            if !files.is_empty() {
                found(values[index].clone(), files);
            }
            Ok(())
        })
    }
}

/// Lists every directory of `paths`, in their order.
pub(super) fn list(
    storage: &dyn Storage,
    paths: &[String],
    each: &mut dyn FnMut(usize, Listing) -> Result<()>,
) -> Result<()> {
    for (batch, chunk) in paths.chunks(LIST_BATCH_DIRS).enumerate() {
        for (offset, listing) in storage.list_dirs(chunk)?.into_iter().enumerate() {
            each(batch * LIST_BATCH_DIRS + offset, listing)?;
        }
    }
    Ok(())
}

/// Whether a file holds rows of the table, if the journal lets it.
pub(super) fn is_data_file(file: &FileMeta) -> bool {
    let name = file.path.rsplit('/').next().unwrap_or_default();
    name.ends_with(".parquet") && !is_passed_over(name) && file.size > 0
}
