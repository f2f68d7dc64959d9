use std::collections::BTreeSet;
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};

use tempfile::TempDir;

use super::*;
use crate::error::ErrorKind;

/// A root that is not there yet, in a directory that is.
pub(super) fn fresh() -> (TempDir, Local) {
    let dir = TempDir::new().unwrap();
    let local = Local::open(&dir.path().join("deep/root"), true).unwrap();
    (dir, local)
}

pub(super) fn put(local: &Local, path: &str, bytes: &[u8]) {
    assert_eq!(local.put_if_absent(path, bytes).unwrap(), PutOutcome::Created, "{path}");
}

/// Everything below `dir`, directories included, temporary files too.
fn tree(dir: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut stack = vec![dir.to_owned()];
    while let Some(next) = stack.pop() {
        for entry in fs::read_dir(next).into_iter().flatten() {
            let path = entry.unwrap().path();
            found.insert(path.strip_prefix(dir).unwrap().display().to_string());
            if path.is_dir() {
                stack.push(path);
            }
        }
    }
    found
}

#[test]
fn a_file_is_no_directory() {
    let (_dir, local) = fresh();
    put(&local, "t/a", b"abc");
    for error in [
        local.list_dir("t/a").unwrap_err(),
        local.put_if_absent("t/a/b", b"").unwrap_err(),
        local.create("t/a/b/c").unwrap().finish().unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Io);
        assert!(error.to_string().contains("deep/root/t/a"), "{error}");
    }
    assert_eq!(local.read("t/a").unwrap().unwrap(), "abc");
}

#[test]
fn a_file_appears_when_it_is_finished() {
    let (dir, local) = fresh();
    let mut writer = local.create("t/k=1/a.parquet").unwrap();
    let large = vec![7; 700 * 1024];
    writer.write_all(b"head").unwrap();
    writer.write_all(&large).unwrap();
    writer.write_all(b"tail").unwrap();
    assert_eq!(local.list_dir("t/k=1").unwrap(), Listing::default());
    let on_disk = tree(&dir.path().join("deep/root/t/k=1"));
    assert!(on_disk.iter().all(|name| name.starts_with('.') && !name.ends_with(".parquet")), "{on_disk:?}");
    assert_eq!(on_disk.len(), 1);

    let meta = writer.finish().unwrap();
    assert_eq!((meta.path.as_str(), meta.size), ("t/k=1/a.parquet", large.len() as u64 + 8));
    let listed = local.list_dir("t/k=1").unwrap().files;
    // That it got its name is one more change.
    assert_eq!(listed, [FileMeta { inode: listed[0].inode, ..meta }]);
    assert_eq!(tree(&dir.path().join("deep/root/t/k=1")).len(), 1);
    let bytes = local.read("t/k=1/a.parquet").unwrap().unwrap();
    assert!(bytes.starts_with(b"head\x07") && bytes.ends_with(b"\x07tail"));
}

#[test]
fn an_unfinished_writer_leaves_nothing() {
    let (dir, local) = fresh();
    let mut writer = local.create("t/k=1/a.parquet").unwrap();
    writer.write_all(&vec![1; 600 * 1024]).unwrap();
    assert_ne!(tree(dir.path()), BTreeSet::new());
    drop(writer);
    assert_eq!(tree(dir.path()), BTreeSet::new());

    put(&local, "t/other", b"");
    let before = tree(dir.path());
    let mut writer = local.create("t/k=1/a.parquet").unwrap();
    writer.write_all(&vec![1; 600 * 1024]).unwrap();
    drop(writer);
    drop(local.create("u/never-written").unwrap());
    assert_eq!(tree(dir.path()), before);
}

#[test]
fn writers_survive_the_clean_up_of_others() {
    let (_dir, local) = fresh();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let local = &local;
            scope.spawn(move || {
                for round in 0..50 {
                    let mut writer = local.create(&format!("t/k=1/{thread}-{round}")).unwrap();
                    writer.write_all(&vec![0; 600 * 1024]).unwrap();
                    if round == 49 {
                        writer.finish().unwrap();
                    }
                }
            });
        }
    });
    assert_eq!(local.list_dir("t/k=1").unwrap().files.len(), 4);
}

#[test]
fn an_idle_writer_keeps_no_file_open() {
    let (_dir, local) = fresh();
    let open = || fs::read_dir("/proc/self/fd").map(|entries| entries.filter_map(Result::ok).count());
    let Ok(_) = open() else { return }; // not Linux
    let mut writers = Vec::new();
    for n in 0..300 {
        let mut writer = local.create(&format!("t/{n}")).unwrap();
        writer.write_all(&vec![0; 513 * 1024]).unwrap();
        writers.push(writer);
    }
    // Other tests of this process open files too, but not hundreds.
    assert!(open().unwrap() < 200);
}

#[test]
fn finishing_never_replaces() {
    let (dir, local) = fresh();
    let mut writer = local.create("t/a").unwrap();
    writer.write_all(b"new").unwrap();
    put(&local, "t/a", b"old");
    let error = writer.finish().unwrap_err();
    assert!(error.to_string().contains("deep/root/t/a"), "{error}");
    assert_eq!(local.read("t/a").unwrap().unwrap(), "old");
    assert_eq!(tree(&dir.path().join("deep/root/t")), BTreeSet::from(["a".to_owned()]));
}

#[test]
fn one_of_eight_puts_wins() {
    let (dir, local) = fresh();
    for round in 0..20 {
        let path = format!("j/{round}");
        let (created, barrier) = (AtomicUsize::new(0), Barrier::new(8));
        std::thread::scope(|scope| {
            for thread in 0..8u8 {
                let (local, created, barrier, path) = (&local, &created, &barrier, &path);
                scope.spawn(move || {
                    barrier.wait();
                    if local.put_if_absent(path, &[thread; 64]).unwrap() == PutOutcome::Created {
                        created.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
        });
        assert_eq!(created.into_inner(), 1);
        let bytes = local.read(&path).unwrap().unwrap();
        assert!(bytes.len() == 64 && bytes.iter().all(|byte| *byte == bytes[0]));
    }
    assert_eq!(tree(&dir.path().join("deep/root/j")).len(), 20);
}

#[test]
fn without_links_a_put_still_creates_once() {
    let (_dir, local) = fresh();
    let target = local.root.file("j/1").unwrap();
    assert_eq!(put_exclusively(&local.root, &target, b"one").unwrap(), PutOutcome::Created);
    assert_eq!(put_exclusively(&local.root, &target, b"two").unwrap(), PutOutcome::AlreadyExists);
    assert_eq!(local.read("j/1").unwrap().unwrap(), "one");
}

#[test]
fn no_update_is_lost() {
    let (dir, local) = fresh();
    std::thread::scope(|scope| {
        for thread in 0..8 {
            // Each its own root object, as each session has.
            let local = Local::open(&dir.path().join("deep/root"), false).unwrap();
            scope.spawn(move || {
                for round in 0..10 {
                    let mut add = |bytes: Option<&[u8]>| {
                        let mut bytes = bytes.unwrap_or_default().to_vec();
                        bytes.extend(format!("{thread}.{round} ").bytes());
                        Ok(Some(bytes))
                    };
                    local.update("_registry/tables.json", &mut add).unwrap();
                }
            });
        }
    });
    let bytes = local.read("_registry/tables.json").unwrap().unwrap();
    let entries: BTreeSet<&str> = std::str::from_utf8(&bytes).unwrap().split_whitespace().collect();
    assert_eq!(entries.len(), 80);
    let names = tree(&dir.path().join("deep/root/_registry"));
    assert_eq!(names, BTreeSet::from(["tables.json".to_owned(), "tables.lock".to_owned()]));
}

#[test]
fn an_update_that_changes_nothing_writes_nothing() {
    let (dir, local) = fresh();
    local.update("_registry/tables.json", &mut |bytes| Ok(bytes.map(|_| unreachable!()))).unwrap();
    let error = local.update("_registry/tables.json", &mut |_| Err(Error::invalid("no"))).unwrap_err();
    assert_eq!(error.to_string(), "no");
    assert_eq!(tree(dir.path()), BTreeSet::new());
}

#[cfg(unix)]
#[test]
fn an_update_keeps_the_permissions() {
    use std::os::unix::fs::PermissionsExt;

    let (dir, local) = fresh();
    put(&local, "r/tables.json", b"1");
    let file = dir.path().join("deep/root/r/tables.json");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o664)).unwrap();
    local.update("r/tables.json", &mut |_| Ok(Some(b"2".to_vec()))).unwrap();
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o664);
    assert_eq!(fs::read(&file).unwrap(), b"2");
}

#[test]
fn moves_and_deletes() {
    let (dir, local) = fresh();
    put(&local, "t/a", b"abc");
    local.rename("t/a", "_registry/trash/t/1/a").unwrap();
    assert_eq!(local.read("t/a").unwrap(), None);
    assert_eq!(local.read("_registry/trash/t/1/a").unwrap().unwrap(), "abc");
    let before = tree(dir.path());
    assert_eq!(local.rename("t/a", "u/v/a").unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(tree(dir.path()), before);
    local.delete("_registry/trash/t/1/a").unwrap();
    local.delete("_registry/trash/t/1/a").unwrap();
    assert_eq!(local.read("_registry/trash/t/1/a").unwrap(), None);
}

#[test]
fn discards_what_a_killed_writer_left() {
    let (dir, local) = fresh();
    let leave = |path: &str| {
        let mut writer = local.create(path).unwrap();
        writer.write_all(&vec![0; 600 * 1024]).unwrap();
        std::mem::forget(writer);
    };
    leave("t/c1-dead-0.parquet");
    leave("t/c1-alive-0.parquet");
    put(&local, "t/c0-dead-0.parquet", b"");
    local.discard_unfinished("t", "-dead-", std::time::Duration::ZERO).unwrap();
    local.discard_unfinished("none", "-dead-", std::time::Duration::ZERO).unwrap();
    let left: Vec<String> = tree(&dir.path().join("deep/root/t")).into_iter().collect();
    assert!(
        left.len() == 2 && left[0].starts_with(".c1-alive-0.parquet.") && left[1] == "c0-dead-0.parquet",
        "{left:?}"
    );
}

#[test]
fn nothing_leaves_the_root() {
    let (dir, local) = fresh();
    put(&local, "t/a", b"abc");
    let before = tree(dir.path());
    for path in ["..", "../x", "t/../../x", ".", "t/./a", "/etc/passwd", "t//a", "t/", "/", "a\0b"] {
        assert_eq!(local.list_dir(path).unwrap_err().kind(), ErrorKind::Internal, "{path:?}");
        local.read(path).unwrap_err();
        local.read_ranges(path, &[]).unwrap_err();
        local.put_if_absent(path, b"").unwrap_err();
        local.update(path, &mut |_| Ok(Some(Vec::new()))).unwrap_err();
        assert!(local.create(path).is_err());
        local.rename("t/a", path).unwrap_err();
        local.rename(path, "t/b").unwrap_err();
        local.delete(path).unwrap_err();
        local.discard_unfinished(path, "", Duration::ZERO).unwrap_err();
    }
    assert!(local.read("").is_err() && local.create("").is_err());
    assert_eq!(tree(dir.path()), before);
    // Strange, but names all the same.
    for path in ["t/k=..", "t/...", "t/k=%2F", "t/ ", "t/ä"] {
        put(&local, path, b"");
    }
}

#[test]
fn names_full_paths() {
    let dir = TempDir::new().unwrap();
    let local = Local::open(dir.path(), false).unwrap();
    assert_eq!(local.location(""), dir.path().display().to_string());
    assert_eq!(local.location("t/a"), dir.path().join("t").join("a").display().to_string());
    assert!(Path::new(&Local::open(Path::new("x"), false).unwrap().location("")).is_absolute());
    assert!(Local::open(Path::new(""), false).is_err());
}
