//! Put-if-absent and compare-and-swap, alone and in races. Races are small: SeaweedFS is slow at them.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use amplify::error::{Error, ErrorKind};
use amplify::storage::PutOutcome;

use super::{Root, on_every_root, text};

const RACERS: usize = 4;
const ROUNDS: usize = 3;

/// Adds a line to a file.
fn add_line(root: &Root, path: &str, line: &str) {
    root.storage.update(path, &mut |bytes| Ok(Some(format!("{}{line}\n", text(bytes)).into_bytes()))).unwrap();
}

#[test]
fn put_if_absent_leaves_alone_what_is_there() {
    on_every_root(|root| {
        for storage in [root.storage.clone(), root.reopen(|options| options.single_writer = true)] {
            assert_eq!(storage.put_if_absent("j/1", b"first").unwrap(), PutOutcome::Created);
            assert_eq!(storage.put_if_absent("j/1", b"second").unwrap(), PutOutcome::AlreadyExists);
            assert_eq!(root.read("j/1").as_deref(), Some(&b"first"[..]));
            assert_eq!(storage.put_if_absent("j/empty", b"").unwrap(), PutOutcome::Created);
            assert_eq!(storage.put_if_absent("j/empty", b"").unwrap(), PutOutcome::AlreadyExists);
            assert_eq!(root.storage.list_names("j").unwrap(), ["1", "empty"]);
            storage.delete_all(&["j/1".to_owned(), "j/empty".to_owned()]).unwrap();
        }
        // What tried the store leaves nothing.
        assert_eq!(root.tree(""), Vec::<String>::new());
    });
}

#[test]
fn one_of_racing_puts_wins() {
    on_every_root(|root| {
        for round in 0..ROUNDS {
            let (path, winners) = (format!("commits/{round}"), AtomicUsize::new(0));
            std::thread::scope(|scope| {
                for racer in 0..RACERS {
                    let (path, winners) = (&path, &winners);
                    scope.spawn(move || {
                        let own = format!("racer {racer}");
                        let outcome = root.storage.put_if_absent(path, own.as_bytes()).unwrap();
                        // An answer that was lost makes the winner find its own.
                        let won = outcome == PutOutcome::Created || root.read(path) == Some(own.into_bytes());
                        winners.fetch_add(usize::from(won), Relaxed);
                    });
                }
            });
            assert_eq!(winners.load(Relaxed), 1);
        }
    });
}

#[test]
fn an_update_sees_what_it_replaces() {
    on_every_root(|root| {
        let first = root.reopen(|options| options.single_writer = true);
        for storage in [first, root.storage.clone()] {
            storage.update("r.json", &mut |bytes| Ok(bytes.is_some().then(Vec::new))).unwrap();
            assert_eq!(root.read("r.json"), None);
            for expected in ["", "x", "xx"] {
                storage
                    .update("r.json", &mut |bytes| {
                        assert_eq!(text(bytes), expected);
                        assert_eq!(bytes.is_none(), expected.is_empty());
                        Ok(Some(format!("{expected}x").into_bytes()))
                    })
                    .unwrap();
            }
            storage.update("r.json", &mut |_| Ok(None)).unwrap();
            let refused = storage.update("r.json", &mut |_| Err(Error::invalid("no"))).unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::InvalidInput);
            assert_eq!(root.read("r.json").as_deref(), Some(&b"xxx"[..]));
            storage.delete("r.json").unwrap();
        }
    });
}

#[test]
fn an_update_that_another_overtakes_is_made_again() {
    on_every_root(|root| {
        for there_before in [false, true] {
            let path = format!("overtaken-{there_before}");
            if there_before {
                add_line(root, &path, "old");
            }
            let mut calls = 0;
            root.storage
                .update(&path, &mut |bytes| {
                    calls += 1;
                    // A local root holds its lock from the second call on.
                    if calls == 1 {
                        add_line(root, &path, "other");
                    }
                    Ok(Some(format!("{}own\n", text(bytes)).into_bytes()))
                })
                .unwrap();
            let expected = if there_before { "old\nother\nown\n" } else { "other\nown\n" };
            assert_eq!(text(root.read(&path).as_deref()), expected);
            assert_eq!(calls, 2);
        }
    });
}

#[test]
fn no_racing_update_is_lost() {
    on_every_root(|root| {
        std::thread::scope(|scope| {
            for racer in 0..RACERS {
                scope.spawn(move || {
                    for round in 0..ROUNDS {
                        add_line(root, "registry", &format!("{racer}.{round}"));
                    }
                });
            }
        });
        let lines = text(root.read("registry").as_deref());
        let mut lines: Vec<&str> = lines.lines().collect();
        lines.sort_unstable();
        let expected: Vec<String> =
            (0..RACERS).flat_map(|racer| (0..ROUNDS).map(move |round| format!("{racer}.{round}"))).collect();
        assert_eq!(lines, expected);
    });
}
