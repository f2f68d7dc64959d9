//! The SQL surface: everything a session sees after `LOAD amplify`.
//!
//! Each function reads its arguments ([`arguments`], [`options`]), calls the store, and gives Arrow back. No rule of the
//! registry lives here: the store enforces them whoever calls.

pub mod arguments;
pub mod copy;
pub mod engine;
pub mod functions;
pub mod membership;
pub mod options;
#[cfg(feature = "panic-probe")]
mod probe;
pub mod procedure;
pub mod replacement;
pub mod rows;
pub mod session;

use crate::error::Result;
use crate::ffi::Loader;

/// Registers all of it in the database that loads us.
pub fn register(loader: &Loader) -> Result<()> {
    for setting in &session::SETTINGS {
        loader.config_option(setting)?;
    }
    loader.scalar_function(functions::create_table::CreateTable)?;
    loader.scalar_function(functions::write::Write)?;
    loader.copy_function(copy::Copy)?;
    loader.table_function(functions::read::Read)?;
    loader.table_function(functions::count::Count)?;
    loader.table_function(functions::partitions::Partitions)?;
    loader.table_function(functions::distinct::Distinct)?;
    loader.table_function(functions::join::Join)?;
    loader.table_function(functions::tables::Tables)?;
    loader.table_function(functions::schema::Schema)?;
    loader.table_function(functions::files::Files)?;
    loader.table_function(functions::history::History)?;
    loader.table_function(functions::vacuum::Vacuum)?;
    loader.table_function(functions::io_stats::IoStats)?;
    loader.scalar_function(functions::restore::Restore)?;
    loader.replacement_scan(replacement::AmplifyUrl);
    #[cfg(feature = "panic-probe")]
    probe::register(loader)?;
    Ok(())
}
