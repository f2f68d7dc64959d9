//! DuckDB's types and values <-> the store's.

mod column_list;
mod constant;
mod types;

pub use self::column_list::parse_column_list;
pub use self::constant::constant;
pub use self::types::{field, logical_type};
