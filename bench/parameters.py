"""What a run of the benchmark is given, and where its files are."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

REPOSITORY = Path(__file__).resolve().parent.parent
CACHE = REPOSITORY / "build" / "bench"
"""Data sets, which outlive a run, and scratch stores, which do not."""
RUN_VARIABLE = "AMPLIFY_BENCH_RUN"
SCRATCH = CACHE / "scratch" / os.environ.get(RUN_VARIABLE, str(os.getpid()))
"""For what a run writes and throws away."""
DUCKDB_VERSIONS = ("1.5.6", "2.0.0")
BUILDS = [REPOSITORY / "build" / mode / "amplify.duckdb_extension" for mode in ("release", "quick")]
"""Of this repository; the first that is there is measured."""
Value = TypeVar("Value")


def option(default: Value, meaning: str) -> Value:
    """A field with its default and what --help says of it."""
    return dataclasses.field(default=default, metadata={"help": meaning})


@dataclass(frozen=True)
class Parameters:
    """The same for every peer of a run."""

    rows: int = option(20_000_000, "rows of the largest data set; the others are parts of it")
    repeats: int = option(7, "how often each way is timed, at least: three times as often where a round is short")
    threads: int = option(2, "threads of every peer")
    memory_limit: str = option("8GB", "DuckDB's setting, in every session")
    seed: int = option(1, "seed of the data")
    partitions: tuple[int, ...] = option((1_000, 10_000, 100_000), "sizes of the stores of many small partitions: a comma list"
                                         " of three, each ten times the one before")
    appends: int = option(1_000, "appends, of 500 rows each")
    records: int = option(2_000, "commits that a read is planned over")
    s3_partitions: int = option(36_000, "s3-month: partitions that one is read of")
    s3_bulk_bytes: int = option(1_000_000_000, "s3-bulk: about how much is read")
    s3_stream_bytes: int = option(10_000_000_000, "s3-memory: about how much is streamed in and out")
    s3_appends: int = option(200, "s3-appends: appends, of 500 rows each")
    s3_delay_ms: int = option(30, "milliseconds added to each request on S3")

    @classmethod
    def quick(cls) -> Parameters:
        """A run of minutes, whose ratios are coarse: fixed costs weigh more in small data."""
        return cls(rows=2_000_000, partitions=(100, 1_000, 10_000), appends=100, records=200, s3_partitions=3_600,
                   s3_bulk_bytes=100_000_000, s3_stream_bytes=500_000_000, s3_appends=20)

    def to_json(self) -> str:
        return json.dumps(dataclasses.asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Parameters:
        fields = json.loads(text)
        return cls(**{**fields, "partitions": tuple(fields["partitions"])})


def extension_path() -> Path:
    """The extension that is measured: AMPLIFY_EXTENSION, or the release build, or the quick one."""
    named = os.environ.get("AMPLIFY_EXTENSION")
    for path in [Path(named)] if named else BUILDS:
        if path.is_file():
            return path.resolve()
    raise SystemExit("There is no extension to measure: run make release, or name one in AMPLIFY_EXTENSION.")


def is_build_of_repository(path: Path) -> bool:
    """Whether the extension was built here, however it was named: of another one the commit is not known."""
    return path.resolve() in [build.resolve() for build in BUILDS]


def extension_digest(path: Path) -> str:
    """Tells one build of the extension from another."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:12]
