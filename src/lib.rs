//! **amplify** serves stores of ocean image records, Hive-partitioned Parquet under one registry, from any DuckDB
//! session.
//!
//! Data and control flow one way, from SQL to bytes (docs/ARCHITECTURE.md tells it end to end):
//!
//! - [`ffi`] is the border to DuckDB's C extension API, and the only `unsafe`; `LOAD amplify` enters there;
//! - [`sql`] is the SQL surface: settings, functions, the COPY format;
//! - [`convert`] maps DuckDB's types and values to the store's;
//! - [`store`] is what a table is: registry, partitions, filters, plans, reads and writes. It knows no DuckDB;
//! - [`storage`] is bytes under one root. It knows no table;
//! - [`system`] is the machine, the process and the clock, as the store takes them;
//! - [`error`] is what can go wrong, in words a user can act on.

pub mod convert;
pub mod error;
pub mod ffi;
pub mod sql;
pub mod storage;
pub mod store;
pub mod system;
