//! What statistics rule out.

use arrow::datatypes::Field;

use super::Predicate;
use crate::store::scalar::Scalar;

impl Predicate {
    /// Whether a set of rows with these statistics may hold a match: one file, row group or page of column `field`.
    ///
    /// `min` and `max` are bounds that need not be exact (truncated text), `None` or NULL where unknown; `null_count`
    /// is `None` where unknown. Bounds of a floating column say nothing about NaN, which writers leave out of them.
    pub fn may_match(
        &self,
        min: Option<&Scalar>,
        max: Option<&Scalar>,
        null_count: Option<u64>,
        row_count: u64,
        field: &Field,
    ) -> bool {
        if let Self::IsNull(wanted) = self {
            let count_of_others = if *wanted { 0 } else { row_count };
            return null_count != Some(count_of_others);
        }
        if null_count == Some(row_count) {
            return false;
        }
        let bounds = Bounds::new(min, max, field.data_type().is_floating());
        match self {
            Self::Equal(literal) => bounds.may_hold(literal),
            Self::Greater(literal) => bounds.may_exceed(literal, false),
            Self::GreaterOrEqual(literal) => bounds.may_exceed(literal, true),
            Self::Less(literal) => bounds.may_fall_below(literal, false),
            Self::LessOrEqual(literal) => bounds.may_fall_below(literal, true),
            Self::In(literals) => bounds.may_hold_any(literals),
            Self::IsNull(_) => true,
        }
    }
}

/// Between what the values that are neither NULL nor NaN lie.
struct Bounds<'a> {
    min: Option<&'a Scalar>,
    max: Option<&'a Scalar>,
    /// Whether values may be NaN, which is above every bound.
    may_be_nan: bool,
}

impl<'a> Bounds<'a> {
    fn new(min: Option<&'a Scalar>, max: Option<&'a Scalar>, may_be_nan: bool) -> Self {
        let known = |bound: &&Scalar| !bound.is_null() && !is_nan(bound);
        let (min, max) = (min.filter(known), max.filter(known));
        match (min, max) {
            // Nothing lies between these: the statistics are damaged, and damaged statistics say nothing.
            (Some(low), Some(high)) if low > high => Self { min: None, max: None, may_be_nan },
            _ => Self { min, max, may_be_nan },
        }
    }

    fn may_hold(&self, literal: &Scalar) -> bool {
        if is_nan(literal) {
            return self.may_be_nan;
        }
        !self.below(literal) && !self.above(literal)
    }

    /// Whether one of the sorted literals may be held: a search, for lists are long and row groups many.
    fn may_hold_any(&self, literals: &[Scalar]) -> bool {
        let from = literals.partition_point(|literal| self.below(literal));
        // The first that is not below the bounds is the least likely to be above them; NaN sorts last.
        [literals.get(from), literals.last()].into_iter().flatten().any(|literal| self.may_hold(literal))
    }

    fn may_exceed(&self, literal: &Scalar, or_equal: bool) -> bool {
        if is_nan(literal) {
            return or_equal && self.may_be_nan;
        }
        self.may_be_nan || !self.above(literal) && (or_equal || self.max != Some(literal))
    }

    fn may_fall_below(&self, literal: &Scalar, or_equal: bool) -> bool {
        !self.below(literal) && (or_equal || self.min != Some(literal))
    }

    /// Whether the literal is below every value.
    fn below(&self, literal: &Scalar) -> bool {
        self.min.is_some_and(|min| min.comparable(literal) && literal < min)
    }

    /// Whether the literal is above every value but NaN.
    fn above(&self, literal: &Scalar) -> bool {
        self.max.is_some_and(|max| max.comparable(literal) && literal > max)
    }
}

fn is_nan(value: &Scalar) -> bool {
    matches!(value, Scalar::Float(value) if value.is_nan())
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::DataType;
    use proptest::prelude::*;

    use super::super::testing;
    use super::*;

    fn int(value: i64) -> Scalar {
        Scalar::Int(value)
    }

    /// Whether ints between 10 and 20, none of them NULL, may match.
    fn in_ten_to_twenty(predicate: Predicate) -> bool {
        let field = Field::new("n", DataType::Int64, true);
        predicate.may_match(Some(&int(10)), Some(&int(20)), Some(0), 5, &field)
    }

    fn may_match_float(predicate: Predicate, min: f64, max: f64) -> bool {
        let field = Field::new("x", DataType::Float64, true);
        predicate.may_match(Some(&Scalar::Float(min)), Some(&Scalar::Float(max)), Some(0), 5, &field)
    }

    #[test]
    fn bounds_rule_out_what_lies_outside() {
        use Predicate::*;
        for (predicate, expected) in [
            (Equal(int(9)), false),
            (Equal(int(10)), true),
            (Equal(int(20)), true),
            (Equal(int(21)), false),
            (Greater(int(20)), false),
            (Greater(int(19)), true),
            (GreaterOrEqual(int(20)), true),
            (GreaterOrEqual(int(21)), false),
            (Less(int(10)), false),
            (Less(int(11)), true),
            (LessOrEqual(int(10)), true),
            (LessOrEqual(int(9)), false),
            (In(vec![int(1), int(9), int(21)]), false),
            (In(vec![int(1), int(15), int(21)]), true),
            (In(Vec::new()), false),
            (IsNull(true), false),
            (IsNull(false), true),
        ] {
            assert_eq!(in_ten_to_twenty(predicate.clone()), expected, "{predicate:?}");
        }
    }

    #[test]
    fn what_is_unknown_rules_nothing_out() {
        let field = Field::new("n", DataType::Int64, true);
        let equal = Predicate::Equal(int(5));
        assert!(equal.may_match(None, None, None, 5, &field));
        assert!(equal.may_match(Some(&int(1)), None, None, 5, &field));
        assert!(!equal.may_match(Some(&int(6)), None, None, 5, &field));
        assert!(!equal.may_match(None, Some(&int(4)), None, 5, &field));
        assert!(equal.may_match(Some(&Scalar::Null), Some(&Scalar::Null), None, 5, &field));
        assert!(equal.may_match(Some(&int(9)), Some(&int(1)), None, 5, &field), "damaged");
        assert!(equal.may_match(Some(&Scalar::Text("z".into())), None, None, 5, &field), "of another type");
        assert!(Predicate::IsNull(true).may_match(None, None, None, 5, &field));
    }

    #[test]
    fn nothing_but_null_passes_is_null_only() {
        let field = Field::new("n", DataType::Int64, true);
        let all_null = |predicate: Predicate| predicate.may_match(None, None, Some(5), 5, &field);
        assert!(all_null(Predicate::IsNull(true)));
        assert!(!all_null(Predicate::IsNull(false)));
        assert!(!all_null(Predicate::Equal(int(1))));
        assert!(!all_null(Predicate::In(vec![int(1)])));
    }

    #[test]
    fn nan_is_outside_the_bounds_of_floats() {
        use Predicate::*;
        let float = Scalar::Float;
        assert!(may_match_float(Greater(float(20.0)), 10.0, 20.0));
        assert!(may_match_float(GreaterOrEqual(float(f64::NAN)), 10.0, 20.0));
        assert!(may_match_float(Equal(float(f64::NAN)), 10.0, 20.0));
        assert!(may_match_float(In(vec![float(1.0), float(f64::NAN)]), 10.0, 20.0));
        assert!(!may_match_float(Greater(float(f64::NAN)), 10.0, 20.0));
        assert!(!may_match_float(Equal(float(21.0)), 10.0, 20.0));
        assert!(!may_match_float(In(vec![float(1.0), float(21.0)]), 10.0, 20.0));
        assert!(!may_match_float(LessOrEqual(float(9.0)), 10.0, 20.0));
        assert!(may_match_float(Less(float(f64::NAN)), 10.0, 20.0));
        assert!(may_match_float(Equal(float(5.0)), f64::NAN, f64::NAN));
        assert!(may_match_float(Equal(float(0.0)), -0.0, -0.0));
    }

    #[test]
    fn truncated_text_is_still_a_bound() {
        let field = Field::new("s", DataType::Utf8, true);
        let text = |text: &str| Scalar::Text(text.into());
        // The values are "abcdef" and "abczzz"; the writer kept two characters, the last one of max raised.
        let may = |predicate: Predicate| predicate.may_match(Some(&text("ab")), Some(&text("ac")), Some(0), 2, &field);
        assert!(may(Predicate::Equal(text("abcdef"))));
        assert!(may(Predicate::Less(text("abcdeg"))));
        assert!(may(Predicate::Greater(text("abczzy"))));
        assert!(!may(Predicate::Equal(text("b"))));
    }

    proptest! {
        #[test]
        fn a_match_is_never_ruled_out((field, values, predicate) in testing::column_and_predicate(6)) {
            // As writers do: NULL and NaN do not count.
            let counted = || values.iter().filter(|value| !value.is_null() && !is_nan(value));
            let nulls = values.iter().filter(|value| value.is_null()).count() as u64;
            let (min, max, rows) = (counted().min(), counted().max(), values.len() as u64);
            let holds_match = values.iter().any(|value| predicate.matches(value));
            for (min, max, nulls) in [(min, max, Some(nulls)), (None, max, None), (min, None, Some(nulls))] {
                prop_assert!(!holds_match || predicate.may_match(min, max, nulls, rows, &field));
            }
        }
    }
}
