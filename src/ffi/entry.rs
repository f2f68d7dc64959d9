//! `LOAD amplify`: the entry point and what registers functions.

use std::sync::Arc;

use libduckdb_sys as sys;

use super::config_option::ConfigOption;
use super::copy_function::{self, CopyFunction};
use super::guard;
use super::replacement_scan::{self, ReplacementScan};
use super::scalar_function::{self, ScalarFunction};
use super::table_function::{self, TableFunction};
use super::text;
use crate::error::{Error, Result};

/// The oldest stable API that has all we call. DuckDB 1.5.6 and every later one offer it.
const C_API_VERSION: &str = "v1.5.6";

/// The database that is loading the extension, for as long as that takes.
#[derive(Debug)]
pub struct Loader {
    database: sys::duckdb_database,
    connection: sys::duckdb_connection,
}

impl Loader {
    /// Connects to a database.
    ///
    /// # Safety
    /// `database` is live and stays so for the life of the answer.
    pub(super) unsafe fn connect(database: sys::duckdb_database) -> Result<Self> {
        let mut connection = std::ptr::null_mut();
        // SAFETY: a live database; the connection is ours and closed on drop.
        if unsafe { sys::duckdb_connect(database, &mut connection) } != sys::DuckDBSuccess {
            return Err(Error::internal("Could not connect to the database that loads amplify"));
        }
        Ok(Self { database, connection })
    }

    /// Makes a setting known.
    pub fn config_option(&self, option: &ConfigOption) -> Result<()> {
        // SAFETY: the connection lives as long as `self`.
        unsafe { option.register(self.connection) }
    }

    /// Makes a table function known.
    pub fn table_function(&self, function: impl TableFunction) -> Result<()> {
        // SAFETY: the connection lives as long as `self`.
        unsafe { table_function::register(self.connection, Arc::new(function)) }
    }

    /// Makes a scalar function known, with all its signatures.
    pub fn scalar_function(&self, function: impl ScalarFunction) -> Result<()> {
        // SAFETY: the connection lives as long as `self`.
        unsafe { scalar_function::register(self.connection, Arc::new(function)) }
    }

    /// Makes a COPY format known.
    pub fn copy_function(&self, function: impl CopyFunction) -> Result<()> {
        // SAFETY: the connection lives as long as `self`.
        unsafe { copy_function::register(self.connection, Arc::new(function)) }
    }

    /// Lets `FROM 'name'` mean a table function.
    pub fn replacement_scan(&self, scan: impl ReplacementScan) {
        // SAFETY: the database is live as long as `self`.
        unsafe { replacement_scan::register(self.database, Arc::new(scan)) }
    }
}

impl Drop for Loader {
    fn drop(&mut self) {
        // SAFETY: ours, and closed once. Nothing keeps the database from here on.
        unsafe { sys::duckdb_disconnect(&mut self.connection) };
    }
}

/// What DuckDB calls on `LOAD amplify`.
///
/// # Safety
/// Called by DuckDB with a live `info` and `access`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amplify_init_c_api(
    info: sys::duckdb_extension_info,
    access: *const sys::duckdb_extension_access,
) -> bool {
    // SAFETY: DuckDB's promise, handed on.
    match guard::catch(|| unsafe { load(info, access) }) {
        Ok(loaded) => loaded,
        Err(error) => {
            let message = text::c_string(&error.to_string());
            // SAFETY: `access` is live; DuckDB copies the text.
            unsafe {
                if let Some(set_error) = (*access).set_error {
                    set_error(info, message.as_ptr());
                }
            }
            false
        }
    }
}

/// # Safety
/// As [`amplify_init_c_api`].
unsafe fn load(info: sys::duckdb_extension_info, access: *const sys::duckdb_extension_access) -> Result<bool> {
    // SAFETY: live by contract; fills the table of functions that every other call in `ffi` goes through.
    if !unsafe { sys::duckdb_rs_extension_api_init(info, access, C_API_VERSION) }.map_err(Error::internal)? {
        // DuckDB has said already that it has no such API.
        return Ok(false);
    }
    // SAFETY: as above; the database behind the pointer lives at least until we return.
    let database = unsafe {
        let get_database = (*access).get_database.ok_or_else(|| Error::internal("DuckDB gave no get_database"))?;
        let pointer = get_database(info);
        if pointer.is_null() {
            return Ok(false);
        }
        *pointer
    };
    // SAFETY: the loader is dropped before we return.
    let loader = unsafe { Loader::connect(database) }?;
    crate::sql::register(&loader)?;
    Ok(true)
}
