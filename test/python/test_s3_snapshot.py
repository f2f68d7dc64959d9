"""On S3, a scan keeps the state that it was planned from; what was replaced can be brought back, and cleared up."""

from __future__ import annotations

import pyarrow as pa
import pytest

from processes import interpreters
from s3_stores import check_clean, s3, s3_con, s3_crew, store  # noqa: F401  (fixtures)

PARTITIONS, ROWS = 40, 20_000
"""Far more than a scan reads ahead of who takes its rows."""
BATCH_ROWS = 2048
TRASH = "_registry/trash/t/"


@pytest.fixture(params=["seaweedfs", "moto"])
def server(request) -> str:
    return request.param


@pytest.fixture
def table(s3_con):  # noqa: F811
    s3_con.execute("SELECT amplify_create_table('t', 'version INTEGER, part INTEGER, text VARCHAR', ['part'])").fetchall()
    s3_con.execute("SET threads = 2")
    s3_con.execute(copy(1))
    return s3_con


def copy(version: int, mode: str = "append", rows: int = ROWS) -> str:
    query = f"SELECT {version}, (i // {rows})::INTEGER, md5(i::VARCHAR) || md5((i + 1)::VARCHAR) FROM range({PARTITIONS * rows}) r(i)"
    return f"COPY ({query}) TO 'amplify://t' (FORMAT amplify, MODE '{mode}')"


def versions(con) -> list[tuple]:
    return con.execute("SELECT version, count(*) FROM amplify_read('t') GROUP BY ALL ORDER BY ALL").fetchall()


def test_a_scan_outlives_an_overwrite_by_another_process(s3_crew, table, s3):  # noqa: F811
    # sql(), for execute() of DuckDB 2.0 has run the whole query when it answers.
    reader = table.cursor().sql("SELECT version, part, text FROM amplify_read('t')").to_arrow_reader(BATCH_ROWS)
    batches = [reader.read_next_batch()]
    s3_crew.start("statement", "overwriter", interpreters()[1], sql=copy(2, "overwrite", rows=10)).finish()
    assert versions(table) == [(2, PARTITIONS * 10)]
    assert len(s3.objects(TRASH)) == PARTITIONS
    batches += reader
    table.register("scanned", pa.Table.from_batches(batches))
    whole = table.execute("SELECT version, count(*), count(DISTINCT part), count(DISTINCT text) FROM scanned GROUP BY ALL").fetchall()
    assert whole == [(1, PARTITIONS * ROWS, PARTITIONS, PARTITIONS * ROWS)]
    check_clean(table, s3)


def test_an_overwrite_is_undone_and_cleared_up(table, s3):  # noqa: F811
    table.execute(copy(2, "overwrite", rows=10))
    [(seq,)] = table.execute("SELECT max(seq) FROM amplify_history('t')").fetchall()
    assert table.execute(f"SELECT amplify_restore('t', {seq})").fetchall() == [(PARTITIONS * ROWS,)]
    assert versions(table) == [(1, PARTITIONS * ROWS)]
    check_clean(table, s3)
    table.execute("FROM amplify_vacuum('t', dry_run => false)").fetchall()
    assert len(s3.objects(TRASH)) > 0, "what has just been replaced is kept"
    table.execute("FROM amplify_vacuum('t', older_than => INTERVAL 0 SECONDS, dry_run => false)").fetchall()
    assert s3.objects(TRASH) == {}
    assert versions(table) == [(1, PARTITIONS * ROWS)]
    check_clean(table, s3)
