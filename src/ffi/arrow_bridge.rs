//! DuckDB's vectors <-> Arrow arrays, by DuckDB's own conversion, without a copy where the layouts agree.

use std::sync::OnceLock;

use arrow::array::{Array, ArrayRef, StructArray};
use arrow::datatypes::{DataType, Field, FieldRef, Fields, Schema};
use arrow::ffi::{FFI_ArrowArray, FFI_ArrowSchema, from_ffi_and_data_type};
use arrow::record_batch::RecordBatch;
use libduckdb_sys as sys;

use super::logical_type::LogicalType;
use super::private_database::{DataChunk, PrivateDatabase};
use super::text;
use super::value::Value;
use crate::error::{Error, Result};

/// The process's connection for conversions, with the options of what it exports. It is never closed: a static has no
/// destructor, and the operating system takes back an in-memory database.
struct Bridge {
    database: PrivateDatabase,
    options: sys::duckdb_arrow_options,
}

// SAFETY: the options are read only after they are made; the database is Send and Sync itself.
unsafe impl Send for Bridge {}
// SAFETY: as above.
unsafe impl Sync for Bridge {}

fn bridge() -> Result<&'static Bridge> {
    static BRIDGE: OnceLock<Bridge> = OnceLock::new();
    if let Some(bridge) = BRIDGE.get() {
        return Ok(bridge);
    }
    let mut database = PrivateDatabase::open(&[("threads", "1"), ("enable_external_access", "false")])?;
    // Lossless: UUID, HUGEINT and the like keep their type as Arrow extension types.
    drop(database.query("SET arrow_lossless_conversion = true")?);
    let mut options = std::ptr::null_mut();
    // SAFETY: a live connection; the options are ours.
    unsafe { sys::duckdb_connection_get_arrow_options(database.connection(), &mut options) };
    // Where two threads come here at once, the loser's database stays open and unused: once a process at the most.
    Ok(BRIDGE.get_or_init(|| Bridge { database, options }))
}

/// How chunks of certain column types look as Arrow.
#[derive(Debug)]
pub struct ChunkFormat {
    fields: Fields,
}

impl ChunkFormat {
    /// The Arrow form of columns of these types.
    pub fn new(columns: &[(&str, &LogicalType)]) -> Result<Self> {
        let names: Vec<_> = columns.iter().map(|(name, _)| text::c_string(name)).collect();
        let mut name_pointers: Vec<_> = names.iter().map(|name| name.as_ptr()).collect();
        let mut types: Vec<_> = columns.iter().map(|(_, kind)| kind.raw()).collect();
        let mut exported = FFI_ArrowSchema::empty();
        // SAFETY: both arrays have one element a column and live through the call; `exported` is an empty
        // ArrowSchema (the same C struct in both crates) that DuckDB fills and we release.
        unsafe {
            let failure = sys::duckdb_to_arrow_schema(
                bridge()?.options,
                types.as_mut_ptr(),
                name_pointers.as_mut_ptr(),
                columns.len() as u64,
                (&raw mut exported).cast::<sys::ArrowSchema>(),
            );
            text::check(failure, "DuckDB could not describe the columns as Arrow")?;
        }
        Ok(Self { fields: Schema::try_from(&exported)?.fields })
    }

    /// Name and Arrow type of each column.
    pub fn fields(&self) -> &[FieldRef] {
        &self.fields
    }

    /// # Safety
    /// `chunk` is live and its columns have the types that `self` was made for.
    pub(super) unsafe fn read(&self, chunk: sys::duckdb_data_chunk) -> Result<Vec<ArrayRef>> {
        let mut exported = FFI_ArrowArray::empty();
        // SAFETY: live chunk and options; `exported` is an empty ArrowArray (the same C struct in both crates) that
        // DuckDB fills with its own copy and we release.
        unsafe {
            let failure = sys::duckdb_data_chunk_to_arrow(
                bridge()?.options,
                chunk,
                (&raw mut exported).cast::<sys::ArrowArray>(),
            );
            text::check(failure, "DuckDB could not hand rows over as Arrow")?;
        }
        // SAFETY: DuckDB made the array for just this type: `fields` is its own description of these columns.
        let mut data = unsafe { from_ffi_and_data_type(exported, DataType::Struct(self.fields.clone())) }?;
        data.align_buffers(); // DuckDB aligns to 8 bytes, Arrow's Decimal128 wants 16
        Ok(StructArray::from(data).columns().to_vec())
    }

    /// The rows of an owned chunk, one array a column.
    pub fn read_chunk(&self, chunk: &DataChunk) -> Result<Vec<ArrayRef>> {
        // SAFETY: a live chunk; every caller makes the format from the result that the chunk is of.
        unsafe { self.read(chunk.raw()) }
    }
}

impl Value {
    /// The value as an array of one row, with its field.
    pub fn to_arrow(&self) -> Result<(ArrayRef, FieldRef)> {
        let kind = self.logical_type();
        let format = ChunkFormat::new(&[("value", &kind)])?;
        let mut types = [kind.raw()];
        // SAFETY: one live type; the chunk is ours. The value has just the type of the chunk's only vector.
        let columns = unsafe {
            let chunk = DataChunk::from_raw(sys::duckdb_create_data_chunk(types.as_mut_ptr(), 1));
            sys::duckdb_vector_reference_value(sys::duckdb_data_chunk_get_vector(chunk.raw(), 0), self.raw());
            sys::duckdb_data_chunk_set_size(chunk.raw(), 1);
            format.read(chunk.raw())?
        };
        match (columns.into_iter().next(), format.fields().first()) {
            (Some(array), Some(field)) => Ok((array, field.clone())),
            _ => Err(Error::internal("A value came back from DuckDB without a column")),
        }
    }
}

/// Hands Arrow batches of one schema to DuckDB.
#[derive(Debug)]
pub struct BatchFormat {
    converted: sys::duckdb_arrow_converted_schema,
}

// SAFETY: a converted schema is read only after it is made.
unsafe impl Send for BatchFormat {}
// SAFETY: as above.
unsafe impl Sync for BatchFormat {}

impl BatchFormat {
    /// Prepares for batches with this schema.
    pub fn new(schema: &Schema) -> Result<Self> {
        // DuckDB looks at the children of one struct; a name that holds NUL cannot be told to C and matters to nobody.
        let plain: Vec<Field> = schema.fields().iter().map(|field| field.as_ref().clone().with_name("c")).collect();
        let mut exported = FFI_ArrowSchema::try_from(&Schema::new(plain))?;
        let mut converted = std::ptr::null_mut();
        // SAFETY: a live connection and schema (the same C struct in both crates), which we release; the converted
        // schema is ours.
        unsafe {
            let failure = sys::duckdb_schema_from_arrow(
                bridge()?.database.connection(),
                (&raw mut exported).cast::<sys::ArrowSchema>(),
                &mut converted,
            );
            text::check(failure, "DuckDB does not take these columns")?;
        }
        Ok(Self { converted })
    }

    /// `batch` (at most 2,048 rows, of the schema that `self` was made for) as a chunk that shares its memory.
    pub fn chunk(&self, batch: &RecordBatch) -> Result<DataChunk> {
        let mut exported = FFI_ArrowArray::new(&StructArray::from(batch.clone()).into_data());
        let mut handle = std::ptr::null_mut();
        // SAFETY: a live connection and converted schema; DuckDB moves the array out of `exported` (its release
        // pointer becomes NULL, so that our drop does nothing) and keeps it as long as a vector refers to it.
        unsafe {
            let failure = sys::duckdb_data_chunk_from_arrow(
                bridge()?.database.connection(),
                (&raw mut exported).cast::<sys::ArrowArray>(),
                self.converted,
                &mut handle,
            );
            text::check(failure, "DuckDB could not take rows from Arrow")?;
            Ok(DataChunk::from_raw(handle))
        }
    }
}

impl Drop for BatchFormat {
    fn drop(&mut self) {
        // SAFETY: ours, and destroyed once.
        unsafe { sys::duckdb_destroy_arrow_converted_schema(&mut self.converted) };
    }
}
