//! What went over the network since the process began: requests by kind, and bytes.
//!
//! Every attempt counts, those that are tried again and those for credentials too.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestKind {
    /// One page of names.
    List,
    /// An object or a part of it.
    Get,
    /// What is known of an object.
    Head,
    /// A whole object or a part of it.
    Put,
    /// A copy that the store makes by itself.
    Copy,
    /// One object, or many; or a multipart upload that is given up.
    Delete,
    /// The beginning and the end of a multipart upload.
    Post,
}

/// Counts since the process began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct IoStats {
    pub list_requests: u64,
    pub get_requests: u64,
    pub head_requests: u64,
    pub put_requests: u64,
    pub copy_requests: u64,
    pub delete_requests: u64,
    pub post_requests: u64,
    pub received_size_bytes: u64,
    pub sent_size_bytes: u64,
}

static REQUESTS: [AtomicU64; 7] = [const { AtomicU64::new(0) }; 7];
static RECEIVED_BYTES: AtomicU64 = AtomicU64::new(0);
static SENT_BYTES: AtomicU64 = AtomicU64::new(0);

/// The counts as of now.
pub fn io_stats() -> IoStats {
    let requests = |kind: RequestKind| REQUESTS[kind as usize].load(Relaxed);
    IoStats {
        list_requests: requests(RequestKind::List),
        get_requests: requests(RequestKind::Get),
        head_requests: requests(RequestKind::Head),
        put_requests: requests(RequestKind::Put),
        copy_requests: requests(RequestKind::Copy),
        delete_requests: requests(RequestKind::Delete),
        post_requests: requests(RequestKind::Post),
        received_size_bytes: RECEIVED_BYTES.load(Relaxed),
        sent_size_bytes: SENT_BYTES.load(Relaxed),
    }
}

/// A request goes out, with a body of so many bytes.
pub(super) fn count_request(kind: RequestKind, sent_bytes: u64) {
    REQUESTS[kind as usize].fetch_add(1, Relaxed);
    SENT_BYTES.fetch_add(sent_bytes, Relaxed);
}

/// Part of an answer's body came in.
pub(super) fn count_received(bytes: u64) {
    RECEIVED_BYTES.fetch_add(bytes, Relaxed);
}
