//! Exactly once: a batch is committed by one write at the most.
//!
//! `batches/<name>.json` says which write claims a batch. It is put when the write's files are whole, right before its
//! commit, and marked committed right after, before the write's pending marker goes. A claim of a write that ended
//! without a commit is taken over by compare-and-swap. Trimming keeps a record until its claim is marked, and claims
//! are kept for good: one small file a batch is what exactly-once costs.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};

use super::commits;
use super::names;
use super::record;
use super::snapshot;
use super::{Journal, MAX_TRIES};
use crate::error::{Error, Result};
use crate::storage::PutOutcome;

/// What stands as it is in a claim's file name.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'~');

/// The name of a batch: any text that is not empty, at most 200 bytes when it is encoded as a file name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchName {
    text: String,
    file: String,
}

impl BatchName {
    const MAX_BYTES: usize = 200;

    /// # Errors
    /// `InvalidInput` where the text is empty or too long.
    pub fn parse(text: &str) -> Result<Self> {
        let file = utf8_percent_encode(text, PLAIN).to_string();
        if text.is_empty() || file.len() > Self::MAX_BYTES {
            return Err(Error::invalid(format!("\"{text}\" cannot be the name of a batch!")).with_hint(
                "It is a text of 1 to 200 bytes, where every other character than letters, digits, -, _ and ~ counts 3 bytes or more.",
            ));
        }
        Ok(Self { text: text.to_owned(), file })
    }

    /// As the user wrote it.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

/// Who claims a batch.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Claim {
    txid: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    committed: Option<CommittedBatch>,
}

/// The commit of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommittedBatch {
    /// The commit's sequence number.
    pub seq: u64,
    /// The rows it wrote.
    pub rows: u64,
}

/// What claiming came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Claimed {
    /// The batch is the caller's to commit.
    Own,
    /// Another write has committed it.
    Committed(CommittedBatch),
}

impl Journal {
    fn claim_path(&self, batch: &BatchName) -> String {
        format!("{}/{}.json", names::batches_dir(&self.table), batch.file)
    }

    fn read_claim(&self, batch: &BatchName) -> Result<Option<Claim>> {
        let path = self.claim_path(batch);
        match self.storage.read(&path)? {
            Some(bytes) => record::from_json(&bytes, &self.storage.location(&path)).map(Some),
            None => Ok(None),
        }
    }

    /// The commit of a batch, where there is one already: a write of it need not even begin.
    pub fn committed_batch(&self, batch: &BatchName) -> Result<Option<CommittedBatch>> {
        Ok(self.read_claim(batch)?.and_then(|claim| claim.committed))
    }

    /// Claims a batch for the pending write `txid`.
    pub(super) fn claim(&self, batch: &BatchName, txid: &str) -> Result<Claimed> {
        let path = self.claim_path(batch);
        let own = record::to_json(&Claim { txid: txid.to_owned(), committed: None })?;
        for attempt in 1..=MAX_TRIES {
            if self.storage.put_if_absent(&path, &own)? == PutOutcome::Created {
                return Ok(Claimed::Own);
            }
            let Some(claim) = self.read_claim(batch)? else { continue };
            if let Some(committed) = claim.committed {
                return Ok(Claimed::Committed(committed));
            }
            if claim.txid == txid {
                return Ok(Claimed::Own);
            }
            match self.holder(&claim.txid)? {
                Holder::Committed(committed) => {
                    self.mark_committed(batch, &claim.txid, committed)?;
                    return Ok(Claimed::Committed(committed));
                }
                Holder::Pending => self.environment.back_off(attempt),
                Holder::Ended => self.take_over(batch, &claim.txid, txid)?,
            }
        }
        Err(self.conflict(&format!("another write of batch \"{}\" does not come to an end", batch.text)))
    }

    /// What became of the write that holds a claim. Pending is listed *before* the commits: a write that is not
    /// pending any more has put its record before, or never will.
    fn holder(&self, txid: &str) -> Result<Holder> {
        let pending = snapshot::pending(self)?.into_iter().find(|(_, pending)| pending == txid);
        if let Some((floor, _)) = pending {
            if self.marker(floor, txid)?.is_some_and(|marker| !self.is_dead(&marker)) {
                return Ok(Holder::Pending);
            }
            self.recover(floor, txid)?;
        }
        Ok(match commits::commit_of(self, txid)? {
            Some((seq, record)) => Holder::Committed(CommittedBatch { seq, rows: record.rows }),
            None => Holder::Ended,
        })
    }

    fn take_over(&self, batch: &BatchName, from: &str, to: &str) -> Result<()> {
        self.change_claim(batch, |claim| {
            (claim.txid == from && claim.committed.is_none()).then(|| Claim { txid: to.to_owned(), committed: None })
        })
    }

    /// Marks the claim of the committed write `txid`; where the claim is another's, or marked, nothing changes.
    pub(super) fn mark_committed(&self, batch: &BatchName, txid: &str, committed: CommittedBatch) -> Result<()> {
        self.change_claim(batch, |claim| {
            (claim.txid == txid && claim.committed.is_none())
                .then(|| Claim { txid: txid.to_owned(), committed: Some(committed) })
        })
    }

    fn change_claim(&self, batch: &BatchName, change: impl Fn(Claim) -> Option<Claim>) -> Result<()> {
        let path = self.claim_path(batch);
        let location = self.storage.location(&path);
        self.storage.update(&path, &mut |bytes| match bytes {
            Some(bytes) => {
                change(record::from_json(bytes, &location)?).map(|claim| record::to_json(&claim)).transpose()
            }
            None => Ok(None),
        })
    }
}

/// What became of a write.
enum Holder {
    Pending,
    Committed(CommittedBatch),
    Ended,
}
