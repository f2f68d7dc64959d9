//! The local file system.

/// A root on the local file system.
#[derive(Debug)]
pub struct Local;
