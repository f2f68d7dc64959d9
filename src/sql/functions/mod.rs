//! One file a function.

pub mod count;
pub mod create_table;
pub mod distinct;
pub mod files;
pub mod join;
pub mod partitions;
pub mod read;
pub mod schema;
pub mod tables;
pub mod write;
