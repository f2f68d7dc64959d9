//! The walk over the directory levels of a table.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::Field;

use crate::error::{Error, Result};
use crate::storage::{FileMeta, Listing, Storage};
use crate::store::filter::Filters;
use crate::store::partition;
use crate::store::scalar::Scalar;
use crate::store::table::Table;

/// How many directories one call to the storage lists: enough for a remote backend to work on many at once, few enough
/// that the listings of a large table are never in memory together.
const LIST_BATCH_DIRS: usize = 1024;

/// How many directory names a level remembers the meaning of.
const REMEMBERED_NAMES: usize = 16 * 1024;

/// Calls `found` for every directory at the last level that `filters` do not rule out and that holds data files.
pub(super) fn walk(
    storage: &dyn Storage,
    table: &Table,
    filters: &Filters,
    found: &mut dyn FnMut(Arc<[Scalar]>, Vec<FileMeta>),
) -> Result<()> {
    let walk = Walk { storage, table };
    let mut paths = vec![table.name().as_str().to_owned()];
    let mut values: Vec<Arc<[Scalar]>> = vec![Arc::from([])];
    for &column in table.partition_by() {
        let mut level = Level::new(column, table.schema().field(column), filters);
        let mut next_paths = Vec::new();
        let mut next_values = Vec::new();
        walk.list(&paths, &mut |index, listing| {
            walk.refuse_files_above(&listing)?;
            for name in listing.dirs.iter().filter(|name| !is_passed_over(name)) {
                match level.meaning(name) {
                    Meaning::Wanted(value) => {
                        next_paths.push(format!("{}/{name}", paths[index]));
                        next_values.push(values[index].iter().cloned().chain([value]).collect());
                    }
                    Meaning::RuledOut => {}
                    Meaning::Misfit => walk.refuse_misfit(&format!("{}/{name}", paths[index]), name, level.field)?,
                }
            }
            Ok(())
        })?;
        (paths, values) = (next_paths, next_values);
    }
    walk.list(&paths, &mut |index, listing| {
        for name in listing.dirs.iter().filter(|name| !is_passed_over(name)) {
            walk.refuse_files_below(&format!("{}/{name}", paths[index]))?;
        }
        let mut files = listing.files;
        files.retain(is_data_file);
        if !files.is_empty() {
            found(values[index].clone(), files);
        }
        Ok(())
    })
}

struct Walk<'a> {
    storage: &'a dyn Storage,
    table: &'a Table,
}

impl Walk<'_> {
    /// Lists every directory of `paths`, in their order.
    fn list(&self, paths: &[String], each: &mut dyn FnMut(usize, Listing) -> Result<()>) -> Result<()> {
        for (batch, chunk) in paths.chunks(LIST_BATCH_DIRS).enumerate() {
            for (offset, listing) in self.storage.list_dirs(chunk)?.into_iter().enumerate() {
                each(batch * LIST_BATCH_DIRS + offset, listing)?;
            }
        }
        Ok(())
    }

    fn refuse_files_above(&self, listing: &Listing) -> Result<()> {
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

    fn refuse_files_below(&self, dir: &str) -> Result<()> {
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

    fn refuse_misfit(&self, dir: &str, name: &str, field: &Field) -> Result<()> {
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
            self.list(&paths, &mut |index, listing| {
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

/// Whether a file holds rows of the table, if the journal lets it.
pub(super) fn is_data_file(file: &FileMeta) -> bool {
    let name = file.path.rsplit('/').next().unwrap_or_default();
    name.ends_with(".parquet") && !is_passed_over(name) && file.size > 0
}

fn is_passed_over(name: &str) -> bool {
    name.starts_with(['_', '.'])
}

/// What a directory name says.
#[derive(Clone)]
enum Meaning {
    /// This value of the level's key, which the filters let pass.
    Wanted(Scalar),
    /// A value that the filters rule out.
    RuledOut,
    /// No value of the level's key.
    Misfit,
}

/// One directory level. The same names come back below many parents: each is decoded and tested once, and its value
/// (with its text) is shared.
struct Level<'a> {
    column: usize,
    field: &'a Field,
    filters: &'a Filters,
    remembered: HashMap<String, Meaning>,
}

impl<'a> Level<'a> {
    fn new(column: usize, field: &'a Field, filters: &'a Filters) -> Self {
        Self { column, field, filters, remembered: HashMap::new() }
    }

    fn meaning(&mut self, name: &str) -> Meaning {
        if let Some(meaning) = self.remembered.get(name) {
            return meaning.clone();
        }
        let meaning = match partition::decode_segment(self.field, name) {
            Ok(Some(value)) if self.filters.key_matches(self.column, &value) => Meaning::Wanted(value),
            Ok(Some(_)) => Meaning::RuledOut,
            Ok(None) | Err(_) => Meaning::Misfit,
        };
        if self.remembered.len() == REMEMBERED_NAMES {
            self.remembered.clear();
        }
        self.remembered.insert(name.to_owned(), meaning.clone());
        meaning
    }
}
