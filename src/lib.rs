//! amplify
pub mod error;
pub mod storage;
pub mod store;
