"""Records -> calls: substitutes variables, runs loops and threads, and keeps count of what ran."""

from __future__ import annotations

import os
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from . import compare
from .parse import SLEEP_SECONDS, Command, Condition, Loop, Query, Record, Statement
from .session import Answer, Session, TestError

COMPARE = {
    "=": lambda left, right: left == right,
    "<>": lambda left, right: left != right,
    "<": lambda left, right: int(left) < int(right),
    "<=": lambda left, right: int(left) <= int(right),
    ">": lambda left, right: int(left) > int(right),
    ">=": lambda left, right: int(left) >= int(right),
}


class Failure(Exception):
    """A record that failed, and where."""

    def __init__(self, line: int, message: str):
        super().__init__(message)
        self.line = line


class Run:
    """One file being run."""

    def __init__(self, session: Session, working_directory: Path):
        self.session = session
        self.keywords = {
            "__TEST_DIR__": str(session.scratch),
            "__WORKING_DIRECTORY__": str(working_directory),
        }
        self.environment: dict[str, str] = {}
        self.ran: set[int] = set()
        """Lines of the records that ran at least once."""
        self.labels: dict[str, str] = {}
        self.lock = threading.Lock()

    def file(self, records: list[Record]) -> tuple[int, int]:
        """Runs all records; returns how many there are, and how many were passed over because they are local and the
        store is not. Raises the first `Failure`."""
        self.records(records, {}, None)
        lines, passed_over = testing_lines(records, self.session.is_local)
        for line in lines:
            if line not in self.ran:
                raise Failure(line, "This record never ran: its condition held in no round of its loop.")
        return len(lines), passed_over

    def records(self, records, variables: dict[str, str], connection) -> None:
        for record in records:
            if record.local and not self.session.is_local:
                continue
            if all(holds(condition, variables) for condition in record.conditions):
                self.record(record, variables, connection)

    def record(self, record: Record, variables: dict[str, str], connection) -> None:
        """Runs one record, on `connection` where it is in a concurrent loop."""
        try:
            if isinstance(record, Loop):
                self.loop(record, variables, connection)
            elif isinstance(record, Command):
                self.command(record, variables)
            else:
                self.test(record, variables, connection)
        except (compare.Mismatch, TestError) as error:
            where = "".join(f"\nwith {name} = {value}" for name, value in variables.items())
            sql = f"\n{record.sql}" if isinstance(record, (Statement, Query)) else ""
            raise Failure(record.line, f"{error}{where}{sql}") from None

    def test(self, record: Statement | Query, variables: dict[str, str], connection) -> None:
        expected = record.expected if isinstance(record, Query) else (record.error,)
        self.refuse_variables("\n".join(expected), variables)
        sql = self.substitute(record.sql, variables)
        with self.lock:
            self.ran.add(record.line)
        answer = self.session.run(connection or self.session.connection(record.connection), sql)
        if isinstance(record, Query):
            self.check_query(record, answer)
        else:
            self.check_statement(record, answer)

    def check_statement(self, record: Statement, answer: Answer) -> None:
        if answer.error is not None and record.expect == "ok":
            raise compare.Mismatch(f"The statement failed:\n{answer.error}")
        if answer.error is None and record.expect == "error":
            raise compare.Mismatch(f"The statement should have failed with:\n{record.error}")
        if answer.error is not None:
            compare.check_error(answer.error, record.error, self.session.matches)

    def check_query(self, record: Query, answer: Answer) -> None:
        if answer.error is not None:
            raise compare.Mismatch(f"The query failed:\n{answer.error}")
        label_known = record.label in self.labels
        if record.label:
            # The official runner compares the answers of one label with each other, and nothing else.
            found = compare.hash_of(answer, compare.sorted_values(answer, record.sort))
            with self.lock:
                first = self.labels.setdefault(record.label, found)
            if first != found:
                raise compare.Mismatch(f'Not what the first query with label "{record.label}" answered:\n'
                                       f"first: {first}\n  now: {found}")
        if record.expected or not label_known:
            compare.check(answer, record.columns, record.sort, record.expected, self.session.matches)

    def loop(self, record: Loop, variables: dict[str, str], connection) -> None:
        rounds = [{**variables, **dict(zip(record.names, values))} for values in record.rounds]
        if not record.parallel:
            for variables_of_round in rounds:
                self.records(record.body, variables_of_round, connection)
            return

        def run_round(variables_of_round: dict[str, str]) -> None:
            own = self.session.database.cursor()
            try:
                self.records(record.body, variables_of_round, own)
            finally:
                own.close()

        with ThreadPoolExecutor(len(rounds)) as pool:
            for outcome in [pool.submit(run_round, variables_of_round) for variables_of_round in rounds]:
                outcome.result()

    def command(self, record: Command, variables: dict[str, str]) -> None:
        arguments = [self.substitute(argument, variables) for argument in record.arguments]
        match record.name:
            case "require":
                self.session.require(arguments[0], arguments[1] if len(arguments) > 1 else None)
            case "require-env":
                self.define(arguments[0], os.environ.get(arguments[0]), *arguments[1:])
            case "test-env":
                self.define(arguments[0], os.environ.get(arguments[0], arguments[1]))
            case "load":
                self.session.load(arguments[0] if arguments else None, len(arguments) > 1)
            case "restart":
                self.session.restart(load_extensions=not arguments)
            case "reconnect":
                self.session.reconnect()
            case "sleep":
                time.sleep(int(arguments[0]) * SLEEP_SECONDS[arguments[1].removesuffix("s")])

    def define(self, name: str, value: str | None, wanted: str | None = None) -> None:
        """Makes an environment variable known as `${name}`."""
        if value is None or wanted not in (None, value):
            raise TestError(f"The environment variable {name} is {value!r}, and a skipped test is a failure.")
        if name in self.environment:
            raise TestError(f"{name} was defined before.")
        self.environment[name] = value

    def substitute(self, text: str, variables: dict[str, str]) -> str:
        """Puts variables and keywords in. One that nobody defined is an error."""
        for keyword, value in self.keywords.items():
            text = text.replace(keyword, value)
        known = {**self.environment, **variables}

        def value_of(match: re.Match) -> str:
            if match.group(1) not in known:
                raise TestError(f"Nothing defines {match.group()}.")
            return known[match.group(1)]

        return re.sub(r"\$\{(\w+)\}", value_of, text)

    def refuse_variables(self, expected: str, variables: dict[str, str]) -> None:
        """Expected text is taken as it stands, by the official runner too."""
        for name in (*self.keywords, *(f"${{{name}}}" for name in (*variables, *self.environment))):
            if name in expected:
                raise TestError(f"{name} is not replaced in expected text: use <REGEX>: or compare inside the SQL.")


def holds(condition: Condition, variables: dict[str, str]) -> bool:
    """Whether a record with this condition runs in the round that `variables` stand for."""
    true = all(COMPARE[sign](variables[name], value) for name, sign, value in condition.terms)
    return true == condition.only


def testing_lines(records, with_local: bool) -> tuple[list[int], int]:
    """The lines of all statements and queries, those in loops too, and how many were left out as local."""
    lines, left_out = [], 0
    for record in records:
        if isinstance(record, Loop):
            inner, left_out_inner = testing_lines(record.body, with_local)
            lines += inner
            left_out += left_out_inner
        elif record.local and not with_local:
            left_out += 1
        elif not isinstance(record, Command):
            lines.append(record.line)
    return lines, left_out
