"""Many processes on one store, some of them killed at any moment: what readers see, what is there in the end.

A test run on one DuckDB starts processes of both. AMPLIFY_KILLS says how many writers are killed (20 unless it does; a
campaign: 200), AMPLIFY_SEED when; AMPLIFY_REGISTRY_ROUNDS how often tables are registered at once.
"""

from __future__ import annotations

import json
import os
import random
import sys
from pathlib import Path

import pytest

from oracle import JOURNAL, check_answered, check_clean, check_reads, check_totals, unfinished, visible_files, writes_of
from processes import crew, interpreters, kill_again_and_again  # noqa: F401  (a fixture)
from worker import KINDS, SCHEMA, rows_of

KILLS = int(os.environ.get("AMPLIFY_KILLS", "20"))
WRITERS = 3
LONGEST_LIFE_SECONDS = 0.4
"""How long a writer may work before it is killed. A write takes a few milliseconds: hardly one is missed."""
APPENDERS, BATCHES = 8, 50
REGISTRY_ROUNDS = int(os.environ.get("AMPLIFY_REGISTRY_ROUNDS", "10"))


@pytest.fixture
def table(con, root):
    con.execute(f"SELECT amplify_create_table('t', '{SCHEMA}', ['part'])").fetchall()
    return con


def test_writers_killed_at_any_moment(crew, table, root):  # noqa: F811
    """Readers never stop and see whole writes only; what was answered stays; one more write recovers everything."""
    pythons = interpreters()
    seed = int(os.environ.get("AMPLIFY_SEED", random.SystemRandom().randrange(2**32)))
    print(f"AMPLIFY_SEED={seed}")
    chance = random.Random(seed)
    readers = [crew.start("read", f"reader{number}", pythons[number]) for number in range(2)]

    def bear(number: int):
        fsync = bool(number // 2 % 2)
        return crew.start("write", f"writer{number}", pythons[number % 2], kinds=sorted(KINDS), fsync=fsync)

    writers = kill_again_and_again(KILLS, WRITERS, bear, "ready", chance, LONGEST_LIFE_SECONDS)
    crew.stop()
    for running in [*readers, *writers]:
        running.finish()

    writes = writes_of(crew.said())
    unanswered = sum(write.ack > 1e18 for write in writes.values())
    reads = check_reads(writes, [reader.events() for reader in readers])
    assert reads > KILLS and unanswered > KILLS / 4 and any(write.overwrites for write in writes.values())

    # One more write, by a process that nobody disturbs, does what the dead left undone.
    table.execute("SELECT amplify_write('t', [{write_id: 'last', part: 'cold0', of: 1, n: 0}])").fetchall()
    check_clean(table, root)
    # A marker or record that had no name yet when its writer was killed stays hidden until vacuum finds it a day old.
    hidden = unfinished(root)
    assert all(root / JOURNAL / "t" in path.parents for path in hidden)
    for path in hidden:
        os.utime(path, (0, 0))
    table.execute("FROM amplify_vacuum('t', dry_run => false)").fetchall()
    assert unfinished(root) == []
    assert len(check_answered(table, writes, also={"last"})) == 1
    print(f"{KILLS} kills, {len(writes)} writes of which {unanswered} were not answered, {reads} reads")


@pytest.mark.parametrize("mixed", [False, True], ids=["one_duckdb", "two_duckdbs"])
def test_many_writers_at_once(crew, table, root, mixed):  # noqa: F811
    """Eight append, one overwrites its own partitions, two read: totals exact, nobody has an error."""
    pythons = interpreters() if mixed else [sys.executable] * 2
    readers = [crew.start("read", f"reader{number}", pythons[number]) for number in range(2)]
    appenders = [
        crew.start("write", f"appender{number}", pythons[number % 2], limit=BATCHES, kinds=["append_one", "append_many"])
        for number in range(APPENDERS)]
    overwriter = crew.start("write", "overwriter", pythons[1], kinds=["overwrite"])
    for appender in appenders:
        appender.finish()
    crew.stop()
    for running in [*readers, overwriter]:
        running.finish()

    writes = writes_of(crew.said())
    assert check_reads(writes, [reader.events() for reader in readers]) > 10
    check_clean(table, root)
    check_totals(table, writes, APPENDERS * BATCHES, rows_of("overwrite"))


def test_two_processes_register_tables_at_the_same_moment(crew, con, root, tmp_path):  # noqa: F811
    """Twenty each: forty are there, every time; whoever reads meanwhile sees none go away and never a torn file."""
    pythons = interpreters()
    for round_ in range(REGISTRY_ROUNDS):
        crew.scratch, crew.root, crew.all = tmp_path / f"crew{round_}", root / str(round_), []
        crew.scratch.mkdir()
        reader = crew.start("read_registry", "reader", pythons[round_ % 2])
        creators = [crew.start("create_tables", name, python, count=20) for name, python in zip("ab", pythons)]
        crew.go()
        said = [creator.finish() for creator in creators]
        crew.stop()
        assert reader.finish()[-1]["count"] > 0
        outcomes = [event["outcome"] for events in said for event in events if event["event"] == "created"]
        assert sorted(outcomes) == ["created"] * 41 + ["unchanged"]
        tables = {name for name, in con.execute(f"SELECT table_name FROM amplify_tables(root => '{crew.root}')").fetchall()}
        assert tables == {f"{name}_{number}" for name in "ab" for number in range(20)} | {"shared"}
        assert set(json.loads((crew.root / "_registry" / "tables.json").read_text())) == tables
        left = {path.name for path in (crew.root / "_registry").iterdir()}
        assert left == {"tables.json", "tables.lock"}


def test_two_processes_add_columns_to_one_table(crew, con, root):  # noqa: F811
    """Who comes second is told of the column that it left out; none is lost."""
    con.execute("SELECT amplify_create_table('t', 'i INTEGER')").fetchall()
    workers = [crew.start("add_columns", name, python, count=15) for name, python in zip("ab", interpreters())]
    crew.go()
    said = [worker.finish() for worker in workers]
    outcomes = [event["outcome"] for events in said for event in events if event["event"] == "added"]
    assert outcomes == ["extended"] * 30
    columns = [name for name, in con.execute("SELECT column_name FROM amplify_schema('t')").fetchall()]
    assert len(columns) == 31 and set(columns) == {"i"} | {f"{name}_{number}" for name in "ab" for number in range(15)}
    for name in "ab":
        own = [column for column in columns if column.startswith(name)]
        assert own == [f"{name}_{number}" for number in range(15)]


def test_a_file_on_disk_is_in_the_table_or_in_the_trash(crew, table, root):  # noqa: F811
    """After many overwrites by two processes: the visible files, and in the trash what was replaced, each once."""
    workers = [crew.start("write", name, python, limit=20, kinds=["overwrite", "append_hot"])
               for name, python in zip("ab", interpreters())]
    for worker in workers:
        worker.finish()
    check_clean(table, root)
    trash = root / "_registry" / "trash" / "t"
    trashed = [path.relative_to(trash).parts[1:] for path in trash.rglob("*.parquet")]
    kept = [Path(path).relative_to(root / "t").parts for path in visible_files(table)]
    assert len(set(trashed + kept)) == len(trashed + kept) == 40 * 4
    txids = {txid for txid, in table.execute("SELECT txid FROM amplify_history('t')").fetchall()}
    assert {name.split("-")[1] for _, name in trashed + kept} == txids
