"""A scan keeps the state that it was planned from, whatever happens to the table while it runs."""

from __future__ import annotations

import duckdb
import pyarrow as pa
import pytest

from oracle import check_clean
from processes import crew, interpreters  # noqa: F401  (a fixture)

PARTITIONS, ROWS = 40, 20_000
"""Far more than a scan reads ahead of who takes its rows."""
BATCH_ROWS = 2048


@pytest.fixture
def table(con):
    con.execute("SELECT amplify_create_table('t', 'version INTEGER, part INTEGER, text VARCHAR', ['part'])").fetchall()
    con.execute("SET threads = 2")
    con.execute(copy(1))
    return con


def copy(version: int, mode: str = "append", rows: int = ROWS) -> str:
    query = f"SELECT {version}, (i // {rows})::INTEGER, md5(i::VARCHAR) || md5((i + 1)::VARCHAR) FROM range({PARTITIONS * rows}) r(i)"
    return f"COPY ({query}) TO 'amplify://t' (FORMAT amplify, MODE '{mode}')"


def begin_scan(con):
    """A scan of everything, of which the first rows have been taken."""
    # sql(), for execute() of DuckDB 2.0 has run the whole query when it answers.
    reader = con.cursor().sql("SELECT version, part, text FROM amplify_read('t')").to_arrow_reader(BATCH_ROWS)
    return reader, [reader.read_next_batch()]


def finish_scan(con, reader, batches) -> list[tuple]:
    batches += reader
    con.register("scanned", pa.Table.from_batches(batches))
    return con.execute("SELECT version, count(*), count(DISTINCT part), count(DISTINCT text) FROM scanned GROUP BY ALL").fetchall()


def count_by_version(con) -> list[tuple]:
    return con.execute("SELECT version, count(*) FROM amplify_read('t') GROUP BY ALL ORDER BY ALL").fetchall()


def test_a_scan_outlives_an_overwrite_by_another_process(crew, table, root):  # noqa: F811
    reader, batches = begin_scan(table)
    crew.start("statement", "overwriter", interpreters()[1], sql=copy(2, "overwrite", rows=10)).finish()
    assert count_by_version(table) == [(2, PARTITIONS * 10)]
    assert len(list((root / "_registry" / "trash" / "t").rglob("*.parquet"))) == PARTITIONS
    assert finish_scan(table, reader, batches) == [(1, PARTITIONS * ROWS, PARTITIONS, PARTITIONS * ROWS)]


def test_a_scan_outlives_overwrites_and_vacuum(table, root):
    reader, batches = begin_scan(table)
    for version in (2, 3):
        table.execute(copy(version, "overwrite", rows=10))
        table.execute("FROM amplify_vacuum('t', dry_run => false)").fetchall()
    table.execute(copy(4, rows=10))
    assert finish_scan(table, reader, batches) == [(1, PARTITIONS * ROWS, PARTITIONS, PARTITIONS * ROWS)]
    assert count_by_version(table) == [(3, PARTITIONS * 10), (4, PARTITIONS * 10)]
    check_clean(table, root)


def test_a_scan_whose_files_are_gone_for_good_says_so(table):
    """Also shows that the tests above find files in the trash: the scan had not read them before."""
    reader, batches = begin_scan(table)
    table.execute(copy(2, "overwrite", rows=10))
    table.execute("FROM amplify_vacuum('t', older_than => INTERVAL 0 SECONDS, dry_run => false)").fetchall()
    with pytest.raises(Exception, match=r'File ".*\.parquet" is not there'):
        finish_scan(table, reader, batches)
    assert count_by_version(table) == [(2, PARTITIONS * 10)]


def test_a_restored_overwrite_brings_the_rows_back(table, root):
    table.execute(copy(2, "overwrite", rows=10))
    [(seq,)] = table.execute("SELECT max(seq) FROM amplify_history('t')").fetchall()
    reader, batches = begin_scan(table)
    assert table.execute(f"SELECT amplify_restore('t', {seq})").fetchall() == [(PARTITIONS * ROWS,)]
    assert count_by_version(table) == [(1, PARTITIONS * ROWS)]
    [(version, rows, *_)] = finish_scan(table, reader, batches)
    assert (version, rows) == (2, PARTITIONS * 10)
    check_clean(table, root)


def test_readers_that_glob(table, root):
    """docs/FORMAT.md: when no write is under way, globbing below the table gives exactly the table."""
    glob = f"SELECT version, count(*) FROM read_parquet('{root}/t/**/*.parquet', hive_partitioning = true) GROUP BY ALL ORDER BY ALL"
    table.execute(copy(2, "overwrite", rows=10))
    assert table.execute(glob).fetchall() == count_by_version(table) == [(2, PARTITIONS * 10)]
    assert duckdb.connect().execute(glob).fetchall() == [(2, PARTITIONS * 10)]
