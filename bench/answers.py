"""Answers in a form in which those of different ways can be compared: rows in any order, types as registered."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import duckdb


def rows(answer: Iterable) -> list[tuple]:
    """A small answer, in order."""
    return sorted((tuple(row) for row in answer), key=repr)


def digest(con: duckdb.DuckDBPyConnection, source: Any, columns: Mapping[str, str]) -> tuple:
    """Count and checksum of the rows of a large answer, in any order.

    `source` is SQL text of a relation, or anything that DuckDB can scan: an Arrow table, a DataFrame. Each of `columns`
    is first cast to its registered type, for peers guess the types of partition keys.
    """
    if not isinstance(source, str):
        if hasattr(source, "to_arrow"):
            source = source.to_arrow()
        con.register("answer", source)
        source = "answer"
    values = ", ".join(f'CAST("{name}" AS {kind.removesuffix(" NOT NULL")})' for name, kind in columns.items())
    [found] = con.execute(f"SELECT count(*), sum(checksum::HUGEINT), bit_xor(checksum)"
                          f" FROM (SELECT hash({values}) AS checksum FROM {source})").fetchall()
    if source == "answer":
        con.unregister("answer")
    return found


def same(left: Any, right: Any) -> bool:
    """Equality, but for the last digits of sums of DOUBLEs, which depend on the order of addition."""
    if isinstance(left, float) and isinstance(right, float):
        return math.isclose(left, right, rel_tol=1e-9) or (math.isnan(left) and math.isnan(right))
    if isinstance(left, (list, tuple)) and isinstance(right, (list, tuple)):
        return len(left) == len(right) and all(map(same, left, right))
    return left == right
