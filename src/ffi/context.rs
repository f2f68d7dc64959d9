//! The session that a query runs in: where its settings are read.

use libduckdb_sys as sys;

use super::text;
use super::value::Value;

/// The client context of the running bind or init; it does not outlive that callback.
#[derive(Debug)]
pub struct ClientContext(sys::duckdb_client_context);

impl ClientContext {
    /// # Safety
    /// `handle` is a live context that nobody else destroys.
    pub(super) unsafe fn from_raw(handle: sys::duckdb_client_context) -> Self {
        Self(handle)
    }

    /// A setting's value in this session; `None` where it is NULL or there is no such setting.
    pub fn setting(&self, name: &str) -> Option<Value> {
        let name = text::c_string(name);
        let mut scope: sys::duckdb_config_option_scope = 0;
        // SAFETY: a live context and text; the value is given away.
        let value =
            unsafe { Value::from_raw(sys::duckdb_client_context_get_config_option(self.0, name.as_ptr(), &mut scope)) };
        value.filter(|value| !value.is_null())
    }
}

impl Drop for ClientContext {
    fn drop(&mut self) {
        // SAFETY: ours, and destroyed once.
        unsafe { sys::duckdb_destroy_client_context(&mut self.0) };
    }
}
