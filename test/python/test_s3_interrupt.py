"""An interrupt ends a query that waits for S3, and its requests with it."""

from __future__ import annotations

import signal
import threading
import time

import duckdb
import pytest
from fault_proxy import Delay, FaultProxy, Hang, every

from s3_stores import behind, check_clean, s3, s3_con, s3_crew, settings, store, use  # noqa: F401  (fixtures)

ENOUGH_SECONDS = 1.0
"""From the interrupt to the end of the last request."""
PARTITIONS = 40


@pytest.fixture
def server() -> str:
    return "seaweedfs"


@pytest.fixture
def proxy(store):  # noqa: F811
    with FaultProxy(store.endpoint) as proxy:
        yield proxy


@pytest.fixture
def table(s3_con):  # noqa: F811
    s3_con.execute("SELECT amplify_create_table('t', 'i INTEGER, k INTEGER', ['k'])").fetchall()
    s3_con.execute(f"COPY (SELECT i, i % {PARTITIONS} FROM range(4000) r(i)) TO 'amplify://t' (FORMAT amplify)")
    return s3_con


QUERIES = {
    "read": "SELECT sum(i) FROM amplify_read('t')",
    "count": "FROM amplify_count('t', filters => {i: {gte: 10}})",
    "partitions": "FROM amplify_partitions('t')",
    "distinct": "FROM amplify_distinct('t', ['i'])",
    "join": "SELECT count(*) FROM amplify_join('t', 't', 'i')",
    "write": "SELECT amplify_write('t', [{i: 1, k: 1}])",
    "copy": "COPY (SELECT 1, 1) TO 'amplify://t' (FORMAT amplify)",
}
FAULTS = {"hangs": lambda: Hang(), "is_slow": lambda: Delay(0.4)}


def check_stopped(proxy: FaultProxy, at: float) -> None:
    """That no request began or went on long after the interrupt at that time."""
    time.sleep(max(0.0, at + ENOUGH_SECONDS + 0.5 - time.monotonic()))
    late = [exchange for exchange in proxy.exchanges if (exchange.ended or 1e18) > at + ENOUGH_SECONDS]
    assert not late, f"requests went on after the interrupt at {at}: {late}"
    assert proxy.exchanges, "there was no request to stop"


def wait_for_requests(proxy: FaultProxy, count: int) -> None:
    deadline = time.monotonic() + 20
    while len(proxy.exchanges) < count:
        assert time.monotonic() < deadline, "the query makes no requests"
        time.sleep(0.005)


@pytest.mark.parametrize("name", QUERIES)
@pytest.mark.parametrize("fault", FAULTS)
def test_interrupted_by_another_thread(connect, table, s3, proxy, fault, name):  # noqa: F811
    con = connect()
    use(con, s3, behind(s3.store, proxy))
    # After the first request: the registry is there, and the query is past its preparation.
    proxy.plan = lambda exchange: FAULTS[fault]() if exchange.number > 1 else None
    ended = []

    def run() -> None:
        try:
            con.execute(QUERIES[name]).fetchall()
            ended.append((None, time.monotonic()))
        except (duckdb.Error, RuntimeError) as error:
            ended.append((error, time.monotonic()))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    wait_for_requests(proxy, 2)
    time.sleep(0.1)
    assert not ended
    at = time.monotonic()
    con.interrupt()
    thread.join(ENOUGH_SECONDS + 5)
    assert ended, "the query does not end"
    error, when = ended[0]
    assert error is not None and "nterrupt" in str(error), error
    assert when - at < ENOUGH_SECONDS, f"it took {when - at:.1f} s"
    check_stopped(proxy, at)
    # The session is as good as before.
    proxy.forget()
    assert con.execute("SELECT count(DISTINCT k) FROM amplify_read('t')").fetchall() == [(PARTITIONS,)]
    table.execute("SELECT amplify_write('t', [{i: -1, k: 0}])").fetchall()
    check_clean(table, s3)


def test_interrupted_while_a_query_is_prepared(connect, table, s3, proxy):  # noqa: F811
    """The registry is read while DuckDB binds."""
    con = connect()
    use(con, s3, behind(s3.store, proxy))
    proxy.plan = every(1, Hang())
    ended = []

    def run() -> None:
        with pytest.raises((duckdb.Error, RuntimeError)) as failed:
            con.execute(QUERIES["read"]).fetchall()
        ended.append(str(failed.value))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    wait_for_requests(proxy, 1)
    at = time.monotonic()
    con.interrupt()
    thread.join(ENOUGH_SECONDS)
    assert ended and "nterrupt" in ended[0]
    check_stopped(proxy, at)


@pytest.mark.parametrize("name", ["read", "copy"])
def test_interrupted_by_ctrl_c(s3_crew, table, s3, proxy, name):  # noqa: F811
    s3_crew.settings = settings(behind(s3.store, proxy))
    proxy.plan = lambda exchange: Hang() if exchange.number > 1 else None
    running = s3_crew.start("statement", "interrupted", sql=QUERIES[name])
    wait_for_requests(proxy, 2)
    time.sleep(0.1)
    at = time.monotonic()
    running.process.send_signal(signal.SIGINT)
    ended = running.finish()
    assert [event["event"] for event in ended] == ["ready", "interrupted", "alive"], ended
    check_stopped(proxy, at)
    table.execute("SELECT amplify_write('t', [{i: -1, k: 0}])").fetchall()
    check_clean(table, s3)
