"""C: stores of many partitions, each one file of a few rows, as years of small bins leave them behind."""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from bench.dataset.cache import cached
from bench.dataset.stores import Store, register
from bench.session import Session

KEYS = ("instrument", "year", "bin")
COLUMNS = {
    "image_id": "VARCHAR NOT NULL",
    "instrument": "VARCHAR",
    "year": "INTEGER",
    "bin": "INTEGER",
    "depth": "DOUBLE",
    "roi_width": "INTEGER",
}
INSTRUMENTS = 10
YEARS = 10
ROWS_PER_FILE = 3
KINDS_OF_FILE = 100
"""Files are hard links to so many different ones: 100,000 are made in seconds, and no file system's bound on links to one
file is met."""


def many_partitions(session: Session, count: int) -> Store:
    """A store of `count` partitions: 10 instruments x 10 years x bins."""
    bins = count // (INSTRUMENTS * YEARS)

    def make(path: Path) -> None:
        store = Store(path, "bins", KEYS, COLUMNS)
        register(session.connect(), store)
        kinds = [path / f"kind-{kind}.parquet" for kind in range(KINDS_OF_FILE)]
        for kind, file in enumerate(kinds):
            write_file(file, kind)
        number = 0
        for instrument in range(INSTRUMENTS):
            for year in range(YEARS):
                for bin_number in range(bins):
                    directory = store.directory / f"instrument=IFCB{101 + instrument}" / f"year={2015 + year}" / f"bin={bin_number}"
                    directory.mkdir(parents=True)
                    os.link(kinds[number % KINDS_OF_FILE], directory / "0123456789abcdef0123456789abcdef-0.parquet")
                    number += 1
        for file in kinds:
            file.unlink()

    path = cached(f"partitions-{count}", {"keys": KEYS, "columns": COLUMNS, "version": 1}, make)
    return Store(path, "bins", KEYS, COLUMNS)


def write_file(file: Path, kind: int) -> None:
    """A few rows that tell this kind of file from the others."""
    numbers = [kind * ROWS_PER_FILE + row for row in range(ROWS_PER_FILE)]
    table = pa.table({
        "image_id": [f"D20240131T235959_IFCB107_{number:05}" for number in numbers],
        "depth": [number / 8 for number in numbers],
        "roi_width": pa.array([16 + number for number in numbers], pa.int32()),
    })
    pq.write_table(table, file, compression="zstd")
