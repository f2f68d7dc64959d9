//! Arrow batches -> DuckDB's vectors, in slices that share the batch's memory.
//!
//! Text that comes as a dictionary stays one: its values become a vector once, and each slice of rows refers to them by
//! a selection. DuckDB then compares and hashes few values instead of many rows.

use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{Array, ArrayRef, AsArray, UInt32Array, new_null_array};
use arrow::compute::{cast, concat};
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef, UInt32Type};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use libduckdb_sys as sys;

use super::arrow_bridge::BatchFormat;
use super::private_database::DataChunk;
use super::table_function::OutputColumn;
use crate::error::{Error, Result};

/// The most rows a DuckDB vector holds.
const VECTOR_ROWS: usize = 2048;

/// The formats of the batches of one run, shared by its threads: there is one for each set of columns that come as
/// dictionaries.
#[derive(Debug, Default)]
pub(super) struct Formats(Mutex<Vec<(SchemaRef, Arc<BatchFormat>)>>);

impl Formats {
    fn of(&self, schema: &SchemaRef) -> Result<Arc<BatchFormat>> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, format)) = known.iter().find(|(known, _)| known == schema) {
            return Ok(format.clone());
        }
        let format = Arc::new(BatchFormat::new(schema)?);
        known.push((schema.clone(), format.clone()));
        Ok(format)
    }
}

/// One thread's way of handing batches over.
#[derive(Debug, Default)]
pub(super) struct Handover {
    /// By the batches' columns: the dictionary that last came, for the next batch is likely to have it too.
    dictionaries: Vec<Option<Rc<Dictionary>>>,
    current: Option<Current>,
}

/// The batch being handed out.
#[derive(Debug)]
struct Current {
    /// The columns that are no dictionaries, and their format.
    plain: RecordBatch,
    format: Option<Arc<BatchFormat>>,
    /// For each column of the batch, where it is now.
    places: Vec<Place>,
    output: Arc<[OutputColumn]>,
    /// The row to go on with.
    next: usize,
}

#[derive(Debug)]
enum Place {
    /// The plain column at this position.
    Plain(usize),
    Dictionary(UInt32Array, Rc<Dictionary>),
}

/// The values of a dictionary as a vector.
#[derive(Debug)]
struct Dictionary {
    values: ArrayRef,
    /// A vector of the values, and one more: NULL.
    chunk: DataChunk,
}

impl Handover {
    /// Begins with a batch.
    pub(super) fn begin(&mut self, batch: &RecordBatch, output: Arc<[OutputColumn]>, formats: &Formats) -> Result<()> {
        let mut places = Vec::with_capacity(batch.num_columns());
        let (mut fields, mut columns): (Vec<FieldRef>, Vec<ArrayRef>) = Default::default();
        self.dictionaries.resize_with(batch.num_columns(), || None);
        for ((field, column), known) in
            batch.schema_ref().fields().iter().zip(batch.columns()).zip(&mut self.dictionaries)
        {
            let (field, column) = match column.as_dictionary_opt::<UInt32Type>() {
                Some(array) if array.values().len() < VECTOR_ROWS => {
                    let dictionary = match known {
                        Some(known) if same(&known.values, array.values()) => known.clone(),
                        _ => known.insert(Rc::new(Dictionary::new(array.values(), formats)?)).clone(),
                    };
                    places.push(Place::Dictionary(array.keys().clone(), dictionary));
                    continue;
                }
                Some(_) => {
                    let flat = field.as_ref().clone().with_data_type(DataType::Utf8View);
                    (Arc::new(flat), cast(column, &DataType::Utf8View)?)
                }
                None => (field.clone(), column.clone()),
            };
            places.push(Place::Plain(columns.len()));
            fields.push(field);
            columns.push(column);
        }
        let plain = if columns.len() == batch.num_columns() && batch.schema_ref().fields().iter().eq(&fields) {
            batch.clone()
        } else {
            let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
            RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options)?
        };
        let format = (plain.num_columns() > 0).then(|| formats.of(plain.schema_ref())).transpose()?;
        self.current = Some(Current { plain, format, places, output, next: 0 });
        Ok(())
    }

    /// Puts the next rows of the batch into `output`; `false` where none are left.
    ///
    /// # Safety
    /// `output` is live and has one column for each that the batch began with, of the types that were bound.
    pub(super) unsafe fn emit(&mut self, output: sys::duckdb_data_chunk) -> Result<bool> {
        let Some(current) = &mut self.current else { return Ok(false) };
        let start = current.next;
        let rows = (current.plain.num_rows() - start).min(VECTOR_ROWS);
        if rows == 0 {
            self.current = None;
            return Ok(false);
        }
        current.next += rows;
        let format = current.format.as_ref();
        let chunk = format.map(|format| format.chunk(&current.plain.slice(start, rows))).transpose()?;
        for (position, column) in current.output.iter().enumerate() {
            // SAFETY: the position is one of the output's columns; source and value have its type; the vectors share
            // the chunk's memory, which outlives the chunk.
            unsafe {
                let target = sys::duckdb_data_chunk_get_vector(output, position as u64);
                match column {
                    OutputColumn::Constant(value) => sys::duckdb_vector_reference_value(target, value.raw()),
                    OutputColumn::Array(source) => match (&current.places[*source], &chunk) {
                        (Place::Plain(source), Some(chunk)) => {
                            let source = sys::duckdb_data_chunk_get_vector(chunk.raw(), *source as u64);
                            sys::duckdb_vector_reference_vector(target, source);
                        }
                        (Place::Dictionary(keys, dictionary), _) => dictionary.select(&keys.slice(start, rows), target),
                        (Place::Plain(_), None) => return Err(Error::internal("A column is missing in a batch")),
                    },
                }
            }
        }
        // SAFETY: a live chunk; at most 2,048 rows.
        unsafe { sys::duckdb_data_chunk_set_size(output, rows as u64) };
        Ok(true)
    }
}

impl Dictionary {
    fn new(values: &ArrayRef, formats: &Formats) -> Result<Self> {
        let with_null = concat(&[values.as_ref(), new_null_array(values.data_type(), 1).as_ref()])?;
        let schema = Arc::new(Schema::new(vec![Field::new("values", values.data_type().clone(), true)]));
        let batch = RecordBatch::try_new(schema.clone(), vec![with_null])?;
        Ok(Self { values: values.clone(), chunk: formats.of(&schema)?.chunk(&batch)? })
    }

    /// Makes `target` the values at `keys`, which are at most as many as a vector holds.
    ///
    /// # Safety
    /// `target` is a live vector of VARCHAR.
    unsafe fn select(&self, keys: &UInt32Array, target: sys::duckdb_vector) {
        // SAFETY: the selection has room for `keys`, each of which is below the number of values, or is that of NULL;
        // the vector keeps what it needs of the dictionary and of the selection, which is destroyed once.
        unsafe {
            let selection = sys::duckdb_create_selection_vector(keys.len() as u64);
            let places =
                std::slice::from_raw_parts_mut(sys::duckdb_selection_vector_get_data_ptr(selection), keys.len());
            places.copy_from_slice(keys.values());
            if let Some(nulls) = keys.nulls() {
                for (place, is_valid) in places.iter_mut().zip(nulls.inner()) {
                    if !is_valid {
                        *place = self.values.len() as u32;
                    }
                }
            }
            sys::duckdb_vector_reference_vector(target, sys::duckdb_data_chunk_get_vector(self.chunk.raw(), 0));
            sys::duckdb_slice_vector(target, selection, keys.len() as u64);
            sys::duckdb_destroy_selection_vector(selection);
        }
    }
}

/// Whether two arrays are one in memory. Both are alive, so no address is used again.
fn same(a: &ArrayRef, b: &ArrayRef) -> bool {
    std::ptr::addr_eq(Arc::as_ptr(a), Arc::as_ptr(b))
}
