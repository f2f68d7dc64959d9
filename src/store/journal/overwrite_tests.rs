//! An overwrite beside others that commit.

use std::collections::BTreeSet;
use std::io::Write;
use std::sync::Arc;

use super::*;
use crate::storage::OpenOptions;
use crate::store::environment::testing::TestEnvironment;

fn process(dir: &tempfile::TempDir, pid: u32) -> Journal {
    let storage = storage::open(dir.path().to_str().unwrap(), &OpenOptions::default()).unwrap();
    Journal::new(storage, TableName::parse("t").unwrap(), TestEnvironment::of(pid))
}

/// A write of one file in each of `partitions`, and the paths of those below the table.
fn begin(journal: &Journal, kind: Kind, partitions: &[&str]) -> (Transaction, BTreeSet<String>, Vec<String>) {
    let mut transaction = journal.begin(kind, None).unwrap();
    let mut files = Vec::new();
    for (number, partition) in (0..).zip(partitions) {
        let below = format!("{partition}/{}", transaction.file_name(number));
        transaction.note(format!("t/{below}"));
        let mut file = journal.storage.create(&format!("t/{below}")).unwrap();
        file.write_all(b"rows").unwrap();
        file.finish().unwrap();
        transaction.is_whole();
        files.push(below);
    }
    (transaction, partitions.iter().map(|&partition| partition.to_owned()).collect(), files)
}

fn write(journal: &Journal, kind: Kind, partitions: &[&str]) -> Vec<String> {
    let (transaction, partitions, files) = begin(journal, kind, partitions);
    transaction.commit(partitions, 1, 4, &mut |_| Ok(Vec::new())).unwrap();
    files
}

/// What an overwrite of `k=1` replaces, and how often it looked, where each look of it is followed by one of `others`.
fn overwrite_beside(others: &[(Kind, &[&str])]) -> (Arc<Record>, usize, Vec<Vec<String>>) {
    let dir = tempfile::tempdir().unwrap();
    let (journal, other) = (process(&dir, 1), process(&dir, 2));
    let (transaction, partitions, _) = begin(&journal, Kind::Overwrite, &["k=1"]);
    let (mut looks, mut written) = (0, Vec::new());
    let committed = transaction.commit(partitions, 1, 4, &mut |_| {
        looks += 1;
        if let Some((kind, partitions)) = others.get(looks - 1) {
            written.push(write(&other, *kind, partitions));
        }
        Ok(vec!["k=1/old.parquet".to_owned()])
    });
    let seq = committed.unwrap().seq;
    (commits::read_by_number(&journal, seq).unwrap().unwrap(), looks, written)
}

#[test]
fn an_overwrite_takes_in_what_is_appended_without_another_listing() {
    let (record, looks, written) = overwrite_beside(&[(Kind::Append, &["k=1", "k=2", "k=1"])]);
    assert_eq!(looks, 1);
    assert_eq!(record.replaces, ["k=1/old.parquet", &written[0][0], &written[0][2]]);
}

#[test]
fn an_overwrite_lists_anew_where_another_spelling_may_be_the_same_value() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, other) = (process(&dir, 1), process(&dir, 2));
    for (own, appended, expected) in [("k=0", "k=-0", 2), ("k=-0/l=1", "k=0/l=1", 2), ("k=-0", "k=1", 1)] {
        let (transaction, partitions, _) = begin(&journal, Kind::Overwrite, &[own]);
        let mut looks = 0;
        let replaced = &mut |_: &Snapshot| {
            looks += 1;
            if looks == 1 {
                write(&other, Kind::Append, &[appended]);
            }
            Ok(Vec::new())
        };
        transaction.commit(partitions, 1, 4, replaced).unwrap();
        assert_eq!(looks, expected, "{own} beside {appended}");
    }
}

#[test]
fn an_overwrite_lists_anew_what_another_one_has_changed() {
    let (record, looks, _) = overwrite_beside(&[(Kind::Overwrite, &["k=2"]), (Kind::Overwrite, &["k=1"])]);
    assert_eq!(looks, 3);
    assert_eq!(record.replaces, ["k=1/old.parquet"]);
}
