//! Scalar functions as procedures: volatile, run once per row, in the order of the rows.

use std::ffi::{c_char, c_void};
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::FieldRef;
use libduckdb_sys as sys;

use super::arrow_bridge::ChunkFormat;
use super::context::ClientContext;
use super::logical_type::{LogicalType, TypeId};
use super::{guard, text};
use crate::error::{Error, Result};

/// The types of one overload's arguments.
pub type Signature = Vec<LogicalType>;

/// A procedure. NULL arguments reach it; it is never folded or run at PREPARE or EXPLAIN.
pub trait ScalarFunction: Send + Sync + 'static {
    /// As it is called in SQL.
    fn name(&self) -> &'static str;
    /// Its overloads.
    fn signatures(&self) -> Vec<Signature>;
    /// BIGINT or VARCHAR.
    fn returns(&self) -> TypeId;
    /// Reads what it needs of the session before the first row of a run.
    fn open(&self, context: &ClientContext) -> Result<Box<dyn ScalarCall>>;
}

/// A run of a procedure in one thread.
pub trait ScalarCall: Send {
    /// One call: each argument is an array of one row, with its field.
    fn call(&self, arguments: &[(ArrayRef, FieldRef)]) -> Result<ScalarOutput>;
}

/// What a call answers.
#[derive(Debug)]
pub enum ScalarOutput {
    /// For [`TypeId::BigInt`].
    BigInt(i64),
    /// For [`TypeId::Varchar`].
    Varchar(String),
}

/// # Safety
/// `connection` is live.
pub(super) unsafe fn register(connection: sys::duckdb_connection, function: Arc<dyn ScalarFunction>) -> Result<()> {
    let name = text::c_string(function.name());
    let returns = LogicalType::new(function.returns());
    // SAFETY: every handle and text lives through the calls, DuckDB copies them; each overload owns its own `extra`.
    let state = unsafe {
        let mut set = sys::duckdb_create_scalar_function_set(name.as_ptr());
        for signature in function.signatures() {
            let mut handle = sys::duckdb_create_scalar_function();
            sys::duckdb_scalar_function_set_name(handle, name.as_ptr());
            for argument in &signature {
                sys::duckdb_scalar_function_add_parameter(handle, argument.raw());
            }
            sys::duckdb_scalar_function_set_return_type(handle, returns.raw());
            sys::duckdb_scalar_function_set_volatile(handle);
            sys::duckdb_scalar_function_set_special_handling(handle);
            let extra = Box::into_raw(Box::new(function.clone())).cast::<c_void>();
            sys::duckdb_scalar_function_set_extra_info(handle, extra, Some(drop_function));
            sys::duckdb_scalar_function_set_init(handle, Some(init));
            sys::duckdb_scalar_function_set_function(handle, Some(execute));
            sys::duckdb_add_scalar_function_to_set(set, handle);
            sys::duckdb_destroy_scalar_function(&mut handle);
        }
        let state = sys::duckdb_register_scalar_function_set(connection, set);
        sys::duckdb_destroy_scalar_function_set(&mut set);
        state
    };
    if state == sys::DuckDBSuccess {
        return Ok(());
    }
    Err(Error::internal(format!("Could not register the function \"{}\"", function.name())))
}

unsafe extern "C" fn drop_function(data: *mut c_void) {
    // SAFETY: made by `register`, and given back once.
    guard::catch_drop(|| drop(unsafe { Box::from_raw(data.cast::<Arc<dyn ScalarFunction>>()) }));
}

unsafe extern "C" fn drop_call(data: *mut c_void) {
    // SAFETY: made by `init`, and given back once.
    guard::catch_drop(|| drop(unsafe { Box::from_raw(data.cast::<Box<dyn ScalarCall>>()) }));
}

unsafe extern "C" fn init(info: sys::duckdb_init_info) {
    let answer = guard::catch(|| {
        // SAFETY: extra info is what `register` made, alive as long as the function; the context is given away.
        let (function, context) = unsafe {
            let function = &*sys::duckdb_scalar_function_init_get_extra_info(info).cast::<Arc<dyn ScalarFunction>>();
            let mut context = std::ptr::null_mut();
            sys::duckdb_scalar_function_init_get_client_context(info, &mut context);
            (function, ClientContext::from_raw(context))
        };
        let call = Box::into_raw(Box::new(function.open(&context)?)).cast::<c_void>();
        // SAFETY: a live handle; the state is given to `drop_call` once.
        unsafe { sys::duckdb_scalar_function_init_set_state(info, call, Some(drop_call)) };
        Ok(())
    });
    if let Err(error) = answer {
        let message = text::c_string(&error.to_string());
        // SAFETY: live handle and text, which DuckDB copies.
        unsafe { sys::duckdb_scalar_function_init_set_error(info, message.as_ptr()) };
    }
}

unsafe extern "C" fn execute(
    info: sys::duckdb_function_info,
    input: sys::duckdb_data_chunk,
    output: sys::duckdb_vector,
) {
    // SAFETY: DuckDB's promise, handed on.
    let answer = guard::catch(|| unsafe { run(info, input, output) });
    if let Err(error) = answer {
        let message = text::c_string(&error.to_string());
        // SAFETY: live handle and text, which DuckDB copies.
        unsafe { sys::duckdb_scalar_function_set_error(info, message.as_ptr()) };
    }
}

/// # Safety
/// As DuckDB calls a scalar function: all handles live, `output` of the returned type with room for every row.
unsafe fn run(
    info: sys::duckdb_function_info,
    input: sys::duckdb_data_chunk,
    output: sys::duckdb_vector,
) -> Result<()> {
    // SAFETY: the state is what `init` made, alive through the run.
    let call = unsafe { &*sys::duckdb_scalar_function_get_state(info).cast::<Box<dyn ScalarCall>>() };
    // SAFETY: a live chunk; the types of its vectors are given away.
    let (rows, types) = unsafe {
        let types: Vec<LogicalType> = (0..sys::duckdb_data_chunk_get_column_count(input))
            .map(|column| {
                let vector = sys::duckdb_data_chunk_get_vector(input, column);
                LogicalType::from_raw(sys::duckdb_vector_get_column_type(vector))
            })
            .collect();
        (sys::duckdb_data_chunk_get_size(input) as usize, types)
    };
    let columns: Vec<(&str, &LogicalType)> = types.iter().map(|kind| ("argument", kind)).collect();
    let format = ChunkFormat::new(&columns)?;
    // SAFETY: the format is made from this chunk's types.
    let arrays = unsafe { format.read(input) }?;
    for row in 0..rows {
        let arguments: Vec<(ArrayRef, FieldRef)> =
            arrays.iter().zip(format.fields()).map(|(array, field)| (array.slice(row, 1), field.clone())).collect();
        match call.call(&arguments)? {
            // SAFETY: the vector is BIGINT (the function said so) and has room for the row.
            ScalarOutput::BigInt(number) => unsafe {
                *sys::duckdb_vector_get_data(output).cast::<i64>().add(row) = number;
            },
            // SAFETY: the vector is VARCHAR (the function said so) and has room for the row; DuckDB copies the text.
            ScalarOutput::Varchar(answer) => unsafe {
                let pointer = answer.as_ptr().cast::<c_char>();
                sys::duckdb_vector_assign_string_element_len(output, row as u64, pointer, answer.len() as u64);
            },
        }
    }
    Ok(())
}
