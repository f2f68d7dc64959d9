//! STRUCT, LIST, ARRAY and MAP, value by value.
//!
//! What Arrow keeps under a NULL may be anything, so a child is cast with its parent's NULLs laid over it (STRUCT,
//! ARRAY) or without the elements of NULL lists.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, FixedSizeListArray, ListArray, MapArray, StructArray, UInt64Array, new_null_array,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::compute::take;
use arrow::datatypes::{DataType, Field, FieldRef, Fields};
use arrow::row::{RowConverter, SortField};

use super::{Failure, cast};
use crate::error::near_or_all;
use crate::store::table::find_field;

/// Casts a decoded nested array to another nested type.
pub(super) fn cast_nested(source: &ArrayRef, from: &Field, to: &Field) -> Result<ArrayRef, Failure> {
    match (source.data_type(), to.data_type()) {
        (DataType::Struct(_), DataType::Struct(fields)) => struct_to_struct(source.as_struct(), fields),
        (DataType::List(_), DataType::List(element)) => {
            let (offsets, values, from_element) = list_parts(source.as_list::<i32>())?;
            let values =
                cast(&values, None, &from_element, element).map_err(|failure| failure.lift(row_of(&offsets)))?;
            Ok(Arc::new(ListArray::try_new(element.clone(), offsets, values, source.nulls().cloned())?))
        }
        (DataType::FixedSizeList(_, _), DataType::List(element)) => {
            let (offsets, values, from_element) = fixed_list_parts(source.as_fixed_size_list())?;
            let values =
                cast(&values, None, &from_element, element).map_err(|failure| failure.lift(row_of(&offsets)))?;
            Ok(Arc::new(ListArray::try_new(element.clone(), offsets, values, source.nulls().cloned())?))
        }
        (DataType::List(_), DataType::FixedSizeList(element, size)) => {
            list_to_array(source.as_list(), element, *size, to)
        }
        (DataType::FixedSizeList(from_element, from_size), DataType::FixedSizeList(element, size))
            if from_size == size =>
        {
            let array = source.as_fixed_size_list();
            let hidden = array.nulls().map(|nulls| nulls.expand(size.unsigned_abs() as usize));
            array_of(
                cast(array.values(), hidden.as_ref(), from_element, element),
                element,
                *size,
                array.nulls(),
                array.len(),
            )
        }
        (DataType::Map(_, _), DataType::Map(entries, sorted)) => {
            map_to_map(source.as_map(), entries, *sorted, from, to)
        }
        _ => Err(Failure::types(from, to)),
    }
}

/// The offsets, elements and element field of a list, without elements that no list shows.
pub(super) fn list_parts(list: &ListArray) -> Result<(OffsetBuffer<i32>, ArrayRef, FieldRef), Failure> {
    let element = match list.data_type() {
        DataType::List(element) => element.clone(),
        other => return Err(Failure::new(format!("{other} is no list"))),
    };
    let (offsets, values) = shown_elements(list.offsets(), list.nulls(), list.values())?;
    Ok((offsets, values, element))
}

/// [`list_parts`] of an ARRAY.
pub(super) fn fixed_list_parts(array: &FixedSizeListArray) -> Result<(OffsetBuffer<i32>, ArrayRef, FieldRef), Failure> {
    let element = match array.data_type() {
        DataType::FixedSizeList(element, _) => element.clone(),
        other => return Err(Failure::new(format!("{other} is no array"))),
    };
    let size = array.value_length().unsigned_abs() as usize;
    let offsets = OffsetBuffer::from_repeated_length(size, array.len());
    let (offsets, values) = shown_elements(&offsets, array.nulls(), array.values())?;
    Ok((offsets, values, element))
}

/// The offsets, keys and values of a map, without entries that no map shows.
pub(super) fn map_parts(map: &MapArray) -> Result<(OffsetBuffer<i32>, ArrayRef, ArrayRef), Failure> {
    let (offsets, keys) = shown_elements(map.offsets(), map.nulls(), map.keys())?;
    let (_, values) = shown_elements(map.offsets(), map.nulls(), map.values())?;
    Ok((offsets, keys, values))
}

/// The key and value fields of a map's entries.
pub(super) fn map_fields(entries: &Field) -> Result<(&FieldRef, &FieldRef), Failure> {
    match entries.data_type() {
        DataType::Struct(pair) if pair.len() == 2 => Ok((&pair[0], &pair[1])),
        other => Err(Failure::new(format!("{other} are no entries of a map"))),
    }
}

/// From the position of an element to the row of its list.
pub(super) fn row_of(offsets: &OffsetBuffer<i32>) -> impl Fn(usize) -> usize {
    |element| offsets.partition_point(|&offset| offset as usize <= element).saturating_sub(1)
}

/// Offsets from 0 and just the elements they show, the lists that are NULL being empty.
fn shown_elements(
    offsets: &OffsetBuffer<i32>,
    nulls: Option<&NullBuffer>,
    values: &ArrayRef,
) -> Result<(OffsetBuffer<i32>, ArrayRef), Failure> {
    let is_null = |row: usize| nulls.is_some_and(|nulls| nulls.is_null(row));
    let hidden = nulls.is_some_and(|nulls| nulls.null_count() > 0)
        && offsets.lengths().enumerate().any(|(row, length)| length > 0 && is_null(row));
    if hidden {
        let lengths = offsets.lengths().enumerate().map(|(row, length)| if is_null(row) { 0 } else { length });
        let shown = offsets.windows(2).enumerate().filter(|(row, _)| !is_null(*row));
        let indices = UInt64Array::from_iter_values(shown.flat_map(|(_, range)| range[0] as u64..range[1] as u64));
        return Ok((OffsetBuffer::from_lengths(lengths), take(values, &indices, None)?));
    }
    let (first, last) = (offsets[0] as usize, offsets[offsets.len() - 1] as usize);
    if first == 0 && last == values.len() {
        return Ok((offsets.clone(), values.clone()));
    }
    let offsets = if first == 0 { offsets.clone() } else { OffsetBuffer::from_lengths(offsets.lengths()) };
    Ok((offsets, values.slice(first, last - first)))
}

fn struct_to_struct(source: &StructArray, fields: &Fields) -> Result<ArrayRef, Failure> {
    let mut sources: Vec<Option<usize>> = vec![None; fields.len()];
    for (column, child) in source.fields().iter().enumerate() {
        let slot = target_field(child.name(), fields)?;
        if let Some(earlier) = sources[slot].replace(column) {
            return Err(twice(source.fields()[earlier].name(), child.name()));
        }
    }
    let children: Result<Vec<ArrayRef>, Failure> = fields
        .iter()
        .zip(sources)
        .map(|(field, column)| match column {
            None => Ok(new_null_array(field.data_type(), source.len())),
            Some(column) => cast(source.column(column), source.nulls(), &source.fields()[column], field)
                .map_err(|failure| failure.in_field(field.name())),
        })
        .collect();
    let nulls = source.nulls().cloned();
    Ok(Arc::new(StructArray::try_new_with_length(fields.clone(), children?, nulls, source.len())?))
}

/// The position in `fields` of the field that a source calls `name`.
pub(super) fn target_field(name: &str, fields: &Fields) -> Result<usize, Failure> {
    let names = || fields.iter().map(|field| field.name().as_str());
    find_field(names(), name).ok_or_else(|| {
        Failure::new(format!("its STRUCT has no field \"{name}\"")).with_hint(near_or_all(
            name,
            names(),
            "Its fields are",
        ))
    })
}

/// The failure for two names that mean one field.
pub(super) fn twice(first: &str, second: &str) -> Failure {
    Failure::new(format!("\"{first}\" and \"{second}\" are the same field of its STRUCT"))
}

fn list_to_array(list: &ListArray, element: &FieldRef, size: i32, to: &Field) -> Result<ArrayRef, Failure> {
    let (offsets, values, from_element) = list_parts(list)?;
    let length = size.unsigned_abs() as usize;
    if let Some((row, found)) =
        offsets.lengths().enumerate().find(|(row, found)| list.is_valid(*row) && *found != length)
    {
        return Err(wrong_length(found, to).in_row(row));
    }
    let values = if list.null_count() == 0 {
        values
    } else {
        // NULL arrays have elements too in Arrow: NULL ones.
        let indices = (0..list.len()).flat_map(|row| {
            let first = offsets[row] as u64;
            (0..length as u64).map(move |element| list.is_valid(row).then_some(first + element))
        });
        take(&values, &indices.collect::<UInt64Array>(), None)?
    };
    array_of(cast(&values, None, &from_element, element), element, size, list.nulls(), list.len())
}

/// The failure for a list of `found` elements where the ARRAY type `to` has another size.
pub(super) fn wrong_length(found: usize, to: &Field) -> Failure {
    Failure::value(format!("with {found} {}", if found == 1 { "element" } else { "elements" }), to)
}

fn array_of(
    values: Result<ArrayRef, Failure>,
    element: &FieldRef,
    size: i32,
    nulls: Option<&NullBuffer>,
    len: usize,
) -> Result<ArrayRef, Failure> {
    let values = values.map_err(|failure| failure.lift(|child| child / size.unsigned_abs().max(1) as usize))?;
    Ok(Arc::new(FixedSizeListArray::try_new_with_length(element.clone(), size, values, nulls.cloned(), len)?))
}

fn map_to_map(map: &MapArray, entries: &FieldRef, sorted: bool, from: &Field, to: &Field) -> Result<ArrayRef, Failure> {
    let DataType::Map(from_entries, _) = map.data_type() else { return Err(Failure::types(from, to)) };
    let (from_key, from_value) = map_fields(from_entries)?;
    let (key, value) = map_fields(entries)?;
    let (offsets, keys, values) = map_parts(map)?;
    let keys = cast(&keys, None, from_key, key).map_err(|failure| failure.in_field("key").lift(row_of(&offsets)))?;
    let values =
        cast(&values, None, from_value, value).map_err(|failure| failure.in_field("value").lift(row_of(&offsets)))?;
    map_of(entries, offsets, keys, values, map.nulls().cloned(), sorted)
}

/// A map array of cast keys and values.
pub(super) fn map_of(
    entries: &FieldRef,
    offsets: OffsetBuffer<i32>,
    keys: ArrayRef,
    values: ArrayRef,
    nulls: Option<NullBuffer>,
    sorted: bool,
) -> Result<ArrayRef, Failure> {
    if let Some(entry) = (0..keys.len()).find(|&entry| keys.is_null(entry)) {
        return Err(Failure::new("a key of its MAP is NULL").in_row(row_of(&offsets)(entry)));
    }
    let (key, value) = map_fields(entries)?;
    if let Some(row) = row_with_repeated_key(&offsets, &keys)? {
        return Err(Failure::new("a key stands twice in its MAP").in_row(row));
    }
    let pairs = StructArray::try_new(vec![key.clone(), value.clone()].into(), vec![keys, values], None)?;
    Ok(Arc::new(MapArray::try_new(entries.clone(), offsets, pairs, nulls, sorted)?))
}

/// The first row whose map has a key twice. DuckDB refuses to read such a map, so it must not be written: it arises from
/// JSON, and where a cast makes keys equal.
fn row_with_repeated_key(offsets: &OffsetBuffer<i32>, keys: &ArrayRef) -> Result<Option<usize>, Failure> {
    let converter = RowConverter::new(vec![SortField::new(keys.data_type().clone())])?;
    let rows = converter.convert_columns(std::slice::from_ref(keys))?;
    let mut seen = HashSet::new();
    let repeats = |range: &[i32]| {
        seen.clear();
        !(range[0] as usize..range[1] as usize).all(|entry| seen.insert(rows.row(entry)))
    };
    Ok(offsets.windows(2).position(repeats))
}
