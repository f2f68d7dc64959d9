"""The proxy that breaks requests breaks those it is told to, in the way it is told, and no others."""

from __future__ import annotations

import http.client
import socket
import time

import pytest
from fault_proxy import CutUpload, Delay, FaultProxy, Hang, Lose, Refuse, Reset, Truncate, at, every, first
from s3_request import objects, request

from s3_stores import behind, proxy, store  # noqa: F401  (fixtures)

BODY = bytes(range(256)) * 4000


@pytest.fixture(params=["seaweedfs", "moto"])
def server(request):  # noqa: F811
    return request.param


def wait_until(condition) -> None:
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_requests_pass_unchanged(proxy, store):  # noqa: F811
    through = behind(store, proxy)
    assert request(through, "PUT", "proxy/a b=ü", body=BODY).status == 200
    assert request(through, "GET", "proxy/a b=ü").body == BODY
    assert request(through, "GET", "proxy/a b=ü", headers={"Range": "bytes=5-6"}).body == BODY[5:7]
    assert request(through, "HEAD", "proxy/a b=ü").headers["content-length"] == str(len(BODY))
    assert objects(through, "proxy/") == {"proxy/a b=ü": len(BODY)}
    assert request(through, "PUT", "proxy/a b=ü", body=b"", headers={"If-None-Match": "*"}).status == 412
    assert request(through, "DELETE", "proxy/a b=ü").status == 204
    deadline = time.monotonic() + 10
    while any(exchange.ended is None for exchange in proxy.exchanges) and time.monotonic() < deadline:
        time.sleep(0.01)  # an exchange ends a moment after its answer is there
    said = [(exchange.number, exchange.method, exchange.status, exchange.range) for exchange in proxy.exchanges]
    assert said == [(1, "PUT", 200, ""), (2, "GET", 200, ""), (3, "GET", 206, "bytes=5-6"), (4, "HEAD", 200, ""),
                    (5, "GET", 200, ""), (6, "PUT", 412, ""), (7, "DELETE", 204, "")]
    assert proxy.exchanges[0].sent_bytes == len(BODY)
    wait_until(lambda: all(exchange.ended for exchange in proxy.exchanges))  # they are when the client has its answer
    assert all(exchange.began <= exchange.ended and not exchange.client_left for exchange in proxy.exchanges)


def test_one_connection_serves_many_requests(proxy, store):  # noqa: F811
    connection = http.client.HTTPConnection(proxy.endpoint.removeprefix("http://"))
    connection.connect()
    local = connection.sock.getsockname()
    for _ in range(3):
        connection.request("GET", "/")
        answer = connection.getresponse()
        answer.read()
        if store.name == "moto":  # it speaks HTTP 1.0
            assert answer.will_close and connection.sock is None
        else:
            assert connection.sock.getsockname() == local


def test_faults_come_when_they_are_planned(proxy, store):  # noqa: F811
    through = behind(store, proxy)
    for plan, refused in [(at(2, Refuse()), [2]), (every(2, Refuse()), [2, 4]), (first(3, Refuse()), [1, 2, 3])]:
        proxy.forget(plan)
        assert [number for number in range(1, 6) if request(through, "HEAD").status == 503] == refused


def test_refusals_are_told_in_the_words_of_s3(proxy, store):  # noqa: F811
    proxy.forget(at(1, Refuse(403, "RequestTimeTooSkewed", "The clocks differ.")))
    answer = request(behind(store, proxy), "GET", "proxy/x")
    assert answer.status == 403
    assert b"<Code>RequestTimeTooSkewed</Code><Message>The clocks differ.</Message>" in answer.body
    assert proxy.exchanges[0].status is None


@pytest.mark.parametrize(("fault", "stored"), [(Reset(), False), (Lose(), True), (CutUpload(), False)], ids=str)
def test_uploads_that_break(proxy, store, fault, stored):  # noqa: F811
    key = f"proxy/{type(fault).__name__}"
    proxy.forget(at(1, fault))
    with pytest.raises((ConnectionError, http.client.HTTPException)):
        request(behind(store, proxy), "PUT", key, body=BODY)
    assert proxy.exchanges[0].fault == fault
    assert (request(store, "GET", key).status == 200) == stored
    assert request(behind(store, proxy), "PUT", key, body=BODY).status == 200


def test_answers_that_end_early(proxy, store):  # noqa: F811
    request(store, "PUT", "proxy/whole", body=BODY)
    proxy.forget(first(2, Truncate()))
    with pytest.raises(http.client.IncompleteRead) as cut:
        request(behind(store, proxy), "GET", "proxy/whole")
    assert cut.value.partial == BODY[:len(BODY) // 2]
    assert request(behind(store, proxy), "HEAD", "proxy/whole").status == 200
    assert [exchange.fault for exchange in proxy.exchanges] == [Truncate(), None]


def test_delays(proxy, store):  # noqa: F811
    for proxy.delay_seconds, plan, least in [(0, at(1, Delay(0.3)), 0.3), (0.2, at(1, Delay(0.2)), 0.4), (0.2, None, 0.2)]:
        proxy.forget(plan)
        begun = time.monotonic()
        assert request(behind(store, proxy), "HEAD").status == 200
        assert least <= time.monotonic() - begun < least + 0.5


@pytest.mark.parametrize("after", [False, True])
def test_what_hangs_is_seen_to_be_left(proxy, store, after):  # noqa: F811
    proxy.forget(at(1, Hang(after)))
    address = proxy.endpoint.removeprefix("http://").split(":")
    with socket.create_connection(address) as client:
        client.sendall(f"GET /{store.bucket}/x HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        client.settimeout(0.3)
        with pytest.raises(TimeoutError):
            client.recv(1)
    wait_until(lambda: proxy.exchanges[0].client_left)
    assert (proxy.exchanges[0].status is not None) == after


def test_a_client_that_leaves_while_the_server_works_is_seen_at_once():
    with socket.create_server(("127.0.0.1", 0)) as silent, FaultProxy(f"http://127.0.0.1:{silent.getsockname()[1]}") as proxy:
        with socket.create_connection(proxy.endpoint.removeprefix("http://").split(":")) as client:
            client.sendall(b"PUT /x HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody")
            wait_until(lambda: proxy.exchanges)
            time.sleep(0.2)
            assert proxy.exchanges[0].ended is None
        wait_until(lambda: proxy.exchanges[0].ended)
        assert proxy.exchanges[0].client_left and proxy.exchanges[0].status is None
