"""What a run of the benchmark is given, and where its files are."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
CACHE = REPOSITORY / "build" / "bench"
"""Data sets, which outlive a run, and scratch stores, which do not."""
RUN_VARIABLE = "AMPLIFY_BENCH_RUN"
SCRATCH = CACHE / "scratch" / os.environ.get(RUN_VARIABLE, str(os.getpid()))
"""For what a run writes and throws away."""
DUCKDB_VERSIONS = ("1.5.6", "2.0.0")


@dataclass(frozen=True)
class Parameters:
    """The same for every peer of a run."""

    rows: int = 20_000_000
    """Of the largest data set; the others are parts of it."""
    repeats: int = 7
    """How often each way is timed."""
    threads: int = 2
    memory_limit: str = "8GB"
    """DuckDB's setting, in every session."""
    seed: int = 1
    partitions: tuple[int, ...] = (1_000, 10_000, 100_000)
    """Sizes of the stores of many small partitions, each ten times the one before."""
    appends: int = 1_000
    """Of 500 rows each."""
    records: int = 2_000
    """Commits that a read is planned over."""
    s3_partitions: int = 36_000
    s3_bulk_bytes: int = 1_000_000_000
    s3_stream_bytes: int = 10_000_000_000
    s3_appends: int = 200
    s3_delay_ms: int = 30
    """Added to each request."""

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
    builds = [Path(named)] if named else [REPOSITORY / "build" / mode / "amplify.duckdb_extension"
                                         for mode in ("release", "quick")]
    for path in builds:
        if path.is_file():
            return path.resolve()
    raise SystemExit("There is no extension to measure: run make release, or name one in AMPLIFY_EXTENSION.")


def extension_digest(path: Path) -> str:
    """Tells one build of the extension from another."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:12]
