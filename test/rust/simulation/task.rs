//! What simulated processes do: write, overwrite, restore, read, vacuum; and whether they were answered the truth.

use std::collections::BTreeSet;
use std::io::Write;
use std::sync::{Arc, LazyLock};

use amplify::error::{Error, ErrorKind, Result};
use amplify::storage::Storage;
use amplify::store::filter::Filters;
use amplify::store::journal::{BatchName, Committed, Journal, Kind, Snapshot, WithTrash};
use amplify::store::plan::{self, PlannedFile};
use amplify::store::table::{Table, TableName};
use arrow::datatypes::{DataType, Field, Schema};
use chrono::Duration;

use super::mount::Mount;
use super::oracle::{Rows, row};
use super::process::Process;

/// One thing to do.
#[derive(Debug, Clone)]
pub enum Task {
    /// One row to each partition.
    Write {
        kind: Kind,
        partitions: Vec<&'static str>,
        batch: Option<&'static str>,
    },
    /// Brings back what the `choice`-th overwrite in the history replaced, counted round.
    Restore {
        choice: u64,
    },
    Read,
    Vacuum {
        dry_run: bool,
    },
}

/// How long vacuum leaves files in the trash.
pub const TRASH_AGE: Duration = Duration::days(7);

/// The simulated table: a key `k`, and a column that no file has.
pub static TABLE: LazyLock<Table> = LazyLock::new(|| {
    let field = |name| Field::new(name, DataType::Int64, true);
    let schema = Arc::new(Schema::new(vec![field("k"), field("value")]));
    Table::new(TableName::parse("images").unwrap(), schema, vec![0])
});

pub fn journal(process: &Arc<Process>) -> Journal {
    Journal::new(Arc::new(Mount(process.clone())), TABLE.name().clone(), process.clone())
}

/// Does the task; what the oracle finds wrong is noted.
pub fn run(process: &Arc<Process>, task: &Task) {
    process.world.trace(process.pid, || format!("begins {task:?}"));
    let outcome = match task {
        Task::Write { kind, partitions, batch } => write(process, *kind, partitions, *batch),
        Task::Restore { choice } => restore(process, *choice),
        Task::Read => read(process),
        Task::Vacuum { dry_run } => journal(process).vacuum(TRASH_AGE, *dry_run).map(drop),
    };
    let text = || format!("ends {task:?}: {}", outcome.as_ref().map_or_else(ToString::to_string, |()| "done".into()));
    process.world.trace(process.pid, text);
    if let Err(error) = outcome {
        check_error(process, task, &error);
    }
}

fn check_error(process: &Process, task: &Task, error: &Error) {
    let expected = match (error.kind(), task) {
        (ErrorKind::Conflict, _) => true,
        // Its trash is not complete yet, or emptied by a vacuum.
        (ErrorKind::NotFound, Task::Restore { .. }) => true,
        _ => process.is_troubled(),
    };
    let mut disk = process.world.disk();
    if !expected {
        disk.oracle.is_wrong(format!("process {} failed at {task:?}: {error}", process.pid));
    }
    let committed = disk.oracle.commits_of(process.pid).next().is_some();
    if error.kind() == ErrorKind::Conflict && committed {
        disk.oracle.is_wrong(format!("process {} committed, and was told: {error}", process.pid));
    }
}

fn write(process: &Arc<Process>, kind: Kind, partitions: &[&str], batch: Option<&str>) -> Result<()> {
    let journal = journal(process);
    let batch = batch.map(BatchName::parse).transpose()?;
    let earlier = batch.as_ref().map(|batch| journal.committed_batch(batch)).transpose()?.flatten();
    if let Some(earlier) = earlier {
        let committed = Committed { seq: earlier.seq, rows: earlier.rows, repeated: true };
        check_answer(process, &committed, batch.as_ref());
        return Ok(());
    }
    let mut transaction = journal.begin(kind, batch.clone())?;
    for (number, partition) in (0u64..).zip(partitions) {
        let path = format!("images/{partition}/{}", transaction.file_name(number));
        transaction.note(path.clone());
        let mut file = journal.storage().create(&path)?;
        let tag = u64::from(process.pid) << 8 | number;
        file.write_all(&tag.to_le_bytes()).map_err(|error| Error::io("write", &path, error))?;
        file.finish()?;
        transaction.is_whole();
    }
    let dirs: BTreeSet<String> = partitions.iter().map(|&dir| dir.to_owned()).collect();
    let rows = partitions.len() as u64;
    let committed = transaction.commit(dirs, rows, 8 * rows, &mut |snapshot| {
        plan::visible_in_partitions(&journal, &TABLE, snapshot, partitions.iter().copied())
    })?;
    check_answer(process, &committed, batch.as_ref());
    Ok(())
}

/// Whether what was answered is so.
fn check_answer(process: &Process, committed: &Committed, batch: Option<&BatchName>) {
    let mut disk = process.world.disk();
    let commit = disk.oracle.commits().iter().find(|commit| commit.seq == committed.seq);
    let true_to = match commit {
        None => false,
        Some(commit) if committed.repeated => commit.record.batch.as_deref() == batch.map(BatchName::as_str),
        Some(_) => disk.oracle.commits_of(process.pid).any(|own| own.seq == committed.seq),
    };
    let rows = commit.map(|commit| commit.record.rows);
    if !true_to || rows != Some(committed.rows) {
        disk.oracle.is_wrong(format!("process {} was answered {committed:?}, which is not so", process.pid));
    }
}

fn restore(process: &Arc<Process>, choice: u64) -> Result<()> {
    let journal = journal(process);
    let overwrites: Vec<u64> = journal
        .history()?
        .into_iter()
        .filter(|(_, record)| record.kind == Kind::Overwrite)
        .map(|(seq, _)| seq)
        .collect();
    if overwrites.is_empty() {
        return Ok(());
    }
    let source = overwrites[(choice % overwrites.len() as u64) as usize];
    let count = |files: &[amplify::storage::FileMeta]| Ok(files.len() as u64);
    let mut replaced = |partitions: &[String], snapshot: &Snapshot| {
        plan::visible_in_partitions(&journal, &TABLE, snapshot, partitions.iter().map(String::as_str))
    };
    let committed = journal.restore(source, &count, &mut replaced)?;
    check_answer(process, &committed, None);
    let mut disk = process.world.disk();
    let of = |seq: u64| disk.oracle.commits().iter().find(|commit| commit.seq == seq);
    let wanted = of(source).map(|commit| commit.replaced.clone());
    let restored = of(committed.seq).map(|commit| commit.added.clone());
    if wanted != restored {
        disk.oracle.is_wrong(format!("commit {source} replaced {wanted:?}, and {restored:?} was restored"));
    }
    Ok(())
}

fn read(process: &Arc<Process>) -> Result<()> {
    let from = process.world.disk().oracle.states();
    let rows = rows(process)?;
    process.world.disk().oracle.has_read(process.pid, from, &rows);
    Ok(())
}

/// What a reader sees: a plan, then each planned file, by way of the trash.
pub fn rows(process: &Arc<Process>) -> Result<Rows> {
    let journal = journal(process);
    let files = plan::plan(&journal, &TABLE, &Filters::default())?;
    let storage = WithTrash::new(journal.storage().clone(), TABLE.name().clone());
    let read = |file: &PlannedFile| {
        let whole = 0..file.meta.size;
        let bytes = storage.read_listed(&file.meta, std::slice::from_ref(&whole))?.concat();
        Ok(row(file.meta.path.trim_start_matches("images/"), &bytes))
    };
    let read: Vec<_> = files.iter().map(read).collect::<Result<_>>()?;
    let rows: Rows = read.iter().cloned().collect();
    if rows.len() != read.len() {
        let twice = format!("process {} read rows twice: {read:?}", process.pid);
        process.world.disk().oracle.is_wrong(twice);
    }
    Ok(rows)
}
