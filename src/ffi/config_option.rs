//! Settings: `SET amplify_root = '…'`.

use libduckdb_sys as sys;

use super::logical_type::{LogicalType, TypeId};
use super::text;
use super::value::Value;
use crate::error::{Error, Result};

/// A setting's type and default.
#[derive(Debug, Clone, Copy)]
pub enum OptionType {
    /// VARCHAR, `''` until it is set: DuckDB does not know a setting whose default is NULL before it is set.
    Varchar,
    /// VARCHAR with its default.
    Text(&'static str),
    /// BOOLEAN with its default.
    Boolean(bool),
    /// BIGINT with its default.
    BigInt(i64),
}

/// A setting to be registered.
#[derive(Debug, Clone, Copy)]
pub struct ConfigOption {
    /// As in `SET <name> = …`.
    pub name: &'static str,
    /// Its type and default.
    pub kind: OptionType,
    /// One line for `duckdb_settings()`.
    pub description: &'static str,
}

impl ConfigOption {
    /// # Safety
    /// `connection` is live.
    pub(super) unsafe fn register(&self, connection: sys::duckdb_connection) -> Result<()> {
        let (kind, default) = match self.kind {
            OptionType::Varchar => (LogicalType::new(TypeId::Varchar), Value::varchar("")),
            OptionType::Text(default) => (LogicalType::new(TypeId::Varchar), Value::varchar(default)),
            OptionType::Boolean(default) => (LogicalType::new(TypeId::Boolean), Value::boolean(default)),
            OptionType::BigInt(default) => (LogicalType::new(TypeId::BigInt), Value::bigint(default)),
        };
        let (name, description) = (text::c_string(self.name), text::c_string(self.description));
        // SAFETY: every handle and text lives through the calls, DuckDB copies them; the option is destroyed last.
        let state = unsafe {
            let mut option = sys::duckdb_create_config_option();
            sys::duckdb_config_option_set_name(option, name.as_ptr());
            sys::duckdb_config_option_set_type(option, kind.raw());
            sys::duckdb_config_option_set_default_value(option, default.raw());
            sys::duckdb_config_option_set_default_scope(
                option,
                sys::duckdb_config_option_scope_DUCKDB_CONFIG_OPTION_SCOPE_SESSION,
            );
            sys::duckdb_config_option_set_description(option, description.as_ptr());
            let state = sys::duckdb_register_config_option(connection, option);
            sys::duckdb_destroy_config_option(&mut option);
            state
        };
        if state == sys::DuckDBSuccess {
            return Ok(());
        }
        Err(Error::internal(format!("Could not register the setting \"{}\"", self.name)))
    }
}
