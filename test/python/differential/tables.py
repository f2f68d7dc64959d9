"""Random tables: columns, partition keys, and rows by the thousand from a few values."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from differential.values import Type, nested, quoted, scalar

NAMES = ("depth", "Class_Name", "a b", "ü", "select", "x.y", 'q"q', "it's", "timestamp", "k=v", "n1", "n2", "n3", "n4")
NO_KEY_NAMES = ("k=v",)
"""Names that no directory can have."""
NO_BLOOM_FILTER = ("BOOLEAN", "FLOAT", "DOUBLE")
ID = "id"


def identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


@dataclass(frozen=True)
class Column:
    """A column, and the values that its rows take turns with."""

    name: str
    type: Type
    not_null: bool
    pool: tuple[str, ...]
    """SQL literals, `NULL` among them unless `not_null`."""
    turns: tuple[int, int, int]
    """Row i has value ((i * a + b) // c) of the pool, modulo its length: values in runs, or ever another."""

    @property
    def declaration(self) -> str:
        return f"{identifier(self.name)} {self.type.sql}{' NOT NULL' if self.not_null else ''}"

    @property
    def expression(self) -> str:
        """The value of row i, in SQL."""
        factor, offset, run = self.turns
        place = f"(1 + ((i * {factor} + {offset}) // {run}) % {len(self.pool)})::BIGINT"
        return f"(CAST([{', '.join(self.pool)}] AS {self.type.sql}[]))[{place}] AS {identifier(self.name)}"


@dataclass
class Table:
    """A table; the first column is `id`, which tells its rows apart."""

    columns: list[Column]
    keys: list[str]
    options: str = ""
    """Of amplify_create_table, beside the root: `, row_group_rows: 100`."""
    later: list[Column] = field(default_factory=list)
    """Nullable columns that are added between two writes."""

    def declarations(self, columns: list[Column]) -> str:
        return ", ".join([f"{ID} BIGINT NOT NULL", *(column.declaration for column in columns)])

    def column(self, name: str) -> Column | None:
        return next((column for column in [*self.columns, *self.later] if column.name == name), None)


def random_table(rng: random.Random, options: bool) -> Table:
    """With layout options where this build has them."""
    names = rng.sample(NAMES, rng.randint(3, 9))
    keys = [name for name in names if name not in NO_KEY_NAMES][:rng.choice([0, 1, 1, 2, 3])]
    columns = [random_column(rng, name, name in keys) for name in names]
    rng.shuffle(columns)
    later = [random_column(rng, f"later{number}", False, nullable=True) for number in range(rng.choice([0, 0, 1, 2]))]
    table = Table(columns, keys, later=later)
    if options:
        table.options = random_options(rng, table)
    return table


def random_column(rng: random.Random, name: str, is_key: bool, nullable: bool = False) -> Column:
    column_type = scalar(rng) if is_key or rng.random() < 0.75 else nested(rng)
    while is_key and not column_type.is_key:
        column_type = scalar(rng)
    not_null = not nullable and (is_key or rng.random() < 0.4)
    literal = column_type.key_literal if is_key else column_type.literal
    pool = list(dict.fromkeys(literal(rng) for _ in range(rng.choice([1, 3, 4]) if is_key else rng.choice([1, 5, 40]))))
    if not not_null:
        pool += ["NULL"] * rng.choice([1, 1, len(pool), 5 * len(pool)])
        rng.shuffle(pool)
    turns = (rng.choice([1, 1, 7, 2654435761]), rng.randint(0, 99), rng.choice([1, 1, 10, 500, 3000]))
    return Column(name, column_type, not_null, tuple(pool), turns)


def random_options(rng: random.Random, table: Table) -> str:
    """How the table's files are laid out; it must not change an answer."""
    plain = [column for column in table.columns if column.type.compares and column.name not in table.keys]
    exact = [column for column in plain if column.type.sql not in NO_BLOOM_FILTER]
    chosen = []
    if rng.random() < 0.5:
        chosen.append(f"row_group_rows: {rng.choice([1000, 4000, 20000])}")
    if plain and rng.random() < 0.4:
        columns = rng.sample(plain, min(len(plain), rng.randint(1, 2)))
        chosen.append(f"sort_by: [{', '.join(quoted(column.name + rng.choice(['', ' DESC'])) for column in columns)}]")
    if exact and rng.random() < 0.4:
        columns = rng.sample(exact, min(len(exact), rng.randint(1, 2)))
        chosen.append(f"bloom_filter: [{', '.join(quoted(column.name) for column in columns)}]")
    if rng.random() < 0.3:
        chosen.append(f"compression: '{rng.choice(['zstd(3)', 'snappy', 'lz4', 'gzip', 'uncompressed'])}'")
    return "".join(f", {option}" for option in chosen)
