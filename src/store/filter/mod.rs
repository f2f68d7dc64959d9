//! Filters: conditions on columns, all of which must hold.
//!
//! One condition serves four times, and always means the same: on the values of partition keys, to list only what may
//! match ([`Filters::key_matches`]); on statistics of files, row groups and pages ([`Predicate::may_match`]); on rows
//! ([`Predicate::evaluate`]); on one value ([`Predicate::matches`]). Literals are cast to their column's type once, when
//! the filters are parsed; values are data and never become part of SQL or of a path.

mod argument;
mod evaluate;
mod parse;
mod prune;
#[cfg(test)]
mod testing;

use arrow::array::ArrayRef;
use arrow::datatypes::Field;

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
    /// Parses what a user gave as `filters`: `argument` has one row and is a STRUCT, a MAP or JSON text. NULL is no filter.
    ///
    /// # Errors
    /// `InvalidInput` for what is no filter, `NotFound` for a column the table has not, `Conversion` for a value that is
    /// none of its column's type.
    pub fn parse(table: &Table, argument: &ArrayRef, field: &Field) -> Result<Self> {
        parse::conditions(table, argument, field).map(|conditions| Self { conditions })
    }

    /// These, and one more on the column at `column`. The literals of `predicate` are of the column's type.
    pub fn and(&self, column: usize, predicate: Predicate) -> Self {
        let more = Condition { column, predicate };
        Self { conditions: self.conditions.iter().cloned().chain([more]).collect() }
    }

    /// Every condition, in the order given.
    pub fn conditions(&self) -> &[Condition] {
        &self.conditions
    }

    /// Whether everything passes.
    pub fn is_empty(&self) -> bool {
        self.conditions.is_empty()
    }

    /// Whether a partition whose key at column `column` is `value` may hold matching rows; exact for the conditions on
    /// that column.
    pub fn key_matches(&self, column: usize, value: &Scalar) -> bool {
        self.on_column(column).all(|predicate| predicate.matches(value))
    }

    /// The few values that the column can have in matching rows, where equality or membership says so; sorted.
    ///
    /// Another writer may have spelt a value in another way (`month=01`): a directory made of a candidate may be one of
    /// several, so candidates can rule out and look ahead but do not replace a listing.
    pub fn key_candidates(&self, column: usize) -> Option<Vec<Scalar>> {
        let finite = self.on_column(column).filter_map(|predicate| match predicate {
            Predicate::Equal(value) => Some(std::slice::from_ref(value)),
            Predicate::In(values) => Some(values.as_slice()),
            _ => None,
        });
        let values = finite.min_by_key(|values| values.len())?;
        Some(values.iter().filter(|value| self.key_matches(column, value)).cloned().collect())
    }

    /// The conditions on columns that data files hold (all that are not partition keys).
    pub fn on_data<'a>(&'a self, table: &'a Table) -> impl Iterator<Item = &'a Condition> {
        self.conditions.iter().filter(|condition| table.partition_level(condition.column).is_none())
    }

    /// Whether directory names alone decide: no condition is on a column that data files hold.
    pub fn all_on_keys(&self, table: &Table) -> bool {
        self.on_data(table).next().is_none()
    }

    fn on_column(&self, column: usize) -> impl Iterator<Item = &Predicate> {
        self.conditions.iter().filter(move |condition| condition.column == column).map(|condition| &condition.predicate)
    }
}

impl Predicate {
    /// Whether the value passes.
    pub fn matches(&self, value: &Scalar) -> bool {
        match self {
            Self::IsNull(wanted) => value.is_null() == *wanted,
            _ if value.is_null() => false,
            Self::Equal(literal) => value == literal,
            Self::Greater(literal) => !literal.is_null() && value > literal,
            Self::GreaterOrEqual(literal) => !literal.is_null() && value >= literal,
            Self::Less(literal) => !literal.is_null() && value < literal,
            Self::LessOrEqual(literal) => !literal.is_null() && value <= literal,
            Self::In(literals) => literals.binary_search(value).is_ok(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::datatypes::{DataType, Schema};

    use super::*;
    use crate::store::table::TableName;

    fn filters(conditions: Vec<(usize, Predicate)>) -> Filters {
        let conditions = conditions.into_iter().map(|(column, predicate)| Condition { column, predicate }).collect();
        Filters { conditions }
    }

    fn ints(values: &[i64]) -> Vec<Scalar> {
        values.iter().map(|&value| Scalar::Int(value)).collect()
    }

    #[test]
    fn every_condition_on_a_key_must_hold() {
        let filters = filters(vec![
            (0, Predicate::GreaterOrEqual(Scalar::Int(2))),
            (1, Predicate::Equal(Scalar::Int(9))),
            (0, Predicate::Less(Scalar::Int(4))),
        ]);
        let passed: Vec<i64> = (0..6).filter(|&value| filters.key_matches(0, &Scalar::Int(value))).collect();
        assert_eq!(passed, [2, 3]);
        assert!(!filters.key_matches(0, &Scalar::Null));
        assert!(filters.key_matches(2, &Scalar::Null), "no condition on it");
    }

    #[test]
    fn null_passes_is_null_only() {
        let only_null = filters(vec![(0, Predicate::IsNull(true))]);
        assert!(only_null.key_matches(0, &Scalar::Null) && !only_null.key_matches(0, &Scalar::Int(0)));
        let not_null = filters(vec![(0, Predicate::IsNull(false))]);
        assert!(!not_null.key_matches(0, &Scalar::Null) && not_null.key_matches(0, &Scalar::Int(0)));
        assert!(!Predicate::Equal(Scalar::Null).matches(&Scalar::Null));
        assert!(!Predicate::Less(Scalar::Null).matches(&Scalar::Int(0)));
    }

    #[test]
    fn candidates_are_the_values_that_pass_every_condition() {
        let conditions = vec![
            (0, Predicate::In(ints(&[1, 2, 3, 5]))),
            (0, Predicate::In(ints(&[2, 3, 4, 5, 6]))),
            (0, Predicate::Less(Scalar::Int(5))),
            (1, Predicate::Equal(Scalar::Int(1))),
            (2, Predicate::Greater(Scalar::Int(1))),
            (3, Predicate::In(Vec::new())),
        ];
        let filters = filters(conditions);
        assert_eq!(filters.key_candidates(0), Some(ints(&[2, 3])));
        assert_eq!(filters.key_candidates(1), Some(ints(&[1])));
        assert_eq!(filters.key_candidates(2), None);
        assert_eq!(filters.key_candidates(3), Some(Vec::new()));
    }

    #[test]
    fn tells_keys_from_data() {
        let fields: Vec<Field> = ["a", "k"].map(|name| Field::new(name, DataType::Int32, true)).into();
        let table = Table::new(TableName::parse("t").unwrap(), Arc::new(Schema::new(fields)), vec![1]);
        let both = filters(vec![(1, Predicate::IsNull(false)), (0, Predicate::IsNull(true))]);
        assert_eq!(both.on_data(&table).map(|condition| condition.column).collect::<Vec<_>>(), [0]);
        assert!(!both.all_on_keys(&table));
        assert!(filters(vec![(1, Predicate::IsNull(false))]).all_on_keys(&table));
        assert!(Filters::default().all_on_keys(&table) && Filters::default().is_empty());
    }
}
