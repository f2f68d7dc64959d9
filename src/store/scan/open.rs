//! A file of the scan, opened: what is left of it after statistics have spoken.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow::datatypes::{Field, Schema};
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, RowSelection};
use parquet::file::metadata::ParquetMetaData;

use super::ScanContext;
use super::ahead::Charge;
use super::bloom;
use super::columns::{Target, find_root, leaf_of, reading_schema};
use super::fetch::FileSource;
use super::footer::{Coverage, Footer};
use super::prune::{self, Verdict};
use crate::error::{Error, ErrorKind, Result};
use crate::storage::FileMeta;
use crate::store::filter::Predicate;

/// A file whose footer is known.
#[derive(Debug)]
pub(super) struct OpenFile {
    /// Position in the request's files.
    pub(super) index: usize,
    pub(super) source: FileSource,
    pub(super) reader: ArrowReaderMetadata,
    /// For each wanted column, its position among the file's columns; `None` where the file is older than the column.
    pub(super) wanted: Vec<Option<usize>>,
    /// The tests on columns of the file, one for each column that has any.
    pub(super) tests: Vec<ColumnTest>,
    /// The row groups to read, in order.
    pub(super) groups: Vec<GroupPlan>,
}

/// Everything that must hold of one column.
#[derive(Debug, Clone)]
pub(super) struct ColumnTest {
    pub(super) target: Arc<Target>,
    /// The column's position among the file's columns.
    pub(super) root: usize,
    pub(super) predicates: Arc<[Predicate]>,
}

/// A row group that statistics do not rule out.
#[derive(Debug)]
pub(super) struct GroupPlan {
    /// Position in the file.
    pub(super) row_group: usize,
    /// All its rows, before any selection.
    pub(super) rows: u64,
    /// The rows of the pages that statistics do not rule out; `None`: all.
    pub(super) selection: Option<RowSelection>,
    /// Positions in [`OpenFile::tests`] of those that statistics do not prove to hold for every row.
    pub(super) tests: Vec<usize>,
}

impl OpenFile {
    /// Gets the footer of file `index` and rules out what can be ruled out. What is fetched of the file counts as
    /// `charge`.
    pub(super) fn open(context: &ScanContext, index: usize, charge: Option<Charge>) -> Result<Self> {
        let mut source = FileSource::new(&context.storage, context.access, &context.files[index].meta, charge);
        let opened = catch_unwind(AssertUnwindSafe(|| plan_groups(context, &mut source)));
        let (reader, wanted, tests, groups) =
            opened.unwrap_or_else(|_| Err(source.corrupt("its footer makes no sense")))?;
        if !groups.is_empty() && !context.is_metadata_only() {
            source.read_whole_if_small()?;
        }
        Ok(Self { index, source, reader, wanted, tests, groups })
    }

    /// An estimate of what opening `file` fetches, in bytes.
    pub(super) fn fetched_bytes(context: &ScanContext, file: &FileMeta) -> u64 {
        let small = FileSource::is_small(file.size, &context.access) && !context.is_metadata_only();
        if small { file.size } else { context.tail_guess.bytes(&context.access).min(file.size) }
    }

    pub(super) fn metadata(&self) -> &ParquetMetaData {
        self.reader.metadata()
    }

    /// The top-level column at `root`, as it is decoded.
    pub(super) fn field(&self, root: usize) -> &Field {
        self.reader.schema().field(root)
    }

    /// Adds to an error of a value or a type which file it was found in.
    pub(super) fn locate(&self, error: Error) -> Error {
        locate(&self.source, error)
    }
}

fn locate(source: &FileSource, error: Error) -> Error {
    Error::new(error.kind(), format!("Parquet file \"{}\" does not fit the registry", source.location()))
        .with_source(error)
}

type Opened = (ArrowReaderMetadata, Vec<Option<usize>>, Vec<ColumnTest>, Vec<GroupPlan>);

fn plan_groups(context: &ScanContext, source: &mut FileSource) -> Result<Opened> {
    // Where only footers matter, the rest of a small file is not fetched either.
    let mut footer = Footer::of(source, &context.tail_guess, !context.is_metadata_only())?;
    let all_targets: Vec<Target> = context.all_targets().cloned().collect();
    let mut reader = reading_schema(footer.metadata().clone(), &all_targets).map_err(|error| source.corrupt(error))?;
    let roots = reader.parquet_schema().root_schema().get_fields().len();
    if roots != reader.schema().fields().len() {
        return Err(source.corrupt("it has columns of types that Arrow does not know"));
    }
    check_fits(context, reader.schema()).map_err(|error| locate(source, error))?;
    let wanted: Vec<Option<usize>> =
        context.targets.iter().map(|target| find_root(reader.schema(), target.canonical.name())).collect();

    let mut tests = Vec::new();
    for condition in &context.conditions {
        match find_root(reader.schema(), condition.target.canonical.name()) {
            Some(root) => tests.push(ColumnTest {
                target: condition.target.clone(),
                root,
                predicates: condition.predicates.clone(),
            }),
            // The file is older than the column, which is NULL in every row.
            None if condition.passes_null => {}
            None => return Ok((reader, wanted, Vec::new(), Vec::new())),
        }
    }
    // The cheapest test first: those after it decode only the rows that it lets pass.
    tests.sort_by_key(|test| stored_bytes(reader.metadata(), test.root));

    let mut groups = Vec::with_capacity(reader.metadata().num_row_groups());
    let bounds: Vec<_> = tests.iter().map(|test| prune::GroupBounds::of(&reader, test)).collect();
    for (row_group, group) in reader.metadata().row_groups().iter().enumerate() {
        let rows = u64::try_from(group.num_rows()).map_err(|_| source.corrupt("a row group has a negative size"))?;
        let mut open_tests = Vec::new();
        let mut ruled_out = rows == 0;
        for (position, bounds) in bounds.iter().enumerate() {
            match bounds.verdict(row_group, rows) {
                Verdict::None => ruled_out = true,
                Verdict::Some => open_tests.push(position),
                Verdict::All => {}
            }
        }
        if !ruled_out {
            groups.push(GroupPlan { row_group, rows, selection: None, tests: open_tests });
        }
    }

    if groups.iter().any(|group| !group.tests.is_empty()) {
        let read_roots: Vec<usize> = wanted.iter().flatten().copied().chain(tests.iter().map(|t| t.root)).collect();
        if let Some(wanted) = useful_page_index(&reader, &tests, &read_roots, &groups) {
            let indexed = footer.with_page_index(source, &context.tail_guess, &wanted)?;
            if prune::has_sound_pages(&indexed, &wanted) {
                reader = reading_schema(Arc::new(indexed), &all_targets).map_err(|error| source.corrupt(error))?;
            }
        }
        for group in &mut groups {
            group.selection = prune::select_pages(&reader, &tests, group);
        }
        groups.retain(|group| group.selection.as_ref().is_none_or(RowSelection::selects_any));
        groups = bloom::rule_out(source, &reader, &tests, groups)?;
    }
    Ok((reader, wanted, tests, groups))
}

/// That the file is one of this table's. A column may be younger than a file, which is NULL then; but a NOT NULL column
/// has been there from the start, and a file without any registered column is some other table's.
fn check_fits(context: &ScanContext, schema: &Schema) -> Result<()> {
    let missing = |(name, _): &&(String, bool)| find_root(schema, name).is_none();
    let misfit = |what: String| Err(Error::new(ErrorKind::Corrupt, what));
    if let Some((name, _)) = context.registered.iter().filter(|(_, required)| *required).find(missing) {
        return misfit(format!("it has no column \"{name}\", which is NOT NULL"));
    }
    if !context.registered.iter().any(|(name, _)| find_root(schema, name).is_some()) {
        return misfit("it has none of the registered columns".to_owned());
    }
    Ok(())
}

/// The compressed size of a top-level column in all row groups, in bytes.
fn stored_bytes(metadata: &ParquetMetaData, root: usize) -> i64 {
    let schema = metadata.file_metadata().schema_descr();
    let leaves: Vec<usize> =
        (0..schema.num_columns()).filter(|&leaf| schema.get_column_root_idx(leaf) == root).collect();
    let size = |leaf: &usize| {
        metadata
            .row_groups()
            .iter()
            .filter_map(|group| group.columns().get(*leaf))
            .map(|c| c.compressed_size())
            .sum::<i64>()
    };
    leaves.iter().map(size).sum()
}

/// The parts of the page index that `tests` can use; `None` where the file has none of them.
fn useful_page_index(
    reader: &ArrowReaderMetadata,
    tests: &[ColumnTest],
    read_roots: &[usize],
    groups: &[GroupPlan],
) -> Option<Coverage> {
    let schema = reader.parquet_schema();
    let to_test: BTreeSet<usize> =
        tests.iter().filter_map(|test| leaf_of(schema, test.root)).map(|(leaf, _)| leaf).collect();
    let row_groups: BTreeSet<usize> =
        groups.iter().filter(|group| !group.tests.is_empty()).map(|group| group.row_group).collect();
    let indexed = row_groups.iter().any(|&group| {
        let columns = reader.metadata().row_group(group).columns();
        to_test.iter().any(|&leaf| columns.get(leaf).is_some_and(|column| column.column_index_range().is_some()))
    });
    let to_read = (0..schema.num_columns()).filter(|&leaf| read_roots.contains(&schema.get_column_root_idx(leaf)));
    indexed.then(|| Coverage { row_groups, to_test, to_read: to_read.collect() })
}
