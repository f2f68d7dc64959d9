"""A scan that goes on while its table changes: a table of versions, and the two halves of reading it."""

from __future__ import annotations

import pyarrow as pa

PARTITIONS, ROWS = 40, 20_000
"""Far more than a scan reads ahead of who takes its rows."""
BATCH_ROWS = 2048
WHOLE_SCAN = [(1, PARTITIONS * ROWS, PARTITIONS, PARTITIONS * ROWS)]
"""What a scan of version 1 has when it is finished."""


def create(con) -> None:
    """Makes the table, with version 1 in it."""
    con.execute("SELECT amplify_create_table('t', 'version INTEGER, part INTEGER, text VARCHAR', ['part'])").fetchall()
    con.execute("SET threads = 2")
    con.execute(copy(1))


def copy(version: int, mode: str = "append", rows: int = ROWS) -> str:
    """A statement that writes `rows` rows of a version to each partition."""
    query = f"SELECT {version}, (i // {rows})::INTEGER, md5(i::VARCHAR) || md5((i + 1)::VARCHAR) FROM range({PARTITIONS * rows}) r(i)"
    return f"COPY ({query}) TO 'amplify://t' (FORMAT amplify, MODE '{mode}')"


def begin(con) -> tuple[pa.RecordBatchReader, list[pa.RecordBatch]]:
    """A scan of everything, of which the first rows have been taken."""
    # sql(), for execute() of DuckDB 2.0 has run the whole query when it answers.
    reader = con.cursor().sql("SELECT version, part, text FROM amplify_read('t')").to_arrow_reader(BATCH_ROWS)
    return reader, [reader.read_next_batch()]


def finish(con, reader: pa.RecordBatchReader, batches: list[pa.RecordBatch]) -> list[tuple]:
    """Of each version in the whole scan: rows, distinct partitions, distinct texts."""
    batches += reader
    con.register("scanned", pa.Table.from_batches(batches))
    return con.execute("SELECT version, count(*), count(DISTINCT part), count(DISTINCT text) FROM scanned GROUP BY ALL").fetchall()


def count_by_version(con) -> list[tuple]:
    """Of each version that the table holds now: rows."""
    return con.execute("SELECT version, count(*) FROM amplify_read('t') GROUP BY ALL ORDER BY ALL").fetchall()
