"""What the journal costs a read: planning over many commits, with the journal and with the journal put aside."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from bench.comparison import OURS, Comparison, Way
from bench.dataset.stores import Store, register
from bench.session import Session, scratch

COLUMNS = {"image_id": "VARCHAR NOT NULL", "instrument": "VARCHAR", "depth": "DOUBLE"}
INSTRUMENTS = 50
QUIET = "quiet"
"""An instrument of one commit: a count of it plans over all of them and opens one file."""
PLAIN = "amplify, no journal"


def planning(session: Session) -> list[Comparison]:
    """The statement in a session that has planned before, and as the first of a new process, its start included."""
    records = session.parameters.records
    store = Store(scratch("journal"), "t", ("instrument",), COLUMNS)
    register(session.con, store)
    session.con.execute("SET GLOBAL amplify_fsync = false")
    for number in range(records):
        instrument = QUIET if number == 0 else f"IFCB{number % INSTRUMENTS:03}"
        session.con.execute(f"SELECT amplify_write('t', [{{image_id: 'i{number}', instrument: '{instrument}', depth: 1.5}}],"
                            f" {{root: '{store.root}'}})").fetchall()
    journal, aside = store.root / "_registry" / "journal", store.root / "_aside"
    statement = f"FROM amplify_count('t', filters => {{instrument: '{QUIET}'}}, root => '{store.root}')"

    def put(there: bool) -> Callable[[], None]:
        source, destination = (aside, journal) if there else (journal, aside)
        return lambda: source.rename(destination) if source.exists() else None

    def ways(run: Callable[[], list]) -> dict[str, Way]:
        return {OURS: Way(run, prepare=put(True)), PLAIN: Way(run, prepare=put(False))}

    return [
        Comparison("planning-warm", f"planning over {records:,} commits, in a session",
                   ways(lambda: session.con.execute(statement).fetchall()), against=PLAIN),
        Comparison("planning-cold", f"planning over {records:,} commits, in a new process",
                   ways(lambda: in_new_process(session.extension, statement)), against=PLAIN,
                   note="the start of the process is in both"),
    ]


def in_new_process(extension: Path, statement: str) -> list[tuple]:
    program = ("import sys, duckdb\n"
               "con = duckdb.connect(config={'allow_unsigned_extensions': 'true'})\n"
               "con.execute(f\"LOAD '{sys.argv[1]}'\")\n"
               "print(con.execute(sys.argv[2]).fetchall()[0][0])")
    command = [sys.executable, "-c", program, str(extension), statement]
    return [(int(subprocess.run(command, check=True, capture_output=True, text=True).stdout),)]
