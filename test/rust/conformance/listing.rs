//! Listings: one level, all of it, in order.

use amplify::storage::{FileMeta, Run, files_below};

use super::{Root, on_every_root};

/// More than a page of any store.
const MANY: usize = 1100;

#[test]
fn a_listing_is_one_level_sorted() {
    on_every_root(|root| {
        for path in ["b", "a/x", "a/y/z", "a-/x", "a.b", "c/d/e", "c/d/f"] {
            root.write(path, path.as_bytes());
        }
        let mut top = root.storage.list_dir("").unwrap();
        // SeaweedFS still lists the directory of what tried the store.
        top.dirs.retain(|name| name != "_registry");
        assert_eq!(top.dirs, ["a", "a-", "c"]);
        assert_eq!(top.files.iter().map(|file| file.path.as_str()).collect::<Vec<_>>(), ["a.b", "b"]);
        let a = root.storage.list_dir("a").unwrap();
        assert_eq!(a.dirs, ["y"]);
        assert_eq!(a.files.iter().map(|file| file.path.as_str()).collect::<Vec<_>>(), ["a/x"]);
        assert_eq!(root.storage.list_names("c/d").unwrap(), ["e", "f"]);
        let missing = root.storage.list_dir("missing/below").unwrap();
        assert!(missing.dirs.is_empty() && missing.files.is_empty());
        let dirs = ["c/d", "missing", "a", "c"].map(str::to_owned);
        let listings = root.storage.list_dirs(&dirs).unwrap();
        let counts: Vec<_> = listings.iter().map(|listing| (listing.dirs.len(), listing.files.len())).collect();
        assert_eq!(counts, [(0, 2), (0, 0), (1, 1), (1, 0)]);
        assert!(root.storage.list_dirs(&[]).unwrap().is_empty());
    });
}

#[test]
fn a_listing_is_whole_however_long() {
    on_every_root(|root| {
        let names: Vec<String> = (0..MANY).map(|number| format!("{number:05}")).collect();
        let paths = names.iter().flat_map(|name| [format!("files/{name}"), format!("dirs/{name}/x")]);
        root.write_many(&paths.collect::<Vec<_>>());
        assert_eq!(root.storage.list_names("files").unwrap(), names);
        assert_eq!(root.storage.list_dir("dirs").unwrap().dirs, names);
        let dirs: Vec<String> = names.iter().map(|name| format!("dirs/{name}")).collect();
        let listings = root.storage.list_dirs(&dirs).unwrap();
        for (dir, listing) in dirs.iter().zip(&listings) {
            assert_eq!(listing.files.len(), 1, "{dir}");
            assert_eq!(listing.files[0].path, format!("{dir}/x"));
        }
    });
}

#[test]
fn a_run_goes_on_until_a_number_is_missing() {
    on_every_root(|root| {
        let name = |number: u64| format!("{number:05}.json");
        let numbers = (1..=MANY as u64).filter(|number| *number != 40);
        let mut paths: Vec<String> = numbers.map(|number| format!("j/{}", name(number))).collect();
        // What no number is called, before, between and after those that are; and a directory of such a name.
        paths.extend(
            [
                "j/00001.json.old",
                "j/00042",
                "j/00042.json.old",
                "j/00043.json2",
                "j/00050-x/00051.json",
                "j-/00001.json",
            ]
            .map(str::to_owned),
        );
        root.write_many(&paths);
        let run = |first: u64| root.storage.list_run("j", first, &name).unwrap().files;
        let listed = root.storage.list_dir("j").unwrap().files;
        for (first, end) in [(1, 39), (38, 39), (39, 39), (41, MANY as u64), (1099, 1100), (1100, 1100)] {
            let expected: Vec<&FileMeta> =
                (first..=end).map(|number| listed.iter().find(|file| file.name() == name(number)).unwrap()).collect();
            assert_eq!(run(first).iter().collect::<Vec<_>>(), expected, "from {first}");
        }
        for first in [0, 40, 1101] {
            assert_eq!(run(first), [], "from {first}");
        }
        assert_eq!(root.storage.list_run("missing", 1, &name).unwrap(), Run::default());
        // Where that comes along, what a gap hides is shown.
        let behind = root.storage.list_run("j", 38, &name).unwrap().behind;
        let expected = root.storage.access().remote.then(|| "j/00041.json".to_owned());
        assert_eq!(behind.map(|file| file.path), expected);
    });
}

/// Every file below each directory, by path, with the number of visits.
fn below(root: &Root, dirs: &[String]) -> Vec<(Vec<FileMeta>, usize)> {
    let mut trees: Vec<(Vec<FileMeta>, usize)> = vec![Default::default(); dirs.len()];
    let whole = root.storage.list_below(dirs, &mut |number, files| {
        trees[number].0.extend(files);
        trees[number].1 += 1;
        true
    });
    assert_eq!(whole.unwrap(), vec![true; dirs.len()]);
    trees.iter_mut().for_each(|(files, _)| files.sort_by(|a, b| a.path.cmp(&b.path)));
    trees
}

#[test]
fn a_tree_is_all_that_its_directories_hold() {
    on_every_root(|root| {
        for path in
            ["b", "a/x", "a/y/z", "a-/x", "a/y-/z", "a.b", "c/d/e/f/g", "c/empty", "k=a%2Fb/é b/x+y.parquet", "a/y!/z"]
        {
            root.write(path, if path == "c/empty" { b"" } else { path.as_bytes() });
        }
        let dirs = ["", "a", "a/y", "c", "k=a%2Fb", "missing"].map(str::to_owned);
        for (dir, (files, _)) in dirs.iter().zip(below(root, &dirs)) {
            let mut expected = Vec::new();
            let mut levels = vec![dir.clone()];
            while let Some(dir) = levels.pop() {
                let listing = root.storage.list_dir(&dir).unwrap();
                levels.extend(
                    listing.dirs.iter().map(|name| if dir.is_empty() { name.clone() } else { format!("{dir}/{name}") }),
                );
                expected.extend(listing.files);
            }
            expected.sort_by(|a, b| a.path.cmp(&b.path));
            assert_eq!(files, expected, "{dir:?}");
            assert_eq!(files_below(root.storage.as_ref(), dir).unwrap(), expected, "{dir:?}");
        }
        assert!(below(root, &[]).is_empty());
        assert!(root.storage.list_below(&["..".to_owned()], &mut |_, _| true).is_err());
    });
}

#[test]
fn a_tree_is_whole_however_large() {
    on_every_root(|root| {
        // Pages end within directories and between them, some of which are called as others begin.
        let mut paths: Vec<String> = (0..MANY).map(|number| format!("t/many/k={number}/x.parquet")).collect();
        paths.extend((0..MANY / 2).map(|number| format!("t/k=1/{number:05}.parquet")));
        paths.extend((0..MANY / 2).map(|number| format!("t/k=1-{}/a b/{number:05}.parquet", number % 3)));
        paths.extend((0..10).map(|number| format!("u/{number}")));
        root.write_many(&paths);
        paths.sort();
        let [t, u] = &below(root, &["t".to_owned(), "u".to_owned()])[..] else { panic!() };
        let found: Vec<&str> = t.0.iter().chain(&u.0).map(|file| file.path.as_str()).collect();
        assert_eq!(found, paths);
        assert!(root.is_local() || t.1 > 2, "{} pages", t.1);
        assert_eq!(u.1, 1);
        let alone = files_below(root.storage.as_ref(), "t").unwrap();
        assert!(alone == t.0, "{} of {} files", alone.len(), t.0.len());
        // Who wants no more after the first page of one gets all of the other.
        let mut visits = [0, 0];
        let dirs = ["t".to_owned(), "u".to_owned()];
        let whole = root.storage.list_below(&dirs, &mut |number, _| {
            visits[number] += 1;
            false
        });
        assert_eq!((whole.unwrap(), visits), (vec![root.is_local(), true], [1, 1]));
    });
}
