//! Table functions: bound by arguments, opened for a projection, read batch by batch.

use std::ffi::c_void;
use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use libduckdb_sys as sys;

use super::context::ClientContext;
use super::handover::{Formats, Handover};
use super::logical_type::{LogicalType, TypeId};
use super::private_database::DataChunk;
use super::value::Value;
use super::{guard, text};
use crate::error::{Error, Result};

/// A parameter and its type.
#[derive(Debug)]
pub enum Parameter {
    /// By position, all of them required.
    Positional(LogicalType),
    /// By name (`filters => …`), optional.
    Named(&'static str, LogicalType),
}

impl Parameter {
    /// A VARCHAR by position.
    pub fn varchar() -> Self {
        Self::Positional(LogicalType::new(TypeId::Varchar))
    }

    /// A value of any type by name.
    pub fn named_any(name: &'static str) -> Self {
        Self::Named(name, LogicalType::new(TypeId::Any))
    }

    /// A VARCHAR by name.
    pub fn named_varchar(name: &'static str) -> Self {
        Self::Named(name, LogicalType::new(TypeId::Varchar))
    }
}

/// A table function. Binding has no side effect: DuckDB binds for DESCRIBE, EXPLAIN and PREPARE too.
pub trait TableFunction: Send + Sync + 'static {
    /// As it is called in SQL.
    fn name(&self) -> &'static str;
    /// What it takes.
    fn parameters(&self) -> Vec<Parameter>;
    /// Checks the arguments and says what columns will come.
    fn bind(&self, input: &BindInput) -> Result<Bound>;
}

/// What a bind knows.
#[derive(Debug)]
pub struct BindInput {
    info: sys::duckdb_bind_info,
    /// The session's settings.
    pub context: ClientContext,
}

impl BindInput {
    /// The argument at a position; `None` where there is none or it is NULL.
    pub fn positional(&self, index: usize) -> Option<Value> {
        // SAFETY: `info` lives through the bind; the value is given away; DuckDB answers NULL past the last.
        let value = unsafe { Value::from_raw(sys::duckdb_bind_get_parameter(self.info, index as u64)) };
        value.filter(|value| !value.is_null())
    }

    /// The argument of a name; `None` where it is not given or NULL.
    pub fn named(&self, name: &str) -> Option<Value> {
        let name = text::c_string(name);
        // SAFETY: `info` and the text live through the call; the value is given away.
        let value = unsafe { Value::from_raw(sys::duckdb_bind_get_named_parameter(self.info, name.as_ptr())) };
        value.filter(|value| !value.is_null())
    }
}

/// A bound call.
pub struct Bound {
    /// Names and types of the columns it can give.
    pub columns: Vec<(String, LogicalType)>,
    /// How many rows are expected, for the join order: (rows, exact).
    pub cardinality: (u64, bool),
    /// What runs it.
    pub function: Box<dyn BoundFunction>,
}

/// A bound call that may be run many times (a prepared statement).
pub trait BoundFunction: Send + Sync {
    /// Starts one run that gives the columns at these positions (of [`Bound::columns`]), in this order.
    fn open(&self, projection: &[usize]) -> Result<Box<dyn TableScan>>;
}

/// One run.
pub trait TableScan: Send + Sync {
    /// How many threads may read at once.
    fn max_threads(&self) -> usize {
        1
    }
    /// A reader for one more thread.
    fn reader(&self) -> Result<Box<dyn BatchReader>>;
}

/// One thread's share of a run.
pub trait BatchReader: Send {
    /// The next rows; `None` when this thread is done.
    fn next(&mut self) -> Result<Option<OutputBatch>>;
}

/// Rows for DuckDB.
pub enum OutputBatch {
    /// Arrow columns, any number of rows. A VARCHAR may be a dictionary with 32-bit unsigned keys in some batches of a
    /// run; else they have one schema.
    Arrow {
        /// The rows.
        batch: RecordBatch,
        /// Where each projected column comes from.
        columns: Arc<[OutputColumn]>,
    },
    /// Vectors of a query of ours, one a projected column.
    Chunk(DataChunk),
}

/// Where an output column comes from.
#[derive(Debug)]
pub enum OutputColumn {
    /// The batch's column at this position.
    Array(usize),
    /// The same value in every row.
    Constant(Value),
}

/// # Safety
/// `connection` is live.
pub(super) unsafe fn register(connection: sys::duckdb_connection, function: Arc<dyn TableFunction>) -> Result<()> {
    let name = text::c_string(function.name());
    let parameters = function.parameters();
    let failure = Error::internal(format!("Could not register the table function \"{}\"", function.name()));
    let extra = Box::into_raw(Box::new(function)).cast::<c_void>();
    // SAFETY: every handle and text lives through the calls, DuckDB copies them; `extra` is given to `drop_function`
    // once, also where registration fails, for the function owns it from set_extra_info on.
    let state = unsafe {
        let mut handle = sys::duckdb_create_table_function();
        sys::duckdb_table_function_set_name(handle, name.as_ptr());
        sys::duckdb_table_function_set_extra_info(handle, extra, Some(drop_function));
        for parameter in &parameters {
            match parameter {
                Parameter::Positional(kind) => sys::duckdb_table_function_add_parameter(handle, kind.raw()),
                Parameter::Named(name, kind) => {
                    let name = text::c_string(name);
                    sys::duckdb_table_function_add_named_parameter(handle, name.as_ptr(), kind.raw());
                }
            }
        }
        sys::duckdb_table_function_set_bind(handle, Some(bind));
        sys::duckdb_table_function_set_init(handle, Some(init));
        sys::duckdb_table_function_set_local_init(handle, Some(local_init));
        sys::duckdb_table_function_set_function(handle, Some(next));
        sys::duckdb_table_function_supports_projection_pushdown(handle, true);
        let state = sys::duckdb_register_table_function(connection, handle);
        sys::duckdb_destroy_table_function(&mut handle);
        state
    };
    if state == sys::DuckDBSuccess { Ok(()) } else { Err(failure) }
}

unsafe extern "C" fn drop_function(data: *mut c_void) {
    // SAFETY: made by `register`, and given back once.
    guard::catch_drop(|| drop(unsafe { Box::from_raw(data.cast::<Arc<dyn TableFunction>>()) }));
}

/// What all threads of a run share.
struct Global {
    scan: Box<dyn TableScan>,
    formats: Formats,
}

/// What one thread has.
struct Local {
    reader: Box<dyn BatchReader>,
    handover: Handover,
}

unsafe extern "C" fn drop_bound(data: *mut c_void) {
    // SAFETY: made by `bind`, and given back once.
    guard::catch_drop(|| drop(unsafe { Box::from_raw(data.cast::<Box<dyn BoundFunction>>()) }));
}

unsafe extern "C" fn drop_global(data: *mut c_void) {
    // SAFETY: made by `init`, and given back once.
    guard::catch_drop(|| drop(unsafe { Box::from_raw(data.cast::<Global>()) }));
}

unsafe extern "C" fn bind(info: sys::duckdb_bind_info) {
    let answer = guard::catch(|| {
        // SAFETY: extra info is what `register` made, alive as long as the function is.
        let function = unsafe { &*sys::duckdb_bind_get_extra_info(info).cast::<Arc<dyn TableFunction>>() };
        // SAFETY: `info` lives through the bind; the context is given away.
        let context = unsafe {
            let mut context = std::ptr::null_mut();
            sys::duckdb_table_function_get_client_context(info, &mut context);
            ClientContext::from_raw(context)
        };
        let bound = function.bind(&BindInput { info, context })?;
        // SAFETY: live handles and text, which DuckDB copies; the bind data is given to `drop_bound` once.
        unsafe {
            for (name, kind) in &bound.columns {
                sys::duckdb_bind_add_result_column(info, text::c_string(name).as_ptr(), kind.raw());
            }
            sys::duckdb_bind_set_cardinality(info, bound.cardinality.0, bound.cardinality.1);
            let data = Box::into_raw(Box::new(bound.function)).cast::<c_void>();
            sys::duckdb_bind_set_bind_data(info, data, Some(drop_bound));
        }
        Ok(())
    });
    if let Err(error) = answer {
        let message = text::c_string(&error.to_string());
        // SAFETY: live handle and text, which DuckDB copies.
        unsafe { sys::duckdb_bind_set_error(info, message.as_ptr()) };
    }
}

unsafe extern "C" fn init(info: sys::duckdb_init_info) {
    let answer = guard::catch(|| {
        // SAFETY: bind data is what `bind` made, alive through the run; the indices are below the count.
        let (bound, projection) = unsafe {
            let bound = &*sys::duckdb_init_get_bind_data(info).cast::<Box<dyn BoundFunction>>();
            let projection: Vec<usize> = (0..sys::duckdb_init_get_column_count(info))
                .map(|column| sys::duckdb_init_get_column_index(info, column) as usize)
                .collect();
            (bound, projection)
        };
        let scan = bound.open(&projection)?;
        let threads = scan.max_threads().max(1) as u64;
        let data = Box::into_raw(Box::new(Global { scan, formats: Formats::default() })).cast::<c_void>();
        // SAFETY: a live handle; the data is given to `drop_global` once.
        unsafe {
            sys::duckdb_init_set_max_threads(info, threads);
            sys::duckdb_init_set_init_data(info, data, Some(drop_global));
        }
        Ok(())
    });
    init_error(info, answer);
}

unsafe extern "C" fn local_init(info: sys::duckdb_init_info) {
    // The reader is made by the first `next`, where the global state is at hand.
    let answer = guard::catch(|| {
        let data = Box::into_raw(Box::new(None::<Local>)).cast::<c_void>();
        // SAFETY: a live handle; the data is given to `drop_local_slot` once.
        unsafe { sys::duckdb_init_set_init_data(info, data, Some(drop_local_slot)) };
        Ok(())
    });
    init_error(info, answer);
}

unsafe extern "C" fn drop_local_slot(data: *mut c_void) {
    // SAFETY: made by `local_init`, and given back once.
    guard::catch_drop(|| drop(unsafe { Box::from_raw(data.cast::<Option<Local>>()) }));
}

fn init_error(info: sys::duckdb_init_info, answer: Result<()>) {
    if let Err(error) = answer {
        let message = text::c_string(&error.to_string());
        // SAFETY: live handle and text, which DuckDB copies.
        unsafe { sys::duckdb_init_set_error(info, message.as_ptr()) };
    }
}

unsafe extern "C" fn next(info: sys::duckdb_function_info, output: sys::duckdb_data_chunk) {
    let answer = guard::catch(|| {
        // SAFETY: what `init` and `local_init` made, alive through the run; the local slot is this thread's alone.
        let (global, slot) = unsafe {
            (
                &*sys::duckdb_function_get_init_data(info).cast::<Global>(),
                &mut *sys::duckdb_function_get_local_init_data(info).cast::<Option<Local>>(),
            )
        };
        if slot.is_none() {
            *slot = Some(Local { reader: global.scan.reader()?, handover: Handover::default() });
        }
        let local = slot.as_mut().ok_or_else(|| Error::internal("A reader is missing"))?;
        // SAFETY: `output` is the chunk to be filled.
        unsafe { fill(global, local, output) }
    });
    if let Err(error) = answer {
        let message = text::c_string(&error.to_string());
        // SAFETY: live handle and text, which DuckDB copies.
        unsafe { sys::duckdb_function_set_error(info, message.as_ptr()) };
    }
}

/// Puts the next rows into `output`; none at the end.
///
/// # Safety
/// `output` is live and has the projected columns.
unsafe fn fill(global: &Global, local: &mut Local, output: sys::duckdb_data_chunk) -> Result<()> {
    loop {
        // SAFETY: handed on.
        if unsafe { local.handover.emit(output) }? {
            return Ok(());
        }
        match local.reader.next()? {
            Some(OutputBatch::Arrow { batch, columns }) => local.handover.begin(&batch, columns, &global.formats)?,
            Some(OutputBatch::Chunk(chunk)) => {
                // SAFETY: both chunks are live, with the same columns; the vectors share the memory from here on.
                unsafe {
                    for column in 0..sys::duckdb_data_chunk_get_column_count(output) {
                        let source = sys::duckdb_data_chunk_get_vector(chunk.raw(), column);
                        let target = sys::duckdb_data_chunk_get_vector(output, column);
                        sys::duckdb_vector_reference_vector(target, source);
                    }
                    sys::duckdb_data_chunk_set_size(output, chunk.rows() as u64);
                }
                return Ok(());
            }
            None => {
                // SAFETY: a live chunk.
                unsafe { sys::duckdb_data_chunk_set_size(output, 0) };
                return Ok(());
            }
        }
    }
}
