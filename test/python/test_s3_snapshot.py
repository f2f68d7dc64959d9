"""On S3, a scan keeps the state that it was planned from; what was replaced can be brought back, and cleared up."""

from __future__ import annotations

import pytest

import scans
from processes import interpreters
from s3_stores import check_clean, s3, s3_con, s3_crew, store  # noqa: F401  (fixtures)
from scans import PARTITIONS, ROWS, WHOLE_SCAN, copy, count_by_version

TRASH = "_registry/trash/t/"


@pytest.fixture(params=["seaweedfs", "moto"])
def server(request) -> str:
    return request.param


@pytest.fixture
def table(s3_con):  # noqa: F811
    scans.create(s3_con)
    return s3_con


def test_a_scan_outlives_an_overwrite_by_another_process(s3_crew, table, s3):  # noqa: F811
    reader, batches = scans.begin(table)
    s3_crew.start("statement", "overwriter", interpreters()[1], sql=copy(2, "overwrite", rows=10)).finish()
    assert count_by_version(table) == [(2, PARTITIONS * 10)]
    assert len(s3.objects(TRASH)) == PARTITIONS
    assert scans.finish(table, reader, batches) == WHOLE_SCAN
    check_clean(table, s3)


def test_an_overwrite_is_undone_and_cleared_up(table, s3):  # noqa: F811
    table.execute(copy(2, "overwrite", rows=10))
    [(seq,)] = table.execute("SELECT max(seq) FROM amplify_history('t')").fetchall()
    assert table.execute(f"SELECT amplify_restore('t', {seq})").fetchall() == [(PARTITIONS * ROWS,)]
    assert count_by_version(table) == [(1, PARTITIONS * ROWS)]
    check_clean(table, s3)
    table.execute("FROM amplify_vacuum('t', dry_run => false)").fetchall()
    assert len(s3.objects(TRASH)) > 0, "what has just been replaced is kept"
    table.execute("FROM amplify_vacuum('t', older_than => INTERVAL 0 SECONDS, dry_run => false)").fetchall()
    assert s3.objects(TRASH) == {}
    assert count_by_version(table) == [(1, PARTITIONS * ROWS)]
    check_clean(table, s3)
