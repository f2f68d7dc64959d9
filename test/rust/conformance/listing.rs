//! Listings: one level, all of it, in order.

use super::on_every_root;

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
        std::thread::scope(|scope| {
            for part in names.chunks(MANY.div_ceil(8)) {
                scope.spawn(move || {
                    for name in part {
                        root.write(&format!("files/{name}"), b"x");
                        root.write(&format!("dirs/{name}/x"), b"x");
                    }
                });
            }
        });
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
