"""A process of its own that works on a store and says what it does: `python worker.py ROLE '{…}'`.

It runs with the interpreter of any DuckDB version and needs nothing but duckdb. What it says goes to the file `log`, one
JSON object a line, each by one system call: what was said before a SIGKILL has been said. Times (`t`, `start`, `end`)
are seconds of the machine's monotonic clock, which all processes share.
"""

from __future__ import annotations

import json
import os
import random
import resource
import signal
import sys
import time
from pathlib import Path

import duckdb

SCHEMA = "write_id VARCHAR NOT NULL, part VARCHAR NOT NULL, of INTEGER NOT NULL, n INTEGER NOT NULL"
"""`of` is how many rows the write has: a reader can tell by itself whether it sees all of them."""
ROWS_A_PARTITION = 3
KINDS = {
    "append_one": ("append", ["cold3"]),
    "append_many": ("append", [f"cold{number}" for number in range(8)]),
    "append_hot": ("append", [f"hot{number}" for number in range(4)]),
    "overwrite": ("overwrite", [f"hot{number}" for number in range(4)]),
}
"""Kind of write -> mode, partitions. Only the hot partitions are overwritten, and always together."""
ENDS_IN_READING = 5
TABLE = '{"type": "object", "properties": {"i": {"type": "integer"}}}'
"""A table as JSON Schema: the form that takes the least time, so that processes meet in the registry."""


class Worker:
    """What every role has: a connection, a log, and the moment to stop."""

    def __init__(self, arguments: dict) -> None:
        self.arguments = arguments
        self.log = os.open(arguments["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        config = {"allow_unsigned_extensions": "true", "threads": arguments.get("threads", 1)}
        self.con = duckdb.connect(config=config)
        self.con.execute(f"LOAD '{arguments['extension']}'")
        for name, value in arguments.get("settings", {}).items():
            self.con.execute(f"SET GLOBAL {name} = '{value}'")
        self.con.execute(f"SET GLOBAL amplify_root = '{arguments['root']}'")
        self.con.execute(f"SET GLOBAL amplify_fsync = {arguments.get('fsync', False)}")

    def say(self, event: str, **what) -> None:
        os.write(self.log, (json.dumps({"event": event, **what}) + "\n").encode())

    def stopped(self) -> bool:
        return os.path.exists(self.arguments["stop"])

    def wait_for_start(self) -> None:
        """Says that it is ready, and goes on when the file `start` appears: all at the same moment."""
        self.say("ready")
        while not os.path.exists(self.arguments["start"]):
            time.sleep(0.0005)

    def one(self, sql: str):
        [(answer,)] = self.con.execute(sql).fetchall()
        return answer


def rows_of(kind: str) -> int:
    """How many rows a write of that kind has."""
    return ROWS_A_PARTITION * len(KINDS[kind][1])


def rows(write_id: str, partitions: list[str]) -> str:
    """The rows of one write, as a query."""
    total = ROWS_A_PARTITION * len(partitions)
    return (f"SELECT '{write_id}' AS write_id, part, {total} AS of, n::INTEGER AS n"
            f" FROM (SELECT unnest({partitions!r}) AS part), range({ROWS_A_PARTITION}) r(n)")


def write(worker: Worker) -> None:
    """Writes one after the other, announcing each before and after: `limit` of them, or until it is told to stop."""
    arguments = worker.arguments
    choose = random.Random(arguments["name"]).choice
    worker.say("ready")
    for number in range(arguments.get("limit", 1_000_000)):
        if worker.stopped():
            break
        kind = choose(arguments["kinds"])
        mode, partitions = KINDS[kind]
        write_id = f"{arguments['name']}.{number}"
        worker.say("intent", id=write_id, mode=mode, hot=partitions[0].startswith("hot"), t=time.monotonic())
        query = rows(write_id, partitions)
        if number % 2:
            overwrite = str(mode == "overwrite").lower()
            worker.con.execute(f"SELECT amplify_write('t', (SELECT list(r) FROM ({query}) r), {overwrite})").fetchall()
        else:
            worker.con.execute(f"COPY (SELECT r FROM ({query}) r) TO 'amplify://t' (FORMAT amplify, MODE '{mode}')")
        worker.say("ack", id=write_id, t=time.monotonic())


def read(worker: Worker) -> None:
    """Reads everything again and again, and says which writes came and went, and which it saw a part of."""
    before: set[str] = set()
    last = 0  # rounds left once it was told to stop
    worker.say("ready")
    while last < ENDS_IN_READING:
        last += worker.stopped()
        start = time.monotonic()
        seen = worker.con.execute("""SELECT write_id, count(*), min(of), count(DISTINCT (part, n))
                                     FROM amplify_read('t') GROUP BY write_id""").fetchall()
        end = time.monotonic()
        now = {write_id for write_id, *_ in seen}
        torn = [row for row in seen if not row[1] == row[2] == row[3]]
        worker.say("read", start=start, end=end, came=sorted(now - before), went=sorted(before - now), torn=torn)
        before = now


def create_tables(worker: Worker) -> None:
    """Registers `count` tables, and twice the one that all share."""
    worker.wait_for_start()
    for number in range(worker.arguments["count"]):
        outcome = worker.one(f"SELECT amplify_create_table('{worker.arguments['name']}_{number}', '{TABLE}')")
        worker.say("created", table=number, outcome=outcome)
    worker.say("created", table="shared", outcome=worker.one(f"SELECT amplify_create_table('shared', '{TABLE}')"))


def read_registry(worker: Worker) -> None:
    """Reads the registry without end, by DuckDB and, of a local store, as it lies there: no table may go away, no byte
    be missing."""
    path = Path(worker.arguments["root"]) / "_registry" / "tables.json"
    known: set[str] = set()
    rounds = 0
    worker.say("ready")
    while not worker.stopped():
        if path.exists():
            json.loads(path.read_bytes())
        listed = {name for name, in worker.con.execute("SELECT table_name FROM amplify_tables()").fetchall()}
        if not known <= listed:
            worker.say("error", message=f"tables are gone: {sorted(known - listed)}")
        known = listed
        rounds += 1
    worker.say("rounds", count=rounds)


def add_columns(worker: Worker) -> None:
    """Adds `count` columns, one at a time, to a table that others extend too. A lost race is run again."""
    worker.wait_for_start()
    refused = 0
    for number in range(worker.arguments["count"]):
        column = f"{worker.arguments['name']}_{number}"
        while True:
            columns = worker.con.execute("SELECT column_name, column_type FROM amplify_schema('t')").fetchall()
            listed = ", ".join(f"{name} {sql_type}" for name, sql_type in [*columns, (column, "INTEGER")])
            try:
                outcome = worker.one(f"SELECT amplify_create_table('t', '{listed}')")
                break
            except duckdb.Error as error:
                if "leaves out" not in str(error):
                    raise
                refused += 1
        worker.say("added", column=column, outcome=outcome)
    worker.say("refused", count=refused)


def write_batch(worker: Worker) -> None:
    """Writes batches that other processes write too, by either statement, and says what was answered."""
    worker.wait_for_start()
    for batch in worker.arguments["batches"]:
        query = rows(worker.arguments["name"], KINDS["append_many"][1])
        if worker.arguments["statement"] == "copy":
            worker.con.execute(f"COPY (SELECT r FROM ({query}) r) TO 'amplify://t' (FORMAT amplify, BATCH '{batch}')")
            answer = None
        else:
            answer = worker.one(f"SELECT amplify_write('t', (SELECT list(r) FROM ({query}) r), {{batch: '{batch}'}})")
        worker.say("ack", batch=batch, rows=answer)


def statement(worker: Worker) -> None:
    """Runs one statement, under `limits` on what the process may use, and says how it ended: done, failed or
    interrupted. Then, without the limits, whether the session is alive."""
    for prepare in worker.arguments.get("before", []):
        worker.con.execute(prepare)
    limits = {getattr(resource, name): value for name, value in worker.arguments.get("limits", {}).items()}
    usual = {limit: resource.getrlimit(limit) for limit in limits}
    worker.say("ready")
    for limit, value in limits.items():
        resource.setrlimit(limit, (value, usual[limit][1]))
    try:
        worker.con.execute(worker.arguments["sql"]).fetchall()
        ended = ("done", "")
    except (KeyboardInterrupt, duckdb.InterruptException) as error:
        ended = ("interrupted", str(error))
    except RuntimeError as error:  # what DuckDB makes of SIGINT
        if "interrupted" not in str(error):
            raise
        ended = ("interrupted", str(error))
    except duckdb.Error as error:
        ended = ("failed", str(error))
    for limit, value in usual.items():
        resource.setrlimit(limit, value)
    worker.say(ended[0], message=ended[1])
    worker.say("alive", answer=worker.one("SELECT 42"))


ROLES = {role.__name__: role for role in (
    write, read, create_tables, read_registry, add_columns, write_batch, statement)}


def main() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    arguments = json.loads(sys.argv[2])
    worker = Worker(arguments)
    try:
        ROLES[sys.argv[1]](worker)
    except Exception as error:
        worker.say("error", message=f"{type(error).__name__}: {error}")
        raise SystemExit(1) from error


if __name__ == "__main__":
    main()
