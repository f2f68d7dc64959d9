"""A batch is written once: by racing processes, again after success, again after a kill, after its record is trimmed."""

from __future__ import annotations

import json
import os
import random
import time
from datetime import datetime, timedelta

import pytest

from oracle import JOURNAL, check_clean
from processes import crew, interpreters  # noqa: F401  (a fixture)
from worker import SCHEMA, rows_of

ROWS = rows_of("append_many")
"""Of one batch."""
RACES = 10
KILLED_RACES = 8


@pytest.fixture
def table(con):
    con.execute(f"SELECT amplify_create_table('t', '{SCHEMA}', ['part'])").fetchall()
    return con


def count(con) -> int:
    [(rows,)] = con.execute("FROM amplify_count('t')").fetchall()
    return rows


def write_batch(con, batch: str, statement: str = "write", rows: int = 2) -> int | None:
    query = f"SELECT 'mine' AS write_id, 'cold0' AS part, {rows} AS of, n::INTEGER AS n FROM range({rows}) r(n)"
    if statement == "copy":
        con.execute(f"COPY (SELECT r FROM ({query}) r) TO 'amplify://t' (FORMAT amplify, BATCH '{batch}')")
        return None
    [(answer,)] = con.execute(f"SELECT amplify_write('t', (SELECT list(r) FROM ({query}) r), {{batch: '{batch}'}})").fetchall()
    return answer


def make_older(root, days: int) -> None:
    """Has every commit record say that it was written `days` earlier: what waiting would do."""
    for path in (root / JOURNAL / "t" / "commits").glob("*.json"):
        record = json.loads(path.read_text())
        record["at"] = (datetime.fromisoformat(record["at"]) - timedelta(days=days)).isoformat()
        path.write_text(json.dumps(record))
        written = path.stat().st_mtime - timedelta(days=days).total_seconds()
        os.utime(path, (written, written))


@pytest.mark.parametrize("racers", [2, 8])
def test_racing_processes_write_a_batch_once(crew, table, root, racers):  # noqa: F811
    pythons = interpreters()
    batches = [f"2024-01-{day:02}/IFCB107" for day in range(1, RACES + 1)]
    workers = [crew.start("write_batch", f"racer{number}", pythons[number % 2], batches=batches,
                          statement=["copy", "write"][number // 2 % 2]) for number in range(racers)]
    crew.go()
    for worker in workers:
        answers = [event["rows"] for event in worker.finish() if event["event"] == "ack"]
        assert len(answers) == RACES and set(answers) <= {ROWS, None}
    assert count(table) == RACES * ROWS
    written = table.execute("SELECT batch, rows FROM amplify_history('t') ORDER BY batch").fetchall()
    assert written == [(batch, ROWS) for batch in batches]
    check_clean(table, root)


def test_a_batch_of_killed_processes_is_written_once(crew, table, root, tmp_path):  # noqa: F811
    """Two processes race, one or both are killed on the way; whoever runs the batch again leaves its rows once."""
    chance = random.Random(7)
    pythons = interpreters()
    for round_ in range(KILLED_RACES):
        crew.scratch, crew.all = tmp_path / f"crew{round_}", []
        crew.scratch.mkdir()
        workers = [crew.start("write_batch", f"racer{round_}_{number}", pythons[number], batches=[f"batch {round_}"],
                              statement="copy", fsync=True) for number in range(2)]
        crew.go()
        time.sleep(chance.uniform(0, 0.02))
        workers[0].kill()
        if round_ % 2:
            workers[1].kill()
        else:
            workers[1].finish()
        write_batch(table, f"batch {round_}", "copy", rows=ROWS)
        assert count(table) == (round_ + 1) * ROWS
        # Where the batch had been written before, nobody has written after the one that was killed.
        table.execute("FROM amplify_vacuum('t', dry_run => false)").fetchall()
        check_clean(table, root)
    ids = table.execute("SELECT write_id, count(*), min(of) FROM amplify_read('t') GROUP BY ALL").fetchall()
    assert all(rows % of == 0 for _, rows, of in ids)


@pytest.mark.parametrize("statement", ["write", "copy"])
def test_a_batch_that_is_run_again_writes_nothing(connect, table, root, statement):
    write_batch(table, "b", statement)
    again = connect()
    again.execute(f"SET amplify_root = '{root}'")
    assert write_batch(again, "b", statement, rows=5) in (2, None), "the rows of the first are answered"
    assert count(table) == 2
    assert write_batch(again, "c", statement, rows=5) in (5, None)
    assert count(table) == 7
    check_clean(table, root)


def test_a_batch_is_one_of_its_table(table):
    table.execute(f"SELECT amplify_create_table('u', '{SCHEMA}', ['part'])").fetchall()
    write_batch(table, "b")
    table.execute("SELECT amplify_write('u', [{write_id: 'x', part: 'p', of: 1, n: 0}], {batch: 'b'})").fetchall()
    assert table.execute("FROM amplify_count('u')").fetchall() == [(1,)]


# A process looks once in a while only what can be trimmed: what has grown old meanwhile, another one does.
WRITE = "SELECT amplify_write('t', [{write_id: 'x', part: 'p', of: 1, n: 0}])"


def test_a_batch_is_remembered_when_its_record_is_gone(table, root, crew):
    write_batch(table, "b")
    write_batch(table, "c", "copy")
    commits = root / JOURNAL / "t" / "commits"
    first = min(path.name for path in commits.iterdir())
    make_older(root, days=3)
    crew.run(WRITE)
    assert first not in {path.name for path in commits.iterdir()}, "it was to be trimmed"
    assert write_batch(table, "b", rows=9) == 2
    write_batch(table, "c", "copy", rows=9)
    assert count(table) == 5


def test_a_batch_of_a_killed_process_is_remembered_when_its_record_is_old(table, root, crew):
    """Nobody marked the batch as committed: its record is kept until somebody has."""
    write_batch(table, "b")
    [claim] = (root / JOURNAL / "t" / "batches").glob("*.json")
    txid = json.loads(claim.read_text())["txid"]
    claim.write_text(json.dumps({"txid": txid}))  # as it is between the commit and the mark
    table.execute(WRITE).fetchall()
    make_older(root, days=3)
    crew.run(WRITE)
    assert write_batch(table, "b", rows=9) == 2
    assert count(table) == 4
    assert json.loads(claim.read_text())["committed"]["rows"] == 2
