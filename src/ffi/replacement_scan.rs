//! `FROM 'amplify://images'`: names that stand for a table function call.

use std::ffi::{c_char, c_void};
use std::sync::Arc;

use libduckdb_sys as sys;

use super::value::Value;
use super::{guard, text};
use crate::error::Result;

/// Decides which names are ours.
pub trait ReplacementScan: Send + Sync + 'static {
    /// The table function to call with one VARCHAR argument in place of the table `name`, or `None`: not ours.
    fn replace(&self, name: &str) -> Result<Option<(&'static str, String)>>;
}

/// # Safety
/// `database` is live.
pub(super) unsafe fn register(database: sys::duckdb_database, scan: Arc<dyn ReplacementScan>) {
    let data = Box::into_raw(Box::new(scan)).cast::<c_void>();
    // SAFETY: DuckDB hands `data` to `replace` only, and to `drop_scan` once.
    unsafe { sys::duckdb_add_replacement_scan(database, Some(replace), data, Some(drop_scan)) };
}

unsafe extern "C" fn drop_scan(data: *mut c_void) {
    // SAFETY: made by `register`, and given back once.
    guard::catch_drop(|| drop(unsafe { Box::from_raw(data.cast::<Arc<dyn ReplacementScan>>()) }));
}

unsafe extern "C" fn replace(info: sys::duckdb_replacement_scan_info, name: *const c_char, data: *mut c_void) {
    let answer = guard::catch(|| {
        // SAFETY: made by `register`, alive until `drop_scan`.
        let scan = unsafe { &*data.cast::<Arc<dyn ReplacementScan>>() };
        // SAFETY: DuckDB's text, alive through the call.
        scan.replace(&unsafe { text::borrowed(name) })
    });
    match answer {
        Ok(None) => {}
        Ok(Some((function, argument))) => {
            let (function, argument) = (text::c_string(function), Value::varchar(&argument));
            // SAFETY: live handles and text, which DuckDB copies.
            unsafe {
                sys::duckdb_replacement_scan_set_function_name(info, function.as_ptr());
                sys::duckdb_replacement_scan_add_parameter(info, argument.raw());
            }
        }
        Err(error) => {
            let message = text::c_string(&error.to_string());
            // SAFETY: live handle and text, which DuckDB copies.
            unsafe { sys::duckdb_replacement_scan_set_error(info, message.as_ptr()) };
        }
    }
}
