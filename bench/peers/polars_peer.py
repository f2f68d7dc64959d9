"""Polars, lazily. A scan is opened anew for each question."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from bench.dataset.stores import Store
from bench.peers.duckdb_peers import Conditions

if TYPE_CHECKING:
    import polars


class Polars:
    """The rows of a store by way of polars.scan_parquet."""

    def __init__(self, store: Store, threads: int):
        os.environ.setdefault("POLARS_MAX_THREADS", str(threads))  # read when Polars is imported
        import polars

        self.polars, self.store = polars, store

    def scan(self, conditions: Conditions = ()) -> polars.LazyFrame:
        frame = self.polars.scan_parquet(f"{self.store.directory}/**/*.parquet", hive_partitioning=True)
        for column, operator, value in conditions:
            field = self.polars.col(column)
            frame = frame.filter({"eq": field.eq, "gte": field.ge, "lt": field.lt, "in": field.is_in}[operator](value))
        return frame

    def table(self, columns: Sequence[str] | None = None, conditions: Conditions = ()) -> polars.DataFrame:
        return self.scan(conditions).select(list(columns or self.store.columns)).collect()

    def rows(self, *expressions: polars.Expr, by: Sequence[str] = (), conditions: Conditions = ()) -> list[tuple]:
        """The answer to an aggregate."""
        frame = self.scan(conditions)
        frame = frame.group_by(list(by)).agg(*expressions) if by else frame.select(*expressions)
        return frame.collect().rows()
