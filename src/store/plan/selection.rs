//! Which directories a walk looks into: what their names mean, and whether those values are wanted.

use std::collections::{HashMap, HashSet};

use arrow::datatypes::Field;

use crate::store::filter::Filters;
use crate::store::partition;
use crate::store::scalar::Scalar;
use crate::store::table::Table;

/// How many directory names a level remembers the meaning of.
const REMEMBERED_NAMES: usize = 16 * 1024;

/// What a walk looks for.
pub(super) enum Selection<'a> {
    /// What the filters on partition keys let pass.
    Filters(&'a Filters),
    /// These partitions: for each level, the values down to it.
    Partitions(Vec<HashSet<Vec<Scalar>>>),
}

impl Selection<'_> {
    /// The partitions of these values. All have as many as the table has keys.
    pub(super) fn partitions(values: &[Vec<Scalar>], levels: usize) -> Self {
        Self::Partitions(
            (1..=levels).map(|level| values.iter().map(|values| values[..level].to_vec()).collect()).collect(),
        )
    }
}

/// What a directory name says.
#[derive(Clone)]
pub(super) enum Meaning {
    /// This value of the level's key, which is wanted.
    Wanted(Scalar),
    /// A value that is not.
    RuledOut,
    /// No value of the level's key.
    Misfit,
}

/// The levels of a table's directories.
pub(super) struct Levels<'a> {
    selection: &'a Selection<'a>,
    levels: Vec<Level<'a>>,
}

impl<'a> Levels<'a> {
    pub(super) fn new(table: &'a Table, selection: &'a Selection<'a>) -> Self {
        let level = |&column: &usize| Level { column, field: table.schema().field(column), remembered: HashMap::new() };
        Self { selection, levels: table.partition_by().iter().map(level).collect() }
    }

    pub(super) fn count(&self) -> usize {
        self.levels.len()
    }

    /// The key of a level.
    pub(super) fn field(&self, level: usize) -> &'a Field {
        self.levels[level].field
    }

    /// Whether directories may be ruled out at `level` or below.
    pub(super) fn prunes_from(&self, level: usize) -> bool {
        match self.selection {
            Selection::Filters(filters) => self.levels[level..]
                .iter()
                .any(|level| filters.conditions().iter().any(|condition| condition.column == level.column)),
            Selection::Partitions(_) => true,
        }
    }

    /// What the directory `name` means at `level`, below directories of the values `above`.
    pub(super) fn meaning(&mut self, level: usize, above: &[Scalar], name: &str) -> Meaning {
        let meaning = self.levels[level].meaning(name, self.selection);
        match (&meaning, self.selection) {
            (Meaning::Wanted(value), Selection::Partitions(wanted)) => {
                let values: Vec<Scalar> = above.iter().chain([value]).cloned().collect();
                if wanted[level].contains(&values) { meaning } else { Meaning::RuledOut }
            }
            _ => meaning,
        }
    }
}

/// One directory level. The same names come back below many parents: each is decoded and tested once, and its value
/// (with its text) is shared.
struct Level<'a> {
    column: usize,
    field: &'a Field,
    remembered: HashMap<String, Meaning>,
}

impl Level<'_> {
    fn meaning(&mut self, name: &str, selection: &Selection) -> Meaning {
        if let Some(meaning) = self.remembered.get(name) {
            return meaning.clone();
        }
        let passes = |value: &Scalar| match selection {
            Selection::Filters(filters) => filters.key_matches(self.column, value),
            Selection::Partitions(_) => true,
        };
        let meaning = match partition::decode_segment(self.field, name) {
            Ok(Some(value)) if passes(&value) => Meaning::Wanted(value),
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

/// Whether what is called so is none of the table's, at any level.
pub(super) fn is_passed_over(name: &str) -> bool {
    name.starts_with(['_', '.'])
}
