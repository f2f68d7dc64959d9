//! One file a function.

pub mod count;
pub mod create_table;
pub mod distinct;
pub mod files;
pub mod history;
pub mod io_stats;
pub mod join;
pub mod partitions;
pub mod read;
pub mod restore;
pub mod schema;
pub mod tables;
pub mod vacuum;
pub mod write;
