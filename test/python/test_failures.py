"""Writes and reads that come to a bad end: interrupted, a source that fails, limits of the process.

Whatever happens, the error is clear, the store is as it was, to the byte, and the session goes on.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import threading
import time
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from oracle import check_clean, pending, state_of, unfinished
from processes import ENVIRONMENTS, PATIENCE_SECONDS, crew  # noqa: F401  (a fixture)

ENDLESS = 100_000_000_000
"""Rows that nobody waits for."""
SOON_SECONDS = 10
"""An interrupt is heeded within this, on a machine with other work to do."""


def endless(columns: str = "'a' AS part, i AS n, md5(i::VARCHAR) AS text") -> str:
    return f"SELECT {columns} FROM range({ENDLESS}) r(i)"


@pytest.fixture
def table(con, root):
    con.execute("SELECT amplify_create_table('t', 'part VARCHAR, n BIGINT, text VARCHAR', ['part'])").fetchall()
    con.execute("SELECT amplify_write('t', [{part: 'a', n: 1, text: 'x'}, {part: 'b', n: 2, text: 'y'}])").fetchall()
    return con


@pytest.fixture
def unchanged(table, root):
    """Checks, at the end of the test, that it left the store as it was, and that the next write works."""
    before = state_of(root)
    yield table
    assert state_of(root) == before
    assert table.execute("SELECT part, n, text FROM amplify_read('t') ORDER BY ALL").fetchall() == [("a", 1, "x"), ("b", 2, "y")]
    table.execute("SELECT amplify_write('t', [{part: 'a', n: 3, text: 'z'}])").fetchall()
    assert table.execute("FROM amplify_count('t')").fetchall() == [(3,)]
    check_clean(table, root)


def until(condition, what: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"it was waited for in vain: {what}"
        time.sleep(0.005)


def writing(root: Path) -> bool:
    """Whether a data file is under way."""
    return any("registry" not in str(path) for path in unfinished(root))


@pytest.mark.parametrize("mode", ["append", "overwrite"])
def test_copy_is_interrupted(unchanged, root, mode):
    def interrupt():
        until(lambda: writing(root), "a data file")
        unchanged.interrupt()

    thread = threading.Thread(target=interrupt)
    thread.start()
    try:
        with pytest.raises(duckdb.InterruptException):
            unchanged.execute(f"COPY ({endless()}) TO 'amplify://t' (FORMAT amplify, MODE '{mode}')")
    finally:
        thread.join()


def test_a_read_is_interrupted(con, root):
    """Soon after the interrupt, not at the end of the scan."""
    con.execute("SELECT amplify_create_table('t', 'part INTEGER, n BIGINT', ['part'])").fetchall()
    con.execute("COPY (SELECT (i // 1000000)::INTEGER, (hash(i) >> 8)::BIGINT FROM range(4000000) r(i)) TO 'amplify://t' (FORMAT amplify)")
    timer = threading.Timer(0.3, con.interrupt)
    timer.start()
    started = time.monotonic()
    with pytest.raises(duckdb.InterruptException):
        con.execute("SELECT max(a.n + b.n) FROM amplify_read('t') a, range(1000000) b(n)").fetchall()
    assert time.monotonic() - started < SOON_SECONDS
    assert con.execute("FROM amplify_count('t')").fetchall() == [(4_000_000,)]


@pytest.mark.parametrize("sql", [
    f"COPY ({endless()}) TO 'amplify://t' (FORMAT amplify)",
    f"COPY ({endless()}) TO 'amplify://t' (FORMAT amplify, BATCH 'b')",
], ids=["copy", "copy_batch"])
def test_ctrl_c_in_python(crew, unchanged, root, sql):  # noqa: F811
    worker = crew.start("statement", "interrupted", sql=sql)
    until(lambda: writing(root), "a data file")
    worker.process.send_signal(signal.SIGINT)
    sent = time.monotonic()
    assert worker.finish()[-2]["event"] == "interrupted"
    assert time.monotonic() - sent < SOON_SECONDS


def test_ctrl_c_in_the_shell(unchanged, root, extension):
    shell = ENVIRONMENTS / "cli" / "duckdb"
    if not shell.exists():
        pytest.skip(f"There is no {shell}: make configure makes it.")
    script = f"LOAD '{extension}'; SET amplify_root = '{root}'; COPY ({endless()}) TO 'amplify://t' (FORMAT amplify);"
    process = subprocess.Popen([shell, "-unsigned", "-no-init", "-batch", "-c", script], stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        until(lambda: writing(root), "a data file")
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=SOON_SECONDS)  # by itself: nothing kills it
    finally:
        process.kill()
    assert process.returncode not in (0, -signal.SIGKILL), said


@pytest.mark.parametrize("threads", [1, 4])
def test_the_source_fails_in_the_middle(unchanged, root, threads):
    unchanged.execute(f"SET threads = {threads}")
    fails = "'p' || (i // 200000) AS part, i AS n, CASE WHEN i = 1900000 THEN error('boom') ELSE md5(i::VARCHAR) END AS text"
    with pytest.raises(duckdb.Error, match="boom"):
        unchanged.execute(f"COPY (SELECT {fails} FROM range(2000000) r(i)) TO 'amplify://t' (FORMAT amplify)")
    assert pending(root) == [] and not (root / "t" / "part=p0").exists()


def test_a_value_does_not_fit_in_the_middle(unchanged):
    rows = "SELECT 'a', CASE WHEN i = 900000 THEN 1.5 ELSE i END, 'x' FROM range(1000000) r(i)"
    with pytest.raises(duckdb.Error, match=r"\"n\".*1\.5"):
        unchanged.execute(f"COPY ({rows}) TO 'amplify://t' (FORMAT amplify)")


def test_a_python_source_fails_in_the_middle(unchanged):
    schema = pa.schema([("part", pa.string()), ("n", pa.int64()), ("text", pa.string())])

    def batches():
        for number in range(50):
            if number == 40:
                raise RuntimeError("the instrument went away")
            rows = {"part": ["a"] * 10_000, "n": range(10_000), "text": [f"{number}"] * 10_000}
            yield pa.RecordBatch.from_pydict(rows, schema=schema)

    unchanged.register("source", pa.RecordBatchReader.from_batches(schema, batches()))
    with pytest.raises(Exception, match="the instrument went away"):
        unchanged.execute("COPY (SELECT * FROM source) TO 'amplify://t' (FORMAT amplify)")


MANY_PARTITIONS = "SELECT 'p' || (i % 300), i, md5(i::VARCHAR) FROM range(30000) r(i)"
ONE_LARGE_FILE = "SELECT 'a', i, md5(i::VARCHAR) FROM range(400000) r(i)"


def test_a_file_may_not_grow_so_large(crew, unchanged, root):  # noqa: F811
    ended = crew.run(f"COPY ({ONE_LARGE_FILE}) TO 'amplify://t' (FORMAT amplify)", limits={"RLIMIT_FSIZE": 1 << 20})
    assert ended["event"] == "failed"
    assert re.search(rf"{root}/t/part=a/.*File too large", ended["message"]), ended


def test_the_journal_may_not_grow(crew, unchanged, root):  # noqa: F811
    """Not even the marker of the write fits."""
    ended = crew.run("SELECT amplify_write('t', [{part: 'a', n: 3, text: 'z'}])", limits={"RLIMIT_FSIZE": 10})
    assert ended["event"] == "failed"
    assert re.search(rf"{root}/_registry/journal/t/pending/.*File too large", ended["message"]), ended


def test_no_more_files_may_be_opened(crew, unchanged, root):  # noqa: F811
    """The message names the path that could not be opened."""
    # What is opened once in a session is open before: DuckDB itself ends the process where a database finds no
    # descriptor left.
    before = ["FROM amplify_tables()"]
    for number, sql in enumerate([f"COPY ({MANY_PARTITIONS}) TO 'amplify://t' (FORMAT amplify)", "FROM amplify_read('t')"]):
        ended = crew.run(sql, f"statement{number}", limits={"RLIMIT_NOFILE": 3}, before=before)
        assert ended["event"] == "failed"
        assert re.search(rf"{root}.*Too many open files", ended["message"]), ended


def test_few_open_files_are_enough_for_many_partitions(crew, table, root):  # noqa: F811
    used = len(os.listdir("/proc/self/fd"))
    limits = {"RLIMIT_NOFILE": used + 30}
    assert crew.run(f"COPY ({MANY_PARTITIONS}) TO 'amplify://t' (FORMAT amplify)", "writer", limits=limits)["event"] == "done"
    assert crew.run("SELECT count(text) FROM amplify_read('t')", "reader", limits=limits)["event"] == "done"
    assert table.execute("FROM amplify_count('t')").fetchall() == [(30_002,)]
    check_clean(table, root)
