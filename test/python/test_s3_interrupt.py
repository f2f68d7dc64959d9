"""An interrupt of a query that works on S3, and what becomes of its requests.

DuckDB tells an extension of an interrupt only when the extension comes back with rows. Where rows come, slowly as it may
be, the query ends in a second and its requests with it. A count, a join or a DISTINCT comes back when it has its answer,
and what waits for a server that says nothing when amplify gives the server up: then they end, and ask for no more.
"""

from __future__ import annotations

import signal
import threading
import time

import duckdb
import pytest
from fault_proxy import Delay, FaultProxy, Hang

from s3_stores import behind, check_clean, proxy, s3, s3_con, s3_crew, settings, store, use  # noqa: F401  (fixtures)

ENOUGH_SECONDS = 1.0
"""From the interrupt to the end of the last request."""
LONGEST_SECONDS = 30
"""To the end of what waits for a server that is silent."""
FILES = 400
FILE_SECONDS = 0.3
"""What each request for a file takes: reading all of them takes several seconds."""
RUNNING = 20
"""Requests for files that a query has made before it is interrupted."""


@pytest.fixture
def server() -> str:
    return "seaweedfs"


@pytest.fixture
def table(s3_con):  # noqa: F811
    s3_con.execute("SELECT amplify_create_table('t', 'i INTEGER, k INTEGER', ['k'])").fetchall()
    s3_con.execute(f"COPY (SELECT i, i % {FILES} FROM range({FILES * 10}) r(i)) TO 'amplify://t' (FORMAT amplify)")
    return s3_con


def of_a_file(exchange) -> bool:
    return exchange.method == "GET" and ".parquet" in exchange.target


def slow_files(exchange):
    return Delay(FILE_SECONDS) if of_a_file(exchange) else None


class Query:
    """A statement that runs in a thread."""

    def __init__(self, con, sql: str) -> None:
        self.error: str | None = None
        self.ended_at = 0.0
        self.thread = threading.Thread(target=self.run, args=[con, sql], daemon=True)
        self.thread.start()

    def run(self, con, sql: str) -> None:
        try:
            con.execute(sql).fetchall()
        except (duckdb.Error, RuntimeError) as error:
            self.error = str(error)
        self.ended_at = time.monotonic()

    def wait(self, seconds: float) -> None:
        self.thread.join(seconds)
        assert not self.thread.is_alive(), f"the query did not end in {seconds} s"


def wait_until(condition, what: str) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.005)


def check_stopped(proxy: FaultProxy, at: float) -> None:
    """That no request goes on a second after `at`, nor begins later."""
    time.sleep(max(0.0, at + ENOUGH_SECONDS + 1 - time.monotonic()))
    late = [exchange for exchange in proxy.exchanges if (exchange.ended or 1e18) > at + ENOUGH_SECONDS]
    assert not late, f"{len(late)} requests went on: {late[:5]}"


def at_first(method: str, part: str = ""):
    """Makes plans of a server that falls silent at the first request of that kind."""
    def make_plan():
        silent = threading.Event()

        def plan(exchange):
            if exchange.method == method and part in exchange.target:
                silent.set()
            return Hang() if silent.is_set() else None

        return plan

    return make_plan


READS = {
    "aggregate": "SELECT sum(i) FROM amplify_read('t')",
    "rows": "SELECT i, k FROM amplify_read('t')",
    "create_table": "CREATE TABLE copied AS FROM amplify_read('t')",
}
WHOLES = {
    "count": "FROM amplify_count('t', filters => {i: {gte: 10}})",
    "distinct": "FROM amplify_distinct('t', ['i'])",
    "join": "SELECT count(*) FROM amplify_join('t', 't', 'i')",
}


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("name", READS)
def test_a_read_is_interrupted(connect, table, s3, proxy, name, threads):  # noqa: F811
    con = connect()
    use(con, s3, behind(s3.store, proxy))
    con.execute(f"SET threads = {threads}")
    proxy.plan = slow_files
    query = Query(con, READS[name])
    wait_until(lambda: sum(map(of_a_file, proxy.exchanges)) >= RUNNING, "the query reads no files")
    at = time.monotonic()
    con.interrupt()
    query.wait(10)
    assert query.error and "nterrupt" in query.error, query.error
    assert query.ended_at - at < ENOUGH_SECONDS
    check_stopped(proxy, at)
    assert sum(map(of_a_file, proxy.exchanges)) < FILES
    # The session is as good as before.
    proxy.forget()
    assert con.execute("SELECT count(*), count(DISTINCT k) FROM amplify_read('t')").fetchall() == [(FILES * 10, FILES)]


@pytest.mark.parametrize("name", WHOLES)
def test_what_answers_as_a_whole_is_interrupted_when_it_has_its_answer(connect, table, s3, proxy, name):  # noqa: F811
    con = connect()
    use(con, s3, behind(s3.store, proxy))
    proxy.plan = slow_files
    query = Query(con, WHOLES[name])
    wait_until(lambda: sum(map(of_a_file, proxy.exchanges)) >= RUNNING, "the query reads no files")
    con.interrupt()
    query.wait(60)
    assert query.error and "nterrupt" in query.error, query.error
    check_stopped(proxy, query.ended_at)
    assert con.execute("SELECT 42").fetchall() == [(42,)]


def test_who_needs_no_more_rows_asks_for_no_more_files(connect, table, s3, proxy):  # noqa: F811
    con = connect()
    use(con, s3, behind(s3.store, proxy))
    proxy.plan = slow_files
    assert len(con.execute("SELECT i, k FROM amplify_read('t') LIMIT 5").fetchall()) == 5
    check_stopped(proxy, time.monotonic())
    assert sum(map(of_a_file, proxy.exchanges)) < FILES / 2


@pytest.mark.parametrize("mode", ["append", "overwrite"])
def test_a_copy_is_interrupted(connect, table, s3, proxy, mode):  # noqa: F811
    """While parts of a file go up: what has been written is deleted."""
    con = connect()
    use(con, s3, behind(s3.store, proxy))
    before = s3.objects("t/")
    source = "SELECT (hash(i) % 2000000000)::INTEGER AS i, 0 AS k FROM range(2000000000) r(i)"
    query = Query(con, f"COPY ({source}) TO 'amplify://t' (FORMAT amplify, MODE '{mode}')")
    wait_until(lambda: any(exchange.method == "PUT" and ".parquet" in exchange.target for exchange in proxy.exchanges)
               or not query.thread.is_alive(), "the query writes no files")
    assert query.thread.is_alive(), query.error
    con.interrupt()
    query.wait(20)
    assert query.error and "nterrupt" in query.error, query.error
    check_stopped(proxy, query.ended_at)
    assert s3.objects("t/") == before
    assert any(exchange.method == "DELETE" and "uploadId" in exchange.target for exchange in proxy.exchanges)
    check_clean(table, s3)


def test_ctrl_c_in_python(s3_crew, table, s3, proxy):  # noqa: F811
    s3_crew.settings = settings(behind(s3.store, proxy))
    proxy.plan = slow_files
    running = s3_crew.start("statement", "interrupted", sql=READS["aggregate"])
    wait_until(lambda: sum(map(of_a_file, proxy.exchanges)) >= RUNNING, "the query reads no files")
    at = time.monotonic()
    running.process.send_signal(signal.SIGINT)
    ended = running.finish()
    assert [event["event"] for event in ended] == ["ready", "interrupted", "alive"], ended
    check_stopped(proxy, at)


WRITE = "SELECT amplify_write('t', [{i: 1, k: 1}])"


@pytest.mark.parametrize(("silent_from", "sql"), [
    (at_first("GET"), READS["aggregate"]), (at_first("PUT", "/pending/"), WRITE), (at_first("PUT", ".parquet"), WRITE),
    (at_first("PUT", "/commits/"), WRITE)], ids=["read", "write_begins", "write_of_a_file", "commit"])
def test_a_silent_server_is_given_up_and_left_alone(connect, table, s3, proxy, silent_from, sql):  # noqa: F811
    con = connect()
    use(con, s3, behind(s3.store, proxy))
    proxy.plan = silent_from()
    begun = time.monotonic()
    query = Query(con, sql)
    wait_until(lambda: any(exchange.fault for exchange in proxy.exchanges), "the query makes no such request")
    con.interrupt()
    query.wait(LONGEST_SECONDS + 5)
    assert query.error and query.ended_at - begun < LONGEST_SECONDS, (query.error, query.ended_at - begun)
    check_stopped(proxy, query.ended_at)
    assert all(exchange.client_left for exchange in proxy.exchanges if exchange.fault)
    proxy.forget()
    assert con.execute("FROM amplify_count('t')").fetchall() == [(FILES * 10,)]
    table.execute("SELECT amplify_write('t', [{i: -1, k: 0}])").fetchall()
    check_clean(table, s3)
