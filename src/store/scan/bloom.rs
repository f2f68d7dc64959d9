//! Bloom filters: row groups that hold none of the values looked for.

use arrow::datatypes::DataType;
use parquet::arrow::arrow_reader::ArrowReaderMetadata;
use parquet::basic::Type as PhysicalType;
use parquet::bloom_filter::Sbbf;
use parquet::data_type::{AsBytes, ByteArray};

use super::columns::{leaf_of, text_dictionary};
use super::fetch::FileSource;
use super::open::{ColumnTest, GroupPlan};
use crate::error::Result;
use crate::store::filter::Predicate;
use crate::store::scalar::Scalar;

/// With more values than this, some value is likely to be there, or to look so.
const MAX_VALUES: usize = 16;

/// Removes the row groups in which no value of an equality or membership test can be.
pub(super) fn rule_out(
    source: &mut FileSource,
    reader: &ArrowReaderMetadata,
    tests: &[ColumnTest],
    groups: Vec<GroupPlan>,
) -> Result<Vec<GroupPlan>> {
    let mut lookups = Vec::new();
    let mut ranges = Vec::new();
    for (position, group) in groups.iter().enumerate() {
        for test in group.tests.iter().filter_map(|&test| tests.get(test)) {
            let Some((leaf, kind)) = leaf_of(reader.parquet_schema(), test.root) else { continue };
            let Some(values) = looked_for(test, reader.schema().field(test.root).data_type(), kind) else { continue };
            let column = reader.metadata().row_group(group.row_group).column(leaf);
            let (Some(offset), Some(length)) = (column.bloom_filter_offset(), column.bloom_filter_length()) else {
                continue;
            };
            let (Ok(offset), Ok(length)) = (u64::try_from(offset), u64::try_from(length)) else { continue };
            lookups.push((position, values));
            ranges.push(offset..offset.saturating_add(length));
        }
    }
    if ranges.is_empty() {
        return Ok(groups);
    }
    source.read_whole_if_small()?;
    let mut absent = vec![false; groups.len()];
    for ((position, values), bytes) in lookups.into_iter().zip(source.fetch(&ranges)?) {
        let filter = Sbbf::from_bytes(&bytes).map_err(|error| source.corrupt(error))?;
        if filter.num_blocks() > 0 && !values.iter().any(|value| filter.check(value)) {
            absent[position] = true;
        }
    }
    Ok(groups.into_iter().zip(absent).filter(|(_, absent)| !absent).map(|(group, _)| group).collect())
}

/// The values of which a row must have one, as the file spells them in bytes; `None` where the test is none of
/// equality or the spelling is not certain.
fn looked_for(test: &ColumnTest, file_type: &DataType, kind: PhysicalType) -> Option<Vec<ByteArray>> {
    // In another form than the registered one, the same value would be other bytes. The values of a dictionary are what
    // they are without one.
    let output = test.target.output.data_type();
    if file_type != output && !(file_type == &text_dictionary() && output == &DataType::Utf8View) {
        return None;
    }
    let values = test.predicates.iter().find_map(|predicate| match predicate {
        Predicate::Equal(value) => Some(std::slice::from_ref(value)),
        Predicate::In(values) if values.len() <= MAX_VALUES => Some(values.as_slice()),
        _ => None,
    })?;
    values.iter().map(|value| spelling(value, kind)).collect()
}

fn spelling(value: &Scalar, kind: PhysicalType) -> Option<ByteArray> {
    let bytes = match (value, kind) {
        (Scalar::Int(value), PhysicalType::INT32) => i32::try_from(*value).ok()?.as_bytes().to_vec(),
        (Scalar::Int(value), PhysicalType::INT64) => value.as_bytes().to_vec(),
        (Scalar::UInt(value), PhysicalType::INT32) => u32::try_from(*value).ok()?.cast_signed().as_bytes().to_vec(),
        (Scalar::UInt(value), PhysicalType::INT64) => value.cast_signed().as_bytes().to_vec(),
        (Scalar::Text(value), PhysicalType::BYTE_ARRAY) => value.as_bytes().to_vec(),
        (Scalar::Bytes(value), PhysicalType::BYTE_ARRAY | PhysicalType::FIXED_LEN_BYTE_ARRAY) => value.to_vec(),
        _ => return None,
    };
    Some(ByteArray::from(bytes))
}
