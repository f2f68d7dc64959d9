//! What must be true, kept beside the store: every committed state, in order.

use std::collections::BTreeSet;

use amplify::store::journal::{Kind, Record};
use bytes::Bytes;

/// A row: its partition's directory, and what tells it from others. Every simulated file holds one row.
pub type Row = (String, u64);
/// A state of the table.
pub type Rows = BTreeSet<Row>;

/// A commit that counts.
#[derive(Debug, Clone)]
pub struct Commit {
    pub seq: u64,
    pub record: Record,
    pub added: Rows,
    /// What an overwrite took away.
    pub replaced: Rows,
}

#[derive(Debug)]
pub struct Oracle {
    states: Vec<Rows>,
    commits: Vec<Commit>,
    wrong: Vec<String>,
}

impl Oracle {
    /// Of a table that holds `rows`.
    pub fn new(rows: Rows) -> Self {
        Self { states: vec![rows], commits: Vec::new(), wrong: Vec::new() }
    }

    /// Notes a rule that was broken.
    pub fn is_wrong(&mut self, what: String) {
        self.wrong.push(what);
    }

    pub fn wrong(&self) -> &[String] {
        &self.wrong
    }

    /// How many states there were so far: the last is the current one.
    pub fn states(&self) -> usize {
        self.states.len()
    }

    pub fn current(&self) -> &Rows {
        &self.states[self.states.len() - 1]
    }

    pub fn commits(&self) -> &[Commit] {
        &self.commits
    }

    /// The commits of a process.
    pub fn commits_of(&self, pid: u32) -> impl Iterator<Item = &Commit> {
        self.commits.iter().filter(move |commit| pid_of(&commit.record.txid) == Some(pid))
    }

    /// A commit record has just been put; a void write's does not count.
    pub fn committed(
        &mut self,
        path: &str,
        bytes: &[u8],
        void: &dyn Fn(&str) -> bool,
        content: &dyn Fn(&str) -> Option<Bytes>,
    ) {
        let name = path.rsplit('/').next().unwrap_or_default();
        let (Ok(record), Ok(seq)) =
            (serde_json::from_slice::<Record>(bytes), name.trim_end_matches(".json").parse::<u64>())
        else {
            return self.is_wrong(format!("\"{path}\" is no commit record"));
        };
        if record.kind == Kind::Abort || void(&record.txid) {
            return;
        }
        let mut added = Rows::new();
        for file in &record.files {
            match content(file) {
                Some(bytes) => drop(added.insert(row(file, &bytes))),
                None => self.is_wrong(format!("commit {seq} names \"{file}\", which is not there")),
            }
        }
        if record.rows != added.len() as u64 {
            self.is_wrong(format!("commit {seq} says {} rows, and has {added:?}", record.rows));
        }
        let mut state = self.current().clone();
        let mut replaced = Rows::new();
        if record.kind == Kind::Overwrite {
            replaced = state.iter().filter(|(partition, _)| record.partitions.contains(partition)).cloned().collect();
            state.retain(|row| !replaced.contains(row));
        }
        state.extend(added.iter().cloned());
        if let Some(batch) = &record.batch
            && let Some(first) = self.commits.iter().find(|commit| commit.record.batch.as_ref() == Some(batch))
        {
            self.wrong.push(format!("batch {batch} is committed by {} and by {seq}", first.seq));
        }
        self.commits.push(Commit { seq, record, added, replaced });
        self.states.push(state);
    }

    /// Checks what a reader saw that began when `from` states were known.
    pub fn has_read(&mut self, pid: u32, from: usize, rows: &Rows) {
        let window = &self.states[from - 1..];
        if !window.contains(rows) {
            let wrong = format!("process {pid} read {rows:?}, which is none of the states {window:?}");
            self.is_wrong(wrong);
        }
    }
}

/// The row of a simulated file at `below` the table's directory.
pub fn row(below: &str, bytes: &[u8]) -> Row {
    let (partition, _) = below.rsplit_once('/').unwrap_or(("", below));
    let tag = bytes.try_into().map(u64::from_le_bytes).unwrap_or(u64::MAX);
    (partition.to_owned(), tag)
}

/// Whose write it is.
pub fn pid_of(txid: &str) -> Option<u32> {
    u32::from_str_radix(txid.get(16..24)?, 16).ok()
}
