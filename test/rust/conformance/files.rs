//! Files: written, read, moved, deleted.

use std::io::Write;

use amplify::error::ErrorKind;
use amplify::storage::{FileMeta, files_below};

use super::{on_every_root, pattern};

/// Names that mean something to a shell, a URL, a file system or a human.
fn odd_names() -> Vec<String> {
    let odd = [
        "a b",
        "k=v",
        "k=",
        "100%",
        "a%2Fb",
        "%25",
        "a+b",
        "a&b=c;d",
        "é",
        "e\u{301}",
        "日本",
        "🐟",
        "#x",
        "x?y=1",
        "'\"`",
        "~",
        ".hidden",
        "_private",
        "a..b",
        "[1]",
        "{a,b}",
        "<>|*:",
        "x@y",
        "$HOME",
        "(1)",
        "trailing.",
        "c,d",
    ];
    let long = ["x".repeat(240), "é".repeat(120)];
    odd.into_iter().map(str::to_owned).chain(long).collect()
}

#[test]
fn a_file_is_read_as_it_was_written() {
    on_every_root(|root| {
        assert_eq!(root.read("t/a.parquet"), None);
        let meta = root.write("t/a.parquet", b"hello");
        assert_eq!((meta.path.as_str(), meta.size), ("t/a.parquet", 5));
        assert_eq!(root.read("t/a.parquet").as_deref(), Some(&b"hello"[..]));
        let listed = root.storage.list_dir("t").unwrap().files;
        assert_eq!(listed.len(), 1);
        assert_eq!((listed[0].path.as_str(), listed[0].size), ("t/a.parquet", 5));
        assert_eq!(listed[0].etag.is_some(), !root.is_local());
        let age = chrono::Utc::now() - listed[0].modified;
        assert!(age.abs() < chrono::Duration::minutes(5), "{age}");
        root.write("t/empty", b"");
        assert_eq!(root.read("t/empty").as_deref(), Some(&b""[..]));
        assert_eq!(root.storage.list_dir("t").unwrap().files[1].size, 0);
    });
}

#[test]
fn names_are_data() {
    on_every_root(|root| {
        for name in odd_names() {
            root.write(&format!("t/{name}/{name}"), name.as_bytes());
        }
        let mut names = odd_names();
        names.sort();
        let listing = root.storage.list_dir("t").unwrap();
        assert_eq!(listing.dirs, names);
        let dirs: Vec<String> = names.iter().map(|name| format!("t/{name}")).collect();
        for ((dir, name), listing) in dirs.iter().zip(&names).zip(root.storage.list_dirs(&dirs).unwrap()) {
            let path = format!("{dir}/{name}");
            assert_eq!(listing.files.iter().map(|file| file.path.as_str()).collect::<Vec<_>>(), [path.as_str()]);
            assert_eq!(root.read(&path).as_deref(), Some(name.as_bytes()));
            let ranges = root.storage.read_ranges(&path, &[0..name.len() as u64]).unwrap();
            assert_eq!(ranges[0], name.as_bytes());
            root.storage.rename(&path, &format!("moved/{name}")).unwrap();
            assert_eq!(root.read(&path), None);
            assert_eq!(root.read(&format!("moved/{name}")).as_deref(), Some(name.as_bytes()));
            root.storage.delete(&format!("moved/{name}")).unwrap();
        }
        assert_eq!(root.tree(""), Vec::<String>::new());
    });
}

#[test]
fn paths_that_could_leave_the_root_are_refused() {
    on_every_root(|root| {
        for path in ["../x", "a/../../x", "/x", "a//x", "a/", ".", "", "a/.", "x\0"] {
            assert!(root.storage.read(path).is_err(), "{path:?}");
            assert!(root.storage.put_if_absent(path, b"x").is_err(), "{path:?}");
            assert!(root.storage.create(path).is_err(), "{path:?}");
            assert!(root.storage.delete(path).is_err(), "{path:?}");
            assert!(root.storage.rename("a", path).is_err(), "{path:?}");
        }
        assert!(root.storage.list_dir("..").is_err());
    });
}

#[test]
fn ranges_come_in_their_order_and_none_is_short() {
    on_every_root(|root| {
        let bytes = pattern(300_000);
        root.write("f", &bytes);
        let ranges = [299_990..300_000, 0..1, 100_000..200_000, 0..300_000, 5..5, 300_000..300_000];
        let answers = root.storage.read_ranges("f", &ranges).unwrap();
        assert_eq!(answers.len(), ranges.len());
        for (range, answer) in ranges.iter().zip(answers) {
            assert!(answer == bytes[range.start as usize..range.end as usize], "{range:?}");
        }
        let many: Vec<_> = (0..200u64).map(|at| at * 1000..at * 1000 + 10).collect();
        for (range, answer) in many.iter().zip(root.storage.read_ranges("f", &many).unwrap()) {
            assert_eq!(answer, bytes[range.start as usize..range.end as usize]);
        }
        for range in [299_999..300_001, 300_000..300_001, 400_000..400_010, 300_001..300_001] {
            let error = root.storage.read_ranges("f", std::slice::from_ref(&range)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{range:?}: {error}");
            assert!(error.to_string().contains("cut off"), "{error}");
        }
    });
}

#[test]
fn a_file_is_read_in_the_state_that_was_listed_or_not_at_all() {
    on_every_root(|root| {
        root.write("d/f", b"0123456789");
        let listed = root.storage.list_dir("d").unwrap().files.remove(0);
        assert_eq!(root.storage.read_listed(&listed, &[0..2, 8..10]).unwrap(), ["01", "89"]);
        root.storage.delete("d/f").unwrap();
        root.write("d/f", b"abcdefghijk");
        let error = root.storage.read_listed(&listed, &[0..2]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
        assert!(error.to_string().contains("d/f\" was replaced"), "{error}");
        let now = root.storage.list_dir("d").unwrap().files.remove(0);
        assert_eq!(root.storage.read_listed(&now, &[0..2]).unwrap(), ["ab"]);
    });
}

#[test]
fn a_missing_file_is_told_as_such() {
    on_every_root(|root| {
        root.write("there", b"x");
        for result in [
            root.storage.read_ranges("missing", &[0..1]).map(drop),
            root.storage.read_ranges("missing", &[0..0]).map(drop),
            root.storage.read_ranges("d/missing", &[0..1, 2..3]).map(drop),
            root.storage.rename("missing", "to"),
        ] {
            let error = result.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
            assert!(error.to_string().contains("missing"), "{error}");
        }
        assert_eq!(root.storage.read("there/below").unwrap_or(None), None);
    });
}

#[test]
fn what_is_not_finished_leaves_nothing() {
    on_every_root(|root| {
        let mut file = root.storage.create("t/dropped").unwrap();
        file.write_all(b"half").unwrap();
        file.flush().unwrap();
        assert_eq!(root.read("t/dropped"), None);
        assert_eq!(root.tree(""), Vec::<String>::new());
        drop(file);
        assert_eq!(root.tree(""), Vec::<String>::new());
    });
}

#[test]
fn moves_and_deletions_pass_over_what_is_gone() {
    on_every_root(|root| {
        let names: Vec<String> = (0..40).map(|number| format!("t/{number:02}")).collect();
        for name in &names {
            root.write(name, name.as_bytes());
        }
        let mut moves: Vec<(String, String)> =
            names.iter().map(|name| (name.clone(), format!("_trash/{name}"))).collect();
        moves.insert(3, ("t/gone".to_owned(), "_trash/t/gone".to_owned()));
        root.storage.rename_all(&moves).unwrap();
        root.storage.rename_all(&moves).unwrap();
        let moved: Vec<String> = names.iter().map(|name| format!("_trash/{name}")).collect();
        assert_eq!(root.tree(""), moved);
        assert_eq!(root.read("_trash/t/07").as_deref(), Some(&b"t/07"[..]));
        // A move replaces what is there.
        root.write("t/00", b"new");
        root.storage.rename("t/00", "_trash/t/00").unwrap();
        assert_eq!(root.read("_trash/t/00").as_deref(), Some(&b"new"[..]));
        root.storage.delete_all(&moved).unwrap();
        root.storage.delete_all(&moved).unwrap();
        root.storage.delete("never/there").unwrap();
        assert_eq!(root.tree(""), Vec::<String>::new());
        root.storage.rename_all(&[]).unwrap();
        root.storage.delete_all(&[]).unwrap();
    });
}

#[test]
fn many_are_moved_copied_and_deleted() {
    on_every_root(|root| {
        // More than one request takes, with characters that XML and URLs know.
        let names: Vec<String> = (0..1100).map(|number| format!("k=a%2Fb&<é> {number}/x.parquet")).collect();
        let at = |dir: &str| names.iter().map(|name| format!("{dir}/{name}")).collect::<Vec<_>>();
        root.write_many(&at("t"));
        let moves: Vec<(String, String)> = at("t").into_iter().zip(at("moved")).collect();
        root.storage.rename_all(&moves).unwrap();
        let mut moved = files_below(root.storage.as_ref(), "moved").unwrap();
        assert!(files_below(root.storage.as_ref(), "t").unwrap().is_empty());
        assert_eq!(moved.len(), names.len());
        moved.truncate(100);
        let copies: Vec<_> = moved.iter().map(|file| (file.clone(), file.path.replace("moved/", "copied/"))).collect();
        root.storage.copy_all(&copies).unwrap();
        for (from, to) in &copies {
            assert_eq!(root.read(to), root.read(&from.path));
            assert_eq!(root.read(to).unwrap(), from.path.replace("moved/", "t/").into_bytes());
        }
        // One of many is not there: the others are copied, deleted all the same.
        let missing = FileMeta { path: "moved/missing".to_owned(), ..moved[0].clone() };
        let mut again: Vec<_> =
            moved.iter().map(|file| (file.clone(), file.path.replace("moved/", "again/"))).collect();
        again.insert(3, (missing, "again/missing".to_owned()));
        assert_eq!(root.storage.copy_all(&again).unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(files_below(root.storage.as_ref(), "again").unwrap().len(), moved.len());
        let mut gone = at("moved");
        gone.insert(500, "moved/missing".to_owned());
        root.storage.delete_all(&gone).unwrap();
        assert!(files_below(root.storage.as_ref(), "moved").unwrap().is_empty());
        assert_eq!(files_below(root.storage.as_ref(), "copied").unwrap().len(), moved.len());
        root.storage.copy_all(&[]).unwrap();
    });
}

#[test]
fn many_files_are_finished_at_the_same_time() {
    on_every_root(|root| {
        let begin = |path: &str, bytes: &[u8]| {
            let mut file = root.storage.create(path).unwrap();
            file.write_all(bytes).unwrap();
            file
        };
        let large = pattern((9 << 20) + 5);
        let mut finishing: Vec<_> =
            (0..20).map(|number| begin(&format!("t/{number:02}"), b"small").begin_finish()).collect();
        finishing.push(begin("t/large", &large).begin_finish());
        for (number, finishing) in finishing.into_iter().enumerate() {
            let meta = finishing().unwrap();
            assert_eq!(meta.size, if number == 20 { large.len() as u64 } else { 5 });
            assert_eq!(meta.etag.is_some(), !root.is_local());
        }
        let listed = root.storage.list_dir("t").unwrap().files;
        assert_eq!(listed.len(), 21);
        assert!(root.read("t/large").unwrap() == large);
        // Given up, it has arrived or never will: what is deleted then stays away.
        let given_up: Vec<String> = (0..10).map(|number| format!("u/{number}")).collect();
        for path in &given_up {
            drop(begin(path, b"small").begin_finish());
        }
        root.storage.delete_all(&given_up).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(200));
        assert_eq!(root.tree("u"), Vec::<String>::new());
    });
}
