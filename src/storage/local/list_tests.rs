use std::fs;
use std::io;
use std::path::Path;

use tempfile::TempDir;

use super::directory::{NativeDirectory, PortableDirectory};
use super::tests::{fresh, put};
use super::*;
use crate::error::ErrorKind;

#[test]
fn lists_one_level_sorted_and_takes_what_is_missing_for_empty() {
    let (_dir, local) = fresh();
    assert_eq!(local.list_dir("").unwrap(), Listing::default());
    put(&local, "t/k=b/2.parquet", b"22");
    put(&local, "t/k=a/1.parquet", b"1");
    put(&local, "t/z", b"");
    put(&local, "t/a", b"abc");
    let listing = local.list_dir("t").unwrap();
    assert_eq!(listing.dirs, ["k=a", "k=b"]);
    let files: Vec<(&str, u64)> = listing.files.iter().map(|file| (file.path.as_str(), file.size)).collect();
    assert_eq!(files, [("t/a", 3), ("t/z", 0)]);
    assert_eq!(local.list_dir("").unwrap().dirs, ["t"]);
    assert_eq!(local.list_dirs(&["t/none".into(), "t/k=b".into()]).unwrap()[1].files[0].path, "t/k=b/2.parquet");
}

#[test]
fn many_directories_are_listed_in_their_order() {
    let (_dir, local) = fresh();
    let dirs: Vec<String> = (0..1000).map(|n| format!("t/n={}", n * 7 % 1000)).collect();
    for (n, dir) in dirs.iter().enumerate().filter(|(n, _)| n % 3 > 0) {
        put(&local, &format!("{dir}/{n}.parquet"), b"x");
    }
    let listings = local.list_dirs(&dirs).unwrap();
    let files: Vec<Vec<String>> =
        listings.into_iter().map(|listing| listing.files.into_iter().map(|file| file.path).collect()).collect();
    let expected: Vec<Vec<String>> = dirs
        .iter()
        .enumerate()
        .map(|(n, dir)| if n % 3 > 0 { vec![format!("{dir}/{n}.parquet")] } else { Vec::new() })
        .collect();
    assert_eq!(files, expected);
    put(&local, "t/file", b"x");
    let with_a_file: Vec<String> = dirs.into_iter().chain(["t/file".to_owned()]).collect();
    assert_eq!(
        local.list_dirs(&with_a_file).unwrap_err().to_string(),
        local.list_dir("t/file").unwrap_err().to_string()
    );
}

/// What a test asks of the directories of this system, and of those of the standard library.
macro_rules! on_both {
    ($($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                body::$name::<NativeDirectory>();
                body::$name::<PortableDirectory>();
            }
        )*
    };
}

on_both! {
    what_is_removed_while_it_is_listed_is_empty
    a_parent_that_was_replaced_is_not_held_on_to
    no_path_leaves_the_root
}

#[cfg(unix)]
on_both! {
    follows_links
    names_what_is_not_utf8
}

mod body {
    use super::super::directory::{Directory, Entry};
    use super::super::list::{list_dirs, list_names};
    use super::*;

    fn owned(paths: &[&str]) -> Vec<String> {
        paths.iter().map(|&path| path.to_owned()).collect()
    }

    fn files(listing: &Listing) -> Vec<(&str, u64)> {
        listing.files.iter().map(|file| (file.path.as_str(), file.size)).collect()
    }

    #[cfg(unix)]
    pub(super) fn follows_links<D: Directory>() {
        use std::os::unix::fs::symlink;
        use std::os::unix::net::UnixListener;

        let (dir, local) = fresh();
        put(&local, "t/a", b"abc");
        put(&local, "t/k=1/b", b"b");
        let table = dir.path().join("deep/root/t");
        let elsewhere = dir.path().join("elsewhere");
        fs::create_dir(&elsewhere).unwrap();
        fs::write(elsewhere.join("c"), b"cc").unwrap();
        symlink("a", table.join("link")).unwrap();
        symlink("nowhere", table.join("dangling")).unwrap();
        symlink(".", table.join("self")).unwrap();
        symlink(&elsewhere, table.join("k=2")).unwrap();
        symlink(elsewhere.join("c"), table.join("k=1/c")).unwrap();
        let _socket = UnixListener::bind(table.join("socket")).unwrap();

        let dirs = owned(&["t", "t/k=1", "t/k=2", "t/self/self/k=2", "t/none", "t/dangling"]);
        let listings = list_dirs::<D>(&local.root, &dirs).unwrap();
        assert_eq!(listings[0].dirs, ["k=1", "k=2", "self"]);
        assert_eq!(files(&listings[0]), [("t/a", 3), ("t/link", 3)]);
        assert_eq!(files(&listings[1]), [("t/k=1/b", 1), ("t/k=1/c", 2)]);
        assert_eq!(files(&listings[2]), [("t/k=2/c", 2)]);
        assert_eq!(files(&listings[3]), [("t/self/self/k=2/c", 2)]);
        assert_eq!(listings[4..], [Listing::default(), Listing::default()]);
        let alone: Vec<Listing> = dirs.iter().map(|dir| local.list_dir(dir).unwrap()).collect();
        assert_eq!(listings, alone);

        let names = list_names::<D>(&local.root, "t").unwrap();
        assert_eq!(names, ["a", "dangling", "k=2", "link", "self", "socket"]);
    }

    #[cfg(unix)]
    pub(super) fn names_what_is_not_utf8<D: Directory>() {
        use std::ffi::OsStr;
        use std::os::unix::ffi::OsStrExt;

        let (dir, local) = fresh();
        put(&local, "t/a", b"abc");
        let table = dir.path().join("deep/root/t");
        fs::write(table.join(OsStr::from_bytes(b".hidden\xff")), b"").unwrap();
        fs::create_dir(table.join(OsStr::from_bytes(b"_hidden\xff"))).unwrap();
        let list = || list_dirs::<D>(&local.root, &owned(&["t", "t"]));
        assert_eq!(files(&list().unwrap()[1]), [("t/a", 3)]);
        assert_eq!(list_names::<D>(&local.root, "t").unwrap(), ["a"]);
        fs::create_dir(table.join(OsStr::from_bytes(b"k=\xff"))).unwrap();
        for error in [list().unwrap_err(), list_names::<D>(&local.root, "t").unwrap_err()] {
            assert_eq!(error.kind(), ErrorKind::Corrupt);
            assert!(error.to_string().contains("deep/root/t/k="), "{error}");
        }
    }

    pub(super) fn what_is_removed_while_it_is_listed_is_empty<D: Directory>() {
        let dir = TempDir::new().unwrap();
        let names = |directory: D| {
            let mut names = Vec::new();
            let result = directory.read(&mut Vec::new(), &mut |entry: io::Result<&dyn Entry>| {
                names.push(entry.unwrap().name().to_owned());
                Ok(())
            });
            result.unwrap();
            names
        };
        let make = |path: &Path| {
            fs::create_dir(path).unwrap();
            fs::write(path.join("a"), b"").unwrap();
        };
        let path = dir.path().join("k=1");
        make(&path);
        assert_eq!(names(D::open(&path).unwrap()), ["a"]);
        let open = D::open(&path).unwrap();
        fs::remove_dir_all(&path).unwrap();
        assert_eq!(names(open).len(), 0);

        // An entry that is gone when it is asked for.
        make(&path);
        let result = D::open(&path).unwrap().read(&mut Vec::new(), &mut |entry| {
            fs::remove_file(path.join("a")).unwrap();
            assert_eq!(entry.unwrap().found().unwrap(), None);
            Ok(())
        });
        result.unwrap();
    }

    pub(super) fn a_parent_that_was_replaced_is_not_held_on_to<D: Directory>() {
        let (dir, local) = fresh();
        put(&local, "t/k=1/a", b"a");
        let table = dir.path().join("deep/root/t");
        let parent = D::open(&table).unwrap();
        let list = || Lister::new(&local.root).list_dir(Some((&parent, "k=1")), "t/k=1").unwrap();
        assert_eq!(files(&list()), [("t/k=1/a", 1)]);
        fs::remove_dir_all(&table).unwrap();
        assert_eq!(list(), Listing::default());
        put(&local, "t/k=1/b", b"bb");
        assert_eq!(files(&list()), [("t/k=1/b", 2)]);
    }

    pub(super) fn no_path_leaves_the_root<D: Directory>() {
        let (_dir, local) = fresh();
        put(&local, "t/a", b"a");
        for path in ["t/..", "t/.", "t/", "../x", "t/\0"] {
            for dirs in [vec![path], vec![path, path]] {
                let error = list_dirs::<D>(&local.root, &owned(&dirs)).unwrap_err();
                assert!(error.to_string().contains("is no path below"), "{path:?}: {error}");
            }
        }
    }
}
