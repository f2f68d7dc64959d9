//! How far fetching runs ahead of decoding, over a network.
//!
//! It starts small and doubles with every batch that is asked for, and with every file or row group that turns out to
//! hold nothing: a query that needs ten rows fetches little, one that goes on soon has the line to itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Threads that wait for answers, at most; each may wait for several ranges of a file.
pub(super) const MAX_FETCHERS: usize = 32;

/// Slots that are opened and fetched ahead, at first and at most.
const FIRST_SLOTS: usize = 2;
pub(super) const MAX_SLOTS: usize = 4 * MAX_FETCHERS;

/// While fewer bytes than this are fetched and not yet decoded, more are asked for: at first and at most. The last
/// request goes beyond by the size of one row group, and what a consumer waits for is always asked for.
const FIRST_BYTES: u64 = 1 << 20;
pub(super) const MAX_BYTES: u64 = 96 << 20;

/// What is fetched, or being fetched, and not yet decoded.
#[derive(Debug, Default)]
pub(super) struct Ahead {
    bytes: Arc<AtomicU64>,
    doublings: u32,
}

/// Some bytes that count as fetched until this is dropped.
#[derive(Debug)]
pub(super) struct Charge {
    total: Arc<AtomicU64>,
    bytes: u64,
}

impl Ahead {
    /// Counts `bytes` that are about to be asked for.
    pub(super) fn charge(&self, bytes: u64) -> Charge {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        Charge { total: self.bytes.clone(), bytes }
    }

    /// Lets fetching run further ahead.
    pub(super) fn widen(&mut self) {
        self.doublings = (self.doublings + 1).min(MAX_BYTES.ilog2());
    }

    /// How many slots may be opened and fetched.
    pub(super) fn slots(&self) -> usize {
        FIRST_SLOTS.saturating_mul(1 << self.doublings).min(MAX_SLOTS)
    }

    /// Whether more may be asked for than what is waited for.
    pub(super) fn has_room(&self) -> bool {
        self.has_room_for(1)
    }

    /// Whether `bytes` more keep to the bound.
    pub(super) fn has_room_for(&self, bytes: u64) -> bool {
        let bound = FIRST_BYTES.saturating_mul(1 << self.doublings).min(MAX_BYTES);
        self.bytes.load(Ordering::Relaxed).saturating_add(bytes) <= bound
    }
}

impl Charge {
    /// Says how many bytes there really are.
    pub(super) fn set(&mut self, bytes: u64) {
        // Together the counts stay right; they wrap around for a moment at most.
        self.total.fetch_add(bytes.wrapping_sub(self.bytes), Ordering::Relaxed);
        self.bytes = bytes;
    }

    /// How many bytes are counted.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.total.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starts_small_and_doubles_up_to_its_bounds() {
        let mut ahead = Ahead::default();
        let mut charge = ahead.charge(FIRST_BYTES);
        assert!(!ahead.has_room());
        ahead.widen();
        assert!(ahead.has_room());
        charge.set(2 * FIRST_BYTES);
        assert!(!ahead.has_room());
        charge.set(1);
        assert!(ahead.has_room());
        drop(charge);
        (0..1000).for_each(|_| ahead.widen());
        assert_eq!(ahead.slots(), MAX_SLOTS);
        let _most = ahead.charge(MAX_BYTES);
        assert!(!ahead.has_room());
    }
}
