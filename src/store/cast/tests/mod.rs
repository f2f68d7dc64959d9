//! Tests by kind of type; what they share is here.

mod json;
mod nested;
mod properties;
mod scalars;
mod times;

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringArray};
use arrow::datatypes::{DataType, Field, TimeUnit};

use super::cast_lossless;
use crate::error::{ErrorKind, Result};

/// Casts to the column `c` of a canonical type.
fn cast_to(array: impl Array + 'static, to: DataType) -> Result<ArrayRef> {
    cast_field(Arc::new(array), &Field::new("c", to, true))
}

fn cast_field(array: ArrayRef, to: &Field) -> Result<ArrayRef> {
    let from = Field::new("c", array.data_type().clone(), true);
    let cast = cast_lossless(&array, &from, to)?;
    assert_eq!(cast.data_type(), to.data_type());
    assert_eq!(cast.len(), array.len());
    Ok(cast)
}

/// The message of a cast that must fail.
fn refused(array: impl Array + 'static, to: DataType) -> String {
    refused_field(Arc::new(array), &Field::new("c", to, true))
}

fn refused_field(array: ArrayRef, to: &Field) -> String {
    let error = cast_field(array, to).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conversion, "{error}");
    error.to_string()
}

fn timestamp_type(unit: TimeUnit) -> DataType {
    DataType::Timestamp(unit, None)
}

fn text(values: &[&str]) -> StringArray {
    StringArray::from(values.to_vec())
}

/// The text DuckDB prints for every value.
fn printed(array: impl Array + 'static) -> Vec<String> {
    let texts = cast_to(array, DataType::Utf8).unwrap();
    texts.as_string::<i32>().iter().flatten().map(str::to_owned).collect()
}
