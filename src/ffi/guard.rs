//! Where panics stop: one that crossed an `extern "C"` callback would abort the user's process.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::error::{Error, Result};

/// Runs `body`; a panic in it becomes an internal error.
///
/// `AssertUnwindSafe` is right because the query fails with that error and everything `body` touched is dropped with it.
pub fn catch<T>(body: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|panic| Err(panicked(&*panic)))
}

/// Runs a destructor; a panic in it is dropped, for there is nobody to tell.
pub fn catch_drop(body: impl FnOnce()) {
    // The answer is of no use: DuckDB's delete callbacks have no way to fail.
    let _ = catch_unwind(AssertUnwindSafe(body));
}

fn panicked(panic: &(dyn Any + Send)) -> Error {
    let text = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("unknown cause");
    Error::internal(format!("amplify failed unexpectedly: {text}"))
        .with_hint("This is a bug in amplify; nothing of this call was committed unless said otherwise.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_an_error() {
        let error = catch::<()>(|| panic!("boom {}", 1)).unwrap_err();
        assert!(error.to_string().contains("boom 1"), "{error}");
        assert_eq!(catch(|| Ok(7)).unwrap(), 7);
    }
}
