//! The files of a flat listing, sorted into the directories of a table's last level.
//!
//! What such a listing finds is taken only where all of it is as it should be. Of anything else, the walk by levels says
//! what it is.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Directory;
use super::selection::{Levels, Meaning, is_passed_over};
use super::walk::{Dir, is_data_file};
use crate::storage::{Breadth, FileMeta};
use crate::store::scalar::Scalar;

/// What has been listed below one directory.
pub(super) struct Tree<'a> {
    dir: &'a Dir,
    /// How many levels down it is; the table's directory is 0.
    level: usize,
    /// How many of how many directories in it are wanted, as far as that is known.
    share: (u64, u64),
    breadth: Breadth,
    /// By the path below `dir`: the files of those that are wanted.
    found: BTreeMap<String, Option<Directory>>,
    is_strange: bool,
}

/// What a directory below the tree's own is.
enum Verdict {
    /// Of the last level, and wanted.
    Take(Arc<[Scalar]>),
    /// None that is looked into.
    PassOver,
    /// None that data files belong in.
    Strange,
}

impl<'a> Tree<'a> {
    pub(super) fn new(dir: &'a Dir, level: usize, share: (u64, u64)) -> Self {
        Self { dir, level, share, breadth: Breadth::default(), found: BTreeMap::new(), is_strange: false }
    }

    /// Takes a page of files, and says whether to go on.
    pub(super) fn take_page(&mut self, page: Vec<FileMeta>, levels: &mut Levels) -> bool {
        let start = self.dir.path.len() + 1;
        let names = page.iter().filter_map(|file| Some(file.path.get(start..)?.split_once('/')?.0));
        self.breadth.add_page(names.filter(|name| !is_passed_over(name)));
        for file in page.into_iter().filter(is_data_file) {
            let below = file.path.get(start..).unwrap_or_default();
            let directory = below.rsplit_once('/').map_or("", |(directory, _)| directory);
            if !self.found.contains_key(directory) {
                let found = match self.judge(directory, levels) {
                    Verdict::Take(values) => Some((values, Vec::new())),
                    Verdict::PassOver => None,
                    Verdict::Strange => {
                        self.is_strange = true;
                        return false;
                    }
                };
                self.found.insert(directory.to_owned(), found);
            }
            if let Some(Some((_, files))) = self.found.get_mut(directory) {
                files.push(file);
            }
        }
        let (wanted, all) = self.share;
        self.breadth.is_great(wanted, all)
    }

    /// All directories with files that are wanted, if there was nothing strange.
    pub(super) fn into_directories(self) -> Option<impl Iterator<Item = Directory>> {
        let directories = self.found.into_values().flatten().map(|(values, mut files)| {
            files.sort_unstable_by(|a, b| a.path.cmp(&b.path));
            (values, files)
        });
        (!self.is_strange).then_some(directories)
    }

    fn judge(&self, directory: &str, levels: &mut Levels) -> Verdict {
        let mut names = directory.split('/').filter(|name| !name.is_empty());
        if names.clone().any(is_passed_over) {
            return Verdict::PassOver;
        }
        let mut values = self.dir.values.to_vec();
        for level in self.level..levels.count() {
            let Some(name) = names.next() else { return Verdict::Strange };
            match levels.meaning(level, &values, name) {
                Meaning::Wanted(value) => values.push(value),
                Meaning::RuledOut => return Verdict::PassOver,
                Meaning::Misfit => return Verdict::Strange,
            }
        }
        if names.next().is_some() { Verdict::Strange } else { Verdict::Take(values.into()) }
    }
}
