"""An HTTP proxy in front of one server that does to requests what bad networks do, and counts them.

    python3 scripts/fault_proxy.py http://127.0.0.1:8333 [--port PORT] [--delay-ms 30]

delays every request until it is interrupted. Tests use it in Python, where they say per request what happens to it:

    with FaultProxy(store.endpoint) as proxy:
        proxy.plan = at(3, Lose())
        … work with proxy.endpoint …
        proxy.exchanges                                 what was asked and answered

Requests pass unchanged, their Host header too: signatures stay valid where buckets are in the path. A connection of a
client is kept open between requests, each of which gets a connection of its own to the server.
"""

from __future__ import annotations

import argparse
import select
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import BinaryIO
from urllib.parse import urlsplit

PIECE_BYTES = 256 * 1024
SERVER_PATIENCE_SECONDS = 120


class Fault:
    """What may happen to a request."""


@dataclass(frozen=True)
class Delay(Fault):
    """It reaches the server later."""

    seconds: float


@dataclass(frozen=True)
class Refuse(Fault):
    """The server does not see it; the client is told `status`, in the words of S3."""

    status: int = 503
    code: str = "SlowDown"
    message: str = "Please reduce your request rate."


@dataclass(frozen=True)
class Reset(Fault):
    """The connection is reset before the server sees it."""


@dataclass(frozen=True)
class Lose(Fault):
    """The server does what it is asked, but the connection is reset instead of the answer."""


@dataclass(frozen=True)
class CutUpload(Fault):
    """The connections break when half of what the client sends has reached the server. Of requests with a body."""


@dataclass(frozen=True)
class Truncate(Fault):
    """The connection ends after half of the answer's body. Of answers with a body."""


@dataclass(frozen=True)
class Hang(Fault):
    """Nothing happens until the client goes, or the proxy is closed. With `after`, the server has done it by then."""

    after: bool = False


@dataclass
class Exchange:
    """One request and what became of it. Times are seconds of the monotonic clock."""

    number: int
    """From 1 on, since the last `forget`."""
    method: str
    target: str
    """Path and query."""
    range: str
    """The Range header; empty where there is none."""
    sent_bytes: int
    """Of the client's body."""
    began: float
    ended: float | None = None
    status: int | None = None
    """What the server answered; `None` where it did not see the request, or has not answered."""
    fault: Fault | None = None
    """What happened to it. A fault that could not (an answer without a body is not cut) did not."""
    client_left: bool = False
    """The client closed its connection before it had an answer."""


Plan = Callable[[Exchange], Fault | None]


def at(number: int, fault: Fault) -> Plan:
    """The `number`th request alone."""
    return lambda exchange: fault if exchange.number == number else None


def every(count: int, fault: Fault) -> Plan:
    """Each `count`th request."""
    return lambda exchange: fault if exchange.number % count == 0 else None


def first(count: int, fault: Fault) -> Plan:
    """The first requests."""
    return lambda exchange: fault if exchange.number <= count else None


class ClientLeft(Exception):
    """There is nobody to answer any more."""


@dataclass
class Message:
    """The head of a request or an answer, as it came."""

    first_line: str
    raw: bytes
    headers: dict[str, str] = field(default_factory=dict)
    """Names in lower case."""

    @staticmethod
    def read(stream: BinaryIO) -> Message | None:
        """The next head; `None` where the stream ends before it."""
        raw = b""
        while not raw.endswith(b"\r\n\r\n"):
            line = stream.readline(65536)
            if not line:
                return None
            raw += line
        first_line, *lines = raw.decode("latin-1").rstrip("\r\n").split("\r\n")
        pairs = (line.split(":", 1) for line in lines)
        return Message(first_line, raw, {name.lower(): value.strip() for name, value in pairs})

    def pieces(self, stream: BinaryIO, has_body: bool = True):
        """The body, as it came."""
        if not has_body:
            return
        if self.headers.get("transfer-encoding", "").lower() == "chunked":
            while True:
                size = stream.readline()
                chunk = stream.read(int(size.split(b";")[0], 16) + 2)
                yield size + chunk
                if chunk == b"\r\n":
                    return
        left = int(self.headers.get("content-length", 0))
        while left:
            piece = stream.read(min(left, PIECE_BYTES))
            if not piece:
                raise ConnectionError("the body ended early")
            left -= len(piece)
            yield piece


class FaultProxy:
    """Listens on a free port of this machine, in threads of its own, until it is closed."""

    def __init__(self, upstream: str, port: int = 0) -> None:
        url = urlsplit(upstream)
        self.upstream = (url.hostname, url.port)
        self.plan: Plan = lambda exchange: None
        self.delay_seconds = 0.0
        """Of every request, beside what the plan says."""
        self.exchanges: list[Exchange] = []
        self.lock = threading.Lock()
        self.closing = threading.Event()
        self.clients: set[socket.socket] = set()
        self.listener = socket.create_server(("127.0.0.1", port), backlog=128)
        self.endpoint = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def __enter__(self) -> FaultProxy:
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def close(self) -> None:
        self.closing.set()
        with self.lock:
            clients = list(self.clients)
        for listening in [self.listener, *clients]:
            try:
                listening.shutdown(socket.SHUT_RDWR)  # which wakes the thread that waits for it
            except OSError:
                pass  # it is closed already
        self.listener.close()

    def forget(self, plan: Plan | None = None) -> None:
        """Counts from one again, by a new plan."""
        with self.lock:
            self.exchanges = []
            self.plan = plan or (lambda exchange: None)

    def accept(self) -> None:
        while not self.closing.is_set():
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self.lock:
                self.clients.add(client)
            threading.Thread(target=self.serve, args=[client], daemon=True).start()

    def serve(self, client: socket.socket) -> None:
        """All requests of one connection."""
        stream = client.makefile("rb", PIECE_BYTES)
        try:
            while (request := Message.read(stream)) and self.exchange(client, stream, request):
                pass
        except (OSError, ClientLeft):
            reset(client)
        finally:
            with self.lock:
                self.clients.discard(client)
            stream.close()
            client.close()

    def exchange(self, client: socket.socket, stream: BinaryIO, request: Message) -> bool:
        """One request. Whether the connection is good for another."""
        if request.headers.get("expect", "").lower() == "100-continue":
            client.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = list(request.pieces(stream))
        method, target, _ = request.first_line.split(" ", 2)
        with self.lock:
            exchange = Exchange(len(self.exchanges) + 1, method, target, request.headers.get("range", ""),
                                sum(map(len, body)), time.monotonic())
            self.exchanges.append(exchange)
            fault = self.plan(exchange)
        try:
            return self.pass_on(client, request, body, exchange, fault)
        except ClientLeft:
            exchange.client_left = True
            raise
        finally:
            exchange.ended = time.monotonic()

    def pass_on(self, client: socket.socket, request: Message, body: list[bytes], exchange: Exchange,
                fault: Fault | None) -> bool:
        delay = self.delay_seconds + (fault.seconds if isinstance(fault, Delay) else 0)
        if isinstance(fault, (Delay, Refuse, Reset, Hang, Lose)):
            exchange.fault = fault
        if delay:
            self.wait(client, delay)
        if isinstance(fault, Refuse):
            return self.refuse(client, exchange.method, fault)
        if isinstance(fault, Reset):
            reset(client)
            return False
        if fault == Hang(after=False):
            self.wait(client, None)
        with socket.create_connection(self.upstream, SERVER_PATIENCE_SECONDS) as server:
            server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if isinstance(fault, CutUpload) and exchange.sent_bytes:
                exchange.fault = fault
                sent = request.raw + b"".join(body)
                server.sendall(sent[:len(request.raw) + exchange.sent_bytes // 2])
                reset(client)
                return False
            for piece in [request.raw, *body]:
                server.sendall(piece)
            if not isinstance(fault, (Lose, Hang)):
                self.wait(client, SERVER_PATIENCE_SECONDS, server)
            with server.makefile("rb", PIECE_BYTES) as answers:
                return self.answer(client, answers, exchange, fault)

    def answer(self, client: socket.socket, answers: BinaryIO, exchange: Exchange, fault: Fault | None) -> bool:
        """Passes the server's answer on, or not."""
        answer = Message.read(answers)
        while answer and answer.first_line.split(" ")[1].startswith("1"):
            answer = Message.read(answers)
        if answer is None:
            raise ConnectionError("the server closed the connection")
        exchange.status = int(answer.first_line.split(" ")[1])
        has_body = exchange.method != "HEAD" and exchange.status not in (204, 304)
        if isinstance(fault, (Lose, Hang)):
            # What has been answered in full has been done.
            for _ in answer.pieces(answers, has_body):
                pass
            if isinstance(fault, Hang):
                self.wait(client, None)
            reset(client)
            return False
        pieces = list(answer.pieces(answers, has_body)) if isinstance(fault, Truncate) else answer.pieces(answers, has_body)
        if isinstance(fault, Truncate) and pieces:
            exchange.fault = fault
            whole = b"".join(pieces)
            client.sendall(answer.raw + whole[:len(whole) // 2])
            return False
        try:
            client.sendall(answer.raw)
            for piece in pieces:
                client.sendall(piece)
        except OSError:
            raise ClientLeft from None
        return answer.first_line.startswith("HTTP/1.1") and answer.headers.get("connection", "").lower() != "close"

    def refuse(self, client: socket.socket, method: str, fault: Refuse) -> bool:
        text = (f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{fault.code}</Code><Message>{fault.message}</Message>'
                "<RequestId>0</RequestId></Error>").encode()
        head = (f"HTTP/1.1 {fault.status} {fault.code}\r\nContent-Type: application/xml\r\n"
                f"Content-Length: {len(text)}\r\n\r\n").encode()
        client.sendall(head + (b"" if method == "HEAD" else text))
        return True

    def wait(self, client: socket.socket, seconds: float | None, server: socket.socket | None = None) -> None:
        """Waits, without end where it is `None`, unless the client leaves, the server answers or the proxy is closed."""
        deadline = time.monotonic() + (1e9 if seconds is None else seconds)
        while (left := deadline - time.monotonic()) > 0:
            if server and select.select([server], [], [], min(left, 0.05))[0]:
                return
            if select.select([client], [], [], 0 if server else min(left, 0.05))[0] and gone(client):
                raise ClientLeft
            if self.closing.is_set():
                raise ConnectionError("the proxy is closed")


def gone(client: socket.socket) -> bool:
    """Whether the other end has closed a connection that has something to say."""
    try:
        return client.recv(1, socket.MSG_PEEK) == b""
    except OSError:
        return True


def reset(client: socket.socket) -> None:
    """Has a connection broken off when it is closed: the other end reads an error, not an end."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("upstream", help="URL of the server")
    parser.add_argument("--port", type=int, default=0, help="to listen on (default: a free one)")
    parser.add_argument("--delay-ms", type=float, default=0, help="of every request")
    arguments = parser.parse_args()
    with FaultProxy(arguments.upstream, arguments.port) as proxy:
        proxy.delay_seconds = arguments.delay_ms / 1000
        print(proxy.endpoint, flush=True)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            pass


if __name__ == "__main__":
    main()
