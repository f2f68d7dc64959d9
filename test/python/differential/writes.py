"""Random writes: as SQL for amplify, and for the plain table `model` that is compared with it."""

from __future__ import annotations

import random
from dataclasses import dataclass

from differential.tables import ID, Table, identifier
from differential.values import quoted

ROWS = (1, 1, 3, 20, 20, 200, 1_000, 5_000, 30_000)
MOST_RECORDS = 2_000
"""Of one amplify_write, whose records are one value."""


@dataclass(frozen=True)
class Write:
    """`rows` rows, numbered from `first` on, in one commit."""

    rows: int
    first: int
    overwrite: bool
    form: str
    """`records`, `struct`, `position` or `names`: how they are handed over."""
    columns: int
    """How many of the table's later columns are there by now."""


def random_writes(rng: random.Random, table: Table) -> list[Write]:
    writes, first, columns = [], 0, 0
    for _ in range(rng.choice([1, 2, 3, 5])):
        rows = rng.choice(ROWS)
        if columns < len(table.later) and rng.random() < 0.5:
            columns += 1
        forms = ["struct", "position", "names"] + (["records"] * 3 if rows <= MOST_RECORDS else [])
        writes.append(Write(rows, first, rng.random() < 0.3, rng.choice(forms), columns))
        first += rows
    return writes


def create(table: Table, root: str, columns: int = 0) -> str:
    """Registers the table, or extends it to its first `columns` later ones."""
    declarations = table.declarations([*table.columns, *table.later[:columns]])
    keys = ", ".join(quoted(key) for key in table.keys)
    return f"SELECT amplify_create_table('t', {quoted(declarations)}, [{keys}]::VARCHAR[], {{root: '{root}'{table.options}}})"


def statements(table: Table, writes: list[Write], root: str) -> list[str]:
    """Everything that makes the store at `root` and the table `model`, statement by statement."""
    made = [f"CREATE OR REPLACE TABLE model ({table.declarations(table.columns)})", create(table, root)]
    columns = 0
    for write in writes:
        if write.columns > columns:
            made.append(create(table, root, write.columns))
            made += [f"ALTER TABLE model ADD COLUMN {column.declaration}" for column in table.later[columns:write.columns]]
            columns = write.columns
        made += one(table, write, root)
    return made


def one(table: Table, write: Write, root: str) -> list[str]:
    """The rows of one write, in `delta`; then the write; then the same to the model."""
    columns = [*table.columns, *table.later[:write.columns]]
    rows = ", ".join([f"i::BIGINT AS {ID}", *(column.expression for column in columns)])
    made = [f"CREATE OR REPLACE TABLE delta AS SELECT {rows} FROM range({write.first}, {write.first + write.rows}) r(i)"]
    if write.form == "records":
        options = f"{{root: '{root}', overwrite: {str(write.overwrite).lower()}}}"
        made.append(f"SELECT amplify_write('t', list(d), {options}) FROM delta d")
    else:
        mode = "overwrite" if write.overwrite else "append"
        names = [ID, *(column.name for column in columns)]
        query, more = "SELECT * FROM delta", ""
        if write.form == "struct":
            query = "SELECT d FROM delta d"
        elif write.form == "names":
            names.reverse()
            query = f"SELECT {', '.join(map(identifier, names))} FROM delta"
            more = f", COLUMNS [{', '.join(map(quoted, names))}]"
        made.append(f"COPY ({query}) TO 'amplify://t' (FORMAT amplify, ROOT '{root}', MODE '{mode}'{more})")
    if write.overwrite:
        keys = ", ".join(map(identifier, table.keys))
        made.append(f"DELETE FROM model WHERE ({keys}) IN (SELECT DISTINCT ({keys}) FROM delta)" if keys else "DELETE FROM model")
    made.append("INSERT INTO model BY NAME SELECT * FROM delta")
    return made
