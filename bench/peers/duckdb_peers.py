"""The peers that are SQL in DuckDB: ours, DuckDB's own reader, and the way of the Python library."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from bench.dataset.stores import Store

Conditions = Sequence[tuple[str, str, Any]]
OPERATORS = {"eq": "=", "gte": ">=", "lt": "<"}


class SqlPeer:
    """What the three have in common: a relation, and queries on it."""

    def __init__(self, con: duckdb.DuckDBPyConnection, store: Store):
        self.con, self.store = con, store

    def relation(self, conditions: Conditions = ()) -> str:
        """The rows that meet the conditions, as a relation in SQL."""
        raise NotImplementedError

    def select(self, columns: Sequence[str] | None = None) -> str:
        return ", ".join(f'"{name}"' for name in columns or self.store.columns)

    def table(self, columns: Sequence[str] | None = None, conditions: Conditions = ()) -> pa.Table:
        """The rows as an Arrow table."""
        # Few rows go the way that binds a query once.
        run = self.con.execute if conditions else arrow_result(self.con)
        return run(f"SELECT {self.select(columns)} FROM {self.relation(conditions)}").to_arrow_table()

    def rows(self, query: str, conditions: Conditions = ()) -> list[tuple]:
        """The answer to `query`, in which {} is the relation."""
        return self.con.execute(query.format(self.relation(conditions))).fetchall()

    def stream(self) -> int:
        """Reads everything in batches that are dropped; the count of rows."""
        reader = arrow_result(self.con)(f"SELECT {self.select()} FROM {self.relation()}").to_arrow_reader(100_000)
        return sum(batch.num_rows for batch in reader)


class Amplify(SqlPeer):
    """amplify_read with filters."""

    def relation(self, conditions: Conditions = ()) -> str:
        return f"amplify_read('{self.store.table}'{self.filters(conditions)}, root => '{self.store.root}')"

    def filters(self, conditions: Conditions) -> str:
        """The named argument, with its comma; nothing where there are no conditions."""
        columns: dict[str, list[str]] = {}
        for column, operator, value in conditions:
            columns.setdefault(column, []).append(literal(value) if operator == "eq" else f"'{operator}': {literal(value)}")
        equal = {column for column, operator, _ in conditions if operator == "eq"}
        values = {column: parts[0] if column in equal else "{" + ", ".join(parts) + "}" for column, parts in columns.items()}
        fields = ", ".join(f"'{column}': {value}" for column, value in values.items())
        return f", filters => {{{fields}}}" if fields else ""

    def call(self, function: str, conditions: Conditions = (), *arguments: str) -> list[tuple]:
        """The rows of another table function of ours."""
        given = "".join(f", {argument}" for argument in arguments)
        return self.con.execute(f"FROM {function}('{self.store.table}'{given}{self.filters(conditions)},"
                                f" root => '{self.store.root}')").fetchall()


class Native(SqlPeer):
    """read_parquet of everything, and WHERE: DuckDB rules out what it can."""

    def relation(self, conditions: Conditions = ()) -> str:
        return f"(SELECT * FROM {self.store.native}{where(conditions)})"


class Library(SqlPeer):
    """The Python library's way: a glob that is narrowed where every key has a value, read_parquet, WHERE."""

    def relation(self, conditions: Conditions = ()) -> str:
        equal = {column: value for column, operator, value in conditions if operator == "eq"}
        directory: Path = self.store.directory
        if all(key in equal for key in self.store.keys):
            directory = directory.joinpath(*(f"{key}={equal[key]}" for key in self.store.keys))
        return f"(SELECT * FROM read_parquet('{directory}/**/*.parquet', hive_partitioning = true){where(conditions)})"


def arrow_result(con: duckdb.DuckDBPyConnection) -> Callable[[str], Any]:
    """How to run a query whose rows become Arrow: from DuckDB 2.0 on, `execute` keeps a copy of all rows before."""
    return con.execute if duckdb.__version__.startswith("1.") else con.sql


def where(conditions: Conditions) -> str:
    parts = [f'"{column}" IN ({", ".join(map(literal, value))})' if operator == "in"
             else f'"{column}" {OPERATORS[operator]} {literal(value)}' for column, operator, value in conditions]
    return " WHERE " + " AND ".join(parts) if parts else ""


def literal(value: Any) -> str:
    """A value of a condition as SQL."""
    if isinstance(value, datetime.datetime):
        return f"TIMESTAMPTZ '{value.isoformat(sep=' ')}'"
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(literal, value))}]"
    return str(value)
