//! What cannot work: an error in time, by its meaning, with what to check, and without keys.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use amplify::error::{Error, ErrorKind};
use amplify::storage::{self, Cancel, OpenOptions, S3Options, Secret, Storage, cancellable};

use super::stores;

const ACCESS_KEY: &str = "AKIAHUSHHUSHHUSHHUSH";
const SECRET_KEY: &str = "hush/hush+hush";
const TOKEN: &str = "tokentokentoken";

fn options(endpoint: &str) -> OpenOptions {
    let s3 = S3Options {
        endpoint: Some(endpoint.to_owned()),
        access_key: Some(Secret::new(ACCESS_KEY)),
        secret_key: Some(Secret::new(SECRET_KEY)),
        session_token: Some(Secret::new(TOKEN)),
        use_ssl: false,
        ..S3Options::default()
    };
    OpenOptions { s3, ..OpenOptions::default() }
}

type Call = dyn Fn(&dyn Storage) -> Result<(), Error> + Sync;

/// Every kind of call, each of which must fail in time with an error that holds these texts. A name for each call.
fn all_fail(root: &str, options: &OpenOptions, kind: ErrorKind, texts: &[&str]) {
    let storage = storage::open(root, options).unwrap();
    let storage = storage.as_ref();
    let calls: [(&str, &Call); 8] = [
        ("list", &|storage| storage.list_dir("t").map(drop)),
        ("read", &|storage| storage.read("t/x").map(drop)),
        ("ranges", &|storage| storage.read_ranges("t/x", &[0..1]).map(drop)),
        ("put", &|storage| storage.put_if_absent("t/x", b"x").map(drop)),
        ("update", &|storage| storage.update("t/x", &mut |_| Ok(Some(b"x".to_vec())))),
        ("create", &|storage| storage.create("t/x")?.finish().map(drop)),
        ("rename", &|storage| storage.rename("t/x", "t/y")),
        ("delete", &|storage| storage.delete("t/x")),
    ];
    std::thread::scope(|scope| {
        for (name, call) in calls {
            scope.spawn(move || {
                let began = Instant::now();
                let result = call(storage);
                assert!(result.is_err(), "{name} went well");
                let error = result.unwrap_err();
                let (took, text) = (began.elapsed(), format!("{error} {error:?}"));
                assert!(took < Duration::from_secs(30), "{name} took {took:?}: {text}");
                assert_eq!(error.kind(), kind, "{name}: {text}");
                for expected in texts.iter().chain([&root]) {
                    assert!(text.contains(expected), "{name}: no {expected} in {text}");
                }
                for secret in [ACCESS_KEY, SECRET_KEY, TOKEN, "Signature=", "X-Amz-"] {
                    assert!(!text.contains(secret), "{name}: {secret} in {text}");
                }
            });
        }
    });
}

#[test]
fn a_store_that_is_not_there_is_told() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let endpoint = format!("http://{free}");
    all_fail("s3://b/p", &options(&endpoint), ErrorKind::Io, &[&endpoint, "cannot be reached", "amplify_s3_endpoint"]);
    let endpoint = "http://store.invalid:9000";
    all_fail("s3://b/p", &options(endpoint), ErrorKind::Io, &[endpoint, "cannot be reached", "amplify_s3_endpoint"]);
}

#[test]
fn a_store_that_never_answers_is_given_up_in_time() {
    // Connections are made, and nothing ever comes.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    all_fail("s3://b/p", &options(&endpoint), ErrorKind::Io, &[&endpoint, "did not answer"]);
}

#[test]
fn a_cancelled_read_stops_at_once() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let cancel = Cancel::new();
    let storage = cancellable(storage::open("s3://b/p", &options(&endpoint)).unwrap(), &cancel);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| storage.read_ranges("x", &[0..1, 5..9]));
        std::thread::sleep(Duration::from_millis(300));
        assert!(!reader.is_finished());
        let began = Instant::now();
        cancel.cancel();
        let error = reader.join().unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Interrupted);
        assert!(began.elapsed() < Duration::from_millis(500), "{:?}", began.elapsed());
    });
    assert_eq!(storage.list_dir("").unwrap_err().kind(), ErrorKind::Interrupted);
}

#[test]
fn a_store_without_tls_is_told_where_tls_is_asked_for() {
    for (_, bucket, mut options) in stores() {
        let endpoint = options.s3.endpoint.take().unwrap();
        options.s3.endpoint = Some(endpoint.replace("http://", ""));
        let root = format!("s3://{bucket}/tls");
        all_fail(&root, &options, ErrorKind::Io, &["cannot be reached", "amplify_s3_use_ssl"]);
    }
}

#[test]
fn keys_that_the_store_does_not_know_are_told() {
    for (name, bucket, known) in stores() {
        if name == "moto" {
            continue; // takes any
        }
        let endpoint = known.s3.endpoint.clone().unwrap();
        let root = format!("s3://{bucket}/keys");
        let texts = ["403", &endpoint, "amplify_s3_access_key", "AWS_ACCESS_KEY_ID"];
        all_fail(&root, &options(&endpoint), ErrorKind::Io, &texts);
        let mut wrong_secret = known;
        wrong_secret.s3.secret_key = Some(Secret::new(SECRET_KEY));
        all_fail(&root, &wrong_secret, ErrorKind::Io, &texts);
    }
}

#[test]
fn a_bucket_that_is_not_there_is_told() {
    for (_, _, options) in stores() {
        let endpoint = options.s3.endpoint.clone().unwrap();
        let root = "s3://no-such-bucket/p";
        let storage = storage::open(root, &options).unwrap();
        for error in [
            storage.list_dir("t").map(drop).unwrap_err(),
            storage.read("t/x").map(drop).unwrap_err(),
            storage.put_if_absent("t/x", b"x").map(drop).unwrap_err(),
        ] {
            let text = error.to_string();
            assert!(text.contains("There is no bucket \"no-such-bucket\"") && text.contains(&endpoint), "{text}");
        }
    }
}
