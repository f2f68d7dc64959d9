//! Flat vectors of simple types, copied into Arrow arrays straight from DuckDB's memory.
//!
//! DuckDB's own conversion ([`ChunkFormat::read`]) appends value by value to buffers that grow as it goes: half of the
//! time that the one thread of a COPY takes. It stays in charge of what Arrow is described as, and converts the columns
//! of other types.

use std::sync::Arc;

use arrow::array::{ArrayData, ArrayRef, BinaryArray, StringArray, make_array};
use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{DataType, FieldRef};
use libduckdb_sys as sys;

use super::arrow_bridge::ChunkFormat;
use super::logical_type::{LogicalType, TypeId};
use super::private_database::DataChunk;
use crate::error::{Error, Result};

/// How chunks of certain column types, all of whose vectors are flat, look as Arrow.
#[derive(Debug)]
pub(super) struct FlatFormat {
    format: ChunkFormat,
    /// Of each column; `None` for those left to DuckDB.
    layouts: Vec<Option<Layout>>,
    /// Those left to DuckDB, if any, and their types.
    others: Option<(ChunkFormat, Vec<LogicalType>)>,
}

/// How the values of a vector lie in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layout {
    /// As in Arrow, so many bytes each.
    Fixed(usize),
    /// As `duckdb_string_t`.
    Text,
}

/// Strings up to this length lie in their `duckdb_string_t`.
const MAX_INLINED_BYTES: usize = 12;

impl FlatFormat {
    /// The Arrow form of columns of these types. DuckDB tells no names: they are "0", "1", …
    pub(super) fn new(types: Vec<LogicalType>) -> Result<Self> {
        let names: Vec<String> = (0..types.len()).map(|column| column.to_string()).collect();
        let columns: Vec<(&str, &LogicalType)> = names.iter().map(String::as_str).zip(&types).collect();
        let format = ChunkFormat::new(&columns)?;
        let layouts: Vec<Option<Layout>> =
            types.iter().zip(format.fields()).map(|(kind, field)| layout(kind.id(), field.data_type())).collect();
        let others: Vec<LogicalType> =
            types.into_iter().zip(&layouts).filter(|(_, layout)| layout.is_none()).map(|(kind, _)| kind).collect();
        let others = match others.is_empty() {
            true => None,
            false => {
                let columns: Vec<(&str, &LogicalType)> = others.iter().map(|kind| ("other", kind)).collect();
                Some((ChunkFormat::new(&columns)?, others))
            }
        };
        Ok(Self { format, layouts, others })
    }

    /// Name and Arrow type of each column.
    pub(super) fn fields(&self) -> &[FieldRef] {
        self.format.fields()
    }

    /// # Safety
    /// `chunk` is live, its columns have the types that `self` was made for, and its vectors are flat.
    pub(super) unsafe fn read(&self, chunk: sys::duckdb_data_chunk) -> Result<Vec<ArrayRef>> {
        // SAFETY: a live chunk.
        let rows = unsafe { sys::duckdb_data_chunk_get_size(chunk) as usize };
        // SAFETY: the caller's promise.
        let mut others = unsafe { self.read_others(chunk) }?.into_iter();
        let mut columns = Vec::with_capacity(self.layouts.len());
        for (column, (layout, field)) in self.layouts.iter().zip(self.format.fields()).enumerate() {
            // SAFETY: the chunk has a vector for every column, flat and of the type that the layout was made for.
            let array = unsafe {
                let vector = sys::duckdb_data_chunk_get_vector(chunk, column as u64);
                match layout {
                    Some(Layout::Fixed(width)) => fixed(vector, rows, *width, field.data_type())?,
                    Some(Layout::Text) => texts(vector, rows, field.data_type())?,
                    None => others.next().ok_or_else(|| Error::internal("DuckDB gave fewer columns than it has"))?,
                }
            };
            columns.push(array);
        }
        Ok(columns)
    }

    /// The columns left to DuckDB.
    ///
    /// # Safety
    /// As for [`FlatFormat::read`].
    unsafe fn read_others(&self, chunk: sys::duckdb_data_chunk) -> Result<Vec<ArrayRef>> {
        let Some((format, types)) = &self.others else { return Ok(Vec::new()) };
        if types.len() == self.layouts.len() {
            // SAFETY: the caller's promise.
            return unsafe { format.read(chunk) };
        }
        let mut raw: Vec<_> = types.iter().map(LogicalType::raw).collect();
        let positions = self.layouts.iter().enumerate().filter(|(_, layout)| layout.is_none());
        // SAFETY: live types; the new chunk is ours, and has a vector of its type for every column left to DuckDB.
        unsafe {
            let part = DataChunk::from_raw(sys::duckdb_create_data_chunk(raw.as_mut_ptr(), raw.len() as u64));
            for (to, (from, _)) in positions.enumerate() {
                let to = sys::duckdb_data_chunk_get_vector(part.raw(), to as u64);
                sys::duckdb_vector_reference_vector(to, sys::duckdb_data_chunk_get_vector(chunk, from as u64));
            }
            sys::duckdb_data_chunk_set_size(part.raw(), sys::duckdb_data_chunk_get_size(chunk));
            format.read(part.raw())
        }
    }
}

/// The layout of a type whose values DuckDB keeps as Arrow does, in the form that it described to Arrow.
fn layout(kind: TypeId, arrow: &DataType) -> Option<Layout> {
    let width = match kind {
        TypeId::Boolean | TypeId::TinyInt | TypeId::UTinyInt => 1,
        TypeId::SmallInt | TypeId::USmallInt => 2,
        TypeId::Integer | TypeId::UInteger | TypeId::Float | TypeId::Date => 4,
        TypeId::BigInt | TypeId::UBigInt | TypeId::Double | TypeId::Time => 8,
        TypeId::TimestampS | TypeId::TimestampMs | TypeId::Timestamp | TypeId::TimestampNs | TypeId::TimestampTz => 8,
        TypeId::Varchar | TypeId::Blob => {
            return matches!(arrow, DataType::Utf8 | DataType::Binary).then_some(Layout::Text);
        }
        _ => return None,
    };
    (arrow.primitive_width() == Some(width)).then_some(Layout::Fixed(width))
}

/// # Safety
/// `vector` is flat, and has `rows` values of `width` bytes, as the Arrow type has them.
unsafe fn fixed(vector: sys::duckdb_vector, rows: usize, width: usize, data_type: &DataType) -> Result<ArrayRef> {
    // SAFETY: the caller's promise; the bytes are copied.
    let (values, nulls) = unsafe {
        let data = sys::duckdb_vector_get_data(vector).cast::<u8>();
        (Buffer::from(std::slice::from_raw_parts(data, rows * width)), nulls(vector, rows))
    };
    let data = ArrayData::builder(data_type.clone()).len(rows).nulls(nulls).add_buffer(values).build()?;
    Ok(make_array(data))
}

/// # Safety
/// `vector` is flat, and has `rows` values of VARCHAR or, for Arrow's Binary, BLOB.
unsafe fn texts(vector: sys::duckdb_vector, rows: usize, data_type: &DataType) -> Result<ArrayRef> {
    // SAFETY: the caller's promise.
    let (values, nulls) = unsafe {
        let data = sys::duckdb_vector_get_data(vector).cast::<sys::duckdb_string_t>();
        (std::slice::from_raw_parts(data, rows), nulls(vector, rows))
    };
    // What lies below a NULL means nothing.
    let is_null = |row: usize| nulls.as_ref().is_some_and(|nulls| nulls.is_null(row));
    let mut offsets = Vec::with_capacity(rows + 1);
    offsets.push(0_i32);
    let mut end = 0_i32;
    for (row, value) in values.iter().enumerate() {
        if !is_null(row) {
            // SAFETY: both forms of a string begin with its length.
            let length = unsafe { value.value.inlined.length };
            end = i32::try_from(length).ok().and_then(|length| end.checked_add(length)).ok_or_else(too_long)?;
        }
        offsets.push(end);
    }
    let mut bytes: Vec<u8> = Vec::with_capacity(end.cast_unsigned() as usize);
    for (value, span) in values.iter().zip(offsets.windows(2)) {
        let length = (span[1] - span[0]).cast_unsigned() as usize;
        // SAFETY: a string has its bytes inside up to a certain length, and beyond it at its pointer. A NULL has none
        // here, and no pointer is followed for it.
        unsafe {
            let start = match length <= MAX_INLINED_BYTES {
                true => value.value.inlined.inlined.as_ptr(),
                false => value.value.pointer.ptr.cast_const(),
            };
            bytes.extend_from_slice(std::slice::from_raw_parts(start.cast::<u8>(), length));
        }
    }
    let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
    let bytes = Buffer::from_vec(bytes);
    Ok(match data_type {
        DataType::Binary => Arc::new(BinaryArray::try_new(offsets, bytes, nulls)?),
        // SAFETY: DuckDB holds no VARCHAR that is not UTF-8, so each value, and no offset within one, starts a text.
        _ => Arc::new(unsafe { StringArray::new_unchecked(offsets, bytes, nulls) }),
    })
}

/// # Safety
/// `vector` is flat and has `rows` values.
unsafe fn nulls(vector: sys::duckdb_vector, rows: usize) -> Option<NullBuffer> {
    // SAFETY: the caller's promise; a vector without NULLs may have no mask, else it has a bit a row.
    let words: Vec<u64> = unsafe {
        let mask = sys::duckdb_vector_get_validity(vector);
        if mask.is_null() {
            return None;
        }
        std::slice::from_raw_parts(mask, rows.div_ceil(64)).iter().map(|word| word.to_le()).collect()
    };
    let nulls = NullBuffer::new(BooleanBuffer::new(Buffer::from_vec(words), 0, rows));
    (nulls.null_count() > 0).then_some(nulls)
}

fn too_long() -> Error {
    Error::invalid("Some 2,048 rows hold more than 2 GB of text in one column!")
        .with_hint("Write such values in smaller parts.")
}
