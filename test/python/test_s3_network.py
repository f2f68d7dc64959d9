"""A bad network between amplify and an S3 server: right results or a clear error, never half a commit, never two.

A write is run once for each request that it makes, with a fault at that request: the first, the second, … until it makes
no more. A client that works without the proxy then looks at what became of it.
"""

from __future__ import annotations

import itertools
import time

import duckdb
import pytest
from fault_proxy import CutUpload, FaultProxy, Hang, Lose, Refuse, Reset, Truncate, at, every, first

from s3_stores import Root, behind, check_clean, proxy, s3, s3_crew, settings, store, use  # noqa: F401  (fixtures)

LONGEST_SECONDS = 30
"""Until an error comes."""
BUSY_SECONDS = 6
"""How long a store may have no time for anybody without an error."""
FAULTS = [Refuse(), Reset(), Lose(), CutUpload(), Truncate()]
KEYS = ["a", "b", "c"]


@pytest.fixture
def server() -> str:
    return "seaweedfs"


@pytest.fixture
def clean(connect, s3) -> duckdb.DuckDBPyConnection:  # noqa: F811
    """A session that works without the proxy, and a table."""
    con = connect()
    use(con, s3)
    execute(con, "SELECT amplify_create_table('t', 'id INTEGER, write_id VARCHAR, k VARCHAR', ['k'])")
    return con


@pytest.fixture
def con(connect, s3, proxy, clean) -> duckdb.DuckDBPyConnection:  # noqa: F811
    """A session that works by way of the proxy."""
    con = connect()
    use(con, s3, behind(s3.store, proxy))
    return con


def execute(con, sql: str) -> list[tuple]:
    return con.execute(sql).fetchall()


def write(write_id: str, overwrite: bool) -> str:
    """One row in each of three partitions."""
    rows = ", ".join(f"{{id: {number}, write_id: '{write_id}', k: '{k}'}}" for number, k in enumerate(KEYS))
    return f"SELECT amplify_write('t', [{rows}], {str(overwrite).lower()})"


def writes_seen(con) -> list[str]:
    """The writes that the table shows. Each must be there whole, and once."""
    seen = execute(con, "SELECT write_id, list(k ORDER BY k) FROM amplify_read('t') GROUP BY write_id ORDER BY write_id")
    assert all(keys == KEYS for _, keys in seen), f"a write is there in parts or twice: {seen}"
    return [write_id for write_id, _ in seen]


def attempt(con, sql: str) -> str | None:
    """Runs a statement; the error, if it comes to one, which it must in time and in words."""
    begun = time.monotonic()
    try:
        execute(con, sql)
        failed = None
    except duckdb.Error as error:
        failed = str(error)
    assert time.monotonic() - begun < LONGEST_SECONDS
    return failed


def check_error(message: str, root: Root, proxy: FaultProxy) -> None:
    """That it says where, and no key."""
    assert root.store.bucket in message and proxy.endpoint.removeprefix("http://") in message, message
    assert root.store.secret_key not in message and root.store.access_key not in message


@pytest.mark.parametrize(("server", "fault"), [*(("seaweedfs", fault) for fault in FAULTS), ("moto", Lose())],
                         ids=lambda value: value if isinstance(value, str) else type(value).__name__)
@pytest.mark.parametrize("overwrite", [False, True], ids=["append", "overwrite"])
def test_a_fault_at_every_request_of_a_write(con, clean, s3, proxy, overwrite, fault):  # noqa: F811
    execute(clean, write("0", overwrite=False))
    expected, hit, errors = ["0"], 0, 0
    for number in itertools.count(1):
        write_id = f"w{number:03}"
        proxy.forget(at(number, fault))
        failed = attempt(con, write(write_id, overwrite))
        happened = [exchange for exchange in proxy.exchanges if exchange.fault]
        hit += len(happened)
        done = [write_id] if overwrite else sorted([*expected, write_id])
        seen = writes_seen(clean)
        if failed is None:
            assert seen == done, f"answered, but not there: {write_id}, with a fault at {happened}"
        else:
            errors += 1
            check_error(failed, s3, proxy)
            assert seen in (expected, done), f"neither before nor after: {happened}\n{failed}"
        expected = seen
        if len(proxy.exchanges) < number:
            break
        assert number < 200
    assert hit > 0, "the fault never happened"
    print(f"{type(fault).__name__}: {number - 1} requests, {hit} faults, {errors} errors")
    # Who comes next clears up whatever is left.
    execute(clean, write("x", overwrite=False))
    assert writes_seen(clean) == sorted([*expected, "x"])
    check_clean(clean, s3)
    [(commits,)] = execute(clean, "SELECT count(*) FROM amplify_history('t') WHERE kind IN ('append', 'overwrite')")
    assert commits == (len(expected) + 1 if not overwrite else commits)


@pytest.mark.parametrize("fault", [Reset(), Lose(), Refuse()], ids=lambda fault: type(fault).__name__)
def test_a_fault_at_every_request_of_the_first_write_to_a_root(connect, store, proxy, fault):  # noqa: F811
    """The registry is made, and it is looked whether the store keeps conditions."""
    for number in itertools.count(1):
        root = Root(store, f"first-{type(fault).__name__}-{duckdb.__version__}-{time.monotonic_ns()}")
        con, clean = connect(), connect()
        use(con, root, behind(store, proxy))
        use(clean, root)
        proxy.forget(at(number, fault))
        failed = attempt(con, "SELECT amplify_create_table('t', 'id INTEGER')")
        hit = [exchange for exchange in proxy.exchanges if exchange.fault]
        if failed:
            check_error(failed, root, proxy)
        tables = execute(clean, "SELECT table_name FROM amplify_tables()")
        assert tables in ([("t",)], *([[]] if failed else [])), f"{failed}\n{hit}"
        assert execute(clean, "SELECT amplify_create_table('t', 'id INTEGER')") == [("unchanged" if tables else "created",)]
        if len(proxy.exchanges) < number:
            break
    assert number > 1


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: type(fault).__name__)
def test_a_fault_at_every_request_of_a_read(con, clean, s3, proxy, connect, fault):  # noqa: F811
    for write_id in "xyz":
        execute(clean, write(write_id, overwrite=False))
    for number in itertools.count(1):
        execute(con, "SELECT amplify_create_table('t', 'id INTEGER, write_id VARCHAR, k VARCHAR', ['k'])")
        proxy.forget(at(number, fault))
        failed = None
        try:
            assert writes_seen(con) == ["x", "y", "z"], [exchange for exchange in proxy.exchanges if exchange.fault]
        except duckdb.Error as error:
            failed = str(error)
        assert failed is None, f"one fault is no reason to fail: {failed}"
        if len(proxy.exchanges) < number:
            break
    assert number > 3


def test_bursts_of_refusals_are_waited_out(con, clean, s3, proxy):  # noqa: F811
    for number, plan in enumerate([first(3, Refuse()), every(3, Refuse()), every(2, Refuse(500, "InternalError", "Try again."))]):
        proxy.forget(plan)
        execute(con, write(f"w{number}", overwrite=False))
        assert writes_seen(con) == [f"w{before}" for before in range(number + 1)]
        assert any(exchange.fault for exchange in proxy.exchanges)
    check_clean(clean, s3)


def test_a_store_that_is_busy_for_a_while_is_waited_for(con, clean, s3, proxy):  # noqa: F811
    for statement in [write("a", overwrite=False), "FROM amplify_count('t')"]:
        until = time.monotonic() + BUSY_SECONDS
        proxy.forget(lambda exchange, until=until: Refuse() if time.monotonic() < until else None)
        execute(con, statement)
        assert time.monotonic() >= until
        assert 3 < sum(exchange.fault is not None for exchange in proxy.exchanges) < 200
    assert writes_seen(clean) == ["a"]
    check_clean(clean, s3)


def test_a_slow_network_gives_the_same_answers(con, clean, s3, proxy):  # noqa: F811
    proxy.delay_seconds = 0.1
    execute(con, write("a", overwrite=False))
    execute(con, write("b", overwrite=True))
    assert writes_seen(con) == ["b"] == writes_seen(clean)
    assert execute(con, "SELECT k FROM amplify_partitions('t') ORDER BY k") == [("a",), ("b",), ("c",)]
    check_clean(clean, s3)


@pytest.mark.parametrize("fault", [Refuse(), Reset()], ids=lambda fault: type(fault).__name__)
def test_a_store_that_is_gone_is_given_up(con, clean, s3, proxy, fault):  # noqa: F811
    execute(con, write("a", overwrite=False))
    proxy.forget(every(1, fault))
    for statement in [write("b", overwrite=False), "FROM amplify_count('t')", "FROM amplify_read('t')"]:
        failed = attempt(con, statement)
        assert failed, "nothing was answered, and yet it succeeded"
        check_error(failed, s3, proxy)
    proxy.forget()
    assert writes_seen(con) == ["a"]
    execute(con, write("c", overwrite=False))
    check_clean(clean, s3)


@pytest.mark.parametrize(("fault", "rounds"), [(Refuse(403, "ExpiredToken", "The token has expired."), 24), (Refuse(), 3)],
                         ids=["at_once", "after_tries"])
def test_a_store_that_goes_in_the_middle_of_a_write(con, clean, s3, proxy, s3_crew, fault, rounds):  # noqa: F811
    """Every request fails from some point on. What the writer could not delete is deleted by the next one, as soon as
    the process that wrote is gone."""
    execute(clean, write("0", overwrite=False))
    s3_crew.settings = settings(behind(s3.store, proxy))
    proxy.forget()
    assert s3_crew.run(write("1", overwrite=True))["event"] == "done"
    requests = len(proxy.exchanges)
    expected, left = ["1"], 0
    for number in range(1, requests + 1, requests // rounds or 1):
        proxy.forget(lambda exchange, number=number: fault if exchange.number >= number else None)
        ended = s3_crew.run(write(f"w{number}", overwrite=True), f"writer{number}")
        seen = writes_seen(clean)
        assert seen == [f"w{number}"] if ended["event"] == "done" else seen in (expected, [f"w{number}"]), ended
        expected = seen
        left += len(s3.objects("_registry/journal/t/pending/"))
    assert left > 0, "nothing was left to be cleared up"
    execute(clean, write("x", overwrite=True))
    assert writes_seen(clean) == ["x"]
    check_clean(clean, s3)


@pytest.mark.parametrize("after", [False, True], ids=["before_the_server", "after_the_server"])
@pytest.mark.parametrize("part", ["commits/", ".parquet"])
def test_a_request_without_an_answer(con, clean, s3, proxy, part, after):  # noqa: F811
    hung = []

    def plan(exchange):
        if exchange.method == "PUT" and part in exchange.target and not hung:
            hung.append(exchange)
            return Hang(after)
        return None

    proxy.forget(plan)
    failed = attempt(con, write("a", overwrite=False))
    assert hung
    seen = writes_seen(clean)
    assert seen == ["a"] if failed is None else seen in ([], ["a"])
    if failed:
        check_error(failed, s3, proxy)
    execute(clean, write("b", overwrite=False))
    assert writes_seen(clean) == sorted([*seen, "b"])
    check_clean(clean, s3)


def test_a_large_file_survives_cuts(con, clean, s3, proxy):  # noqa: F811
    """A file of several parts goes up, and comes down, though some requests break."""
    rows = "SELECT i AS id, md5(i::VARCHAR) || md5((i + 1)::VARCHAR) AS write_id, 'a' AS k FROM range(600000) r(i)"
    proxy.forget(lambda exchange: CutUpload() if ".parquet" in exchange.target and exchange.number % 3 == 0 else None)
    execute(con, f"COPY (SELECT r FROM ({rows}) r) TO 'amplify://t' (FORMAT amplify)")
    assert any(exchange.fault for exchange in proxy.exchanges)
    proxy.forget(every(5, Truncate()))
    summary = "SELECT count(*), count(DISTINCT write_id), sum(id), sum(hash(write_id)::HUGEINT)"
    assert execute(con, f"{summary} FROM amplify_read('t')") == execute(clean, f"{summary} FROM ({rows})")
    assert any(exchange.fault for exchange in proxy.exchanges)
    check_clean(clean, s3)
