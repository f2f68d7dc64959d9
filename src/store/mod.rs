//! What a table is: registered columns, partition keys, filters, files, and how rows get in and out of them.
//!
//! Nothing here knows DuckDB: rows are Arrow arrays, names are text, and every effect goes through
//! [`crate::storage::Storage`].

pub mod cast;
pub mod environment;
pub mod filter;
pub mod journal;
pub mod partition;
pub mod plan;
pub mod records;
pub mod registry;
pub mod scalar;
pub mod scan;
pub mod table;
pub mod table_options;
pub mod types;
pub mod write;
