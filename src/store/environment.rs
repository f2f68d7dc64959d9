//! What the store takes from the world besides bytes: time, identity, randomness. Injected, so that tests can be
//! deterministic.

use std::fmt::Debug;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::store::journal::Memory;

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
    /// Whether the process of `writer` is known to run.
    fn is_running(&self, writer: &Writer) -> bool;
    /// What this process remembers of journals.
    fn memory(&self) -> &Memory;
    /// Waits before try number `attempt` (from 1) of something that another writer was faster at.
    fn back_off(&self, attempt: u32);
}

#[cfg(test)]
pub(in crate::store) mod testing {
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::storage::Storage;
    use crate::store::journal::Journal;
    use crate::store::table::Table;

    /// A world where time stands still, nobody waits, and txids are counted.
    #[derive(Debug)]
    pub struct TestEnvironment {
        pub now: Mutex<DateTime<Utc>>,
        pub writer: Writer,
        /// Processes that have ended.
        pub gone: Mutex<Vec<u32>>,
        memory: Memory,
        last_txid: AtomicU64,
    }

    impl TestEnvironment {
        /// The world as process `pid` sees it.
        pub fn of(pid: u32) -> Arc<Self> {
            let writer = Writer { host: "here".into(), pid, engine: "test".into(), process: pid.to_string() };
            let now = Mutex::new(DateTime::UNIX_EPOCH + chrono::Duration::days(365));
            let last_txid = AtomicU64::new(u64::from(pid) << 32);
            Arc::new(Self { now, writer, gone: Mutex::default(), memory: Memory::default(), last_txid })
        }
    }

    impl Environment for TestEnvironment {
        fn now(&self) -> DateTime<Utc> {
            *self.now.lock().unwrap()
        }

        fn new_txid(&self) -> String {
            format!("{:032x}", self.last_txid.fetch_add(1, Ordering::SeqCst) + 1)
        }

        fn writer(&self) -> Writer {
            self.writer.clone()
        }

        fn is_gone(&self, writer: &Writer) -> bool {
            self.gone.lock().unwrap().contains(&writer.pid)
        }

        fn is_running(&self, _: &Writer) -> bool {
            false
        }

        fn memory(&self) -> &Memory {
            &self.memory
        }

        fn back_off(&self, _attempt: u32) {}
    }

    /// The journal of `table`, as process 1 of a test sees it.
    pub fn journal(storage: Arc<dyn Storage>, table: &Table) -> Journal {
        Journal::new(storage, table.name().clone(), TestEnvironment::of(1))
    }
}
