//! Arbitrary predicates, for property tests.

use arrow::datatypes::Field;
use proptest::prelude::*;

use super::Predicate;
use crate::store::scalar::{Scalar, testing};

/// A column of `len` values at most, and a predicate of its type whose literals often are among them.
pub(super) fn column_and_predicate(len: usize) -> impl Strategy<Value = (Field, Vec<Scalar>, Predicate)> {
    testing::column(0..len).prop_flat_map(|(field, values)| {
        let literal = if values.iter().all(Scalar::is_null) {
            testing::value(&field)
        } else {
            let present: Vec<Scalar> = values.iter().filter(|value| !value.is_null()).cloned().collect();
            prop_oneof![proptest::sample::select(present), testing::value(&field)].boxed()
        };
        (Just(field), Just(values), predicate(literal))
    })
}

fn predicate(literal: BoxedStrategy<Scalar>) -> impl Strategy<Value = Predicate> {
    prop_oneof![
        literal.clone().prop_map(Predicate::Equal),
        literal.clone().prop_map(Predicate::Greater),
        literal.clone().prop_map(Predicate::GreaterOrEqual),
        literal.clone().prop_map(Predicate::Less),
        literal.clone().prop_map(Predicate::LessOrEqual),
        // Short, longer than the column, and in between.
        prop::collection::vec(literal, 0..40).prop_map(|mut values| {
            values.sort();
            values.dedup();
            Predicate::In(values)
        }),
        any::<bool>().prop_map(Predicate::IsNull),
    ]
}
