//! How long an answer is waited for while the body of its request goes out.
//!
//! How long a body takes says nothing of a store: the network may be slow. So the wait for the answer begins when the
//! connection has taken the last of the body. Until then the system sees to it that something moves: reqwest has Linux
//! end a connection on which the other side takes nothing for 30 seconds (`TCP_USER_TIMEOUT`). Elsewhere that is left to
//! the limit for the body, which is a generous one.
//!
//! That the last of a body was taken is known by its memory, which is given back then.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{Either, select};
use http_body::Body;
use object_store::PutPayload;
use object_store::client::{HttpError, HttpRequestBody};
use tokio::sync::oneshot;
use tokio::time::timeout;

/// For one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Until all of the body is on its way.
    pub body: Duration,
    /// From then on until the answer begins: what is on its way may still be in memory, here and there.
    pub answer: Duration,
}

/// Ends when all of a body is on its way, or dropped.
pub struct Taken(oneshot::Receiver<()>);

/// A part of a body, in the hands of the connection.
struct Piece {
    bytes: Bytes,
    /// Of all parts, and never used: the last one to go drops it.
    _until_taken: Arc<oneshot::Sender<()>>,
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// The same body, with what tells when it was taken.
///
/// # Errors
/// None, for a body in memory.
pub async fn watched(mut body: HttpRequestBody) -> Result<(HttpRequestBody, Taken), HttpError> {
    let (until_taken, taken) = oneshot::channel();
    if body.as_bytes().is_some() {
        // A short one, which the client keeps.
        return Ok((body, Taken(taken)));
    }
    let until_taken = Arc::new(until_taken);
    let mut pieces = Vec::new();
    while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        if let Ok(bytes) = frame?.into_data() {
            pieces.push(Bytes::from_owner(Piece { bytes, _until_taken: until_taken.clone() }));
        }
    }
    Ok((PutPayload::from_iter(pieces).into(), Taken(taken)))
}

/// The answer to a `request` whose body is `taken` some time; `None` where it is too long in coming.
pub async fn answer<T>(request: impl Future<Output = T>, taken: Taken, limits: Limits) -> Option<T> {
    let mut request = pin!(request);
    match timeout(limits.body, select(request.as_mut(), taken.0)).await.ok()? {
        Either::Left((answer, _)) => Some(answer),
        Either::Right(_) => timeout(limits.answer, request).await.ok(),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::time::Instant;

    use http::{Method, Request, StatusCode};
    use object_store::client::{HttpConnector, ReqwestConnector};

    use super::super::http::{Connector, Tls, client_options};
    use super::super::runtime::wait;
    use super::*;

    /// Sends `bytes` to a server that does `serve`, and how long that took. `None`: given up.
    fn put(bytes: usize, limits: Limits, serve: fn(TcpStream)) -> (Option<StatusCode>, Duration) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let uri = format!("http://{}/x", listener.local_addr().unwrap());
        std::thread::spawn(move || serve(listener.accept().unwrap().0));
        let options = client_options(Tls::Never);
        // Chooses the process's encryption, without which reqwest does nothing.
        Connector.connect(&options).unwrap();
        let client = ReqwestConnector::default().connect(&options).unwrap();
        let began = Instant::now();
        let sent = async {
            let halves = [Bytes::from(vec![1; bytes / 2]), Bytes::from(vec![2; bytes - bytes / 2])];
            let (body, taken) = watched(PutPayload::from_iter(halves).into()).await.unwrap();
            assert_eq!(body.content_length(), bytes);
            let request = Request::builder().method(Method::PUT).uri(uri).header("content-length", bytes);
            let request = client.execute(request.body(body).unwrap());
            Ok(answer(request, taken, limits).await.map(|answer| answer.unwrap().status()))
        };
        (wait(sent).unwrap(), began.elapsed())
    }

    const MIB: usize = 1 << 20;
    const LIMITS: Limits = Limits { body: Duration::from_secs(60), answer: Duration::from_secs(2) };

    #[test]
    fn a_body_that_moves_takes_as_long_as_it_takes() {
        const BODY: usize = 48 * MIB;
        let (status, took) = put(BODY, LIMITS, |mut client| {
            let mut buffer = vec![0; MIB];
            let mut read = 0;
            // The head comes besides the body.
            while read < BODY {
                std::thread::sleep(Duration::from_millis(4));
                read += client.read(&mut buffer[..64 << 10]).unwrap();
            }
            client.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap();
            // What is left of the body, so that the answer is not lost with it.
            let _ = client.read(&mut buffer);
        });
        assert_eq!(status, Some(StatusCode::OK));
        assert!(took > LIMITS.answer, "it took only {took:?}");
    }

    #[test]
    fn who_took_a_body_and_does_not_answer_is_given_up_soon() {
        let (status, took) = put(16 * MIB, LIMITS, |mut client| drop(std::io::copy(&mut client, &mut std::io::sink())));
        assert_eq!(status, None);
        assert!((LIMITS.answer..LIMITS.body / 4).contains(&took), "it took {took:?}");
    }

    #[test]
    fn a_body_that_does_not_move_is_given_up_at_last() {
        let limits = Limits { body: Duration::from_millis(1500), answer: Duration::from_millis(100) };
        let (status, took) = put(16 * MIB, limits, |client| {
            std::thread::sleep(Duration::from_secs(20));
            drop(client);
        });
        assert_eq!(status, None);
        assert!((limits.body..2 * limits.body).contains(&took), "it took {took:?}");
    }
}
