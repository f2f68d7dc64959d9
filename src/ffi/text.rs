//! C strings both ways.

use std::ffi::{CStr, CString, c_char, c_void};

use libduckdb_sys as sys;

use crate::error::{Error, Result};

/// Text for DuckDB. NUL cannot be in a C string and becomes U+FFFD: used for names and messages, never for data.
pub fn c_string(text: &str) -> CString {
    CString::new(text.replace('\0', "\u{fffd}")).unwrap_or_default()
}

/// Text that DuckDB keeps.
///
/// # Safety
/// `pointer` is NULL or a NUL-terminated string that lives through the call.
pub unsafe fn borrowed(pointer: *const c_char) -> String {
    if pointer.is_null() {
        return String::new();
    }
    // SAFETY: not NULL, and NUL-terminated by this function's contract.
    unsafe { CStr::from_ptr(pointer) }.to_string_lossy().into_owned()
}

/// Text that DuckDB gives away; it is freed here.
///
/// # Safety
/// `pointer` is NULL or a NUL-terminated string allocated by DuckDB that nobody else frees.
pub unsafe fn owned(pointer: *mut c_char) -> String {
    // SAFETY: this function's contract is the stricter one.
    let text = unsafe { borrowed(pointer) };
    // SAFETY: allocated by DuckDB and ours to free; freeing NULL does nothing.
    unsafe { sys::duckdb_free(pointer.cast::<c_void>()) };
    text
}

/// DuckDB's message itself, where it comes wrapped in JSON.
fn plain(message: &str) -> String {
    let wrapped: Option<serde_json::Value> = serde_json::from_str(message).ok();
    let inner = wrapped.as_ref().and_then(|error| error.get("exception_message")?.as_str());
    inner.unwrap_or(message).to_owned()
}

/// Ends with DuckDB's error, if `data` holds one; destroys it either way.
///
/// # Safety
/// `data` is NULL or an error handle that nobody else destroys.
pub unsafe fn check(mut data: sys::duckdb_error_data, what: &str) -> Result<()> {
    if data.is_null() {
        return Ok(());
    }
    // SAFETY: a live error handle, destroyed last.
    unsafe {
        let failed = sys::duckdb_error_data_has_error(data);
        let message = if failed { borrowed(sys::duckdb_error_data_message(data)) } else { String::new() };
        sys::duckdb_destroy_error_data(&mut data);
        if failed { Err(Error::internal(format!("{what}: {}", plain(&message)))) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn messages_are_taken_out_of_their_json() {
        assert_eq!(plain(r#"{"exception_type":"Invalid","exception_message":"a key twice"}"#), "a key twice");
        assert_eq!(plain("as it is"), "as it is");
    }
}
