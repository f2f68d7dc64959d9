"""How much is asked of an S3 server: by what amplify counts itself, and by what a proxy sees go by."""

from __future__ import annotations

import re
import time
from collections import Counter
from urllib.parse import unquote

import pytest
from fault_proxy import Delay, Exchange, FaultProxy

from s3_stores import behind, fresh_root, server_named, use

PARTITIONS = 1000
MOST_REQUESTS = 12
"""To read one partition, besides what fetches data."""


@pytest.fixture(scope="module")
def proxy():
    with FaultProxy(server_named("seaweedfs").endpoint) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def root(extension, proxy):
    """A store with a table of many partitions in two levels, and one of few files with many row groups."""
    import duckdb
    con = duckdb.connect(config={"allow_unsigned_extensions": "true"})
    con.execute(f"LOAD '{extension}'")
    root = fresh_root(server_named("seaweedfs"), "requests")
    use(con, root)
    con.execute("SELECT amplify_create_table('t', 'id INTEGER, a INTEGER, b INTEGER', ['a', 'b'])").fetchall()
    con.execute(f"COPY (SELECT i, i % 20, i // 20 % {PARTITIONS // 20} FROM range({PARTITIONS * 3}) r(i)) TO 'amplify://t' (FORMAT amplify)")
    con.execute("SELECT amplify_create_table('l', 'id INTEGER, taken TIMESTAMP, text VARCHAR')").fetchall()
    con.execute("""COPY (SELECT i, TIMESTAMP '2024-01-01' + INTERVAL (i) SECOND, md5(i::VARCHAR) || md5((i + 1)::VARCHAR)
                   FROM range(1000000) r(i)) TO 'amplify://l' (FORMAT amplify)""")
    con.close()
    return root


@pytest.fixture
def con(connect, root, proxy):
    connection = connect()
    use(connection, root, behind(root.store, proxy))
    return connection


def counted(con) -> dict[str, int]:
    """amplify_io_stats()."""
    answer = con.execute("FROM amplify_io_stats()")
    names = [column[0] for column in answer.description]
    [row] = answer.fetchall()
    return dict(zip(names, row))


def asked(con, proxy: FaultProxy, sql: str) -> tuple[list[tuple], list[Exchange]]:
    """What a query answers, and what it asks of the server; amplify must have counted the same."""
    before = counted(con)
    proxy.forget()
    rows = con.execute(sql).fetchall()
    exchanges = list(proxy.exchanges)
    after = counted(con)
    kinds = Counter(kind(exchange) for exchange in exchanges)
    for name in kinds.keys() | {"list", "get", "head", "put", "delete"}:
        assert after[f"{name}_requests"] - before[f"{name}_requests"] == kinds[name], (name, kinds)
    return rows, exchanges


def kind(exchange: Exchange) -> str:
    if exchange.method == "GET" and "list-type=2" in exchange.target:
        return "list"
    if exchange.method == "POST" and exchange.target.endswith("?delete"):
        return "delete"
    return exchange.method.lower()


def data_requests(exchanges: list[Exchange]) -> list[Exchange]:
    return [exchange for exchange in exchanges if exchange.method == "GET" and ".parquet" in exchange.target]


def test_one_partition_of_many(con, proxy):
    rows, exchanges = asked(con, proxy, "SELECT id FROM amplify_read('t', filters => {a: 7, b: 31}) ORDER BY id")
    assert rows == [(627,), (1627,), (2627,)]
    data = data_requests(exchanges)
    assert {re.search(r"/a=(\d+)/b=(\d+)/", unquote(exchange.target)).groups() for exchange in data} == {("7", "31")}
    told = [(exchange.method, exchange.target) for exchange in exchanges]
    assert len(exchanges) - len(data) <= MOST_REQUESTS, told
    # The footer is no data either, and a small file comes with it.
    assert len(data) <= 2, told


def test_the_same_query_again_fetches_no_footer(con, proxy):
    query = "SELECT count(*), sum(id) FROM amplify_read('l', filters => {taken: {gte: '2024-01-03', lt: '2024-01-04'}})"
    first_rows, first = asked(con, proxy, query)
    before = counted(con)
    again_rows, again = asked(con, proxy, query)
    assert first_rows == again_rows == [(86400, sum(range(172800, 259200)))]
    ranges = Counter(exchange.range for exchange in data_requests(first))
    ranges_again = Counter(exchange.range for exchange in data_requests(again))
    assert sum(ranges_again.values()) < sum(ranges.values())
    assert not ranges_again - ranges, "the second asks for something that the first did not"
    assert counted(con)["footer_cache_hits"] > before["footer_cache_hits"]


def test_a_changed_file_is_read_anew(con, proxy, root):
    """The cache knows the file by its ETag: foreign writers replace files in place."""
    from s3_request import request as ask
    con.execute("SELECT amplify_create_table('c', 'i INTEGER')").fetchall()
    con.execute("SELECT amplify_write('c', [{i: 1}])").fetchall()
    con.execute("SELECT amplify_create_table('d', 'i INTEGER')").fetchall()
    con.execute("SELECT amplify_write('d', [{i: 2}, {i: 3}])").fetchall()
    [(path,)] = con.execute("SELECT path FROM amplify_files('d')").fetchall()
    other = ask(root.store, "GET", path.removeprefix(f"s3://{root.store.bucket}/")).body
    key = root.key("c/foreign.parquet")
    assert ask(root.store, "PUT", key, body=other).status == 200
    assert con.execute("SELECT i FROM amplify_read('c') ORDER BY i").fetchall() == [(1,), (2,), (3,)]
    [(path,)] = con.execute("SELECT path FROM amplify_files('c') WHERE path NOT LIKE '%foreign%'").fetchall()
    single = ask(root.store, "GET", path.removeprefix(f"s3://{root.store.bucket}/")).body
    assert ask(root.store, "PUT", key, body=single).status == 200
    assert con.execute("SELECT i FROM amplify_read('c') ORDER BY i").fetchall() == [(1,), (1,)]


def test_what_no_page_can_hold_is_not_fetched(con, proxy, root):
    """A narrow filter on the sorted column fetches a small part of the file."""
    size = sum(root.objects("l/").values())
    before = counted(con)
    rows, exchanges = asked(con, proxy, "SELECT id, text FROM amplify_read('l', filters => {taken: '2024-01-05 00:00:00'})")
    assert [id for id, _ in rows] == [4 * 86400]
    fetched = counted(con)["received_size_bytes"] - before["received_size_bytes"]
    assert fetched < size / 3, f"{fetched} of {size} bytes, by {[exchange.range for exchange in data_requests(exchanges)]}"


def test_columns_that_are_not_asked_for_are_not_fetched(con, proxy, root):
    size = sum(root.objects("l/").values())
    before = counted(con)
    assert con.execute("SELECT sum(id) FROM amplify_read('l')").fetchall() == [(sum(range(1000000)),)]
    assert counted(con)["received_size_bytes"] - before["received_size_bytes"] < size / 3


def test_partitions_and_keys_are_read_from_listings(con, proxy):
    for sql in ["SELECT count(*) FROM amplify_partitions('t')", "SELECT count(*) FROM amplify_distinct('t', ['a', 'b'])"]:
        rows, exchanges = asked(con, proxy, sql)
        assert rows == [(PARTITIONS,)]
        assert data_requests(exchanges) == []
        # By pages of files, not by directories.
        assert len(exchanges) <= MOST_REQUESTS, [exchange.target for exchange in exchanges]


def test_who_binds_asks_for_the_registry_alone(con, proxy):
    for sql in ["DESCRIBE FROM amplify_read('t')", "EXPLAIN FROM amplify_read('t')", "PREPARE p AS FROM amplify_read('t')"]:
        _, exchanges = asked(con, proxy, sql)
        assert all("tables.json" in exchange.target for exchange in exchanges), exchanges


def test_small_files_are_put_at_the_same_time(con, proxy):
    """Many files of one request each: what takes a while for one takes hardly longer for all."""
    con.execute("SELECT amplify_create_table('w', 'id INTEGER, a INTEGER', ['a'])").fetchall()
    files, delay = 200, 0.2
    proxy.forget(lambda exchange: Delay(delay) if exchange.method == "PUT" and "/w/a" in unquote(exchange.target) else None)
    try:
        began = time.monotonic()
        con.execute(f"COPY (SELECT i, i FROM range({files}) r(i)) TO 'amplify://w' (FORMAT amplify)")
        took = time.monotonic() - began
        puts = [exchange for exchange in proxy.exchanges if exchange.method == "PUT" and ".parquet" in exchange.target]
    finally:
        proxy.forget()
    assert len(puts) == files
    assert took < files * delay / 4, took
    assert con.execute("SELECT count(*), sum(id) FROM amplify_read('w')").fetchall() == [(files, sum(range(files)))]


def test_what_was_replaced_goes_in_bulk(con, proxy):
    con.execute("SELECT amplify_create_table('v', 'id INTEGER, a INTEGER', ['a'])").fetchall()
    copy = "COPY (SELECT i, i FROM range(100) r(i)) TO 'amplify://v' (FORMAT amplify, MODE '{}')"
    con.execute(copy.format("append"))
    proxy.forget()
    con.execute(copy.format("overwrite"))
    assert Counter(map(kind, proxy.exchanges))["delete"] == 2, "the files that were moved, and the marker"
    rows, exchanges = asked(con, proxy, "SELECT count(*) FROM amplify_vacuum('v', older_than => INTERVAL 0 DAY, dry_run => false)")
    assert rows == [(100,)]
    assert len(exchanges) <= MOST_REQUESTS, [(exchange.method, exchange.target) for exchange in exchanges]
