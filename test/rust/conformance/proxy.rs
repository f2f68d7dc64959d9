//! A proxy between the backend and a real store that spoils chosen requests.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What happens to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The connection ends before the store hears of it.
    Reset,
    /// 503, without the store hearing of it.
    Busy,
    /// 501, as from a store that knows no such request.
    Unknown,
    /// The store does it, and its answer never comes.
    Lost,
    /// The store does it, and the connection ends in the middle of the answer's body.
    CutShort,
}

/// Listens until the test ends.
pub struct Proxy {
    /// `http://host:port`
    pub endpoint: String,
    plan: Arc<Mutex<VecDeque<(String, Fault)>>>,
}

impl Proxy {
    /// In front of the store at `upstream`.
    pub fn start(upstream: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let upstream = upstream.trim_start_matches("http://").to_owned();
        let plan: Arc<Mutex<VecDeque<(String, Fault)>>> = Arc::default();
        let planned = plan.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (upstream, plan) = (upstream.clone(), planned.clone());
                // A client that hangs up is no failure.
                std::thread::spawn(move || relay(client, &upstream, &plan));
            }
        });
        Self { endpoint, plan }
    }

    /// Spoils the next `times` requests whose first line holds `part`.
    pub fn spoil(&self, part: &str, fault: Fault, times: usize) {
        self.plan.lock().unwrap().extend(std::iter::repeat_n((part.to_owned(), fault), times));
    }

    /// Whether all that was planned has come to pass. What has not is forgotten.
    pub fn is_through(&self) -> bool {
        std::mem::take(&mut *self.plan.lock().unwrap()).is_empty()
    }
}

/// One request and its answer; then the connection ends.
fn relay(mut client: TcpStream, upstream: &str, plan: &Mutex<VecDeque<(String, Fault)>>) -> std::io::Result<()> {
    client.set_read_timeout(Some(Duration::from_secs(30)))?;
    let (head, body) = read_request(&mut client)?;
    let line = head.lines().next().unwrap_or_default().to_owned();
    let fault = {
        let mut plan = plan.lock().unwrap();
        let next = plan.iter().position(|(part, _)| line.contains(part.as_str()));
        next.and_then(|at| plan.remove(at)).map(|(_, fault)| fault)
    };
    match fault {
        Some(Fault::Reset) => return client.shutdown(Shutdown::Both),
        Some(fault @ (Fault::Busy | Fault::Unknown)) => {
            let (status, code) = match fault {
                Fault::Busy => ("503 Slow Down", "SlowDown"),
                _ => ("501 Not Implemented", "NotImplemented"),
            };
            let body = format!("<Error><Code>{code}</Code><Message>Not now, or never.</Message></Error>");
            let length = body.len();
            let head = format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n");
            return client.write_all((head + if line.starts_with("HEAD") { "" } else { &body }).as_bytes());
        }
        _ => {}
    }
    let mut store = TcpStream::connect(upstream)?;
    store.write_all(head.replacen("\r\n", "\r\nConnection: close\r\n", 1).as_bytes())?;
    store.write_all(&body)?;
    let mut answer = Vec::new();
    store.read_to_end(&mut answer)?;
    let body_at = answer.windows(4).position(|four| four == b"\r\n\r\n").map_or(answer.len(), |at| at + 4);
    match fault {
        Some(Fault::Lost) => client.shutdown(Shutdown::Both),
        Some(Fault::CutShort) => client.write_all(&answer[..body_at + (answer.len() - body_at) / 2]),
        _ => client.write_all(&answer),
    }
}

fn read_request(client: &mut TcpStream) -> std::io::Result<(String, Vec<u8>)> {
    let (mut bytes, mut buffer) = (Vec::new(), vec![0; 1 << 16]);
    let head_len = loop {
        let read = client.read(&mut buffer)?;
        if read == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        bytes.extend_from_slice(&buffer[..read]);
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
    };
    let mut body = bytes.split_off(head_len);
    let head = String::from_utf8(bytes).unwrap();
    let length = head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
    let missing = length.unwrap_or(0usize).saturating_sub(body.len());
    client.take(missing as u64).read_to_end(&mut body)?;
    Ok((head, body))
}
