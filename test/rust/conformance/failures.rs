//! What cannot work: an error in time, by its meaning, with what to check, and without keys.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use amplify::error::{Error, ErrorKind};
use amplify::storage::{self, Cancel, FileMeta, OpenOptions, S3Options, Secret, Storage, cancellable};
use chrono::Utc;

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

/// What is done to many files at a time costs a silent store one round of requests, however many files there are.
#[test]
fn a_store_that_never_answers_is_not_asked_for_the_rest() {
    type Many = dyn Fn(&dyn Storage, &[String]) -> Result<(), Error> + Sync;
    fn to(path: &str) -> String {
        format!("{path}.moved")
    }
    fn file(path: &str) -> FileMeta {
        FileMeta { path: path.to_owned(), size: 1, modified: Utc::now(), etag: None, inode: None }
    }
    let calls: [(usize, &Many); 3] = [
        (32, &|storage, paths| {
            storage.rename_all(&paths.iter().map(|path| (path.clone(), to(path))).collect::<Vec<_>>())
        }),
        (32, &|storage, paths| storage.copy_all(&paths.iter().map(|path| (file(path), to(path))).collect::<Vec<_>>())),
        // By the thousand, and not one by one after that.
        (1, &|storage, paths| storage.delete_all(paths)),
    ];
    std::thread::scope(|scope| {
        for (most_requests, call) in calls {
            scope.spawn(move || {
                let listener = TcpListener::bind("127.0.0.1:0").unwrap();
                let endpoint = format!("http://{}", listener.local_addr().unwrap());
                let asked = Arc::new(AtomicUsize::new(0));
                let count = asked.clone();
                std::thread::spawn(move || {
                    let mut clients = Vec::new();
                    while let Ok((client, _)) = listener.accept() {
                        count.fetch_add(1, Ordering::Relaxed);
                        clients.push(client);
                    }
                });
                let storage = storage::open("s3://b/p", &OpenOptions { single_writer: true, ..options(&endpoint) });
                let paths: Vec<String> = (0..300).map(|number| format!("t/{number}")).collect();
                let began = Instant::now();
                let error = call(storage.unwrap().as_ref(), &paths).unwrap_err();
                assert!(began.elapsed() < Duration::from_secs(75), "it took {:?}", began.elapsed());
                assert_eq!(error.kind(), ErrorKind::Io);
                assert!(error.to_string().contains("no answer in time"), "{error}");
                let asked = asked.load(Ordering::Relaxed);
                assert!((1..=most_requests).contains(&asked), "{asked} requests");
            });
        }
    });
}

/// Connections are made and kept, and nothing is ever answered. What comes is read (`reads`), or not even that.
fn silent_store(reads: bool) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let mut clients = Vec::new();
        while let Ok((client, _)) = listener.accept() {
            let mut reader = client.try_clone().unwrap();
            clients.push(client);
            if reads {
                std::thread::spawn(move || std::io::copy(&mut reader, &mut std::io::sink()));
            }
        }
    });
    endpoint
}

/// Below an endpoint, without the probe that every write waits for.
fn open_unprobed(endpoint: &str) -> Arc<dyn Storage> {
    storage::open("s3://b/p", &OpenOptions { single_writer: true, ..options(endpoint) }).unwrap()
}

#[test]
fn who_clears_up_waits_for_a_silent_store_once() {
    let storage = storage::hurried(&open_unprobed(&silent_store(true)));
    let began = Instant::now();
    let paths: Vec<String> = (0..300).map(|number| format!("t/{number}")).collect();
    let errors = [
        storage.delete_all(&paths).unwrap_err(),
        storage.read("t/x").unwrap_err(),
        storage.list_dir("t").unwrap_err(),
        storage.delete("t/x").unwrap_err(),
    ];
    assert!(began.elapsed() < Duration::from_secs(8), "it took {:?}", began.elapsed());
    for error in errors {
        assert!(error.to_string().contains("did not answer in time"), "{error}");
    }
}

#[test]
fn files_that_are_given_up_do_not_wait_each_for_a_silent_store() {
    let storage = open_unprobed(&silent_store(true));
    // Of one part and a bit, of which nothing arrives; and of less than one, being finished.
    let mut files: Vec<_> = (0..3).map(|number| storage.create(&format!("t/{number}")).unwrap()).collect();
    files.iter_mut().for_each(|file| file.write_all(&vec![0; 9 << 20]).unwrap());
    let finishings: Vec<_> =
        (0..3).map(|number| storage.create(&format!("s/{number}")).unwrap().begin_finish()).collect();
    let began = Instant::now();
    drop(files);
    drop(finishings);
    assert!(began.elapsed() < Duration::from_secs(8), "it took {:?}", began.elapsed());
}

/// However long a body of its size may take: here it does not move (which only Linux notices soon), or all of it was
/// taken.
#[test]
fn an_upload_that_no_longer_moves_is_given_up() {
    std::thread::scope(|scope| {
        for reads in if cfg!(target_os = "linux") { &[true, false][..] } else { &[true] } {
            scope.spawn(move || {
                let endpoint = silent_store(*reads);
                let mut file = open_unprobed(&endpoint).create("t/x").unwrap();
                file.write_all(&vec![0; 7 << 20]).unwrap();
                let began = Instant::now();
                let error = file.finish().unwrap_err();
                let (took, text) = (began.elapsed(), error.to_string());
                assert!(took < Duration::from_secs(35), "it took {took:?}: {text}");
                for part in ["\"s3://b/p/t/x\"", &endpoint, "did not answer", "amplify_s3_endpoint"] {
                    assert!(text.contains(part), "no {part} in {text}");
                }
            });
        }
    });
}

#[test]
fn a_server_of_something_else_is_told() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let mut asked = Vec::new();
                let mut buffer = [0; 4096];
                while !asked.windows(4).any(|end| end == b"\r\n\r\n") {
                    match client.read(&mut buffer) {
                        Ok(read @ 1..) => asked.extend_from_slice(&buffer[..read]),
                        _ => return,
                    }
                }
                let page = if asked.starts_with(b"PUT") { "" } else { "<html><h1>Nothing matches.</h1></html>" };
                let length = page.len();
                let head = format!("HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n");
                let _ = client.write_all((head + page).as_bytes());
            });
        }
    });
    let storage = storage::open("s3://b/p", &options(&endpoint)).unwrap();
    for error in [
        storage.read("t/x").map(drop).unwrap_err(),
        storage.read_ranges("t/x", &[0..1]).map(drop).unwrap_err(),
        storage.list_dir("t").map(drop).unwrap_err(),
        storage.put_if_absent("t/x", b"x").map(drop).unwrap_err(),
    ] {
        let text = error.to_string();
        assert_eq!(error.kind(), ErrorKind::Io, "{text}");
        for part in [endpoint.as_str(), "404 Not Found", "does not look like an S3 store", "amplify_s3_endpoint"] {
            assert!(text.contains(part), "no {part} in {text}");
        }
    }
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
