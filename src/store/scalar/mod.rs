//! One typed value: a partition key's, a statistic's, or what a filter compares with.
//!
//! A [`Scalar`] does not know its type: that is its column's, and two scalars are only ever compared within one
//! column. Equality, order and hash are those of DuckDB within a column: NaN equals NaN and is greater than every other
//! number, -0.0 equals 0.0, text and bytes go by their bytes, and NULL sorts last.

mod array;
pub(in crate::store) mod calendar;
mod display;
#[cfg(test)]
pub(in crate::store) mod testing;

use std::cmp::Ordering;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// A value of one of the scalar column types.
#[derive(Debug, Clone)]
pub enum Scalar {
    /// NULL of any type.
    Null,
    /// BOOLEAN.
    Boolean(bool),
    /// TINYINT … BIGINT; DATE (days), TIME and TIMESTAMP of every unit (the canonical type's unit since 1970-01-01).
    Int(i64),
    /// UTINYINT … UBIGINT.
    UInt(u64),
    /// FLOAT and DOUBLE.
    Float(f64),
    /// DECIMAL, unscaled.
    Decimal(i128),
    /// VARCHAR.
    Text(Arc<str>),
    /// BLOB (filters only) and UUID (16 bytes, as Arrow holds them).
    Bytes(Arc<[u8]>),
}

impl Scalar {
    /// Whether this is NULL.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// Where values of different kinds stand to each other; within a column only NULL (last) meets another kind.
    fn rank(&self) -> u8 {
        match self {
            Self::Boolean(_) => 0,
            Self::Int(_) => 1,
            Self::UInt(_) => 2,
            Self::Float(_) => 3,
            Self::Decimal(_) => 4,
            Self::Text(_) => 5,
            Self::Bytes(_) => 6,
            Self::Null => 7,
        }
    }

    /// Whether both hold a value of the same kind, so that their order means something.
    pub(in crate::store) fn comparable(&self, other: &Self) -> bool {
        !self.is_null() && self.rank() == other.rank()
    }
}

impl Ord for Scalar {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Boolean(a), Self::Boolean(b)) => a.cmp(b),
            (Self::Int(a), Self::Int(b)) => a.cmp(b),
            (Self::UInt(a), Self::UInt(b)) => a.cmp(b),
            // No order between two floats: at least one is NaN.
            (Self::Float(a), Self::Float(b)) => a.partial_cmp(b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan())),
            (Self::Decimal(a), Self::Decimal(b)) => a.cmp(b),
            (Self::Text(a), Self::Text(b)) => a.cmp(b),
            (Self::Bytes(a), Self::Bytes(b)) => a.cmp(b),
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

impl PartialOrd for Scalar {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Scalar {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Scalar {}

impl Hash for Scalar {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.rank().hash(state);
        match self {
            Self::Null => {}
            Self::Boolean(value) => value.hash(state),
            Self::Int(value) => value.hash(state),
            Self::UInt(value) => value.hash(state),
            Self::Float(value) => float_key(*value).hash(state),
            Self::Decimal(value) => value.hash(state),
            Self::Text(value) => value.hash(state),
            Self::Bytes(value) => value.hash(state),
        }
    }
}

/// Bits that are the same for floats that are equal: one NaN, one zero.
pub(in crate::store) fn float_key(value: f64) -> u64 {
    // -0.0 + 0.0 is 0.0.
    if value.is_nan() { f64::NAN.to_bits() } else { (value + 0.0).to_bits() }
}

#[cfg(test)]
mod tests {
    use std::hash::{BuildHasher, RandomState};

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn floats_compare_as_in_duckdb() {
        let [zero, negative_zero, one, infinity, nan] = [0.0, -0.0, 1.0, f64::INFINITY, f64::NAN].map(Scalar::Float);
        assert_eq!(zero, negative_zero);
        assert_eq!(nan, Scalar::Float(-f64::NAN));
        assert!(nan > infinity && infinity > one && one > negative_zero);
        assert!(Scalar::Null > nan);
        let state = RandomState::new();
        assert_eq!(state.hash_one(&zero), state.hash_one(&negative_zero));
        assert_eq!(state.hash_one(&nan), state.hash_one(Scalar::Float(-f64::NAN)));
    }

    #[test]
    fn text_and_bytes_compare_by_bytes() {
        let text = |text: &str| Scalar::Text(text.into());
        assert!(text("Z") < text("a") && text("z") < text("é") && text("") < text("\0") && text("a") < text("aa"));
        assert!(Scalar::Bytes([0x7f].into()) < Scalar::Bytes([0x80].into()));
    }

    proptest! {
        #[test]
        fn order_is_total_and_hash_agrees((_, values) in testing::column(3..4)) {
            let [a, b, c] = [&values[0], &values[1], &values[2]];
            prop_assert_eq!(a.cmp(b), b.cmp(a).reverse());
            prop_assert!(!(a <= b && b <= c) || a <= c);
            let state = RandomState::new();
            prop_assert!(a != b || state.hash_one(a) == state.hash_one(b));
        }
    }
}
