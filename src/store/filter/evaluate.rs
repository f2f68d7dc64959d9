//! Filters on rows: whole arrays at once.

use std::collections::HashSet;
use std::hash::Hash;

use arrow::array::{
    AnyDictionaryArray, Array, ArrayRef, ArrowPrimitiveType, AsArray, BooleanArray, PrimitiveArray, Scalar as Datum,
};
use arrow::buffer::BooleanBuffer;
use arrow::compute::kernels::cmp;
use arrow::compute::{is_not_null, is_null, or, prep_null_mask_filter, take};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Field, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    Time64MicrosecondType, Time64NanosecondType, TimeUnit, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType, TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};

use super::Predicate;
use crate::error::{Error, Result};
use crate::store::scalar::{Scalar, float_key};

/// Up to here, comparing with each literal in turn is faster than looking values up.
const FEW_LITERALS: usize = 4;

impl Predicate {
    /// Which rows of `array` pass: the column's canonical type, a string or binary view, or a dictionary of those, whose
    /// values are then tested once each. Never NULL in the answer.
    ///
    /// # Errors
    /// `Internal` where the array's type is not the column's.
    pub fn evaluate(&self, array: &ArrayRef) -> Result<BooleanArray> {
        let mask = match self {
            Self::IsNull(true) => is_null(array)?,
            Self::IsNull(false) => is_not_null(array)?,
            _ => match array.data_type() {
                // Every row is NULL.
                DataType::Null => none(array.len()),
                DataType::Dictionary(_, _) => self.evaluate_dictionary(array.as_any_dictionary())?,
                _ => self.evaluate_values(array)?,
            },
        };
        Ok(if mask.null_count() > 0 { prep_null_mask_filter(&mask) } else { mask })
    }

    fn evaluate_dictionary(&self, dictionary: &dyn AnyDictionaryArray) -> Result<BooleanArray> {
        let values = self.evaluate(dictionary.values())?;
        if !values.has_true() {
            return Ok(none(dictionary.len()));
        }
        Ok(take(&values, dictionary.keys(), None)?.as_boolean().clone())
    }

    /// NULL rows give NULL, or false.
    fn evaluate_values(&self, array: &ArrayRef) -> Result<BooleanArray> {
        match self {
            Self::Equal(literal) => compare(array, Operator::Equal, literal),
            Self::Greater(literal) => compare(array, Operator::Greater, literal),
            Self::GreaterOrEqual(literal) => compare(array, Operator::GreaterOrEqual, literal),
            Self::Less(literal) => compare(array, Operator::Less, literal),
            Self::LessOrEqual(literal) => compare(array, Operator::LessOrEqual, literal),
            Self::In(literals) if literals.len() > FEW_LITERALS => is_in(array, literals),
            Self::In(literals) => literals.iter().try_fold(none(array.len()), |mask, literal| {
                Ok(or(&mask, &compare(array, Operator::Equal, literal)?)?)
            }),
            Self::IsNull(_) => self.evaluate(array),
        }
    }
}

#[derive(Clone, Copy)]
enum Operator {
    Equal,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
}

fn compare(array: &ArrayRef, operator: Operator, literal: &Scalar) -> Result<BooleanArray> {
    match (array.data_type(), literal) {
        (_, Scalar::Null) => Ok(none(array.len())),
        (DataType::Float32, Scalar::Float(literal)) => {
            Ok(compare_floats(array.as_primitive::<Float32Type>(), operator, *literal))
        }
        (DataType::Float64, Scalar::Float(literal)) => {
            Ok(compare_floats(array.as_primitive::<Float64Type>(), operator, *literal))
        }
        (data_type, literal) => {
            let literal = Datum::new(literal.to_array(&Field::new("literal", data_type.clone(), true), 1)?);
            Ok(match operator {
                Operator::Equal => cmp::eq(array, &literal),
                Operator::Greater => cmp::gt(array, &literal),
                Operator::GreaterOrEqual => cmp::gt_eq(array, &literal),
                Operator::Less => cmp::lt(array, &literal),
                Operator::LessOrEqual => cmp::lt_eq(array, &literal),
            }?)
        }
    }
}

/// Arrow's kernels order floats by their bits, where -0.0 is below 0.0 and some NaN are below everything.
fn compare_floats<T>(array: &PrimitiveArray<T>, operator: Operator, literal: f64) -> BooleanArray
where
    T: ArrowPrimitiveType,
    f64: From<T::Native>,
{
    fn test<T>(array: &PrimitiveArray<T>, test: impl Fn(f64) -> bool) -> BooleanArray
    where
        T: ArrowPrimitiveType,
        f64: From<T::Native>,
    {
        BooleanArray::from_unary(array, |value| test(f64::from(value)))
    }
    if literal.is_nan() {
        return match operator {
            Operator::Equal | Operator::GreaterOrEqual => test(array, f64::is_nan),
            Operator::Greater => test(array, |_| false),
            Operator::Less => test(array, |value| !value.is_nan()),
            Operator::LessOrEqual => test(array, |_| true),
        };
    }
    match operator {
        Operator::Equal => test(array, |value| value == literal),
        Operator::Greater => test(array, |value| value > literal || value.is_nan()),
        Operator::GreaterOrEqual => test(array, |value| value >= literal || value.is_nan()),
        Operator::Less => test(array, |value| value < literal),
        Operator::LessOrEqual => test(array, |value| value <= literal),
    }
}

/// Membership by look-up. A literal of another kind than the array's is a bug in whoever made the predicate.
fn is_in(array: &ArrayRef, literals: &[Scalar]) -> Result<BooleanArray> {
    let rows = array.len();
    let unfit = || Error::internal(format!("A list of literals is not of type {}", array.data_type()));
    macro_rules! look_up {
        ($values:expr, $key:expr, $literal:pat => $literal_key:expr) => {{
            let keys = literals.iter().map(|literal| match literal {
                $literal => Some($literal_key),
                _ => None,
            });
            let members = Members::new(keys.collect::<Option<Vec<_>>>().ok_or_else(unfit)?, rows);
            let key = $key;
            Ok(BooleanArray::from_unary($values, |value| members.contain(&key(value))))
        }};
    }
    macro_rules! ints {
        ($type:ty) => {
            look_up!(array.as_primitive::<$type>(), |value| i64::from(value), Scalar::Int(literal) => *literal)
        };
    }
    macro_rules! uints {
        ($type:ty) => {
            look_up!(array.as_primitive::<$type>(), |value| u64::from(value), Scalar::UInt(literal) => *literal)
        };
    }
    macro_rules! floats {
        ($type:ty) => {
            look_up!(array.as_primitive::<$type>(), |value| float_key(f64::from(value)),
                Scalar::Float(literal) => float_key(*literal))
        };
    }
    macro_rules! texts {
        ($values:expr) => {
            look_up!($values, |value| value, Scalar::Text(literal) => &**literal)
        };
    }
    macro_rules! bytes {
        ($values:expr) => {
            look_up!($values, |value| value, Scalar::Bytes(literal) => &**literal)
        };
    }
    match array.data_type() {
        DataType::Boolean => look_up!(array.as_boolean(), |value| value, Scalar::Boolean(literal) => *literal),
        DataType::Int8 => ints!(Int8Type),
        DataType::Int16 => ints!(Int16Type),
        DataType::Int32 => ints!(Int32Type),
        DataType::Int64 => ints!(Int64Type),
        DataType::UInt8 => uints!(UInt8Type),
        DataType::UInt16 => uints!(UInt16Type),
        DataType::UInt32 => uints!(UInt32Type),
        DataType::UInt64 => uints!(UInt64Type),
        DataType::Float32 => floats!(Float32Type),
        DataType::Float64 => floats!(Float64Type),
        DataType::Decimal128(_, _) => {
            look_up!(array.as_primitive::<Decimal128Type>(), |value| value, Scalar::Decimal(literal) => *literal)
        }
        DataType::Date32 => ints!(Date32Type),
        DataType::Time64(TimeUnit::Microsecond) => ints!(Time64MicrosecondType),
        DataType::Time64(TimeUnit::Nanosecond) => ints!(Time64NanosecondType),
        DataType::Timestamp(TimeUnit::Second, _) => ints!(TimestampSecondType),
        DataType::Timestamp(TimeUnit::Millisecond, _) => ints!(TimestampMillisecondType),
        DataType::Timestamp(TimeUnit::Microsecond, _) => ints!(TimestampMicrosecondType),
        DataType::Timestamp(TimeUnit::Nanosecond, _) => ints!(TimestampNanosecondType),
        DataType::Utf8 => texts!(array.as_string::<i32>()),
        DataType::LargeUtf8 => texts!(array.as_string::<i64>()),
        DataType::Utf8View => texts!(array.as_string_view()),
        DataType::Binary => bytes!(array.as_binary::<i32>()),
        DataType::BinaryView => bytes!(array.as_binary_view()),
        DataType::FixedSizeBinary(_) => bytes!(array.as_fixed_size_binary()),
        _ => Err(unfit()),
    }
}

/// A set for about as many look-ups as an array has rows: hashing pays unless there are more literals than rows.
enum Members<T> {
    Hashed(HashSet<T>),
    Sorted(Vec<T>),
}

impl<T: Ord + Hash> Members<T> {
    fn new(mut values: Vec<T>, rows: usize) -> Self {
        if values.len() <= rows {
            return Self::Hashed(values.into_iter().collect());
        }
        // Cheap: the literals are sorted already, unless their keys sort otherwise.
        values.sort_unstable();
        Self::Sorted(values)
    }

    fn contain(&self, value: &T) -> bool {
        match self {
            Self::Hashed(values) => values.contains(value),
            Self::Sorted(values) => values.binary_search(value).is_ok(),
        }
    }
}

fn none(rows: usize) -> BooleanArray {
    BooleanArray::new(BooleanBuffer::new_unset(rows), None)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{DictionaryArray, Float32Array, Float64Array, Int32Array, NullArray, StringArray};
    use arrow::compute::cast;
    use arrow::datatypes::Int8Type as Key;
    use proptest::prelude::*;

    use super::super::testing as predicates;
    use super::*;
    use crate::store::scalar::testing;

    fn passed(predicate: Predicate, array: ArrayRef) -> Vec<bool> {
        let mask = predicate.evaluate(&array).unwrap();
        assert_eq!(mask.null_count(), 0);
        mask.iter().map(|row| row.unwrap()).collect()
    }

    /// The forms a scan may hand over an array of the type in.
    fn forms(array: &ArrayRef) -> Vec<ArrayRef> {
        let dictionary = |value: &DataType| DataType::Dictionary(Box::new(DataType::Int16), Box::new(value.clone()));
        let others = match array.data_type() {
            DataType::Utf8 | DataType::LargeUtf8 => {
                vec![DataType::Utf8View, DataType::LargeUtf8, dictionary(array.data_type())]
            }
            DataType::Binary => vec![DataType::BinaryView, dictionary(array.data_type())],
            data_type @ (DataType::Int32 | DataType::UInt64) => vec![dictionary(data_type)],
            _ => Vec::new(),
        };
        let others = others.iter().map(|form| cast(array, form).unwrap());
        std::iter::once(array.clone()).chain(others).collect()
    }

    proptest! {
        #[test]
        fn arrays_and_single_values_agree((field, values, predicate) in predicates::column_and_predicate(30)) {
            let expected: Vec<bool> = values.iter().map(|value| predicate.matches(value)).collect();
            for form in forms(&testing::array(&field, &values)) {
                prop_assert_eq!(passed(predicate.clone(), form.clone()), expected.clone(), "{}", form.data_type());
            }
        }
    }

    #[test]
    fn nan_is_one_value_above_all_and_zero_has_no_sign() {
        let values = [0.0, -0.0, 1.0, f64::NAN, -f64::NAN, f64::INFINITY];
        let doubles: ArrayRef = Arc::new(Float64Array::from(values.to_vec()));
        let floats: ArrayRef = Arc::new(Float32Array::from(values.map(|value| value as f32).to_vec()));
        for array in [doubles, floats] {
            let nan = || Scalar::Float(f64::NAN);
            let rows =
                |predicate| passed(predicate, array.clone()).iter().map(|&row| u8::from(row)).collect::<Vec<_>>();
            assert_eq!(rows(Predicate::Equal(Scalar::Float(-0.0))), [1, 1, 0, 0, 0, 0]);
            assert_eq!(rows(Predicate::Less(Scalar::Float(0.0))), [0, 0, 0, 0, 0, 0]);
            assert_eq!(rows(Predicate::Greater(Scalar::Float(1.0))), [0, 0, 0, 1, 1, 1]);
            assert_eq!(rows(Predicate::Equal(nan())), [0, 0, 0, 1, 1, 0]);
            assert_eq!(rows(Predicate::Less(nan())), [1, 1, 1, 0, 0, 1]);
            assert_eq!(rows(Predicate::GreaterOrEqual(nan())), [0, 0, 0, 1, 1, 0]);
            let list = [-1.0, 0.0, 3.0, 4.0, 5.0, f64::NAN].map(Scalar::Float).to_vec();
            assert_eq!(rows(Predicate::In(list)), [1, 1, 0, 1, 1, 0]);
        }
    }

    #[test]
    fn null_passes_is_null_only() {
        let array: ArrayRef = Arc::new(Int32Array::from(vec![Some(1), None]));
        assert_eq!(passed(Predicate::LessOrEqual(Scalar::Int(1)), array.clone()), [true, false]);
        assert_eq!(passed(Predicate::In(vec![Scalar::Int(1)]), array.clone()), [true, false]);
        assert_eq!(passed(Predicate::In(Vec::new()), array.clone()), [false, false]);
        assert_eq!(passed(Predicate::IsNull(true), array.clone()), [false, true]);
        assert_eq!(passed(Predicate::IsNull(false), array), [true, false]);
        let nulls: ArrayRef = Arc::new(NullArray::new(2));
        assert_eq!(passed(Predicate::Equal(Scalar::Int(1)), nulls.clone()), [false, false]);
        assert_eq!(passed(Predicate::IsNull(true), nulls), [true, true]);
    }

    #[test]
    fn a_null_among_a_dictionarys_values_is_null() {
        let values = StringArray::from(vec![Some("a"), None]);
        let array: ArrayRef =
            Arc::new(DictionaryArray::<Key>::new(vec![Some(0), Some(1), None].into(), Arc::new(values)));
        assert_eq!(passed(Predicate::Equal(Scalar::Text("a".into())), array.clone()), [true, false, false]);
        assert_eq!(passed(Predicate::Equal(Scalar::Text("b".into())), array.clone()), [false, false, false]);
        assert_eq!(passed(Predicate::IsNull(true), array), [false, true, true]);
    }

    #[test]
    fn long_lists_are_looked_up() {
        let array: ArrayRef = Arc::new(StringArray::from_iter_values((0..50).map(|n| format!("id-{n:04}"))));
        let odd = (0..1000).map(|n| Scalar::Text(format!("id-{:04}", 2 * n + 1).into())).collect();
        let expected: Vec<bool> = (0..50).map(|n| n % 2 == 1).collect();
        assert_eq!(passed(Predicate::In(odd), array.clone()), expected);
        let six = (0..6).map(|n| Scalar::Text(format!("id-{n:04}").into())).collect();
        assert_eq!(passed(Predicate::In(six), array).iter().filter(|&&row| row).count(), 6);
    }

    #[test]
    fn another_type_is_an_error() {
        let array: ArrayRef = Arc::new(Int32Array::from(vec![1]));
        assert!(Predicate::Equal(Scalar::Text("1".into())).evaluate(&array).is_err());
        let list = ["1", "2", "3", "4", "5"].map(|text| Scalar::Text(text.into())).to_vec();
        assert!(Predicate::In(list).evaluate(&array).is_err());
    }
}
