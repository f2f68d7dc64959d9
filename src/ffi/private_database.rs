//! A private in-memory DuckDB, for what needs a connection: Arrow conversion, DuckDB's own type parser, joins.
//!
//! The user's database is never used for it: a retained connection keeps its file locked.

use std::ptr;

use libduckdb_sys as sys;

use super::entry::Loader;
use super::logical_type::LogicalType;
use super::text;
use crate::error::{Error, Result};

/// Errors of the system for too many open files, in this process and in all; the same number on Linux and macOS.
const EMFILE: i32 = 24;
const ENFILE: i32 = 23;

/// The version of the DuckDB that loaded us: `v1.5.6`.
pub fn library_version() -> String {
    // SAFETY: static text of the library.
    unsafe { text::borrowed(sys::duckdb_library_version()) }
}

/// An in-memory database and one connection to it.
#[derive(Debug)]
pub struct PrivateDatabase {
    database: sys::duckdb_database,
    connection: sys::duckdb_connection,
}

// SAFETY: DuckDB's connections lock their context around each call that we make from several threads (Arrow
// conversion); queries run behind `&mut self`.
unsafe impl Send for PrivateDatabase {}
// SAFETY: as above.
unsafe impl Sync for PrivateDatabase {}

impl PrivateDatabase {
    /// Opens one with these settings (`("threads", "1")`), each as in `SET`.
    pub fn open(settings: &[(&str, &str)]) -> Result<Self> {
        // Without a free file descriptor DuckDB ends the process when it opens a database: ask the system first.
        let probe = std::env::current_exe().and_then(std::fs::File::open);
        if let Err(error) = probe
            && error.raw_os_error().is_some_and(|code| code == EMFILE || code == ENFILE)
        {
            return Err(Error::internal("This process has too many files open").with_source(error));
        }
        let mut database = ptr::null_mut();
        let mut connection = ptr::null_mut();
        // SAFETY: handles go from one call to the next as duckdb.h says; the config is destroyed here, database and
        // connection on drop; the error text is given away.
        unsafe {
            let mut config = ptr::null_mut();
            if sys::duckdb_create_config(&mut config) != sys::DuckDBSuccess {
                return Err(Error::internal("Could not make a configuration for the private database"));
            }
            for (name, value) in settings {
                let (name, value) = (text::c_string(name), text::c_string(value));
                if sys::duckdb_set_config(config, name.as_ptr(), value.as_ptr()) != sys::DuckDBSuccess {
                    sys::duckdb_destroy_config(&mut config);
                    return Err(Error::internal(format!("The private database refuses {name:?} = {value:?}")));
                }
            }
            let mut message = ptr::null_mut();
            let opened = sys::duckdb_open_ext(ptr::null(), &mut database, config, &mut message);
            sys::duckdb_destroy_config(&mut config);
            if opened != sys::DuckDBSuccess {
                return Err(Error::internal(format!("Could not open the private database: {}", text::owned(message))));
            }
            if sys::duckdb_connect(database, &mut connection) != sys::DuckDBSuccess {
                sys::duckdb_close(&mut database);
                return Err(Error::internal("Could not connect to the private database"));
            }
        }
        Ok(Self { database, connection })
    }

    pub(super) fn connection(&self) -> sys::duckdb_connection {
        self.connection
    }

    /// Registers functions in this database.
    pub fn loader(&self) -> Result<Loader> {
        // SAFETY: the database is live; a loader is used up before its database is dropped by every caller.
        unsafe { Loader::connect(self.database) }
    }

    /// Runs exactly one SQL statement and streams its rows.
    ///
    /// # Errors
    /// DuckDB's own message, and an error where `sql` is not one statement.
    pub fn query(&mut self, sql: &str) -> Result<QueryResult> {
        if sql.contains('\0') {
            return Err(Error::invalid("A NUL character cannot be in SQL!"));
        }
        let sql = text::c_string(sql);
        // SAFETY: handles go from one call to the next as duckdb.h says, and each is destroyed once; texts are copied
        // before what owns them is destroyed.
        unsafe {
            let mut extracted = ptr::null_mut();
            let count = sys::duckdb_extract_statements(self.connection, sql.as_ptr(), &mut extracted);
            if count != 1 {
                let message = match count {
                    0 => text::borrowed(sys::duckdb_extract_statements_error(extracted)),
                    _ => format!("one statement expected, {count} found"),
                };
                sys::duckdb_destroy_extracted(&mut extracted);
                return Err(Error::invalid(message));
            }
            let mut statement = ptr::null_mut();
            let prepared = sys::duckdb_prepare_extracted_statement(self.connection, extracted, 0, &mut statement);
            sys::duckdb_destroy_extracted(&mut extracted);
            if prepared != sys::DuckDBSuccess {
                let message = text::borrowed(sys::duckdb_prepare_error(statement));
                sys::duckdb_destroy_prepare(&mut statement);
                return Err(Error::invalid(message));
            }
            let mut result = std::mem::zeroed::<sys::duckdb_result>();
            let executed = sys::duckdb_execute_prepared_streaming(statement, &mut result);
            sys::duckdb_destroy_prepare(&mut statement);
            let mut result = QueryResult { result };
            if executed != sys::DuckDBSuccess {
                return Err(Error::invalid(result.error()));
            }
            Ok(result)
        }
    }
}

impl Drop for PrivateDatabase {
    fn drop(&mut self) {
        // SAFETY: ours, closed once, the connection first.
        unsafe {
            sys::duckdb_disconnect(&mut self.connection);
            sys::duckdb_close(&mut self.database);
        }
    }
}

/// Rows of a query, chunk by chunk. It must be dropped before its database.
#[derive(Debug)]
pub struct QueryResult {
    result: sys::duckdb_result,
}

// SAFETY: a result is owned, and used behind `&mut self` only.
unsafe impl Send for QueryResult {}

impl QueryResult {
    fn error(&mut self) -> String {
        // SAFETY: a live result; the text is copied.
        unsafe { text::borrowed(sys::duckdb_result_error(&mut self.result)) }
    }

    /// Names and types of the columns.
    pub fn columns(&mut self) -> Vec<(String, LogicalType)> {
        // SAFETY: a live result; names are copied, types are given away.
        unsafe {
            (0..sys::duckdb_column_count(&mut self.result))
                .map(|column| {
                    let name = text::borrowed(sys::duckdb_column_name(&mut self.result, column));
                    let kind = sys::duckdb_column_logical_type(&mut self.result, column);
                    (name, LogicalType::from_raw(kind))
                })
                .collect()
        }
    }

    /// The next rows, at least one of them; `None` at the end.
    pub fn next_chunk(&mut self) -> Result<Option<DataChunk>> {
        loop {
            // SAFETY: a live result; the chunk is given away.
            let handle = unsafe { sys::duckdb_fetch_chunk(self.result) };
            if handle.is_null() {
                let message = self.error();
                return if message.is_empty() { Ok(None) } else { Err(Error::invalid(message)) };
            }
            let chunk = DataChunk(handle);
            if chunk.rows() > 0 {
                return Ok(Some(chunk));
            }
        }
    }
}

impl Drop for QueryResult {
    fn drop(&mut self) {
        // SAFETY: ours, and destroyed once.
        unsafe { sys::duckdb_destroy_result(&mut self.result) };
    }
}

/// Up to 2,048 rows that we own.
#[derive(Debug)]
pub struct DataChunk(sys::duckdb_data_chunk);

// SAFETY: an owned chunk; nothing of it is bound to a thread.
unsafe impl Send for DataChunk {}

impl DataChunk {
    /// # Safety
    /// `handle` is a live chunk that nobody else destroys.
    pub(super) unsafe fn from_raw(handle: sys::duckdb_data_chunk) -> Self {
        Self(handle)
    }

    pub(super) fn raw(&self) -> sys::duckdb_data_chunk {
        self.0
    }

    /// How many rows it holds.
    pub fn rows(&self) -> usize {
        // SAFETY: a live chunk.
        unsafe { sys::duckdb_data_chunk_get_size(self.0) as usize }
    }
}

impl Drop for DataChunk {
    fn drop(&mut self) {
        // SAFETY: ours, and destroyed once.
        unsafe { sys::duckdb_destroy_data_chunk(&mut self.0) };
    }
}
