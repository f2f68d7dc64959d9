"""A scan keeps the state that it was planned from, whatever happens to the table while it runs."""

from __future__ import annotations

import duckdb
import pytest

import scans
from oracle import check_clean
from processes import crew, interpreters  # noqa: F401  (a fixture)
from scans import PARTITIONS, ROWS, WHOLE_SCAN, copy, count_by_version


@pytest.fixture
def table(con):
    scans.create(con)
    return con


def test_a_scan_outlives_an_overwrite_by_another_process(crew, table, root):  # noqa: F811
    reader, batches = scans.begin(table)
    crew.start("statement", "overwriter", interpreters()[1], sql=copy(2, "overwrite", rows=10)).finish()
    assert count_by_version(table) == [(2, PARTITIONS * 10)]
    assert len(list((root / "_registry" / "trash" / "t").rglob("*.parquet"))) == PARTITIONS
    assert scans.finish(table, reader, batches) == WHOLE_SCAN


def test_a_scan_outlives_overwrites_and_vacuum(table, root):
    reader, batches = scans.begin(table)
    for version in (2, 3):
        table.execute(copy(version, "overwrite", rows=10))
        table.execute("FROM amplify_vacuum('t', dry_run => false)").fetchall()
    table.execute(copy(4, rows=10))
    assert scans.finish(table, reader, batches) == WHOLE_SCAN
    assert count_by_version(table) == [(3, PARTITIONS * 10), (4, PARTITIONS * 10)]
    check_clean(table, root)


def test_a_scan_whose_files_are_gone_for_good_says_so(table):
    """Also shows that the tests above find files in the trash: the scan had not read them before."""
    reader, batches = scans.begin(table)
    table.execute(copy(2, "overwrite", rows=10))
    table.execute("FROM amplify_vacuum('t', older_than => INTERVAL 0 SECONDS, dry_run => false)").fetchall()
    with pytest.raises(Exception, match=r'File ".*\.parquet" is not there'):
        scans.finish(table, reader, batches)
    assert count_by_version(table) == [(2, PARTITIONS * 10)]


def test_a_restored_overwrite_brings_the_rows_back(table, root):
    table.execute(copy(2, "overwrite", rows=10))
    [(seq,)] = table.execute("SELECT max(seq) FROM amplify_history('t')").fetchall()
    reader, batches = scans.begin(table)
    assert table.execute(f"SELECT amplify_restore('t', {seq})").fetchall() == [(PARTITIONS * ROWS,)]
    assert count_by_version(table) == [(1, PARTITIONS * ROWS)]
    [(version, rows, *_)] = scans.finish(table, reader, batches)
    assert (version, rows) == (2, PARTITIONS * 10)
    check_clean(table, root)


def test_readers_that_glob(table, root):
    """docs/FORMAT.md: when no write is under way, globbing below the table gives exactly the table."""
    glob = f"SELECT version, count(*) FROM read_parquet('{root}/t/**/*.parquet', hive_partitioning = true) GROUP BY ALL ORDER BY ALL"
    table.execute(copy(2, "overwrite", rows=10))
    assert table.execute(glob).fetchall() == count_by_version(table) == [(2, PARTITIONS * 10)]
    assert duckdb.connect().execute(glob).fetchall() == [(2, PARTITIONS * 10)]
