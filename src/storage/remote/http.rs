//! How requests go out: counted, bounded in number and in patience, with answers that say no made typed errors.
//!
//! Three bounds keep a store that is gone or stuck from holding a query up, and none of them bounds how long a large
//! body may take as long as it moves: the time to connect ([`client_options`]), the time from the end of what is sent
//! until the answer begins ([`super::sending`]), and the time between two pieces of the answer's body.
//!
//! A request that failed in a way that may pass is tried again by object_store, for which it needs to know the kind:
//!
//! - an answer that says "not now" (5xx, 429, a conflict) is tried again whatever was asked;
//! - a deletion or a put whose answer was lost is, since it does the same twice. (A conditional put may find what it
//!   did itself the first time: its callers know their own bytes.)
//! - a connection that could not be made is, but for a store that has never answered, and so may not be there;
//! - of all other requests whose answer was lost object_store knows.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Once};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::header::IF_MATCH;
use http::{Method, StatusCode, Uri};
use http_body::{Body, Frame, SizeHint};
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpResponseBody, HttpService,
    ReqwestConnector,
};
use object_store::{BackoffConfig, ClientOptions, RetryConfig};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep};

use super::refusal::Refusal;
use super::sending::{self, Limits};
use crate::storage::stats::{RequestKind, count_received, count_request};

/// Requests of a bucket under way at one time: file handles are not for us alone.
const MAX_REQUESTS: usize = 128;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Until an answer begins, and between the pieces of its body.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// The same where the store has work to do before it answers: to move an object's bytes, or to delete a thousand.
const WORK_TIMEOUT: Duration = Duration::from_secs(60);
/// Bytes of a body that the connection took, but that may not have arrived yet.
const ON_THE_WAY_BYTES: u64 = 2 << 20;
/// They are waited for at this pace before the wait for the answer begins.
const SLOW_BYTES_PER_SECOND: u64 = 128 << 10;
/// What stands before a store may take a body as a whole, and only then pass it on, at this pace. It matters for the
/// parts of files of many gigabytes.
const PASSED_ON_BYTES_PER_SECOND: u64 = 16 << 20;
/// No body goes out more slowly than this. It is only the last resort: see [`super::sending`].
const SLOWEST_BYTES_PER_SECOND: u64 = 16 << 10;
/// No further try after this time: together with one last try it stays below 30 seconds, but for one that sends much. A
/// request that finds no answer is tried twice where it sends little.
const RETRY_TIMEOUT: Duration = Duration::from_secs(12);
/// More than there is time for.
const MAX_RETRIES: usize = 100;
const FIRST_BACKOFF: Duration = Duration::from_millis(50);
const LONGEST_BACKOFF: Duration = Duration::from_secs(2);
/// A try may be this many times as far from the last one as that was from the one before; how far is left to chance.
/// With 2 the pauses would not grow, on average.
const BACKOFF_BASE: f64 = 3.0;
/// A store that has never answered, and cannot be reached for as long as this, is not there: nobody waits for it.
const FIRST_CONTACT_TIMEOUT: Duration = Duration::from_secs(2);
/// Below what common stores close a connection after that nobody uses.
const POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(15);

/// Which encryption a store needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tls {
    /// All requests.
    Always,
    /// Those for credentials.
    Sometimes,
    /// None, so that the system need have no certificates. Reading them takes a while.
    Never,
}

/// What holds for the connections to all stores.
pub fn client_options(tls: Tls) -> ClientOptions {
    ClientOptions::new()
        .with_allow_http(tls != Tls::Always)
        .with_no_system_certificates(tls == Tls::Never)
        .with_connect_timeout(CONNECT_TIMEOUT)
        .with_timeout_disabled()
        .with_pool_idle_timeout(POOL_IDLE_TIMEOUT)
}

/// How often and how soon a request is tried again.
pub fn retry_config() -> RetryConfig {
    let backoff = BackoffConfig { init_backoff: FIRST_BACKOFF, max_backoff: LONGEST_BACKOFF, base: BACKOFF_BASE };
    RetryConfig { backoff, max_retries: MAX_RETRIES, retry_timeout: RETRY_TIMEOUT }
}

/// Makes clients for object_store.
#[derive(Debug)]
pub struct Connector;

impl HttpConnector for Connector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        static CRYPTO: Once = Once::new();
        // Where the process has chosen another one before, that does as well.
        CRYPTO.call_once(|| drop(rustls::crypto::ring::default_provider().install_default()));
        let client = ReqwestConnector::default().connect(options)?;
        let permits = Arc::new(Semaphore::new(MAX_REQUESTS));
        Ok(HttpClient::new(Service { client, permits, began: Instant::now(), answered: AtomicBool::new(false) }))
    }
}

#[derive(Debug)]
struct Service {
    client: HttpClient,
    permits: Arc<Semaphore>,
    began: Instant,
    /// Whether there has been an answer to any request.
    answered: AtomicBool,
}

impl HttpService for Service {
    fn call<'service, 'call>(&'service self, request: HttpRequest) -> BoxFuture<'call, Result<HttpResponse, HttpError>>
    where
        'service: 'call,
        Self: 'call,
    {
        Box::pin(self.send(request))
    }
}

impl Service {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let kind = kind_of(&request);
        let sent_bytes = request.body().content_length() as u64;
        let streamed = kind == RequestKind::Get;
        // What is put where nothing is, as a whole, finds all that it needs.
        let needs_object = request.headers().contains_key(IF_MATCH) || asks_for(request.uri(), "partNumber");
        let permit = self.permits.clone().acquire_owned().await;
        let permit = permit.map_err(|error| HttpError::new(HttpErrorKind::Unknown, error))?;
        count_request(kind, sent_bytes);
        let limits = limits(kind, request.uri(), sent_bytes);
        let (parts, body) = request.into_parts();
        let (body, taken) = sending::watched(body).await?;
        let answer = sending::answer(self.client.execute(HttpRequest::from_parts(parts, body)), taken, limits).await;
        let answer = match answer.unwrap_or_else(|| Err(silence())) {
            Err(error) if is_unconnected(&error) && self.is_elsewhere() => {
                return Err(HttpError::new(HttpErrorKind::Unknown, error));
            }
            answer => answer.map_err(|error| sort(kind, error))?,
        };
        self.answered.store(true, Ordering::Relaxed);
        let (parts, body) = answer.into_parts();
        let body = HttpResponseBody::new(Watched::new(body, permit));
        if parts.status.is_success() && streamed {
            return Ok(HttpResponse::from_parts(parts, body));
        }
        // object_store tries again where no answer came, but not where it is cut short: so it is read to its end here.
        let body = body.bytes().await.map_err(|error| sort(kind, HttpError::new(HttpErrorKind::Interrupted, error)))?;
        let refusal = || Refusal::read(parts.status, &parts.headers, &body);
        match parts.status {
            status if status.is_success() => {}
            // What object_store itself makes something of.
            StatusCode::NOT_MODIFIED | StatusCode::PRECONDITION_FAILED => {}
            StatusCode::NOT_FOUND if is_of_an_object(kind, needs_object, &body, &refusal()) => {}
            // Azure's way to say what others say by 412.
            StatusCode::CONFLICT if refusal().is("BlobAlreadyExists") => {}
            _ => {
                let refusal = refusal();
                let again = if refusal.is_temporary() { HttpErrorKind::Request } else { HttpErrorKind::Decode };
                return Err(HttpError::new(again, refusal));
            }
        }
        Ok(HttpResponse::from_parts(parts, body.into()))
    }
}

impl Service {
    /// Whether the store is not where it is looked for: a wrong name, as far as one can tell.
    fn is_elsewhere(&self) -> bool {
        !self.answered.load(Ordering::Relaxed) && self.began.elapsed() > FIRST_CONTACT_TIMEOUT
    }
}

/// Whether a 404 says that an object is not there; else it is one of a missing bucket, or of a server that is no store.
fn is_of_an_object(kind: RequestKind, needs_object: bool, body: &[u8], refusal: &Refusal) -> bool {
    match (&refusal.code, kind) {
        (_, RequestKind::List) => false,
        (Some(code), _) => !matches!(code.as_str(), "NoSuchBucket" | "ContainerNotFound"),
        (None, RequestKind::Put) => needs_object && body.is_empty(),
        (None, RequestKind::Get) => body.is_empty(),
        (None, _) => true,
    }
}

/// Of S3, Google and Azure.
fn kind_of(request: &HttpRequest) -> RequestKind {
    let lists = |query: &str| query.split('&').any(|part| part.starts_with("list-type=") || part == "comp=list");
    let copies = |name: &str| request.headers().contains_key(name);
    match *request.method() {
        Method::GET if request.uri().query().is_some_and(lists) => RequestKind::List,
        Method::HEAD => RequestKind::Head,
        Method::PUT
            if ["x-amz-copy-source", "x-goog-copy-source", "x-ms-copy-source"].iter().any(|name| copies(name)) =>
        {
            RequestKind::Copy
        }
        Method::PUT => RequestKind::Put,
        // Many objects at once.
        Method::POST if asks_for(request.uri(), "delete") => RequestKind::Delete,
        Method::POST => RequestKind::Post,
        Method::DELETE => RequestKind::Delete,
        _ => RequestKind::Get,
    }
}

/// Whether the query has a part of this name.
fn asks_for(uri: &Uri, name: &str) -> bool {
    let is_named = |part: &str| part.split('=').next() == Some(name);
    uri.query().is_some_and(|query| query.split('&').any(is_named))
}

/// How long the beginning of an answer is waited for.
fn limits(kind: RequestKind, uri: &Uri, sent_bytes: u64) -> Limits {
    let works = match kind {
        RequestKind::Copy => true,
        // The beginning of an upload in parts is not, its end is.
        RequestKind::Post => !asks_for(uri, "uploads"),
        // One with a body is of many objects.
        RequestKind::Delete => sent_bytes > 0,
        _ => false,
    };
    let answer = if works { WORK_TIMEOUT } else { ANSWER_TIMEOUT };
    let on_the_way = sent_bytes.min(ON_THE_WAY_BYTES) / SLOW_BYTES_PER_SECOND;
    Limits {
        body: answer + Duration::from_secs(sent_bytes / SLOWEST_BYTES_PER_SECOND),
        answer: answer + Duration::from_secs(on_the_way + sent_bytes / PASSED_ON_BYTES_PER_SECOND),
    }
}

/// What may be tried again though object_store would not: a connection that took too long to be made, and a deletion
/// or a put, whatever became of it.
fn sort(kind: RequestKind, error: HttpError) -> HttpError {
    let lost = matches!(error.kind(), HttpErrorKind::Timeout | HttpErrorKind::Interrupted);
    if is_unconnected(&error) {
        HttpError::new(HttpErrorKind::Connect, error)
    } else if lost && matches!(kind, RequestKind::Delete | RequestKind::Put) {
        HttpError::new(HttpErrorKind::Request, error)
    } else {
        error
    }
}

/// Whether there was no connection at all.
pub fn is_unconnected(error: &HttpError) -> bool {
    let mut causes = std::iter::successors(std::error::Error::source(error), |cause| cause.source());
    error.kind() == HttpErrorKind::Connect
        || causes.any(|cause| match (cause.downcast_ref::<HttpError>(), cause.downcast_ref::<reqwest::Error>()) {
            (Some(error), _) => error.kind() == HttpErrorKind::Connect,
            (_, error) => error.is_some_and(reqwest::Error::is_connect),
        })
}

fn silence() -> HttpError {
    HttpError::new(HttpErrorKind::Timeout, std::io::Error::new(std::io::ErrorKind::TimedOut, "no answer in time"))
}

/// The body of an answer: counted, and given up where it no longer moves.
struct Watched {
    body: HttpResponseBody,
    silence: Pin<Box<Sleep>>,
    _permit: OwnedSemaphorePermit,
}

impl Watched {
    fn new(body: HttpResponseBody, permit: OwnedSemaphorePermit) -> Self {
        Self { body, silence: Box::pin(tokio::time::sleep(ANSWER_TIMEOUT)), _permit: permit }
    }
}

impl Body for Watched {
    type Data = Bytes;
    type Error = HttpError;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context) -> Poll<Option<Result<Frame<Bytes>, HttpError>>> {
        let this = self.get_mut();
        let frame = Pin::new(&mut this.body).poll_frame(context);
        match &frame {
            Poll::Pending => return this.silence.as_mut().poll(context).map(|()| Some(Err(silence()))),
            Poll::Ready(Some(Ok(frame))) => count_received(frame.data_ref().map_or(0, |bytes| bytes.len() as u64)),
            Poll::Ready(_) => {}
        }
        this.silence.as_mut().reset(Instant::now() + ANSWER_TIMEOUT);
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_makes_the_store_work_waits_for_long() {
        let waits = |kind, query: &str, bytes| {
            let uri = format!("http://localhost:9000/bucket/key?{query}").parse().unwrap();
            let limits = limits(kind, &uri, bytes);
            (limits.body.as_secs(), limits.answer.as_secs())
        };
        assert_eq!(waits(RequestKind::Post, "uploads", 0), (10, 10));
        assert_eq!(waits(RequestKind::Post, "uploads=", 0), (10, 10));
        assert_eq!(waits(RequestKind::Post, "uploadId=uploads", 900), (60, 60));
        assert_eq!(waits(RequestKind::Copy, "", 0), (60, 60));
        assert_eq!(waits(RequestKind::Delete, "delete", 900), (60, 60));
        assert_eq!(waits(RequestKind::Delete, "", 0), (10, 10));
        assert_eq!(waits(RequestKind::Put, "partNumber=1", 1 << 20), (10 + 64, 10 + 8));
        // However much is sent: soon after its end.
        assert_eq!(waits(RequestKind::Put, "partNumber=1", 8 << 20), (10 + 512, 10 + 16));
        assert_eq!(waits(RequestKind::Put, "partNumber=1", 512 << 20), (10 + 32_768, 10 + 16 + 32));
    }
}
