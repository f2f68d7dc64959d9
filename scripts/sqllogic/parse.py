"""sqllogictest text -> records.

A record is a block of lines that ends at an empty line. A line that starts with `#` is a comment where a record could
start and an error inside one, where the official runner would silently cut the record short.

One comment means something to this runner: `# local: why`. In the header it says that the file works on local paths, so
that it is not for other stores; right above a statement or a query, that this record does.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from pathlib import PurePath

SORT_STYLES = {"nosort", "rowsort", "valuesort"}
SLEEP_SECONDS = {"nanosecond": 1e-9, "microsecond": 1e-6, "millisecond": 1e-3, "second": 1.0, "minute": 60.0}
COMPARISONS = ("<>", ">=", ">", "<=", "<", "=")
REFUSED = {
    "mode": "it hides records from the run",
    "halt": "what follows it would never run",
    "hash-threshold": "results above it would not be compared; write them out, or their hash",
    "set": "it makes the runner pass over errors",
    "reset": "labels live as long as their file",
    "unzip": "keep test data unpacked",
    "continue": "it hides records from the run",
    "include": "every file stands for itself",
}
"""Directives the official runner knows and this one does not want."""
LOCAL = re.compile(r"# local:[ \t]*(.*?)[ \t]*")


class ParseError(Exception):
    """What is wrong with a file, and in which line."""

    def __init__(self, line: int, message: str):
        super().__init__(message)
        self.line = line


@dataclass(frozen=True)
class Condition:
    """`skipif i=2`, `onlyif i>3&&i<9`: a record of a loop that runs in some of its rounds."""

    only: bool
    terms: tuple[tuple[str, str, str], ...]
    """Variable, comparison, value: all must hold."""


@dataclass(frozen=True)
class Record:
    """What every kind of record has."""

    line: int
    conditions: tuple[Condition, ...] = field(default=(), kw_only=True)
    local: bool = field(default=False, kw_only=True)
    """It works on local paths."""


@dataclass(frozen=True)
class Statement(Record):
    """`statement ok|error|maybe [connection]`"""

    expect: str
    connection: str
    sql: str
    error: str
    """The expected text; empty for `ok`."""


@dataclass(frozen=True)
class Query(Record):
    """`query TYPES [sort or connection] [label]`"""

    columns: int
    sort: str
    connection: str
    label: str
    sql: str
    expected: tuple[str, ...]


@dataclass(frozen=True)
class Command(Record):
    """A directive of one line: `require`, `load`, `restart`, …"""

    name: str
    arguments: tuple[str, ...]


@dataclass(frozen=True)
class Loop(Record):
    """`loop`, `foreach` and their concurrent kin, with the records up to `endloop`."""

    names: tuple[str, ...]
    """One variable, or several that take comma-separated values at once."""
    rounds: tuple[tuple[str, ...], ...]
    parallel: bool
    body: tuple[Record, ...]


def parse(text: str, path: PurePath) -> list[Record]:
    """All records of a file, checked for everything that can be told without running them."""
    lines = text.split("\n")
    if "\r" in text:
        raise ParseError(1, "The file has carriage returns: end lines with a line feed only.")
    check_header(lines, path)
    parser = Parser(lines, header_end(lines))
    records = parser.records(inside_loop=False)
    if not any(isinstance(record, (Statement, Query, Loop)) for record in records):
        raise ParseError(len(lines), "The file tests nothing: it has neither a statement nor a query.")
    return records


def why_local(text: str) -> str | None:
    """Why the whole file is for local stores alone; `None` where it is for all."""
    lines = text.split("\n")
    marks = [mark for mark in map(LOCAL.fullmatch, lines[: header_end(lines)]) if mark]
    return marks[0].group(1) if marks else None


def header_end(lines: list[str]) -> int:
    """How many lines stand above the first record."""
    return next((at for at, line in enumerate(lines) if line and not line.startswith("#")), len(lines))


def check_header(lines: list[str], path: PurePath) -> None:
    """`# name:`, `# description:`, `# group: [..]` at the top, and the name must be the file's own."""
    found = {}
    for number, line in enumerate(lines[: header_end(lines)], 1):
        header = re.fullmatch(r"# (name|description|group|local):[ \t]*(.*?)[ \t]*", line)
        if header:
            key, value = header.groups()
            if key in found:
                raise ParseError(number, f'The header "# {key}:" stands here twice.')
            found[key] = value
    for key in ("name", "description", "group", *(["local"] if "local" in found else [])):
        if not found.get(key):
            raise ParseError(1, f'The header "# {key}:" is missing or empty.')
    if not ("/" + path.as_posix()).endswith("/" + found["name"]):
        raise ParseError(1, f'The header says "# name: {found["name"]}", but the file is {path.as_posix()}.')
    if not re.fullmatch(r"\[[A-Za-z0-9_/-]+\]", found["group"]):
        raise ParseError(1, f'"# group: {found["group"]}" is not of the form [group].')


class Parser:
    """Walks over the lines of a file."""

    def __init__(self, lines: list[str], header_end: int):
        self.lines = lines
        self.header_end = header_end
        self.at = 0
        self.loop_variables: list[str] = []
        for number, line in enumerate(lines, 1):
            if line and not line.strip():
                raise ParseError(number, "A line of blanks only: it looks empty but does not end a record.")

    def records(self, inside_loop: bool) -> list[Record]:
        """Records up to the end of the file, or up to `endloop`."""
        found: list[Record] = []
        opened_at = self.at
        while True:
            local = self.pass_over_comments()
            if self.at == len(self.lines):
                if inside_loop:
                    raise ParseError(opened_at, "This loop has no endloop.")
                return found
            if self.lines[self.at].split() == ["endloop"]:
                if not inside_loop:
                    raise ParseError(self.at + 1, "endloop without a loop.")
                self.expect_end_of_line_record()
                if not found:
                    raise ParseError(opened_at, "This loop is empty.")
                return found
            found.append(record := self.record())
            if local:
                if not isinstance(record, (Statement, Query)):
                    raise ParseError(record.line, '"# local:" goes with statement and query, or into the header.')
                found[-1] = replace(record, local=True)

    def pass_over_comments(self) -> bool:
        """Goes to the next record. Whether the line above it says that it is local."""
        local = False
        while self.at < len(self.lines) and (not self.lines[self.at] or self.lines[self.at].startswith("#")):
            if local:
                raise ParseError(self.at, '"# local:" stands right above a record.')
            mark = LOCAL.fullmatch(self.lines[self.at]) if self.at >= self.header_end else None
            if mark and not mark.group(1):
                raise ParseError(self.at + 1, '"# local:" must say why.')
            local = mark is not None
            self.at += 1
        return local

    def record(self) -> Record:
        """The record that starts at the current line."""
        conditions = []
        while True:
            line = self.at + 1
            name, *arguments = self.lines[self.at].split()
            if name not in ("skipif", "onlyif"):
                break
            conditions.append(self.condition(line, name == "onlyif", " ".join(arguments)))
            self.at += 1
            if self.at == len(self.lines) or not self.lines[self.at]:
                raise ParseError(line, f"{name} stands alone: the record must follow in the next line.")
        if name == "statement":
            return self.statement(line, arguments, tuple(conditions))
        if name == "query":
            return self.query(line, arguments, tuple(conditions))
        if conditions:
            raise ParseError(line, f'skipif and onlyif go with statement and query, not with "{name}".')
        if name in ("loop", "concurrentloop", "foreach", "concurrentforeach"):
            self.expect_end_of_line_record()
            return self.loop(line, name, arguments)
        if name in REFUSED:
            raise ParseError(line, f'"{name}" is refused: {REFUSED[name]}.')
        check_command(line, name, arguments)
        self.expect_end_of_line_record()
        return Command(line, name, tuple(arguments))

    def expect_end_of_line_record(self) -> None:
        """A directive of one line is followed by an empty line, a comment or nothing."""
        self.at += 1
        if self.at < len(self.lines) and self.lines[self.at] and not self.lines[self.at].startswith("#"):
            raise ParseError(self.at + 1, "Records are separated by an empty line.")

    def condition(self, line: int, only: bool, text: str) -> Condition:
        terms = []
        for term in text.split("&&"):
            comparison = next((sign for sign in COMPARISONS if sign in term), None)
            parts = [part.strip() for part in term.split(comparison)] if comparison else []
            if len(parts) != 2 or not all(parts):
                raise ParseError(line, f'"{text}" is no condition on a loop variable, such as i=2 or i>3&&i<9.')
            if parts[0] not in self.loop_variables:
                raise ParseError(line, f'"{parts[0]}" is no variable of a loop around this record.')
            if comparison not in ("=", "<>") and not re.fullmatch(r"-?\d+", parts[1]):
                raise ParseError(line, f'"{comparison}" compares whole numbers, and "{parts[1]}" is none.')
            terms.append((parts[0], comparison, parts[1]))
        return Condition(only, tuple(terms))

    def sql(self, line: int) -> str:
        """The SQL below a `statement` or `query` line, up to `----` or the end of the record."""
        self.at += 1
        start = self.at
        while self.at < len(self.lines) and self.lines[self.at] and self.lines[self.at] != "----":
            if self.lines[self.at].startswith("#"):
                raise ParseError(self.at + 1, "A comment inside a record: write it above, or with -- inside the SQL.")
            if self.lines[self.at].startswith("----"):
                raise ParseError(self.at + 1, 'The line before the expected result is exactly "----".')
            self.at += 1
        if self.at == start:
            raise ParseError(line, "There is no SQL.")
        return "\n".join(self.lines[start : self.at])

    def expected(self) -> list[str] | None:
        """The lines below `----`, or `None` where there is none."""
        if self.at == len(self.lines) or not self.lines[self.at]:
            return None
        start = self.at + 1
        while self.at < len(self.lines) and self.lines[self.at]:
            self.at += 1
        return self.lines[start : self.at]

    def statement(self, line: int, arguments: list[str], conditions: tuple[Condition, ...]) -> Statement:
        if not 1 <= len(arguments) <= 2 or arguments[0] not in ("ok", "error", "maybe"):
            raise ParseError(line, 'It must read "statement ok|error|maybe [connection]".')
        expect, connection = arguments[0], arguments[1] if len(arguments) > 1 else ""
        sql, expected = self.sql(line), self.expected()
        if expect == "ok":
            if expected is not None:
                raise ParseError(line, '"statement ok" has no expected text; "query" has.')
        elif not expected or not re.sub(r"^<!?REGEX>:", "", "\n".join(expected)).strip():
            raise ParseError(line, f'"statement {expect}" needs "----" and the text the error must contain.')
        error = "\n".join(expected or [])
        return Statement(line, expect, connection, sql, error, conditions=conditions)

    def query(self, line: int, arguments: list[str], conditions: tuple[Condition, ...]) -> Query:
        if not 1 <= len(arguments) <= 3 or not re.fullmatch("[ITR]+", arguments[0]):
            raise ParseError(line, 'It must read "query TYPES [nosort|rowsort|valuesort|connection] [label]", one of I, T'
                                   " and R a column.")
        second = arguments[1] if len(arguments) > 1 else "nosort"
        sort, connection = (second, "") if second in SORT_STYLES else ("nosort", second)
        label = arguments[2] if len(arguments) > 2 else ""
        if second == "sort" or label in SORT_STYLES:
            raise ParseError(line, "The sort style comes second: nosort, rowsort or valuesort.")
        sql, expected = self.sql(line), self.expected()
        if expected is None:
            raise ParseError(line, 'A query needs "----" and its result (nothing below it means no rows).')
        return Query(line, len(arguments[0]), sort, connection, label, sql, tuple(expected), conditions=conditions)

    def loop(self, line: int, name: str, arguments: list[str]) -> Loop:
        if name in ("loop", "concurrentloop"):
            if len(arguments) != 3 or not all(re.fullmatch(r"-?\d+", number) for number in arguments[1:]):
                raise ParseError(line, f'It must read "{name} VARIABLE FIRST END".')
            names, first, end = (arguments[0],), int(arguments[1]), int(arguments[2])
            if first >= end:
                raise ParseError(line, f"A loop from {first} up to but without {end} has no round.")
            rounds = [(str(number),) for number in range(first, end)]
        else:
            if len(arguments) < 2:
                raise ParseError(line, f'It must read "{name} VARIABLE VALUE…".')
            names = tuple(arguments[0].split(","))
            rounds = [tuple(value.split(",")) if len(names) > 1 else (value,) for value in arguments[1:]]
            for value, given in zip(arguments[1:], rounds):
                if len(given) != len(names):
                    raise ParseError(line, f'"{value}" has {len(given)} values for the variables {arguments[0]}.')
                if value[0] in "<!":
                    raise ParseError(line, f'"{value}" is refused: write the values out.')
        for variable in names:
            if not re.fullmatch(r"\w+", variable) or variable in self.loop_variables:
                raise ParseError(line, f'"{variable}" is no new variable name.')
        self.loop_variables.extend(names)
        body = self.records(inside_loop=True)
        del self.loop_variables[-len(names) :]
        parallel = name.startswith("concurrent")
        if parallel:
            check_parallel(body)
        return Loop(line, names, tuple(rounds), parallel, tuple(body))


def check_parallel(body: list[Record] | tuple[Record, ...]) -> None:
    """What cannot stand in a concurrent loop, where every round has a connection of its own."""
    for record in body:
        if isinstance(record, Command) or (isinstance(record, Loop) and record.parallel):
            raise ParseError(record.line, "Only statements, queries and plain loops can stand in a concurrent loop.")
        if isinstance(record, Loop):
            check_parallel(record.body)
        elif record.connection:
            raise ParseError(record.line, "A concurrent loop has no named connections: every round has its own.")


def check_command(line: int, name: str, arguments: list[str]) -> None:
    """Whether a directive of one line is one we know, with arguments it takes."""
    forms = {
        "require": (1, 2, "require NAME [VALUE]"),
        "require-env": (1, 2, "require-env NAME [VALUE]"),
        "test-env": (2, 2, "test-env NAME DEFAULT"),
        "load": (0, 2, "load [__TEST_DIR__/PATH [readonly]]"),
        "restart": (0, 1, "restart [no_extension_load]"),
        "reconnect": (0, 0, "reconnect"),
        "sleep": (2, 2, "sleep NUMBER UNIT"),
        "tags": (1, 99, "tags TAG…"),
    }
    if name not in forms:
        raise ParseError(line, f'Unknown directive "{name}".')
    least, most, form = forms[name]
    if (
        not least <= len(arguments) <= most
        or (name == "load" and arguments[1:] not in ([], ["readonly"]))
        or (name == "restart" and arguments not in ([], ["no_extension_load"]))
        or (name == "sleep" and not (arguments[0].isdigit() and arguments[1].removesuffix("s") in SLEEP_SECONDS))
    ):
        raise ParseError(line, f'It must read "{form}".')
    if name == "load" and arguments and not arguments[0].startswith("__TEST_DIR__/"):
        raise ParseError(line, "A database file of a test lives below __TEST_DIR__.")
