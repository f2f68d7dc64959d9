//! Partition paths.

use arrow::datatypes::Field;

use crate::error::Result;
use crate::store::scalar::Scalar;
use crate::store::table::Table;

/// The directory name of one key's value: `year=2024`.
pub fn encode_segment(field: &Field, value: &Scalar) -> Result<String> {
    let _ = (field, value);
    Ok(String::new())
}

/// The value of the directory name `segment` as key `field`; `None` where the name is no such segment.
pub fn decode_segment(field: &Field, segment: &str) -> Result<Option<Scalar>> {
    let _ = (field, segment);
    Ok(None)
}

/// The directory of a partition, relative to the root: `images/instrument=IFCB107/year=2024`.
pub fn directory(table: &Table, values: &[Scalar]) -> Result<String> {
    let mut path = table.name().as_str().to_owned();
    for (field, value) in table.partition_fields().zip(values) {
        path.push('/');
        path.push_str(&encode_segment(field, value)?);
    }
    Ok(path)
}
