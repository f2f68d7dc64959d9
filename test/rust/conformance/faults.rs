//! A network that fails now and then: right results, or an error; never a half one, and never the same twice.

use std::io::Write;
use std::sync::Arc;

use amplify::storage::{self, PutOutcome, Storage};

use super::proxy::{Fault, Proxy};
use super::{pattern, stores, text};

/// More than one part.
const LARGE_BYTES: usize = (9 << 20) + 321;

/// Runs `check` on a fresh root of each S3 store, behind a proxy that spoils nothing yet.
fn behind_a_proxy(check: impl Fn(&Proxy, Arc<dyn Storage>)) {
    for (name, bucket, mut options) in stores() {
        eprintln!("on {name}");
        let proxy = Proxy::start(options.s3.endpoint.as_deref().unwrap());
        options.s3.endpoint = Some(proxy.endpoint.clone());
        let root = format!("s3://{bucket}/faults/{}", uuid::Uuid::new_v4().simple());
        let storage = storage::open(&root, &options).unwrap();
        // The probe, undisturbed.
        storage.put_if_absent("first", b"x").unwrap();
        check(&proxy, storage);
    }
}

fn create(storage: &dyn Storage, path: &str, bytes: &[u8]) {
    let mut file = storage.create(path).unwrap();
    file.write_all(bytes).unwrap();
    assert_eq!(file.finish().unwrap().size, bytes.len() as u64);
}

/// Every call, each with its first requests spoilt.
fn all_go_well(fault: Fault, times: usize) {
    behind_a_proxy(|proxy, storage| {
        let storage = storage.as_ref();
        let large = pattern(LARGE_BYTES);
        let spoil = |part: &str| {
            assert!(proxy.is_through(), "what was to be spoilt was not asked for");
            proxy.spoil(part, fault, times);
        };
        spoil("PUT");
        assert_eq!(storage.put_if_absent("j/1", b"one").unwrap(), PutOutcome::Created);
        spoil("GET");
        assert_eq!(storage.read("j/1").unwrap().as_deref(), Some(&b"one"[..]));
        spoil("PUT");
        create(storage, "t/small", b"small");
        spoil("POST");
        proxy.spoil("partNumber", fault, times);
        create(storage, "t/large", &large);
        spoil("GET");
        assert!(storage.read_ranges("t/large", &[100..9_000_000]).unwrap()[0] == large[100..9_000_000]);
        spoil("list-type");
        assert_eq!(storage.list_names("t").unwrap(), ["large", "small"]);
        spoil("GET");
        storage.update("r", &mut |bytes| Ok(Some(format!("{}x", text(bytes)).into_bytes()))).unwrap();
        spoil("PUT");
        storage.update("r", &mut |bytes| Ok(Some(format!("{}y", text(bytes)).into_bytes()))).unwrap();
        spoil("PUT");
        storage.rename("t/small", "moved/small").unwrap();
        spoil("DELETE");
        storage.delete("t/large").unwrap();
        assert!(proxy.is_through());
        assert_eq!(storage.read("r").unwrap().as_deref(), Some(&b"xy"[..]));
        assert_eq!(storage.read("moved/small").unwrap().as_deref(), Some(&b"small"[..]));
        assert!(storage.list_dir("t").unwrap().files.is_empty());
    });
}

#[test]
fn requests_that_a_busy_store_refuses_are_tried_again() {
    all_go_well(Fault::Busy, 4);
}

#[test]
fn connections_that_end_early_are_made_again() {
    all_go_well(Fault::Reset, 3);
}

#[test]
fn answers_that_are_cut_short_are_asked_for_again() {
    behind_a_proxy(|proxy, storage| {
        let large = pattern(LARGE_BYTES);
        create(storage.as_ref(), "t/large", &large);
        proxy.spoil("GET", Fault::CutShort, 3);
        assert!(storage.read("t/large").unwrap().unwrap() == large);
        assert!(proxy.is_through());
        proxy.spoil("GET", Fault::CutShort, 4);
        let ranges = [10..4_000_000, 4_000_100..9_000_000];
        let answers = storage.read_ranges("t/large", &ranges).unwrap();
        for (range, answer) in ranges.iter().zip(answers) {
            assert!(answer == large[range.start as usize..range.end as usize]);
        }
        assert!(proxy.is_through());
        proxy.spoil("list-type", Fault::CutShort, 2);
        assert_eq!(storage.list_names("t").unwrap(), ["large"]);
        assert!(proxy.is_through());
    });
}

#[test]
fn a_lost_answer_does_nothing_twice() {
    behind_a_proxy(|proxy, storage| {
        let storage = storage.as_ref();
        for number in 0..3 {
            // It may be found again as another's; what is there is its own in any case.
            proxy.spoil("PUT", Fault::Lost, 1);
            let path = format!("commits/{number}");
            let own = format!("own {number}");
            let _ = storage.put_if_absent(&path, own.as_bytes());
            assert!(proxy.is_through());
            assert_eq!(storage.read(&path).unwrap().as_deref(), Some(own.as_bytes()));
            // An update finds out for itself, with a file there before and without.
            proxy.spoil("PUT", Fault::Lost, 1);
            storage.update("log", &mut |bytes| Ok(Some(format!("{}{number}", text(bytes)).into_bytes()))).unwrap();
            assert!(proxy.is_through());
        }
        assert_eq!(storage.read("log").unwrap().as_deref(), Some(&b"012"[..]));

        let large = pattern(LARGE_BYTES);
        for part in ["POST", "partNumber", "uploadId"] {
            proxy.spoil(part, Fault::Lost, 1);
            create(storage, "t/large", &large);
            assert!(proxy.is_through(), "{part}");
            assert!(storage.read("t/large").unwrap().unwrap() == large, "{part}");
        }
        // The end of the upload itself.
        let mut file = storage.create("t/complete").unwrap();
        file.write_all(&large).unwrap();
        proxy.spoil("?uploadId", Fault::Lost, 1);
        assert_eq!(file.finish().unwrap().size, LARGE_BYTES as u64);
        assert!(storage.read("t/complete").unwrap().unwrap() == large);
        assert!(proxy.is_through());

        proxy.spoil("PUT", Fault::Lost, 1);
        storage.rename("t/large", "moved/large").unwrap();
        assert!(proxy.is_through());
        proxy.spoil("DELETE", Fault::Lost, 1);
        storage.delete("moved/large").unwrap();
        assert!(proxy.is_through());
        assert!(storage.list_dir("moved").unwrap().files.is_empty());
    });
}

#[test]
fn an_upload_that_fails_leaves_nothing() {
    behind_a_proxy(|proxy, storage| {
        let mut file = storage.create("t/large").unwrap();
        file.write_all(&pattern(LARGE_BYTES)).unwrap();
        proxy.spoil("POST", Fault::Busy, 100);
        let error = file.finish().unwrap_err().to_string();
        assert!(error.contains("503") && error.contains("SlowDown") && error.contains("t/large"), "{error}");
        assert!(!proxy.is_through());
        assert!(storage.list_dir("t").unwrap().files.is_empty());
    });
}

#[test]
fn many_are_deleted_whatever_becomes_of_the_request() {
    for (fault, times) in
        [(Fault::Busy, 2), (Fault::Reset, 2), (Fault::Lost, 1), (Fault::CutShort, 1), (Fault::Unknown, 1)]
    {
        behind_a_proxy(|proxy, storage| {
            let paths: Vec<String> = (0..60).map(|number| format!("t/{number}")).collect();
            paths.iter().for_each(|path| create(storage.as_ref(), path, b"x"));
            proxy.spoil("?delete", fault, times);
            storage.delete_all(&paths).unwrap();
            assert!(proxy.is_through(), "{fault:?}");
            assert!(storage.list_dir("t").unwrap().files.is_empty(), "{fault:?}");
            // A store that has refused it once is not asked again.
            paths.iter().for_each(|path| create(storage.as_ref(), path, b"x"));
            proxy.spoil("?delete", Fault::Lost, 1);
            storage.delete_all(&paths).unwrap();
            assert_eq!(proxy.is_through(), fault != Fault::Unknown, "{fault:?}");
            assert!(storage.list_dir("t").unwrap().files.is_empty(), "{fault:?}");
        });
    }
}

#[test]
fn a_file_that_cannot_be_finished_says_so_when_it_is_waited_for() {
    behind_a_proxy(|proxy, storage| {
        let begin = |path: &str| {
            let mut file = storage.create(path).unwrap();
            file.write_all(b"x").unwrap();
            file.begin_finish()
        };
        let good = begin("t/good");
        assert_eq!(good().unwrap().size, 1);
        proxy.spoil("PUT", Fault::Unknown, 1);
        let error = begin("t/bad")().unwrap_err().to_string();
        assert!(error.contains("t/bad") && error.contains("501"), "{error}");
        assert_eq!(storage.list_names("t").unwrap(), ["good"]);
    });
}
