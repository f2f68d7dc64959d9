//! The files of given partitions, for an overwrite.

use std::collections::HashSet;

use arrow::datatypes::Field;

use super::walk::is_data_file;
use crate::error::Result;
use crate::storage::{FileMeta, Listing, Storage};
use crate::store::journal::{Journal, Snapshot, Visibility};
use crate::store::partition::decode_segment;
use crate::store::scalar::Scalar;
use crate::store::table::Table;

/// The visible files, below the table's directory, of the partitions in `directories` (below the table's, too; `""` for
/// a table without keys), whichever way another writer spells their key values: `month=01` is the partition of
/// `month=1`.
///
/// # Errors
/// `Corrupt` where one of them is ahead of the journal: to overwrite around it would have its rows come back later.
pub fn visible_in_partitions<'a>(
    journal: &Journal,
    table: &Table,
    snapshot: &Snapshot,
    directories: impl Iterator<Item = &'a str>,
) -> Result<Vec<String>> {
    let prefix = format!("{}/", table.name());
    let files = files_in(journal.storage().as_ref(), table, directories)?;
    let mut visible = Vec::new();
    for below in files.iter().filter_map(|file| file.path.strip_prefix(&prefix)) {
        match snapshot.visibility(below) {
            Visibility::Visible => visible.push(below.to_owned()),
            Visibility::Hidden => {}
            Visibility::AheadOfJournal { base } => journal.check_ahead(below, base)?,
        }
    }
    Ok(visible)
}

fn files_in<'a>(
    storage: &dyn Storage,
    table: &Table,
    directories: impl Iterator<Item = &'a str>,
) -> Result<Vec<FileMeta>> {
    let fields: Vec<&Field> = table.partition_fields().collect();
    let decode = |path: &str| -> Result<Vec<Scalar>> {
        let segments = path.split('/').zip(&fields);
        segments.map(|(segment, field)| Ok(decode_segment(field, segment)?.unwrap_or(Scalar::Null))).collect()
    };
    let partitions = directories.map(decode).collect::<Result<Vec<_>>>()?;
    let mut found = vec![(table.name().as_str().to_owned(), Vec::new())];
    for (level, field) in fields.iter().enumerate() {
        let wanted: HashSet<&[Scalar]> = partitions.iter().map(|values| &values[..=level]).collect();
        let mut below = Vec::new();
        for ((path, values), listing) in found.iter().zip(list(storage, &found)?) {
            for name in listing.dirs {
                // A name that means nothing is none of our partitions.
                let Ok(Some(value)) = decode_segment(field, &name) else { continue };
                let mut values: Vec<Scalar> = values.clone();
                values.push(value);
                if wanted.contains(values.as_slice()) {
                    below.push((format!("{path}/{name}"), values));
                }
            }
        }
        found = below;
    }
    Ok(list(storage, &found)?.into_iter().flat_map(|listing| listing.files).filter(is_data_file).collect())
}

fn list(storage: &dyn Storage, directories: &[(String, Vec<Scalar>)]) -> Result<Vec<Listing>> {
    let paths: Vec<String> = directories.iter().map(|(path, _)| path.clone()).collect();
    storage.list_dirs(&paths)
}
