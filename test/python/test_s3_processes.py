"""Processes that work on one store on S3, some of them killed: what readers see, what is there in the end.

Few at a time: SeaweedFS is right under contention, but slow.
"""

from __future__ import annotations

import random
import sys
import time

import pytest

from oracle import check_answered, check_reads, check_totals, writes_of
from processes import interpreters, kill_again_and_again
from s3_stores import check_clean, s3, s3_con, s3_crew, store  # noqa: F401  (fixtures)
from worker import KINDS, SCHEMA, rows_of

KILLS, WRITERS = 6, 2
LONGEST_LIFE_SECONDS = 0.5
"""How long a writer may work before it is killed: a few writes."""
APPENDERS, BATCHES = 3, 5


@pytest.fixture(params=["seaweedfs", "moto"])
def server(request) -> str:
    return request.param


@pytest.fixture
def table(s3_con):  # noqa: F811
    s3_con.execute(f"SELECT amplify_create_table('t', '{SCHEMA}', ['part'])").fetchall()
    return s3_con


def test_writers_killed_at_any_moment(s3_crew, table, s3):  # noqa: F811
    """Readers never stop and see whole writes only; what was answered stays; one more write recovers everything."""
    chance = random.Random(11)
    pythons = interpreters()
    reader = s3_crew.start("read", "reader", pythons[0])

    def bear(number: int):
        return s3_crew.start("write", f"writer{number}", pythons[number % 2], kinds=sorted(KINDS))

    writers = kill_again_and_again(KILLS, WRITERS, bear, "intent", chance, LONGEST_LIFE_SECONDS)
    s3_crew.stop()
    for running in [reader, *writers]:
        running.finish()

    writes = writes_of(s3_crew.said())
    assert check_reads(writes, [reader.events()]) > KILLS
    assert sum(write.ack > 1e18 for write in writes.values()) > 0, "nobody was killed in a write"

    # One more write, by a process that nobody disturbs, does what the dead left undone.
    table.execute("SELECT amplify_write('t', [{write_id: 'last', part: 'cold0', of: 1, n: 0}])").fetchall()
    check_clean(table, s3)
    assert len(check_answered(table, writes, also={"last"})) <= 1


def test_the_files_of_a_killed_writer_go_with_the_next_write(s3_crew, table, s3):  # noqa: F811
    """It is killed when its files are there, and before its commit; the other knows at once that it is dead."""
    slow = "SELECT 'slow' AS write_id, 'cold0' AS part, 100000000 AS of, n::INTEGER AS n FROM range(100000000) r(n)"
    victim = s3_crew.start("statement", "victim", sql=f"COPY (SELECT r FROM ({slow}) r) TO 'amplify://t' (FORMAT amplify)")
    pending = "_registry/journal/t/pending/"
    deadline = time.monotonic() + 60
    while not s3.objects(pending):
        assert time.monotonic() < deadline and victim.process.poll() is None
        time.sleep(0.01)
    victim.kill()
    assert len(s3.objects(pending)) == 1
    assert table.execute("FROM amplify_count('t')").fetchall() == [(0,)]
    table.execute("SELECT amplify_write('t', [{write_id: 'a', part: 'cold0', of: 1, n: 0}])").fetchall()
    check_clean(table, s3)
    assert table.execute("SELECT write_id FROM amplify_read('t')").fetchall() == [("a",)]


def test_writers_at_once(s3_crew, table, s3):  # noqa: F811
    """Three append, one overwrites its own partitions, one reads: totals exact, nobody has an error."""
    pythons = interpreters()
    reader = s3_crew.start("read", "reader", pythons[1])
    appenders = [
        s3_crew.start("write", f"appender{number}", pythons[number % 2], limit=BATCHES, kinds=["append_one", "append_many"])
        for number in range(APPENDERS)]
    overwriter = s3_crew.start("write", "overwriter", sys.executable, kinds=["overwrite"])
    for appender in appenders:
        appender.finish()
    s3_crew.stop()
    for running in [reader, overwriter]:
        running.finish()

    writes = writes_of(s3_crew.said())
    assert check_reads(writes, [reader.events()]) > 0
    check_clean(table, s3)
    check_totals(table, writes, APPENDERS * BATCHES, rows_of("overwrite"))


def test_two_processes_register_tables_at_the_same_moment(s3_crew, s3_con, s3):  # noqa: F811
    reader = s3_crew.start("read_registry", "reader")
    creators = [s3_crew.start("create_tables", name, python, count=5) for name, python in zip("ab", interpreters())]
    s3_crew.go()
    said = [creator.finish() for creator in creators]
    s3_crew.stop()
    assert reader.finish()[-1]["count"] > 0
    outcomes = [event["outcome"] for events in said for event in events if event["event"] == "created"]
    assert sorted(outcomes) == ["created"] * 11 + ["unchanged"]
    tables = {name for name, in s3_con.execute("SELECT table_name FROM amplify_tables()").fetchall()}
    assert tables == {f"{name}_{number}" for name in "ab" for number in range(5)} | {"shared"}
    assert set(s3.objects("_registry/")) == {"_registry/tables.json"}


def test_racing_processes_write_a_batch_once(s3_crew, table, s3):  # noqa: F811
    batches = [f"2024-01-{day:02}/IFCB107" for day in range(1, 4)]
    workers = [s3_crew.start("write_batch", f"racer{number}", python, batches=batches, statement=statement)
               for number, (python, statement) in enumerate(zip(interpreters(), ["copy", "write"]))]
    s3_crew.go()
    for worker in workers:
        worker.finish()
    rows = rows_of("append_many")
    assert table.execute("FROM amplify_count('t')").fetchall() == [(len(batches) * rows,)]
    written = table.execute("SELECT batch, rows FROM amplify_history('t') ORDER BY batch").fetchall()
    assert written == [(batch, rows) for batch in batches]
    check_clean(table, s3)
