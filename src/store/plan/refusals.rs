//! What is wrong with a table's directories: data files where none belong.

use arrow::datatypes::Field;

use super::selection::is_passed_over;
use super::walk::{is_data_file, list};
use crate::error::{Error, Result};
use crate::storage::{Listing, Storage};
use crate::store::partition;
use crate::store::table::Table;

/// Looks for data files in the wrong place, and refuses to read the table where there are any.
pub(super) struct Refusals<'a> {
    pub(super) storage: &'a dyn Storage,
    pub(super) table: &'a Table,
}

impl Refusals<'_> {
    pub(super) fn refuse_files_above(&self, listing: &Listing) -> Result<()> {
        match listing.files.iter().find(|file| is_data_file(file)) {
            None => Ok(()),
            Some(file) => Err(Error::corrupt(format!(
                "Parquet file \"{}\" lies above the partition directories of table \"{}\"!",
                self.storage.location(&file.path),
                self.table.name()
            ))
            .with_hint(self.where_files_belong())),
        }
    }

    pub(super) fn refuse_files_below(&self, dir: &str) -> Result<()> {
        match self.data_file_below(dir)? {
            None => Ok(()),
            Some(path) => Err(Error::corrupt(format!(
                "Parquet file \"{}\" lies deeper than the partition directories of table \"{}\"!",
                self.storage.location(&path),
                self.table.name()
            ))
            .with_hint(self.where_files_belong())),
        }
    }

    pub(super) fn refuse_misfit(&self, dir: &str, name: &str, field: &Field) -> Result<()> {
        if self.data_file_below(dir)?.is_none() {
            return Ok(());
        }
        let error = Error::corrupt(format!(
            "Directory \"{}\" holds Parquet files but is no partition of table \"{}\" by \"{}\"!",
            self.storage.location(dir),
            self.table.name(),
            field.name()
        ));
        Err(match partition::decode_segment(field, name) {
            Err(reason) => error.with_source(reason),
            Ok(_) => error,
        }
        .with_hint(self.where_files_belong()))
    }

    fn where_files_belong(&self) -> String {
        let levels: String = self.table.partition_fields().map(|key| format!("{}=<value>/", key.name())).collect();
        format!("Files of this table belong in \"{}/{levels}\".", self.table.name())
    }

    /// The path of some data file in `dir` or below it.
    fn data_file_below(&self, dir: &str) -> Result<Option<String>> {
        let mut paths = vec![dir.to_owned()];
        while !paths.is_empty() {
            let mut below = Vec::new();
            let mut file = None;
            list(self.storage, &paths, &mut |index, listing| {
                file = file.take().or_else(|| listing.files.into_iter().find(is_data_file));
                let dirs = listing.dirs.iter().filter(|name| !is_passed_over(name));
                below.extend(dirs.map(|name| format!("{}/{name}", paths[index])));
                Ok(())
            })?;
            if let Some(file) = file {
                return Ok(Some(file.path));
            }
            paths = below;
        }
        Ok(None)
    }
}
