//! What statistics say: which row groups and pages hold no matching row, and which hold nothing else.

use std::ops::Range;

use arrow::array::{Array, ArrayRef, UInt64Array};
use arrow::datatypes::{DataType, Field};
use parquet::arrow::arrow_reader::statistics::StatisticsConverter;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, RowSelection};
use parquet::file::metadata::page_index::PageIndexProvider;
use parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};

use super::columns::leaf_of;
use super::footer::Coverage;
use super::open::{ColumnTest, GroupPlan};
use crate::store::filter::Predicate;
use crate::store::scalar::Scalar;

/// Which rows of a row group or page pass a test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// None of them, for certain.
    None,
    /// Maybe some.
    Some,
    /// All of them, for certain.
    All,
}

/// What is known of some rows of one column. Bounds need not be values that occur.
#[derive(Debug, Clone, Default)]
struct Bounds {
    min: Option<Scalar>,
    max: Option<Scalar>,
    null_count: Option<u64>,
    /// Whether there may be NaN, which is above every bound.
    may_hold_nan: bool,
}

/// The statistics of one column in every row group of a file, for one test.
pub(super) struct GroupBounds<'a> {
    test: &'a ColumnTest,
    groups: Vec<Bounds>,
}

impl<'a> GroupBounds<'a> {
    pub(super) fn of(reader: &ArrowReaderMetadata, test: &'a ColumnTest) -> Self {
        Self { test, groups: group_bounds(reader, test).unwrap_or_default() }
    }

    /// What the statistics of a row group of `rows` rows prove about the test.
    pub(super) fn verdict(&self, row_group: usize, rows: u64) -> Verdict {
        match self.groups.get(row_group) {
            Some(bounds) => judge(self.test, bounds, rows),
            None => Verdict::Some,
        }
    }
}

/// Whether pages may be skipped by the index. Some writers make pages without rows, which the decoder stumbles over where
/// those around them are skipped.
pub(super) fn has_sound_pages(metadata: &ParquetMetaData, covered: &Coverage) -> bool {
    let Some(index) = metadata.page_index() else { return true };
    let chunks = covered.row_groups.iter().flat_map(|&group| covered.to_read.iter().map(move |&leaf| (group, leaf)));
    chunks.filter_map(|(group, leaf)| Some((group, index.page_locations(group, leaf)?))).all(|(group, pages)| {
        let ends = pages.iter().skip(1).map(|next| next.first_row_index);
        let ends = ends.chain([metadata.row_group(group).num_rows()]);
        pages.iter().zip(ends).all(|(page, end)| page.first_row_index < end)
    })
}

/// The rows of the pages that `group`'s open tests do not rule out; `None` where that is all.
pub(super) fn select_pages(
    reader: &ArrowReaderMetadata,
    tests: &[ColumnTest],
    group: &GroupPlan,
) -> Option<RowSelection> {
    let index = reader.metadata().page_index()?;
    let mut selected: Option<RowSelection> = None;
    for test in group.tests.iter().filter_map(|&test| tests.get(test)) {
        let Some(pages) = page_bounds(reader, index.as_ref(), test, group) else { continue };
        let kept: Vec<Range<usize>> = pages
            .into_iter()
            .filter(|(rows, bounds)| judge(test, bounds, (rows.end - rows.start) as u64) != Verdict::None)
            .map(|(rows, _)| rows)
            .collect();
        if kept.iter().map(|rows| rows.len() as u64).sum::<u64>() == group.rows {
            continue;
        }
        let selection = RowSelection::from_consecutive_ranges(kept.into_iter(), group.rows as usize);
        selected = Some(match selected {
            Some(before) => before.intersection(&selection),
            None => selection,
        });
    }
    selected
}

fn judge(test: &ColumnTest, bounds: &Bounds, rows: u64) -> Verdict {
    let field = &test.target.canonical;
    let mut verdict = Verdict::All;
    for predicate in test.predicates.iter() {
        if !may_match(predicate, bounds, rows, field) {
            return Verdict::None;
        }
        if !always_matches(predicate, bounds, rows, field) {
            verdict = Verdict::Some;
        }
    }
    verdict
}

fn may_match(predicate: &Predicate, bounds: &Bounds, rows: u64, field: &Field) -> bool {
    let sees_nan = bounds.may_hold_nan && matches!(predicate, Predicate::Greater(_) | Predicate::GreaterOrEqual(_));
    let seeks_nan = bounds.may_hold_nan
        && match predicate {
            Predicate::Equal(value) => is_nan(value),
            Predicate::In(values) => values.iter().any(is_nan),
            _ => false,
        };
    let max = bounds.max.as_ref().filter(|_| !sees_nan && !seeks_nan);
    predicate.may_match(bounds.min.as_ref(), max, bounds.null_count, rows, field)
}

/// Whether every row passes: where the opposite of the test cannot match, and NULL is no row's value.
fn always_matches(predicate: &Predicate, bounds: &Bounds, rows: u64, field: &Field) -> bool {
    let never = |opposite: Predicate| !may_match(&opposite, bounds, rows, field);
    if let Predicate::IsNull(is_null) = predicate {
        return never(Predicate::IsNull(!is_null));
    }
    let only = |value: &Scalar| never(Predicate::Less(value.clone())) && never(Predicate::Greater(value.clone()));
    bounds.null_count == Some(0)
        && match predicate {
            Predicate::Equal(value) => only(value),
            Predicate::In(values) => values.iter().any(only),
            Predicate::Greater(value) => never(Predicate::LessOrEqual(value.clone())),
            Predicate::GreaterOrEqual(value) => never(Predicate::Less(value.clone())),
            Predicate::Less(value) => never(Predicate::GreaterOrEqual(value.clone())),
            Predicate::LessOrEqual(value) => never(Predicate::Greater(value.clone())),
            Predicate::IsNull(_) => false,
        }
}

fn is_nan(value: &Scalar) -> bool {
    matches!(value, Scalar::Float(value) if value.is_nan())
}

/// The bounds of every row group, or `None` where the column has none that can be trusted.
fn group_bounds(reader: &ArrowReaderMetadata, test: &ColumnTest) -> Option<Vec<Bounds>> {
    let (leaf, _) = leaf_of(reader.parquet_schema(), test.root)?;
    let converter = converter(reader, test, leaf)?;
    let groups = reader.metadata().row_groups();
    let nulls = converter.row_group_null_counts(groups).ok()?;
    let nans = converter.row_group_nan_counts(groups).ok()?;
    let mins = converter.row_group_mins(groups).ok();
    let maxes = converter.row_group_maxes(groups).ok();
    let (mins, maxes) = (canonical(test, reader, mins), canonical(test, reader, maxes));
    let bounds = |(position, group): (usize, &RowGroupMetaData)| {
        // The older min and max fields were compared as signed bytes whatever the type.
        let column = group.columns().get(leaf);
        let trusted = column.and_then(|column| column.statistics()).is_some_and(|s| !s.is_min_max_deprecated());
        let (mins, maxes) = (mins.as_ref().filter(|_| trusted), maxes.as_ref().filter(|_| trusted));
        bounds_at(mins, maxes, &nulls, &nans, position, test)
    };
    Some(groups.iter().enumerate().map(bounds).collect())
}

/// The rows and bounds of every page of the column in one row group.
fn page_bounds(
    reader: &ArrowReaderMetadata,
    index: &dyn PageIndexProvider,
    test: &ColumnTest,
    group: &GroupPlan,
) -> Option<Vec<(Range<usize>, Bounds)>> {
    let (leaf, _) = leaf_of(reader.parquet_schema(), test.root)?;
    let column_index = index.column_index(group.row_group, leaf)?;
    let starts: Vec<usize> = index
        .page_locations(group.row_group, leaf)?
        .iter()
        .map(|page| usize::try_from(page.first_row_index).ok())
        .collect::<Option<_>>()?;
    let ends = starts.iter().skip(1).copied().chain([group.rows as usize]);
    let rows: Vec<Range<usize>> = starts.iter().copied().zip(ends).map(|(start, end)| start..end).collect();
    // An index that does not tile the row group is not to be trusted.
    let tiles = rows.first().is_some_and(|first| first.start == 0) && rows.iter().all(|rows| rows.start <= rows.end);
    if !tiles || column_index.num_pages() != rows.len() as u64 {
        return None;
    }
    let converter = converter(reader, test, leaf)?;
    let only = [group.row_group];
    let nulls = converter.data_page_null_counts(index, &only).ok()?;
    let nans = converter.data_page_nan_counts(index, &only).ok()?;
    let mins = canonical(test, reader, converter.data_page_mins(index, &only).ok());
    let maxes = canonical(test, reader, converter.data_page_maxes(index, &only).ok());
    let complete = |array: &ArrayRef| array.len() == rows.len();
    if nulls.len() != rows.len() || nans.len() != rows.len() {
        return None;
    }
    let (mins, maxes) = (mins.filter(complete), maxes.filter(complete));
    let pages = rows.into_iter().enumerate().map(|(page, rows)| {
        let mut bounds = bounds_at(mins.as_ref(), maxes.as_ref(), &nulls, &nans, page, test);
        if column_index.is_null_page(page) {
            bounds.null_count = Some(rows.len() as u64);
        }
        (rows, bounds)
    });
    Some(pages.collect())
}

fn converter<'a>(reader: &'a ArrowReaderMetadata, test: &ColumnTest, leaf: usize) -> Option<StatisticsConverter<'a>> {
    let field = reader.schema().field(test.root);
    let converter = StatisticsConverter::from_column_index(leaf, field, reader.parquet_schema()).ok()?;
    Some(converter.with_missing_null_counts_as_zero(false))
}

/// Bounds in the column's registered type; `None` where they say nothing about it.
fn canonical(test: &ColumnTest, reader: &ArrowReaderMetadata, bounds: Option<ArrayRef>) -> Option<ArrayRef> {
    let field = reader.schema().field(test.root);
    // Of a dictionary, the bounds are values.
    let file_type = match field.data_type() {
        DataType::Dictionary(_, value) => value,
        other => other,
    };
    if !keeps_order(file_type, test.target.canonical.data_type()) {
        return None;
    }
    test.target.convert(&bounds?, &field.clone().with_data_type(file_type.clone())).ok()
}

fn bounds_at(
    mins: Option<&ArrayRef>,
    maxes: Option<&ArrayRef>,
    nulls: &UInt64Array,
    nans: &UInt64Array,
    position: usize,
    test: &ColumnTest,
) -> Bounds {
    let at = |array: Option<&ArrayRef>| {
        array.filter(|array| !array.is_null(position)).and_then(|array| Scalar::from_array(array, position).ok())
    };
    let is_float = matches!(test.target.canonical.data_type(), DataType::Float32 | DataType::Float64);
    let count =
        |counts: &UInt64Array| (position < counts.len() && counts.is_valid(position)).then(|| counts.value(position));
    let (mut min, mut max) = (at(mins), at(maxes));
    if is_float {
        // A NaN is no bound: it says nothing of the numbers.
        min = min.filter(|min| !is_nan(min));
        max = max.filter(|max| !is_nan(max));
    }
    Bounds { min, max, null_count: count(nulls), may_hold_nan: is_float && count(nans) != Some(0) }
}

/// Whether casting from what the file holds to the registered type keeps the order that bounds refer to: numbers
/// as numbers, instants as instants, text as text.
fn keeps_order(file: &DataType, registered: &DataType) -> bool {
    use DataType::{
        Binary, BinaryView, Boolean, Date32, Date64, Decimal128, FixedSizeBinary, Float32, Float64, LargeBinary,
        LargeUtf8, Time32, Time64, Timestamp, Utf8, Utf8View,
    };
    match (file, registered) {
        (Boolean, Boolean) | (FixedSizeBinary(_), FixedSizeBinary(_)) => true,
        (Float32 | Float64, Float32 | Float64) => true,
        (file, registered) if file.is_integer() => registered.is_integer(),
        (Decimal128(_, _), Decimal128(_, _)) => true,
        (Utf8 | LargeUtf8 | Utf8View, Utf8 | LargeUtf8) => true,
        (Binary | LargeBinary | BinaryView, Binary) => true,
        (Date32 | Date64, Date32) | (Time32(_) | Time64(_), Time64(_)) | (Timestamp(_, _), Timestamp(_, _)) => true,
        _ => false,
    }
}
