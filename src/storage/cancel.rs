//! Giving up what nobody waits for any more.

use std::sync::Arc;

use tokio::sync::watch;

/// A switch that is thrown once; clones are the same switch. Who throws it does not wait.
#[derive(Debug, Clone)]
pub struct Cancel(Arc<watch::Sender<bool>>);

impl Cancel {
    /// One that is not thrown yet.
    pub fn new() -> Self {
        Self(Arc::new(watch::Sender::new(false)))
    }

    /// Throws it. What waits for answers under it stops waiting at once, and its requests are dropped.
    pub fn cancel(&self) {
        self.0.send_replace(true);
    }

    /// Whether it is thrown.
    pub fn is_cancelled(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until it is thrown.
    pub async fn cancelled(&self) {
        // The sender lives in `self`, so waiting does not fail.
        let _ = self.0.subscribe().wait_for(|thrown| *thrown).await;
    }
}

impl Default for Cancel {
    fn default() -> Self {
        Self::new()
    }
}
