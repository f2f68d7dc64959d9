//! COPY … TO formats: a sink of rows that either finishes or is dropped, which undoes it.

use std::ffi::c_void;
use std::sync::{Arc, Mutex};

use arrow::array::ArrayRef;
use arrow::datatypes::FieldRef;
use libduckdb_sys as sys;

use super::context::ClientContext;
use super::flat_vector::FlatFormat;
use super::logical_type::LogicalType;
use super::value::Value;
use super::{guard, text};
use crate::error::{Error, Result};

/// A COPY format.
pub trait CopyFunction: Send + Sync + 'static {
    /// As in `(FORMAT name)`.
    fn name(&self) -> &'static str;
    /// Checks the options; no side effect. Where the rows go is not known yet.
    fn bind(&self, input: CopyBindInput) -> Result<Box<dyn CopyTarget>>;
}

/// What a bind knows.
#[derive(Debug)]
pub struct CopyBindInput {
    /// The Arrow form of each source column. DuckDB tells no names: they are "0", "1", …
    pub columns: Vec<FieldRef>,
    /// The options in their order, names in capitals; `None` for one without a value.
    pub options: Vec<(String, Option<Value>)>,
}

/// A bound COPY that may be run many times (a prepared statement).
pub trait CopyTarget: Send + Sync {
    /// Begins to write to `path`, the text behind TO.
    fn open(&self, path: &str, context: &ClientContext) -> Result<Box<dyn CopySink>>;
}

/// Where the rows go. Dropped without [`CopySink::finish`] it leaves nothing behind.
pub trait CopySink: Send {
    /// Takes rows, one array a source column.
    fn write(&mut self, columns: &[ArrayRef], rows: usize) -> Result<()>;
    /// Makes what was taken visible, all at once.
    fn finish(self: Box<Self>) -> Result<()>;
}

struct Bound {
    format: FlatFormat,
    target: Box<dyn CopyTarget>,
}

/// DuckDB calls the sink from one thread; the lock keeps that from being a matter of trust.
type Global = Mutex<Option<Box<dyn CopySink>>>;

/// # Safety
/// `connection` is live.
pub(super) unsafe fn register(connection: sys::duckdb_connection, function: Arc<dyn CopyFunction>) -> Result<()> {
    let name = text::c_string(function.name());
    let failure = Error::internal(format!("Could not register the COPY format \"{}\"", function.name()));
    let extra = Box::into_raw(Box::new(function)).cast::<c_void>();
    // SAFETY: every handle and text lives through the calls, DuckDB copies them; `extra` is given to `drop_function`.
    let state = unsafe {
        let mut handle = sys::duckdb_create_copy_function();
        sys::duckdb_copy_function_set_name(handle, name.as_ptr());
        sys::duckdb_copy_function_set_extra_info(handle, extra, Some(drop_function));
        sys::duckdb_copy_function_set_bind(handle, Some(bind));
        sys::duckdb_copy_function_set_global_init(handle, Some(init));
        sys::duckdb_copy_function_set_sink(handle, Some(sink));
        sys::duckdb_copy_function_set_finalize(handle, Some(finalize));
        let state = sys::duckdb_register_copy_function(connection, handle);
        sys::duckdb_destroy_copy_function(&mut handle);
        state
    };
    if state == sys::DuckDBSuccess { Ok(()) } else { Err(failure) }
}

unsafe extern "C" fn drop_function(data: *mut c_void) {
    // SAFETY: made by `register`, and given back once.
    guard::catch_drop(|| drop(unsafe { Box::from_raw(data.cast::<Arc<dyn CopyFunction>>()) }));
}

unsafe extern "C" fn drop_bound(data: *mut c_void) {
    // SAFETY: made by `bind`, and given back once.
    guard::catch_drop(|| drop(unsafe { Box::from_raw(data.cast::<Bound>()) }));
}

unsafe extern "C" fn drop_global(data: *mut c_void) {
    // SAFETY: made by `init`, and given back once. DuckDB comes here on every way out, also on an error or interrupt:
    // a sink that is still in it was not finished, and is undone by its own drop.
    guard::catch_drop(|| drop(unsafe { Box::from_raw(data.cast::<Global>()) }));
}

unsafe extern "C" fn bind(info: sys::duckdb_copy_function_bind_info) {
    // SAFETY: DuckDB's promise, handed on.
    if let Err(error) = guard::catch(|| unsafe { bound(info) }) {
        let message = text::c_string(&error.to_string());
        // SAFETY: live handle and text, which DuckDB copies.
        unsafe { sys::duckdb_copy_function_bind_set_error(info, message.as_ptr()) };
    }
}

/// # Safety
/// `info` lives through the call.
unsafe fn bound(info: sys::duckdb_copy_function_bind_info) -> Result<()> {
    // SAFETY: extra info is what `register` made; types and options are given away.
    let (function, types, options) = unsafe {
        let function = &*sys::duckdb_copy_function_bind_get_extra_info(info).cast::<Arc<dyn CopyFunction>>();
        let types: Vec<LogicalType> = (0..sys::duckdb_copy_function_bind_get_column_count(info))
            .map(|column| LogicalType::from_raw(sys::duckdb_copy_function_bind_get_column_type(info, column)))
            .collect();
        (function, types, Value::from_raw(sys::duckdb_copy_function_bind_get_options(info)))
    };
    let format = FlatFormat::new(types)?;
    let options = match options {
        Some(options) if !options.is_null() => options.struct_fields(),
        _ => Vec::new(),
    };
    let options = options.into_iter().map(|(name, value)| (name.to_uppercase(), Some(value).filter(|v| !v.is_null())));
    let input = CopyBindInput { columns: format.fields().to_vec(), options: options.collect() };
    let target = function.bind(input)?;
    let data = Box::into_raw(Box::new(Bound { format, target })).cast::<c_void>();
    // SAFETY: a live handle; the data is given to `drop_bound` once.
    unsafe { sys::duckdb_copy_function_bind_set_bind_data(info, data, Some(drop_bound)) };
    Ok(())
}

unsafe extern "C" fn init(info: sys::duckdb_copy_function_global_init_info) {
    let answer = guard::catch(|| {
        // SAFETY: bind data is what `bound` made; the path is DuckDB's text; the context is given away.
        let (bound, path, context) = unsafe {
            (
                &*sys::duckdb_copy_function_global_init_get_bind_data(info).cast::<Bound>(),
                text::borrowed(sys::duckdb_copy_function_global_init_get_file_path(info)),
                ClientContext::from_raw(sys::duckdb_copy_function_global_init_get_client_context(info)),
            )
        };
        let global: Global = Mutex::new(Some(bound.target.open(&path, &context)?));
        let data = Box::into_raw(Box::new(global)).cast::<c_void>();
        // SAFETY: a live handle; the data is given to `drop_global` once.
        unsafe { sys::duckdb_copy_function_global_init_set_global_state(info, data, Some(drop_global)) };
        Ok(())
    });
    if let Err(error) = answer {
        let message = text::c_string(&error.to_string());
        // SAFETY: live handle and text, which DuckDB copies.
        unsafe { sys::duckdb_copy_function_global_init_set_error(info, message.as_ptr()) };
    }
}

unsafe extern "C" fn sink(info: sys::duckdb_copy_function_sink_info, chunk: sys::duckdb_data_chunk) {
    let answer = guard::catch(|| {
        // SAFETY: what `bound` and `init` made, alive through the run; the chunk has the bound columns, and DuckDB
        // flattens it before it hands it to a sink.
        let (global, columns, rows) = unsafe {
            let bound = &*sys::duckdb_copy_function_sink_get_bind_data(info).cast::<Bound>();
            let global = &*sys::duckdb_copy_function_sink_get_global_state(info).cast::<Global>();
            (global, bound.format.read(chunk)?, sys::duckdb_data_chunk_get_size(chunk) as usize)
        };
        let mut slot = global.lock().map_err(|_| Error::internal("An earlier chunk of this COPY failed"))?;
        let open = slot.as_mut().ok_or_else(|| Error::internal("Rows came after the end of this COPY"))?;
        open.write(&columns, rows)
    });
    if let Err(error) = answer {
        let message = text::c_string(&error.to_string());
        // SAFETY: live handle and text, which DuckDB copies.
        unsafe { sys::duckdb_copy_function_sink_set_error(info, message.as_ptr()) };
    }
}

unsafe extern "C" fn finalize(info: sys::duckdb_copy_function_finalize_info) {
    let answer = guard::catch(|| {
        // SAFETY: what `init` made, alive through the run.
        let global = unsafe { &*sys::duckdb_copy_function_finalize_get_global_state(info).cast::<Global>() };
        let mut slot = global.lock().map_err(|_| Error::internal("An earlier chunk of this COPY failed"))?;
        slot.take().ok_or_else(|| Error::internal("This COPY was finished before"))?.finish()
    });
    if let Err(error) = answer {
        let message = text::c_string(&error.to_string());
        // SAFETY: live handle and text, which DuckDB copies.
        unsafe { sys::duckdb_copy_function_finalize_set_error(info, message.as_ptr()) };
    }
}
