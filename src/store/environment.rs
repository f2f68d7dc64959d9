//! What the store takes from the world besides bytes: time, identity, randomness. Injected, so that tests can be
//! deterministic.

use std::fmt::Debug;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// Who writes: what a pending marker and a commit record say of their writer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Writer {
    /// The host's name.
    pub host: String,
    /// The process.
    pub pid: u32,
    /// The engine that runs us: `DuckDB v1.5.6`.
    pub engine: String,
    /// Which run of which process on which machine: tells a process from a later one of the same pid. Empty where the
    /// system does not say.
    #[serde(default)]
    pub process: String,
}

/// The world.
pub trait Environment: Send + Sync + Debug {
    /// The time.
    fn now(&self) -> DateTime<Utc>;
    /// 32 lower-case hexadecimal digits that nobody has had before.
    fn new_txid(&self) -> String;
    /// Who we are.
    fn writer(&self) -> Writer;
    /// Whether the process of `writer` is known to have ended. `false` where it runs, or nobody can tell.
    fn is_gone(&self, writer: &Writer) -> bool;
    /// Waits before try number `attempt` (from 1) of something that another writer was faster at.
    fn back_off(&self, attempt: u32);
}
