"""The DuckDB sessions of a worker: all with the same settings."""

from __future__ import annotations

import shutil
import warnings
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import duckdb

from bench.parameters import SCRATCH, Parameters, extension_digest, extension_path


@dataclass(frozen=True)
class Session:
    """What a worker measures with."""

    parameters: Parameters
    extension: Path = field(default_factory=extension_path)

    @cached_property
    def con(self) -> duckdb.DuckDBPyConnection:
        """Serves ours and DuckDB's own way: one process, one set of settings."""
        return self.connect()

    @cached_property
    def digest(self) -> str:
        """Of the build that is measured."""
        return extension_digest(self.extension)

    def connect(self) -> duckdb.DuckDBPyConnection:
        """A new database in memory that has the extension loaded."""
        con = duckdb.connect(config={"allow_unsigned_extensions": "true", "threads": self.parameters.threads,
                                     "memory_limit": self.parameters.memory_limit})
        con.execute(f"SET temp_directory = '{SCRATCH / 'spill'}'")
        # DuckDB 2.0 speaks of con.sql() wherever rows become Arrow; for few rows, which it binds twice, it is slower.
        warnings.filterwarnings("ignore", message="Arrow output on a DB-API result")
        con.execute("SET TimeZone = 'UTC'")
        con.execute("SET enable_progress_bar = false")
        con.execute(f"LOAD '{self.extension}'")
        return con


def scratch(name: str) -> Path:
    """An empty directory for what is written and thrown away."""
    path = SCRATCH / name
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    return path
