//! The real world for the store: this machine's clock, this process, random identifiers.

use std::path::Path;
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::store::environment::{Environment, Writer};
use crate::store::journal::Memory;

/// The longest wait between two tries of something that another writer was faster at.
const LONGEST_WAIT_MS: u64 = 500;

/// This process on this machine.
#[derive(Debug, Clone)]
pub struct System {
    writer: Writer,
}

/// What is asked of the system once a process: its number (a fork has another), its host and its identity.
static PROCESS: Mutex<Option<(u32, String, String)>> = Mutex::new(None);

static MEMORY: LazyLock<Memory> = LazyLock::new(Memory::default);

impl System {
    /// `engine` is what runs us: `DuckDB v1.5.6`.
    pub fn new(engine: impl Into<String>) -> Self {
        let pid = std::process::id();
        let mut known = PROCESS.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, host, process) = match known.take().filter(|(known, ..)| *known == pid) {
            Some(process) => known.insert(process),
            None => known.insert((pid, host(), process_identity(pid).unwrap_or_default())),
        };
        Self { writer: Writer { host: host.clone(), pid, engine: engine.into(), process: process.clone() } }
    }
}

impl Environment for System {
    fn now(&self) -> DateTime<Utc> {
        Utc::now()
    }

    fn new_txid(&self) -> String {
        Uuid::new_v4().simple().to_string()
    }

    fn writer(&self) -> Writer {
        self.writer.clone()
    }

    fn is_gone(&self, writer: &Writer) -> bool {
        if writer.process.is_empty() || self.writer.process.is_empty() {
            return false;
        }
        let (there, here) = (Identity::parse(&writer.process), Identity::parse(&self.writer.process));
        let (Some(there), Some(here)) = (there, here) else { return false };
        if writer.host != self.writer.host || there.machine != here.machine {
            return false; // nobody can tell from here
        }
        if there.boot != here.boot {
            return there.machine != "-"; // the machine was started anew since, if it is this one
        }
        // Process numbers mean something within one namespace only: another container's cannot be looked up. Nor can
        // another user's, where the system hides them.
        let sees_others = || std::fs::metadata("/proc/1/stat").is_ok();
        there.namespace == here.namespace
            && process_identity(writer.pid).as_deref() != Some(&writer.process)
            && sees_others()
    }

    fn is_running(&self, writer: &Writer) -> bool {
        !writer.process.is_empty()
            && writer.host == self.writer.host
            && process_identity(writer.pid).as_deref() == Some(&writer.process)
    }

    fn memory(&self) -> &Memory {
        &MEMORY
    }

    fn back_off(&self, attempt: u32) {
        let ceiling = (1u64 << attempt.min(9)).min(LONGEST_WAIT_MS);
        let random = u64::from_le_bytes(Uuid::new_v4().into_bytes()[..8].try_into().unwrap_or_default());
        std::thread::sleep(Duration::from_millis(1 + random % ceiling));
    }
}

/// The parts of [`Writer::process`]: machine, boot, process namespace, start time, each without spaces.
struct Identity<'a> {
    machine: &'a str,
    boot: &'a str,
    namespace: &'a str,
}

impl<'a> Identity<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.split(' ');
        Some(Self { machine: parts.next()?, boot: parts.next()?, namespace: parts.next()? })
    }
}

/// Which run of the process `pid` on which machine; `None` where the system does not say, or it does not run.
fn process_identity(pid: u32) -> Option<String> {
    let read = |path: &str| std::fs::read_to_string(path).ok().map(|text| text.trim().to_owned());
    let machine = read("/etc/machine-id").filter(|id| !id.is_empty()).unwrap_or_else(|| "-".into());
    let boot = read("/proc/sys/kernel/random/boot_id")?;
    let namespace = std::fs::read_link("/proc/self/ns/pid").ok()?.to_string_lossy().replace(' ', "");
    let stat = read(&format!("/proc/{pid}/stat"))?;
    // The name in parentheses may hold anything; what follows it are numbers, the start time the 20th of them.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace();
    let state = fields.next()?;
    let started = fields.nth(18)?;
    (state != "Z").then(|| format!("{machine} {boot} {namespace} {started}"))
}

fn host() -> String {
    let kernel = Path::new("/proc/sys/kernel/hostname");
    std::fs::read_to_string(kernel)
        .ok()
        .map(|name| name.trim().to_owned())
        .or_else(|| std::env::var("HOSTNAME").ok())
        .or_else(|| std::env::var("COMPUTERNAME").ok())
        .unwrap_or_else(|| "unknown".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_running_process_is_not_gone_and_an_ended_one_is() {
        let system = System::new("test");
        assert!(!system.is_gone(&system.writer()));
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let process = process_identity(child.id()).unwrap();
        let writer = Writer { pid: child.id(), process, ..system.writer() };
        assert!(!system.is_gone(&writer));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(system.is_gone(&writer));
    }

    #[test]
    fn nobody_can_tell_of_another_host() {
        let system = System::new("test");
        let elsewhere = Writer { host: "elsewhere".into(), ..system.writer() };
        assert!(!system.is_gone(&elsewhere));
        let unknown = Writer { process: String::new(), ..system.writer() };
        assert!(!system.is_gone(&unknown));
    }

    #[test]
    fn txids_are_32_hexadecimal_digits() {
        let txid = System::new("test").new_txid();
        assert_eq!(txid.len(), 32);
        assert!(txid.bytes().all(|byte| byte.is_ascii_hexdigit() && !byte.is_ascii_uppercase()));
    }
}
