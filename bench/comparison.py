"""One line of the report: the same thing done in several ways, whose answers must be equal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

OURS = "amplify"
NATIVE = "DuckDB"
LIBRARY = "Python library"
PYARROW = "pyarrow"
POLARS = "Polars"
UNCACHED = "amplify, footers not cached"
"""Ours, but each query reads the footers of its files: what DuckDB's default does."""
NATIVE_CACHED = "DuckDB, metadata cache"
"""DuckDB's own reader, keeping footers as ours does by default."""

UNORDERED = "amplify, in any order"
"""Ours with `SET preserve_insertion_order = false`: DuckDB takes the rows from all threads then."""


@dataclass(frozen=True)
class Way:
    """One way to do a thing. Only `run` is timed."""

    run: Callable[[], Any]
    prepare: Callable[[], Any] = lambda: None
    """Before each run."""
    answer: Callable[[Any], Any] = lambda result: result
    """What `run` gave or left behind, in a form that is compared between the ways."""
    restore: Callable[[], Any] = lambda: None
    """After each run, also one that failed: what the other ways need to find as it was."""


@dataclass(frozen=True)
class Comparison:
    """The ways to do one thing, `OURS` among them, in the order of the report."""

    name: str
    """Of a-z, 0-9 and -, and unique."""
    title: str
    ways: dict[str, Way] = field(hash=False)
    target: float | None = None
    """The ratio of ours to `against` is to be at most this."""
    against: str = NATIVE
    bound_bytes: int | None = None
    """What our peak of memory is to stay below, whatever a peer's is."""
    memory: bool = False
    """The peak memory of a new process that does it once is measured, and not the time."""
    growth: tuple[str, int] | None = None
    """What grows (`rows` or `partitions`), and its count here: this comparison is one point of a plot."""
    note: str = ""

    @property
    def measure(self) -> str:
        return "memory" if self.memory else "time"
