//! The border to DuckDB: the only place with `unsafe`.
//!
//! One file a handle of the stable C extension API, each a safe wrapper that owns what DuckDB says the caller owns.
//! What DuckDB calls are `extern "C"` shims of a few lines that catch panics ([`guard`]) and turn a [`Result`] into
//! DuckDB's error. Above this module functions are traits over Arrow batches: [`TableFunction`], [`ScalarFunction`],
//! [`CopyFunction`].
//!
//! Two rules hold throughout: no handle of the user's database and no connection to it outlives `LOAD` (it would keep
//! the file locked after `con.close()`), and what needs a connection uses a private in-memory database
//! ([`PrivateDatabase`]).

#![allow(unsafe_code)]

mod arrow_bridge;
mod config_option;
mod context;
mod copy_function;
mod entry;
mod flat_vector;
mod guard;
mod handover;
mod logical_type;
mod private_database;
mod replacement_scan;
mod scalar_function;
mod table_function;
mod text;
mod value;

pub use self::arrow_bridge::ChunkFormat;
pub use self::config_option::{ConfigOption, OptionType};
pub use self::context::ClientContext;
pub use self::copy_function::{CopyBindInput, CopyFunction, CopySink, CopyTarget};
pub use self::entry::Loader;
pub use self::logical_type::{LogicalType, TypeId};
pub use self::private_database::{DataChunk, PrivateDatabase, QueryResult, library_version};
pub use self::replacement_scan::ReplacementScan;
pub use self::scalar_function::{ScalarCall, ScalarFunction, ScalarOutput, Signature};
pub use self::table_function::{
    BatchReader, BindInput, Bound, BoundFunction, OutputBatch, OutputColumn, Parameter, TableFunction, TableScan,
};
pub use self::value::Value;
