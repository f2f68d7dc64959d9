//! Writes that depend on what is there: put-if-absent, compare-and-swap, and the probe whether a store knows them.
//!
//! A store tells its conditions by two headers: `If-None-Match: *` (only if nothing is there) and `If-Match: <etag>`
//! (only if that is there). Some take them and ignore them, so before the first write to a root the process tries both
//! on an object of its own ([`Remote::require_conditional_writes`]).
//!
//! A conditional put whose answer was lost may have been done. It is not known then whether a later "it is there" or
//! "it has changed" means another writer or this one. [`put_if_absent`] leaves it to its caller, who knows by the bytes
//! whose they are; [`update`] looks: bytes that are there are its own where they are the same.
//!
//! A root opened for a single writer does without conditions: it looks, then puts.

use std::time::{Duration, Instant};

use bytes::Bytes;
use object_store::path::Path;
use object_store::{Error as StoreError, ObjectStoreExt, PutMode, PutOptions, PutPayload, UpdateVersion};

use super::Remote;
use super::failure::find;
use super::patience::Patience;
use super::refusal::Refusal;
use crate::error::{Error, ErrorKind, Result};
use crate::storage::{Change, PutOutcome};

/// Where the object is that is tried to write twice, without what makes its name one of a kind.
const PROBE: &str = "_registry/probe-";

/// How long a compare-and-swap goes on against writers that are faster.
const UPDATE_TIMEOUT: Duration = Duration::from_secs(60);

/// How often in a row a store may refuse to replace what has not changed.
const MAX_UNFOUNDED: u32 = 5;

/// See [`crate::storage::Storage::put_if_absent`].
pub fn put_if_absent(remote: &Remote, path: &str, bytes: &[u8]) -> Result<PutOutcome> {
    remote.require_conditional_writes()?;
    let key = remote.location.key(path)?;
    let payload = Bytes::copy_from_slice(bytes);
    let request = async {
        if remote.single_writer {
            match remote.bucket.store.head(&key).await {
                Ok(_) => return Ok(PutOutcome::AlreadyExists),
                Err(StoreError::NotFound { .. }) => {}
                Err(error) => return Err(remote.failure("look for", path, &error)),
            }
        }
        let mode = if remote.single_writer { PutMode::Overwrite } else { PutMode::Create };
        match put(remote, &key, payload, mode).await {
            Ok(()) => Ok(PutOutcome::Created),
            Err(StoreError::AlreadyExists { .. }) => Ok(PutOutcome::AlreadyExists),
            Err(error) => Err(remote.failure("create", path, &error)),
        }
    };
    remote.wait(remote.in_time(request))
}

/// See [`crate::storage::Storage::update`].
pub fn update(remote: &Remote, path: &str, change: &mut Change) -> Result<()> {
    let key = remote.location.key(path)?;
    let began = Instant::now();
    let mut before = remote.wait(remote.in_time(read(remote, path, &key)))?;
    // How often a put was refused in a row though nothing had changed.
    let mut unfounded = 0;
    for attempt in 0.. {
        let Some(after) = change(before.as_ref().map(|state| state.bytes.as_ref()))? else { return Ok(()) };
        remote.require_conditional_writes()?;
        let after = Bytes::from(after);
        // Perhaps the store takes its ETag back in another spelling only.
        let mode = mode(remote, path, before.as_ref(), unfounded % 2 == 1)?;
        let request = async { Ok(put(remote, &key, after.clone(), mode).await) };
        let error = match remote.wait(remote.in_time(request))? {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        let changed = matches!(error, StoreError::AlreadyExists { .. } | StoreError::Precondition { .. });
        // A store that did not take it may not answer this either: that is not waited for as long again.
        let looking = if changed { remote.clone() } else { remote.in_a_hurry() };
        let now = match looking.wait(looking.in_time(read(&looking, path, &key))) {
            Err(_) if !changed => return Err(remote.failure("replace", path, &error)),
            now => now?,
        };
        if now.as_ref().is_some_and(|state| state.bytes == after) {
            return Ok(()); // an answer of ours was lost, or another writer wanted the same
        }
        if !changed || began.elapsed() > UPDATE_TIMEOUT {
            return Err(remote.failure("replace", path, &error));
        }
        unfounded = if now == before { unfounded + 1 } else { 0 };
        if unfounded > MAX_UNFOUNDED {
            return Err(cannot_replace(remote, path, "the store takes its own ETag for another"));
        }
        before = now;
        if unfounded != 1 {
            remote.wait(async {
                tokio::time::sleep(pause(attempt)).await;
                Ok(())
            })?;
        }
    }
    Ok(())
}

fn cannot_replace(remote: &Remote, path: &str, why: &str) -> Error {
    let place = remote.location.display(path);
    Error::new(ErrorKind::Unsupported, format!("\"{place}\" cannot be replaced safely: {why}!"))
        .with_hint(SINGLE_WRITER_HINT)
}

/// What a file is, and by what name the store knows that.
#[derive(PartialEq, Eq)]
struct State {
    bytes: Bytes,
    etag: Option<String>,
}

async fn read(remote: &Remote, path: &str, key: &Path) -> Result<Option<State>> {
    let failed = |error: StoreError| remote.failure("read", path, &error);
    match remote.bucket.store.get(key).await {
        Err(StoreError::NotFound { .. }) => Ok(None),
        Err(error) => Err(failed(error)),
        Ok(answer) => {
            let etag = answer.meta.e_tag.clone();
            Ok(Some(State { bytes: answer.bytes().await.map_err(failed)?, etag }))
        }
    }
}

async fn put(remote: &Remote, key: &Path, bytes: Bytes, mode: PutMode) -> Result<(), StoreError> {
    let options = PutOptions { mode, ..PutOptions::default() };
    remote.bucket.store.put_opts(key, PutPayload::from_bytes(bytes), options).await.map(drop)
}

/// How to put what is to replace `before`.
fn mode(remote: &Remote, path: &str, before: Option<&State>, respell: bool) -> Result<PutMode> {
    if remote.single_writer {
        return Ok(PutMode::Overwrite);
    }
    let Some(before) = before else { return Ok(PutMode::Create) };
    let Some(etag) = &before.etag else {
        return Err(cannot_replace(remote, path, "the store gives it no ETag"));
    };
    let e_tag = Some(if respell { respelt(etag) } else { etag.clone() });
    Ok(PutMode::Update(UpdateVersion { e_tag, version: None }))
}

/// The same ETag with its quotes, or without them: stores differ in which they take back.
fn respelt(etag: &str) -> String {
    let bare = etag.trim_start_matches("W/").trim_matches('"');
    if etag.starts_with('"') { bare.to_owned() } else { format!("\"{bare}\"") }
}

/// Before the next try: longer from try to try, and not the same for all.
fn pause(attempt: u32) -> Duration {
    let longest_ms = (20u64 << attempt.min(6)).min(1000);
    let random = u64::from_le_bytes(uuid::Uuid::new_v4().into_bytes()[..8].try_into().unwrap_or_default());
    Duration::from_millis(longest_ms / 4 + random % longest_ms)
}

const SINGLE_WRITER_HINT: &str = "Where it is certain that nobody else writes to it, go on with {single_writer: true} \
    in the options of a procedure, SINGLE_WRITER true in COPY, or single_writer => true in amplify_vacuum.";

impl Remote {
    /// Refuses to write where two writers could both win.
    ///
    /// # Errors
    /// `Unsupported` where the store ignores conditions, or does not know them.
    pub fn require_conditional_writes(&self) -> Result<()> {
        if self.single_writer {
            return Ok(());
        }
        let known = || {
            let poisoned = |_| Error::internal("An earlier probe of the store panicked");
            self.bucket.conditional.lock().map_err(poisoned)
        };
        let remembered = known()?.get(&self.location.prefix).copied();
        // Not under the lock: of those who begin at the same time each tries for itself.
        let holds = match remembered {
            Some(holds) => holds,
            None => self.wait(self.probe())?,
        };
        known()?.insert(self.location.prefix.clone(), holds);
        if holds {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Unsupported,
            format!(
                "\"{}\" cannot be written to: the store at {} does not keep to conditional writes (If-None-Match, If-Match), so two writers could \
                 overwrite each other's commits!",
                self.location.display(""),
                self.bucket.place.endpoint
            ),
        )
        .with_hint(SINGLE_WRITER_HINT))
    }

    /// Whether conditional writes hold: an object is created, created again, and replaced as if it were another.
    async fn probe(&self) -> Result<bool> {
        let path = format!("{PROBE}{}", uuid::Uuid::new_v4().simple());
        let key = self.location.key(&path)?;
        let failed = |error: &StoreError| self.failure("create", &path, error);
        let bytes = || Bytes::from_static(b"amplify tries whether conditional writes hold here; this may be deleted");
        match put(self, &key, bytes(), PutMode::Create).await {
            // Its own, from a try whose answer was lost: the name is one of a kind.
            Ok(()) | Err(StoreError::AlreadyExists { .. }) => {}
            Err(error) if is_unknown_here(&error) => return Ok(false),
            Err(error) => return Err(failed(&error)),
        }
        let other = UpdateVersion { e_tag: Some("\"00000000000000000000000000000000\"".to_owned()), version: None };
        let (again, replaced) = futures_util::future::join(
            put(self, &key, bytes(), PutMode::Create),
            put(self, &key, bytes(), PutMode::Update(other)),
        )
        .await;
        // What is left of it harms nobody.
        let _ = Patience::short().wait_for(self.bucket.store.delete(&key)).await;
        let refused = |result: Result<(), StoreError>| match result {
            Ok(()) => Ok(false),
            Err(StoreError::AlreadyExists { .. } | StoreError::Precondition { .. }) => Ok(true),
            Err(error) if is_unknown_here(&error) => Ok(false),
            Err(error) => Err(failed(&error)),
        };
        Ok(refused(again)? && refused(replaced)?)
    }
}

/// Whether the store says that it does not know what it is asked.
fn is_unknown_here(error: &StoreError) -> bool {
    find::<Refusal>(error).is_some_and(|refusal| refusal.status == http::StatusCode::NOT_IMPLEMENTED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn etags_are_spelt_both_ways() {
        assert_eq!(respelt("\"abc\""), "abc");
        assert_eq!(respelt("abc"), "\"abc\"");
        assert_eq!(respelt("W/\"abc\""), "\"abc\"");
    }

    #[test]
    fn pauses_grow_and_stay_bounded() {
        for attempt in 0..40 {
            assert!(pause(attempt) < Duration::from_millis(1250));
        }
    }
}
