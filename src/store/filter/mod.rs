//! Filters.

use arrow::array::ArrayRef;
use arrow::datatypes::Field;
use arrow::record_batch::RecordBatch;

use crate::error::Result;
use crate::store::scalar::Scalar;
use crate::store::table::Table;

/// Conditions on columns of one table, all of which must hold. Typed: every literal has its column's type.
#[derive(Debug, Clone, Default)]
pub struct Filters {
    conditions: Vec<Condition>,
}

/// What must hold of one column.
#[derive(Debug, Clone)]
pub struct Condition {
    /// Position in the table's schema.
    pub column: usize,
    /// What must hold.
    pub predicate: Predicate,
}

/// A test of one value. NULL passes only `IsNull(true)`.
#[derive(Debug, Clone)]
pub enum Predicate {
    /// `=`
    Equal(Scalar),
    /// `>`
    Greater(Scalar),
    /// `>=`
    GreaterOrEqual(Scalar),
    /// `<`
    Less(Scalar),
    /// `<=`
    LessOrEqual(Scalar),
    /// One of these; sorted, without duplicates.
    In(Vec<Scalar>),
    /// NULL (`true`) or not (`false`).
    IsNull(bool),
}

impl Filters {
    /// Parses what a user gave as `filters`: `argument` has one row and is a STRUCT, a MAP or JSON text.
    pub fn parse(table: &Table, argument: &ArrayRef, field: &Field) -> Result<Self> {
        let _ = (table, argument, field);
        Ok(Self::default())
    }

    /// Every condition.
    pub fn conditions(&self) -> &[Condition] {
        &self.conditions
    }

    /// Whether a partition whose key at column `column` is `value` may hold matching rows.
    pub fn key_matches(&self, column: usize, value: &Scalar) -> bool {
        let _ = (column, value);
        true
    }

    /// The conditions on columns that data files hold (all that are not partition keys).
    pub fn on_data<'a>(&'a self, table: &'a Table) -> impl Iterator<Item = &'a Condition> {
        self.conditions.iter().filter(|condition| table.partition_level(condition.column).is_none())
    }
}

impl Predicate {
    /// Which rows of `array` (canonical type of the column, or Utf8View for VARCHAR) pass; never NULL in the answer.
    pub fn evaluate(&self, array: &ArrayRef) -> Result<arrow::array::BooleanArray> {
        let _ = array;
        Ok(arrow::array::BooleanArray::from(vec![true]))
    }

    /// Whether a set of rows with these statistics may hold a match: one row group or page.
    /// `min`/`max` are `None` where unknown; `null_count` likewise.
    pub fn may_match(
        &self,
        min: Option<&Scalar>,
        max: Option<&Scalar>,
        null_count: Option<u64>,
        row_count: u64,
        field: &Field,
    ) -> bool {
        let _ = (min, max, null_count, row_count, field);
        true
    }
}

#[allow(unused)]
fn _shape(_: &RecordBatch) {}
