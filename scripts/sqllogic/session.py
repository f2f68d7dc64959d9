"""The databases and connections of one test file, and results as DuckDB itself prints them."""

from __future__ import annotations

import gc
import re
import threading
import warnings
from dataclasses import dataclass
from pathlib import Path

import duckdb

# DuckDB 2.0 says that con.sql() is faster; it may also run a query twice, which a test must not.
warnings.filterwarnings("ignore", message="Arrow output on a DB-API result")

BUILT_IN = {"core_functions", "icu", "json", "parquet"}
ALWAYS_TRUE = {"notwindows", "notmingw", "64bit", "skip_reload", "noforcestorage", "nothreadsan", "strinline",
               "no_alternative_verify", "no_vector_verification", "no_block_verification"}
"""`require`ments about the official runner's own modes and builds that hold wherever this runner runs."""
LOST_IN_ARROW = re.compile(r"\b(BIT|BIGNUM|VARINT|UHUGEINT|TIME_NS|TIME WITH TIME ZONE|VARIANT|GEOMETRY)\b")
"""Types whose values do not survive the way through Arrow that results take here."""


class TestError(Exception):
    """Something about the test or its surroundings, not about an answer of the database."""

    __test__ = False  # the name is no invitation to pytest


@dataclass(frozen=True)
class Answer:
    """What one call answered: rows of values as text (`None` is NULL), or an error."""

    types: tuple[str, ...] = ()
    rows: tuple[tuple[str | None, ...], ...] = ()
    error: str | None = None


class Session:
    """One database at a time, its main connection, and connections by name."""

    def __init__(self, extension: Path | None, scratch: Path, settings: dict[str, str] | None = None):
        self.extension = extension
        self.scratch = scratch
        self.is_local = settings is None
        self.settings = settings or {}
        """Of the extension: what it needs for a store that is not local."""
        self.path = ":memory:"
        self.read_only = False
        self.loaded: list[Path] = []
        self.named: dict[str, duckdb.DuckDBPyConnection] = {}
        self.formatters = threading.local()
        self.open()

    def open(self) -> None:
        """Opens the database at `self.path` as a user would, but deterministic."""
        # Closing a connection closes its cursors: this one is only there to open others.
        self.database = duckdb.connect(self.path, read_only=self.read_only, config={
            "allow_unsigned_extensions": "true",
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
        })
        self.database.execute("SET GLOBAL TimeZone = 'UTC'")
        # FROM t must never find a variable of this program.
        self.database.execute("SET GLOBAL python_enable_replacements = false")
        self.main = self.database.cursor()

    def close(self) -> None:
        for connection in (*self.named.values(), self.main, self.database):
            connection.close()
        self.named.clear()
        gc.collect()  # the database closes with its last connection

    def restart(self, load_extensions: bool = True) -> None:
        """Closes the database and opens it again, with the extensions that were loaded."""
        self.close()
        self.open()
        if load_extensions:
            for extension in self.loaded:
                self.load_extension(extension)

    def load(self, path: str | None, read_only: bool) -> None:
        """Goes over to another database: a file, new unless it is read only, or (`None`) memory."""
        self.path, self.read_only = path or ":memory:", read_only
        if path and not read_only:
            self.close()
            Path(path).unlink(missing_ok=True)
            Path(path + ".wal").unlink(missing_ok=True)
        self.restart()

    def reconnect(self) -> None:
        """A new main connection to the same database."""
        self.main.close()
        self.main = self.database.cursor()

    def require(self, name: str, value: str | None) -> None:
        """`require NAME`: the extension under test is loaded, anything else must be there."""
        name = name.lower()
        if self.extension and name == self.extension.name.split(".")[0]:
            self.load_extension(self.extension)
            self.loaded.append(self.extension)
        elif name == "vector_size" and value and value.isdigit() and int(value) <= 2048:
            pass
        elif value is not None or name not in BUILT_IN | ALWAYS_TRUE:
            raise TestError(f'"require {name}" is not met here, and a skipped test is a failure.')

    def load_extension(self, path: Path) -> None:
        quoted = str(path).replace("'", "''")
        self.main.execute(f"LOAD '{quoted}'")
        for name, value in self.settings.items():
            self.main.execute(f"SET GLOBAL {name} = '{value}'")

    def connection(self, name: str) -> duckdb.DuckDBPyConnection:
        """The connection of that name, made when first asked for; the main one where the name is empty."""
        if not name:
            return self.main
        if name not in self.named:
            self.named[name] = self.database.cursor()
        return self.named[name]

    def run(self, connection: duckdb.DuckDBPyConnection, sql: str) -> Answer:
        """Runs `sql` exactly once, to its last row."""
        try:
            result = connection.execute(sql)
            if result is None or result.description is None:
                return Answer()
            types = tuple(str(column[1]) for column in result.description)
            table = result.to_arrow_table()
        except duckdb.Error as error:
            return Answer(error=str(error))
        return Answer(types, self.as_text(connection, types, table))

    def as_text(self, connection, types: tuple[str, ...], table) -> tuple[tuple[str | None, ...], ...]:
        """The rows of an Arrow table as DuckDB's own cast to VARCHAR shows them, in the session's time zone."""
        for column_type in types:
            lost = LOST_IN_ARROW.search(column_type)
            if lost:
                raise TestError(f"The runner cannot show {lost.group()} faithfully: cast it to VARCHAR in the query.")
        formatter = self.formatter()
        if any("WITH TIME ZONE" in column_type for column_type in types):
            [(zone,)] = connection.execute("SELECT current_setting('TimeZone')").fetchall()
            formatter.execute(f"SET TimeZone = '{zone}'")
        formatter.register("answer", table.rename_columns([f"column{index}" for index in range(len(types))]))
        try:
            return tuple(formatter.execute("SELECT COLUMNS(*)::VARCHAR FROM answer").fetchall())
        finally:
            formatter.unregister("answer")

    def matches(self, text: str, pattern: str) -> bool:
        """Whether the whole text matches, by DuckDB's own regular expressions, in which `.` matches a line feed too."""
        try:
            query = "SELECT regexp_full_match(?, ?, 's')"
            [(whole,)] = self.formatter().execute(query, [text, pattern]).fetchall()
            return whole
        except duckdb.Error as error:
            raise TestError(f"The expected <REGEX> is none: {error}") from None

    def formatter(self) -> duckdb.DuckDBPyConnection:
        """A database of this thread that the tests never see."""
        if not hasattr(self.formatters, "connection"):
            self.formatters.connection = duckdb.connect(config={"threads": 1})
        return self.formatters.connection
