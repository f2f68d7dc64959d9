//! Which encoding suits a column of a row group, as far as a sample of its values tells.

use std::collections::HashSet;
use std::ops::RangeInclusive;

use arrow::array::{Array, ArrayRef, AsArray, UInt64Array};
use arrow::compute::take;
use arrow::datatypes::{ArrowNativeType, DataType};
use arrow::row::{RowConverter, SortField};

use crate::error::Result;

/// How the values of a leaf column are encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum LeafEncoding {
    /// One after the other.
    Plain,
    /// Numbers of the values in a dictionary. parquet gives a dictionary up only when it outgrows a page, which in a
    /// row group of doubles it never does: hashing each of them would take most of the time and make the column larger.
    Dictionary,
    /// Differences between neighbours, packed into as many bits as they need: times, and numbers that count.
    Delta,
}

/// What suits every leaf column, in order.
pub(super) fn suitable(columns: &[ArrayRef]) -> Result<Vec<LeafEncoding>> {
    let mut leaves = Vec::new();
    for column in columns {
        collect_leaves(column, &mut leaves);
    }
    leaves.iter().map(suits).collect()
}

fn suits(leaf: &ArrayRef) -> Result<LeafEncoding> {
    if repeats_values(leaf)? {
        return Ok(LeafEncoding::Dictionary);
    }
    Ok(if has_small_steps(leaf) { LeafEncoding::Delta } else { LeafEncoding::Plain })
}

/// The values at the bottom of a nested column.
fn collect_leaves(array: &ArrayRef, leaves: &mut Vec<ArrayRef>) {
    match array.data_type() {
        DataType::Struct(_) => {
            array.as_struct().columns().iter().for_each(|child| collect_leaves(child, leaves));
        }
        DataType::Map(_, _) => {
            array.as_map().entries().columns().iter().for_each(|child| collect_leaves(child, leaves));
        }
        DataType::List(_) => collect_leaves(array.as_list::<i32>().values(), leaves),
        DataType::FixedSizeList(_, _) => collect_leaves(array.as_fixed_size_list().values(), leaves),
        _ => leaves.push(array.clone()),
    }
}

/// Whether so many values occur several times that a dictionary of them pays.
fn repeats_values(array: &ArrayRef) -> Result<bool> {
    /// Values looked at, spread over the array: one in so many, but not fewer or more than that.
    const ONE_IN: usize = 16;
    const SAMPLE: RangeInclusive<usize> = 128..=1024;
    let sampled = (array.len() / ONE_IN).clamp(*SAMPLE.start(), *SAMPLE.end());
    let all = array.len() <= sampled;
    let sample = if all {
        array.clone()
    } else {
        let indices = UInt64Array::from_iter_values((0..sampled).map(|i| (i * array.len() / sampled) as u64));
        take(array, &indices, None)?
    };
    let converter = RowConverter::new(vec![SortField::new(array.data_type().clone())])?;
    let rows = converter.convert_columns(std::slice::from_ref(&sample))?;
    let valid = || (0..sample.len()).filter(|row| sample.is_valid(*row));
    let distinct = valid().map(|row| rows.row(row).data()).collect::<HashSet<_>>().len();
    let values = valid().count();
    // Even few repetitions in a sample of many mean that each value occurs many times.
    Ok(distinct <= if all { values * 7 / 10 } else { values * 95 / 100 })
}

/// Whether neighbouring values differ by so little that their differences take half the bits at most.
fn has_small_steps(array: &ArrayRef) -> bool {
    match array.data_type() {
        DataType::Int64 | DataType::UInt64 | DataType::Timestamp(_, _) | DataType::Time64(_) => {
            steps_need_bits::<i64>(array, |a, b| b.wrapping_sub(a)).is_some_and(|bits| bits <= i64::BITS / 2)
        }
        DataType::Int32 | DataType::UInt32 | DataType::Date32 => {
            steps_need_bits::<i32>(array, |a, b| i64::from(b.wrapping_sub(a))).is_some_and(|bits| bits <= i32::BITS / 2)
        }
        _ => false,
    }
}

/// The bits that a difference takes in a sample of blocks as they are packed, on average; `None` where there is none.
fn steps_need_bits<T: ArrowNativeType>(array: &ArrayRef, step: impl Fn(T, T) -> i64) -> Option<u32> {
    const BLOCKS: usize = 8;
    const BLOCK_VALUES: usize = 128;
    let data = array.to_data();
    let values = data.buffer::<T>(0).get(..array.len())?;
    let (mut bits, mut blocks) = (0, 0);
    for block in 0..BLOCKS {
        let start = block * array.len() / BLOCKS;
        let end = array.len().min(start + BLOCK_VALUES);
        let mut valid = (start..end).filter(|row| array.is_valid(*row)).map(|row| values[row]);
        let Some(mut before) = valid.next() else { continue };
        let mut range: Option<(i64, i64)> = None;
        for value in valid {
            let difference = step(before, value);
            range =
                Some(range.map_or((difference, difference), |(low, high)| (low.min(difference), high.max(difference))));
            before = value;
        }
        if let Some((low, high)) = range {
            bits += u64::BITS - high.wrapping_sub(low).cast_unsigned().leading_zeros();
            blocks += 1;
        }
    }
    bits.checked_div(blocks)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Float64Array, Int32Array, Int64Array, StringArray};

    use super::*;

    fn of(array: impl Array + 'static) -> LeafEncoding {
        suits(&(Arc::new(array) as ArrayRef)).unwrap()
    }

    #[test]
    fn columns_get_what_makes_them_small() {
        let rows = 5_000_i64;
        let scattered = |row: i64| {
            (row ^ (row << 21))
                .wrapping_mul(0x9E37_79B9_7F4A_7C15_u64.cast_signed())
                .rotate_left(29)
                .wrapping_mul(row | 1)
        };
        assert_eq!(
            of(StringArray::from_iter_values((0..rows).map(|row| format!("class {}", row % 50)))),
            LeafEncoding::Dictionary
        );
        assert_eq!(of(StringArray::from_iter_values((0..rows).map(|row| format!("image {row}")))), LeafEncoding::Plain);
        assert_eq!(of(Float64Array::from_iter_values((0..rows).map(|row| (row as f64).sqrt()))), LeafEncoding::Plain);
        assert_eq!(of(Int64Array::from_iter_values((0..rows).map(|row| row % 10))), LeafEncoding::Dictionary);
        assert_eq!(
            of(Int64Array::from_iter_values((0..rows).map(|row| 1_700_000_000_000_000 + row * 999_983))),
            LeafEncoding::Delta
        );
        assert_eq!(of(Int64Array::from_iter_values((0..rows).map(scattered))), LeafEncoding::Plain);
        assert_eq!(of(Int32Array::from_iter_values((0..rows).map(|row| row as i32 * 7 - 20_000))), LeafEncoding::Delta);
        assert_eq!(of(Int32Array::from_iter_values((0..rows).map(|row| scattered(row) as i32))), LeafEncoding::Plain);
    }

    #[test]
    fn nulls_and_ends_of_the_range_are_no_steps() {
        // What lies below a NULL does not count.
        let some = Int64Array::from_iter((0..5_000_i64).map(|row| (row % 3 > 0).then_some(1 << 40 | row)));
        assert_eq!(of(some), LeafEncoding::Delta);
        let far = Int64Array::from_iter_values(
            (0..5_000_i64).map(|row| if row % 2 > 0 { i64::MIN + row } else { i64::MAX - row }),
        );
        assert!(matches!(of(far), LeafEncoding::Plain | LeafEncoding::Delta));
        for few in [vec![], vec![None, None], vec![Some(7)]] {
            assert_ne!(of(Int64Array::from(few)), LeafEncoding::Delta);
        }
    }
}
