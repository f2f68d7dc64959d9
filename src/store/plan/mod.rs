//! Which files a read touches: a listing, level by level or of whole trees, pruned by the filters on partition keys.
//!
//! A table of keys `k1, k2` is `<table>/k1=…/k2=…/*.parquet`. What is found besides is judged by these rules:
//!
//! - names that start with `_` or `.`, files of size 0 and files not called `*.parquet` (in lower case) are passed over;
//! - a directory that is no `key=value` of the registered key at its level, and one below the last level (also if it
//!   is some `k=v`: its key is not registered), is passed over unless a Parquet file lies somewhere below. Then it is
//!   an error, because its rows would be missing silently or belong to no partition;
//! - so is a Parquet file above the last level.
//!
//! Several directories may spell one value (`month=1`, `month=01`): they are one partition.

mod partition_files;
mod refusals;
mod selection;
#[cfg(test)]
pub(in crate::store) mod testing;
#[cfg(test)]
mod tests;
mod tree;
#[cfg(test)]
mod tree_tests;
mod walk;

use std::sync::Arc;

pub use self::partition_files::visible_in_partitions;
use self::selection::Selection;
use self::walk::walk;
use crate::error::Result;
use crate::storage::FileMeta;
use crate::store::filter::Filters;
use crate::store::journal::{Journal, Snapshot, Visibility};
use crate::store::scalar::Scalar;
use crate::store::table::Table;

/// A data file of a table, and the partition that its directory says it belongs to.
#[derive(Debug, Clone)]
pub struct PlannedFile {
    /// Where it is and how large.
    pub meta: FileMeta,
    /// The values of the partition keys, in the order of the directory levels; shared by a partition's files.
    pub partition: Arc<[Scalar]>,
}

/// A partition that holds files.
#[derive(Debug, Clone)]
pub struct PlannedPartition {
    /// The values of the partition keys, in the order of the directory levels.
    pub values: Arc<[Scalar]>,
    /// How many data files it has; at least one.
    pub file_count: u64,
    /// What they occupy together, in bytes.
    pub size_bytes: u64,
}

/// The data files that may hold rows matching `filters`, ordered by partition values, then by path.
///
/// Conditions on columns that are no partition keys are left to the scan.
///
/// # Errors
/// `Corrupt`, naming the path, where Parquet files lie outside the registered partition levels; what listing fails with.
pub fn plan(journal: &Journal, table: &Table, filters: &Filters) -> Result<Vec<PlannedFile>> {
    let mut directories = visible(journal, table, filters)?;
    directories.sort_by(|(a, _), (b, _)| a.cmp(b));

    let mut planned: Vec<PlannedFile> = Vec::with_capacity(directories.iter().map(|(_, files)| files.len()).sum());
    let mut partition_start = 0;
    for (values, files) in directories {
        // Another spelling of the partition before: its files join those, in the order of their paths.
        let partition = match planned.last() {
            Some(last) if last.partition == values => last.partition.clone(),
            _ => {
                partition_start = planned.len();
                values
            }
        };
        planned.extend(files.into_iter().map(|meta| PlannedFile { meta, partition: partition.clone() }));
        planned[partition_start..].sort_by(|a, b| a.meta.path.cmp(&b.meta.path));
    }
    Ok(planned)
}

/// The partitions that may hold rows matching `filters`, from listings alone, ordered by their values.
///
/// # Errors
/// As [`plan`].
pub fn partitions(journal: &Journal, table: &Table, filters: &Filters) -> Result<Vec<PlannedPartition>> {
    let directories = visible(journal, table, filters)?;
    let mut partitions: Vec<PlannedPartition> = Vec::with_capacity(directories.len());
    for (values, files) in directories {
        let size_bytes = files.iter().map(|file| file.size).sum();
        partitions.push(PlannedPartition { values, file_count: files.len() as u64, size_bytes });
    }
    partitions.sort_by(|a, b| a.values.cmp(&b.values));
    partitions.dedup_by(|next, kept| {
        let same = next.values == kept.values;
        if same {
            kept.file_count += next.file_count;
            kept.size_bytes += next.size_bytes;
        }
        same
    });
    Ok(partitions)
}

/// A directory at the last level: its partition's values, and files.
type Directory = (Arc<[Scalar]>, Vec<FileMeta>);

/// Each directory at the last level with its visible files, as one committed state has them.
fn visible(journal: &Journal, table: &Table, filters: &Filters) -> Result<Vec<Directory>> {
    loop {
        let (snapshot, mut directories) = journal.read(|| {
            let mut directories = Vec::new();
            let storage = journal.storage().as_ref();
            walk(storage, table, &Selection::Filters(filters), &mut |values, files| directories.push((values, files)))?;
            Ok(directories)
        })?;
        let ahead = hide(&snapshot, table, &mut directories);
        let Some((below, base)) = ahead else { return Ok(directories) };
        // Commits since the snapshot may explain it; if not, this is an error.
        journal.check_ahead(&below, base)?;
    }
}

/// Takes out the files that are not part of the snapshot's state. The answer is one that is ahead of the journal, with
/// its base: the listing cannot be used then.
fn hide(snapshot: &Snapshot, table: &Table, directories: &mut Vec<Directory>) -> Option<(String, u64)> {
    let prefix_bytes = table.name().as_str().len() + 1;
    let mut ahead = None;
    directories.retain_mut(|(_, files)| {
        files.retain(|file| {
            let below = file.path.get(prefix_bytes..).unwrap_or_default();
            match snapshot.visibility(below) {
                Visibility::Visible => true,
                Visibility::Hidden => false,
                Visibility::AheadOfJournal { base } => {
                    ahead = Some((below.to_owned(), base));
                    false
                }
            }
        });
        !files.is_empty()
    });
    ahead
}
