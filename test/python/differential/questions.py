"""Random questions to a table, with what the plain table answers to the same in SQL."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, replace

import duckdb

from differential.tables import ID, Column, Table, identifier
from differential.values import quoted

COMPARISONS = {"eq": "=", "gte": ">=", "gt": ">", "lte": "<=", "lt": "<"}
IN_STRUCT, IN_MAP, IN_JSON = "struct", "map", "json"
READ, AGGREGATE, COUNT, COUNT_OF_READ = "read", "aggregate", "count", "count of read"
PARTITIONS, DISTINCT, FILES, JOIN = "partitions", "distinct", "files", "join"


@dataclass(frozen=True)
class Condition:
    """`operator` is one of COMPARISONS, `in` or `is_null`; the operands are SQL literals."""

    column: str
    operator: str
    operands: tuple[str, ...]

    @property
    def where(self) -> str:
        """The condition on the plain table."""
        name = identifier(self.column)
        if self.operator == "is_null":
            return f"{name} IS {'' if self.operands[0] == 'true' else 'NOT '}NULL"
        if self.operator == "in":
            return f"{name} IN ({', '.join(self.operands)})" if self.operands else "false"
        return f"{name} {COMPARISONS[self.operator]} {self.operands[0]}"


@dataclass(frozen=True)
class Question:
    """One question of a kind, with its filters in one of the three forms."""

    kind: str
    conditions: tuple[Condition, ...]
    form: str
    columns: tuple[str, ...]
    """Those that are asked for."""

    def ours(self, con: duckdb.DuckDBPyConnection, root: str) -> str:
        """The query that amplify answers."""
        filters = filter_argument(con, self.conditions, self.form)
        given = f"{f', filters => {filters}' if filters else ''}, root => '{root}'"
        names = ", ".join(map(identifier, self.columns))
        listed = ", ".join(map(quoted, self.columns))
        if self.kind == READ:
            return f"FROM amplify_read('t', columns => [{listed}]{given})"
        if self.kind == AGGREGATE:
            return f"SELECT {aggregates(self.columns)} FROM amplify_read('t'{given})"
        if self.kind == COUNT:
            return f"FROM amplify_count('t'{given})"
        if self.kind == COUNT_OF_READ:
            return f"SELECT count(*) AS count FROM amplify_read('t'{given})"
        if self.kind == PARTITIONS:
            return f"SELECT {names} FROM amplify_partitions('t'{given})"
        if self.kind == DISTINCT:
            return f"FROM amplify_distinct('t', [{listed}]{given})"
        if self.kind == FILES:
            return f"SELECT coalesce(sum(row_count), 0)::BIGINT AS count FROM amplify_files('t'{given})"
        return f"FROM amplify_join('t', 't', '{ID}', left_filters => {filters or 'NULL'}, side => 'left', root => '{root}')"

    @property
    def expected(self) -> str:
        """The query that the plain table answers."""
        names = ", ".join(map(identifier, self.columns))
        where = " AND ".join(condition.where for condition in self.conditions) or "true"
        if self.kind == READ:
            return f"SELECT {names} FROM model WHERE {where}"
        if self.kind == AGGREGATE:
            return f"SELECT {aggregates(self.columns)} FROM model WHERE {where}"
        if self.kind in (COUNT, COUNT_OF_READ, FILES):
            return f"SELECT count(*) AS count FROM model WHERE {where}"
        if self.kind in (PARTITIONS, DISTINCT):
            return f"SELECT DISTINCT {names} FROM model WHERE {where}"
        return f"SELECT * FROM model WHERE {where}"


def aggregates(columns: tuple[str, ...]) -> str:
    """Numbers that change when a row or a value does, in any order of rows."""
    return ", ".join(f'count({identifier(name)}) AS "count {number}", sum(hash({identifier(name)}) % 1000003)::BIGINT AS "sum {number}"'
                     for number, name in enumerate(columns))


def filter_argument(con: duckdb.DuckDBPyConnection, conditions: tuple[Condition, ...], form: str) -> str:
    """The filters as SQL; `con` turns literals into text for MAP and JSON, which have one type for all values."""
    if not conditions:
        return ""
    by_column: dict[str, list[Condition]] = {}
    for condition in conditions:
        by_column.setdefault(condition.column, []).append(condition)

    def text(literal: str) -> str:
        return con.execute(f"SELECT CAST({literal} AS VARCHAR)").fetchall()[0][0]

    if form == IN_STRUCT:
        return struct({name: found[0].operands[0] if found[0].operator == "eq" else struct({
            condition.operator: f"[{', '.join(condition.operands)}]" if condition.operator == "in" else condition.operands[0]
            for condition in found}) for name, found in by_column.items()})
    if form == IN_MAP:
        # All values of a map have one type: columns with an operator, or columns with a value.
        return "MAP {" + ", ".join(f"{quoted(name)}: " + (quoted(text(found[0].operands[0])) if found[0].operator == "eq" else
                                   "MAP {" + ", ".join(f"'{condition.operator}': {quoted(text(condition.operands[0]))}" for condition in found) + "}")
                                   for name, found in by_column.items()) + "}"
    return quoted(json.dumps({name: text(found[0].operands[0]) if found[0].operator == "eq" else {
        condition.operator: [text(operand) for operand in condition.operands] if condition.operator == "in"
        else condition.operands[0] == "true" if condition.operator == "is_null" else text(condition.operands[0])
        for condition in found} for name, found in by_column.items()}))


def struct(fields: dict[str, str]) -> str:
    return "{" + ", ".join(f"{quoted(name)}: {value}" for name, value in fields.items()) + "}"


def random_question(rng: random.Random, table: Table, later: int) -> Question:
    """To the table with its first `later` later columns."""
    columns = [*table.columns, *table.later[:later]]
    kinds = [READ] * 6 + [AGGREGATE] * 3 + [COUNT] * 3 + [COUNT_OF_READ, DISTINCT, DISTINCT, JOIN] + ([PARTITIONS, FILES] * 2 if table.keys else [])
    kind = rng.choice(kinds)
    subject = [column for column in columns if column.name in table.keys] if kind in (PARTITIONS, FILES) else columns
    conditions = [condition for column in rng.sample(subject, min(len(subject), rng.choice([0, 1, 1, 2, 3])))
                  for condition in random_conditions(rng, column)]
    if kind not in (PARTITIONS, FILES) and rng.random() < 0.15:
        bound = rng.randint(0, 3000)
        conditions.append(Condition(ID, rng.choice(["eq", "lt", "gte"]), (f"{bound}::BIGINT",)))
    names = [ID, *(column.name for column in columns)]
    if kind == PARTITIONS:
        names = table.keys
    elif kind == DISTINCT:
        names = rng.choice([[column.name for column in rng.sample(columns, min(len(columns), rng.randint(1, 3)))], table.keys or names[1:2]])
    elif kind in (READ, AGGREGATE):
        names = rng.sample(names, rng.randint(1, len(names))) if rng.random() < 0.6 else names
    return Question(kind, tuple(conditions), random_form(rng, conditions), tuple(names))


def random_form(rng: random.Random, conditions: list[Condition]) -> str:
    """A form that can say these conditions: text says no BLOB, and a MAP no list beside a value."""
    operators = [condition.operator for condition in conditions]
    blob = any("::BLOB" in operand for condition in conditions for operand in condition.operands)
    forms = [IN_STRUCT, IN_STRUCT]
    if not blob:
        forms.append(IN_JSON)
        if "in" not in operators and len({operator == "eq" for operator in operators}) == 1:
            forms.append(IN_MAP)
    return rng.choice(forms)


def random_conditions(rng: random.Random, column: Column) -> list[Condition]:
    """One condition on a column, or two that make a range."""
    if not column.type.compares or rng.random() < 0.15:
        return [Condition(column.name, "is_null", (rng.choice(["true", "false"]),))]
    values = [literal for literal in column.pool if literal != "NULL"]

    def operand() -> str:
        return rng.choice(values) if rng.random() < 0.8 else column.type.key_literal(rng)

    operator = rng.choice(["eq", "eq", "gte", "gt", "lte", "lt", "in", "in", "range", "range", "range"])
    if operator == "in":
        return [Condition(column.name, "in", tuple(operand() for _ in range(rng.choice([0, 1, 2, 5]))))]
    if operator == "range":
        return [Condition(column.name, rng.choice(["gte", "gt"]), (operand(),)), Condition(column.name, rng.choice(["lte", "lt"]), (operand(),))]
    return [Condition(column.name, operator, (operand(),))]


def without_a_condition(question: Question) -> Question:
    """A wrong question, which a test that compares must find out."""
    return replace(question, conditions=question.conditions[:-1])
