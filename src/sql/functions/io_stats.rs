//! `amplify_io_stats()`: what went over the network since LOAD, and what the cache of footers spared.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::record_batch::RecordBatch;

use crate::error::Result;
use crate::ffi::{BindInput, Bound, Parameter, TableFunction};
use crate::sql::rows;
use crate::storage;
use crate::store::scan::footer_cache_stats;

/// The function.
#[derive(Debug)]
pub struct IoStats;

impl TableFunction for IoStats {
    fn name(&self) -> &'static str {
        "amplify_io_stats"
    }

    fn parameters(&self) -> Vec<Parameter> {
        Vec::new()
    }

    fn bind(&self, _: &BindInput) -> Result<Bound> {
        let fields: Vec<Field> = counts().iter().map(|(name, _)| Field::new(*name, DataType::Int64, true)).collect();
        let schema = Arc::new(Schema::new(fields));
        rows::bound(&schema.clone(), (1, true), move || {
            let column = |(_, count): (&str, u64)| -> ArrayRef { Arc::new(Int64Array::from(vec![count as i64])) };
            Ok(RecordBatch::try_new(schema.clone(), counts().into_iter().map(column).collect())?)
        })
    }
}

/// The columns and their values as of now.
fn counts() -> Vec<(&'static str, u64)> {
    let (stats, footers) = (storage::io_stats(), footer_cache_stats());
    vec![
        ("list_requests", stats.list_requests),
        ("get_requests", stats.get_requests),
        ("head_requests", stats.head_requests),
        ("put_requests", stats.put_requests),
        ("copy_requests", stats.copy_requests),
        ("delete_requests", stats.delete_requests),
        ("post_requests", stats.post_requests),
        ("received_size_bytes", stats.received_size_bytes),
        ("sent_size_bytes", stats.sent_size_bytes),
        ("footer_cache_hits", footers.hits),
        ("footer_cache_misses", footers.misses),
        ("footer_cache_size_bytes", footers.bytes),
    ]
}
