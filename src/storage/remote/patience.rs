//! Whether a store that has gone silent is still waited for.
//!
//! One request that finds no answer takes as long as [`super::http`] lets it. Work of many requests, and work that
//! nobody needs any more, must not take as long for each: once one of them was waited for in vain, those that have not
//! begun are not made. Clones share what they know, so that the parts of one work give up together.
//!
//! | whose | how long for one request | for |
//! |---|---|---|
//! | a call's ([`Patience::for_a_call`]) | as long as it takes | objects copied, moved and deleted by the thousand |
//! | a hurried handle's ([`crate::storage::Storage::hurried`]) | [`LIMIT`] | clearing up after a failure |
//! | a handle's, for what it gives up | [`LIMIT`] | files that were begun, and are not wanted any more |

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// For what nobody needs: it holds up the end of a query or of the process.
const LIMIT: Duration = Duration::from_secs(5);

/// See the module's page.
#[derive(Debug, Clone)]
pub struct Patience {
    limit: Option<Duration>,
    over: Arc<AtomicBool>,
}

/// The store is not waited for any longer.
#[derive(Debug, PartialEq, Eq)]
pub struct GivenUp;

impl Patience {
    /// As much as each request has by itself.
    pub fn ample() -> Self {
        Self { limit: None, over: Arc::default() }
    }

    /// [`LIMIT`] for each request, with all its tries.
    pub fn short() -> Self {
        Self { limit: Some(LIMIT), ..Self::ample() }
    }

    /// What one call has: who is in a hurry has no more of it for the next call, all others begin anew.
    pub fn for_a_call(&self) -> Self {
        if self.limit.is_some() { self.clone() } else { Self::ample() }
    }

    /// Whether something was waited for in vain.
    pub fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// Ends it: a request that had no limit here went without an answer.
    pub fn end(&self) {
        self.over.store(true, Ordering::Relaxed);
    }

    /// What `request` comes to. It is dropped, and may have been done or not, where it takes too long; where another
    /// was waited for in vain before, it is not begun.
    pub async fn wait_for<T>(&self, request: impl Future<Output = T>) -> Result<T, GivenUp> {
        if self.is_over() {
            return Err(GivenUp);
        }
        let Some(limit) = self.limit else { return Ok(request.await) };
        tokio::time::timeout(limit, request).await.map_err(|_| {
            self.end();
            GivenUp
        })
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};
    use std::time::Instant;

    use super::super::runtime::wait;
    use super::*;

    const SCALED_LIMIT: Duration = Duration::from_millis(200);

    fn scaled() -> Patience {
        Patience { limit: Some(SCALED_LIMIT), ..Patience::ample() }
    }

    fn outcome<T>(patience: &Patience, request: impl Future<Output = T>) -> Result<T, GivenUp> {
        wait(async { Ok(patience.wait_for(request).await) }).unwrap()
    }

    #[test]
    fn one_request_without_an_answer_ends_it_for_all_clones() {
        let patience = scaled();
        let clone = patience.clone();
        let began = Instant::now();
        assert_eq!(outcome(&patience, ready(1)), Ok(1));
        assert!(!clone.is_over());
        assert_eq!(outcome(&patience, pending::<()>()), Err(GivenUp));
        assert!(began.elapsed() >= SCALED_LIMIT);
        assert!(clone.is_over());
        // Not even begun: each would be a wait of its own.
        let began = Instant::now();
        let mut begun = false;
        assert_eq!((0..100).find_map(|_| outcome(&clone, async { begun = true }).ok()), None);
        assert!(!begun);
        assert!(began.elapsed() < SCALED_LIMIT);
    }

    #[test]
    fn what_waits_at_the_same_time_gives_up_together() {
        let patience = scaled();
        let began = Instant::now();
        let all = futures_util::future::join_all((0..50).map(|_| patience.wait_for(pending::<()>())));
        assert!(wait(async { Ok(all.await) }).unwrap().into_iter().all(|outcome| outcome == Err(GivenUp)));
        assert!(began.elapsed() < 3 * SCALED_LIMIT);
    }

    #[test]
    fn only_who_is_in_a_hurry_has_none_left_for_the_next_call() {
        for (patience, left) in [(Patience::ample(), true), (Patience::short(), false)] {
            let call = patience.for_a_call();
            call.end();
            assert_eq!(outcome(&call, ready(1)), Err(GivenUp));
            assert_eq!(outcome(&patience.for_a_call(), ready(1)).is_ok(), left);
        }
    }

    #[test]
    fn the_ample_one_has_no_limit_of_its_own() {
        let slow = async { tokio::time::sleep(2 * SCALED_LIMIT).await };
        assert_eq!(outcome(&Patience::ample(), slow), Ok(()));
    }
}
