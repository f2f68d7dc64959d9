//! The files of given partitions, for an overwrite.

use arrow::datatypes::Field;

use super::selection::Selection;
use super::walk::walk;
use crate::error::Result;
use crate::storage::{FileMeta, Storage};
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
    let selection = Selection::partitions(&partitions, fields.len());
    let mut files = Vec::new();
    walk(storage, table, &selection, &mut |_, found| files.extend(found))?;
    Ok(files)
}
