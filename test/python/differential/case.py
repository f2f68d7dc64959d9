"""One case: a table, its writes, a question. It is run, compared, and made smaller where it fails."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import duckdb

from differential.questions import AGGREGATE, READ, Question, random_question
from differential.tables import Table, random_table
from differential.values import quoted
from differential.writes import Write, random_writes, statements

SHRINK_TRIES = 80


class WriteFails(Exception):
    """A store could not be made; the text is the report."""


@dataclass(frozen=True)
class Case:
    """Everything that a failure depends on."""

    table: Table
    writes: tuple[Write, ...]
    question: Question | None
    """`None`: the writes themselves fail."""

    def script(self, con: duckdb.DuckDBPyConnection, root: str) -> str:
        """A session that shows it."""
        lines = ["LOAD 'build/quick/amplify.duckdb_extension'", "SET TimeZone = 'UTC'", *statements(self.table, list(self.writes), root)]
        if self.question:
            ours = self.question.ours(con, root)
            lines += [ours, self.question.expected + " -- the same of the plain table"]
        return ";\n".join(lines) + ";\n"


@dataclass
class Runner:
    """Runs cases in a session, each store in a root of its own."""

    con: duckdb.DuckDBPyConnection
    new_root: Callable[[], str]
    options: bool
    """Whether this build takes layout options."""
    fault: Callable[[Question], Question] = lambda question: question
    """What a test does to our question, to see that it is found out."""

    def store(self, seed: int) -> tuple[random.Random, Case, str]:
        """A random store, made and filled; what its questions are drawn from; its root."""
        rng = random.Random(seed)
        table = random_table(rng, self.options)
        writes = tuple(random_writes(rng, table))
        case, root = Case(table, writes, None), self.new_root()
        try:
            self.build(case, root)
        except duckdb.Error as error:
            raise WriteFails(self.report(seed, case, f"a write fails: {error}")) from None
        return rng, case, root

    def questions(self, rng: random.Random, case: Case, count: int) -> Iterator[Case]:
        for _ in range(count):
            yield replace(case, question=random_question(rng, case.table, case.writes[-1].columns))

    def build(self, case: Case, root: str) -> None:
        for statement in statements(case.table, list(case.writes), root):
            self.con.execute(statement).fetchall()

    def trouble(self, case: Case) -> str | None:
        """What is wrong with the case in a store of its own."""
        root = self.new_root()
        try:
            self.build(case, root)
        except duckdb.Error as error:
            return f"a write fails: {error}"
        return self.compare(case, root) if case.question else None

    def compare(self, case: Case, root: str) -> str | None:
        """What is wrong with the answer to the case's question, in the store that is at `root`."""
        question = case.question
        try:
            self.con.execute(f"CREATE OR REPLACE TEMP TABLE ours AS {self.fault(question).ours(self.con, root)}").fetchall()
        except duckdb.Error as error:
            return f"the question fails: {error}"
        self.con.execute(f"CREATE OR REPLACE TEMP TABLE expected AS {question.expected}").fetchall()
        shapes = [self.con.execute(f"SELECT column_name, column_type FROM (DESCRIBE {name})").fetchall() for name in ("ours", "expected")]
        if shapes[0] != shapes[1]:
            return f"the columns are {shapes[0]}, not {shapes[1]}"
        [(more, fewer)] = self.con.execute("SELECT (SELECT count(*) FROM (FROM ours EXCEPT ALL FROM expected)),"
                                           " (SELECT count(*) FROM (FROM expected EXCEPT ALL FROM ours))").fetchall()
        if more or fewer:
            sample = self.con.execute("SELECT 'too much', o::VARCHAR FROM (FROM ours EXCEPT ALL FROM expected) o UNION ALL"
                                      " SELECT 'missing', e::VARCHAR FROM (FROM expected EXCEPT ALL FROM ours) e LIMIT 4").fetchall()
            return f"{more} rows too much, {fewer} missing: {sample}"
        return None

    def report(self, seed: int, case: Case, trouble: str) -> str:
        """The failure in its smallest form."""
        small, trouble = self.shrink(case, trouble)
        return (f"seed {seed}: {trouble}\n\nAgain: AMPLIFY_FUZZ_SEED={seed} AMPLIFY_FUZZ_STORES=1, or\n\n"
                f"{small.script(self.con, 'store')}")

    def shrink(self, case: Case, trouble: str) -> tuple[Case, str]:
        """The smallest case that is found in so many tries to fail still, and what is wrong with it."""
        tries, again = 0, True
        while again and tries < SHRINK_TRIES:
            again = False
            for smaller in smaller_cases(case):
                tries += 1
                found = self.trouble(smaller)
                if found:
                    case, trouble, again = smaller, found, True
                    break
                if tries >= SHRINK_TRIES:
                    break
        return case, trouble


def smaller_cases(case: Case) -> Iterator[Case]:
    """The case with one thing less; what makes the others cheap to try comes first."""
    question, writes = case.question, case.writes
    if len(writes) > 1:
        yield from (replace(case, writes=writes[:number] + writes[number + 1:]) for number in range(len(writes)))
    if question:
        for number in range(len(question.conditions)):
            yield replace(case, question=replace(question, conditions=question.conditions[:number] + question.conditions[number + 1:]))
        if question.kind in (READ, AGGREGATE) and len(question.columns) > 1:
            half = len(question.columns) // 2
            yield from (replace(case, question=replace(question, columns=columns))
                        for columns in (question.columns[:half], question.columns[half:]))
    for number, write in enumerate(writes):
        for rows in dict.fromkeys((1, write.rows // 10, write.rows // 2)):
            if 0 < rows < write.rows:
                yield replace(case, writes=(*writes[:number], replace(write, rows=rows), *writes[number + 1:]))
    yield from (replace(case, table=replace(case.table, columns=[other for other in case.table.columns if other is not column]))
                for column in case.table.columns if column.name not in needed(case))
    for column in case.table.columns:
        if len(column.pool) > 2:
            half = replace(column, pool=column.pool[:len(column.pool) // 2])
            yield replace(case, table=replace(case.table, columns=[half if other is column else other for other in case.table.columns]))


def needed(case: Case) -> set[str]:
    """Columns that the case cannot do without."""
    names = {*case.table.keys, *(column.name for column in case.table.columns if quoted(column.name)[1:-1] in case.table.options)}
    if case.question:
        names |= {*case.question.columns, *(condition.column for condition in case.question.conditions)}
    return names
