"""Writing: many rows at once, and few rows many times."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from bench.answers import digest
from bench.comparison import NATIVE, OURS, PYARROW, Comparison, Way
from bench.dataset.rows import COLUMNS, KEYS
from bench.dataset.stores import Store, Stores, register
from bench.peers.duckdb_peers import arrow_result
from bench.session import Session, scratch

ROWS_PER_APPEND = 500
WITHOUT_FSYNC = "amplify, no fsync"
COMPRESSION, LEVEL = "zstd", 1
"""Ours, and that of the peers that let it be chosen: DuckDB's own default is level 3, which takes longer and is smaller."""


def in_order(session: Session) -> list[Comparison]:
    return [copy(session, "sorted", "copy-sorted", f"COPY {session.parameters.rows:,} rows into 180 partitions, sorted")]


def at_random(session: Session) -> list[Comparison]:
    return [copy(session, "random", "copy-random", f"COPY {session.parameters.rows:,} rows into 180 partitions, random order")]


def copy(session: Session, order: str, name: str, title: str) -> Comparison:
    """From a table in memory; ours fsyncs, the others do not."""
    source = Stores(session).source(session.parameters.rows, at_random=order == "random")
    session.con.execute(f"CREATE TEMP TABLE source AS FROM {source}")
    pa.set_cpu_count(session.parameters.threads)

    def with_pyarrow(directory: Path) -> None:
        reader = arrow_result(session.con)("FROM source").to_arrow_reader(100_000)
        options = ds.ParquetFileFormat().make_write_options(compression=COMPRESSION, compression_level=LEVEL)
        ds.write_dataset(reader, directory, format="parquet", partitioning=list(KEYS), partitioning_flavor="hive", file_options=options)

    ways = copies(session, "source")
    ways[PYARROW] = into(session, "pyarrow", with_pyarrow)
    return Comparison(name, title, ways, 0.8, note="the target is against native with zstd at level 1, as ours; native's defaults are snappy, and level 3 of zstd")


def copies(session: Session, relation: str) -> dict[str, Way]:
    """COPY of the rows of `relation` by ours, with and without fsync, and by native, with the same codec and its own."""
    def ours(fsync: bool) -> Callable[[Path], None]:
        def run(directory: Path) -> None:
            session.con.execute(f"COPY (SELECT * FROM {relation}) TO 'amplify://images' (FORMAT amplify, ROOT '{directory.parent}')").fetchall()
        return into(session, f"ours-{fsync}", run, lambda root: with_fsync(session, Store(root), fsync))

    def native(codec: str, options: str = "") -> Way:
        def run(directory: Path) -> None:
            session.con.execute(f"COPY (SELECT * FROM {relation}) TO '{directory}' (FORMAT parquet, COMPRESSION {codec}{options},"
                                f" PARTITION_BY ({', '.join(KEYS)}))").fetchall()
        return into(session, f"native-{codec}{len(options)}", run)

    return {OURS: ours(True), WITHOUT_FSYNC: ours(False), NATIVE: native(COMPRESSION, f", COMPRESSION_LEVEL {LEVEL}"),
            "DuckDB, zstd level 3": native(COMPRESSION), "DuckDB, snappy": native("snappy")}


def with_fsync(session: Session, store: Store, fsync: bool) -> None:
    """A new store, in a session that fsyncs or not."""
    session.con.execute(f"SET GLOBAL amplify_fsync = {fsync}")
    register(session.con, store)


def into(session: Session, name: str, run: Callable[[Path], None], prepare: Callable[[Path], None] = lambda root: None) -> Way:
    """A way that writes the table `images` below a root of its own, which is new for each run."""
    root = scratch(f"write-{name}")
    store = Store(root)

    def begin() -> None:
        prepare(scratch(f"write-{name}"))

    def finish(_) -> tuple:
        found = digest(session.con, store.native, COLUMNS)
        scratch(f"write-{name}")  # not to fill the disk
        return found

    return Way(lambda: run(store.directory), prepare=begin, answer=finish)


def appends(session: Session) -> list[Comparison]:
    """Many small batches, as an instrument's bins come in: each into one partition."""
    count = session.parameters.appends
    batches = batches_of(session, count)

    def ours(fsync: bool, statement: str) -> Way:
        def run(directory: Path) -> None:
            con = session.con
            for batch in batches:
                con.register("batch", batch)
                con.execute(statement.format(root=directory.parent)).fetchall()
        return into(session, f"append-{fsync}-{statement[:4]}", run, lambda root: with_fsync(session, Store(root), fsync))

    def with_pyarrow(directory: Path) -> None:
        for batch in batches:
            pq.write_to_dataset(batch, directory, partition_cols=list(KEYS), compression=COMPRESSION)

    statement = "COPY (SELECT * FROM batch) TO 'amplify://images' (FORMAT amplify, ROOT '{root}')"
    write = "SELECT amplify_write('images', list(b), {{root: '{root}'}}) FROM batch b"
    return [Comparison("appends", f"{count:,} appends of {ROWS_PER_APPEND} rows, against pyarrow write_to_dataset", {
        OURS: ours(True, statement), WITHOUT_FSYNC: ours(False, statement), "amplify_write": ours(True, write),
        PYARROW: into(session, "append-pyarrow", with_pyarrow),
    }, 1.0, against=PYARROW, note="ours with journal and fsync, pyarrow without either")]


def batches_of(session: Session, count: int) -> list[pa.Table]:
    """`count` batches of images, one after the other, that each lie in one of 180 partitions."""
    source, batch = Stores(session).source(count * ROWS_PER_APPEND), f"(row_number() OVER () - 1) // {ROWS_PER_APPEND}"
    table = session.con.execute(f"""
        SELECT * EXCLUDE (batch) REPLACE ('IFCB' || (101 + batch % 5)::VARCHAR AS instrument,
                                          (2021 + batch % 3)::INTEGER AS year, (1 + batch % 12)::INTEGER AS month)
        FROM (SELECT *, {batch} AS batch FROM {source}) ORDER BY batch, image_id""").to_arrow_table()
    return [table.slice(number * ROWS_PER_APPEND, ROWS_PER_APPEND) for number in range(count)]
