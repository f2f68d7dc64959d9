"""The same on S3: a real server on this machine, behind a proxy that delays each request (see bench/s3.py).

DuckDB's own reader needs httpfs there, which is not always to be had: the peer is pyarrow on its S3FileSystem.
"""

from __future__ import annotations

from collections.abc import Callable

import duckdb
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from bench import s3
from bench.answers import digest
from bench.comparison import OURS, PYARROW, UNORDERED, Comparison, Way
from bench.dataset.partitions import COLUMNS as BIN_COLUMNS
from bench.dataset.rows import COLUMNS, KEYS
from bench.dataset.stores import Store, Stores, register
from bench.peers.arrow_peer import Pyarrow
from bench.peers.duckdb_peers import Amplify
from bench.session import Session
from bench.workloads.copying import batches_of

MONTH = [("instrument", "eq", "IFCB103"), ("year", "eq", 2022), ("month", "eq", 5)]
MONTH_KEYS = ("instrument", "year", "month")
YEARS, MONTHS = 30, 12
BYTES_PER_ROW, BYTES_PER_NOISY_ROW = 9, 16
"""About what a row of images takes in a store; and one whose two columns of DOUBLE are as good as random."""
BOUND_BYTES = 1_000_000_000
FIRST, AGAIN = OURS, "amplify, same session"
"""A session that is new for each run, whose caches are empty; and one that has seen the files."""


def month(session: Session) -> list[Comparison]:
    """One partition of many."""
    count = session.parameters.s3_partitions
    server = s3.server()
    store = months(session, server, count)
    warm = s3.connect(session, server)
    remote = Pyarrow(store, session.parameters.threads, server.pyarrow())

    def ours(con) -> pa.Table:
        return Amplify(con, store).table(conditions=MONTH)

    def answer(table: pa.Table) -> tuple:
        return digest(session.con, table, store.columns)

    title = f"S3: one month out of {count:,} partitions"
    return [Comparison("s3-month", title, {
        FIRST: Way(lambda: ours(s3.connect(session, server)), answer=answer),
        AGAIN: Way(lambda: ours(warm), answer=answer),
        PYARROW: Way(lambda: remote.table(conditions=MONTH), answer=answer),
    }, 0.1, against=PYARROW, note=s3.requests(session, server, ours))]


def months(session: Session, server: s3.Server, count: int) -> Store:
    """Small files at the server, through pyarrow and past the proxy; registered through amplify."""
    store = Store(server.root("months"), "bins", MONTH_KEYS,
                  {name: kind for name, kind in BIN_COLUMNS.items() if name != "bin"} | {"month": "INTEGER"})
    register(s3.connect(session, server), store)
    rows = pa.table({"image_id": [f"D20240131T235959_IFCB107_{number:05}" for number in range(3)],
                     "depth": [0.5, 1.5, 2.5], "roi_width": pa.array([16, 17, 18], pa.int32())})
    sink = pa.BufferOutputStream()
    pq.write_table(rows, sink, compression="zstd")
    content, names = sink.getvalue().to_pybytes(), []
    for number in range(count):
        instrument, rest = divmod(number, YEARS * MONTHS)
        year, month_number = divmod(rest, MONTHS)
        names.append(f"{store.directory}/instrument=IFCB{101 + instrument}/year={1999 + year}/month={month_number + 1}/0-0.parquet")
    server.put(names, content)
    return store


def bulk(session: Session) -> list[Comparison]:
    """A store of about as many bytes as the parameters say."""
    server = s3.server()
    count = session.parameters.s3_bulk_bytes // BYTES_PER_ROW
    store = Store(server.root("bulk"))
    local = Stores(session).images(count)
    con = s3.connect(session, server, direct=True)
    register(con, store)
    con.execute(f"COPY (SELECT * FROM {local.native}) TO 'amplify://images' (FORMAT amplify, COLUMNS {list(COLUMNS)!r},"
                f" ROOT '{store.root}')".replace("SELECT *", "SELECT " + ", ".join(COLUMNS))).fetchall()
    remote = Pyarrow(store, session.parameters.threads, server.pyarrow())

    def answer(table: pa.Table) -> tuple:
        return digest(session.con, table, COLUMNS)

    def unordered() -> pa.Table:
        con = s3.connect(session, server)
        con.execute("SET preserve_insertion_order = false")
        return Amplify(con, store).table()

    return [Comparison("s3-bulk", f"S3: bulk read of {session.parameters.s3_bulk_bytes / 1e9:g} GB", {
        OURS: Way(lambda: Amplify(s3.connect(session, server), store).table(), answer=answer),
        UNORDERED: Way(unordered, answer=answer),
        PYARROW: Way(remote.table, answer=answer),
    }, 1.0, against=PYARROW, note=s3.requests(session, server, lambda con: Amplify(con, store).table()))]


def appends(session: Session) -> list[Comparison]:
    """Small batches, each one partition: ours is a commit each, pyarrow's a file each."""
    server, count = s3.server(), session.parameters.s3_appends
    batches = batches_of(session, count)
    stores: dict[str, Store] = {}

    def into(name: str, run: Callable[[Store], None], prepare: Callable[[Store], None]) -> Way:
        def begin() -> None:
            stores[name] = Store(server.root(f"append-{name}"))
            prepare(stores[name])

        def answer(_) -> tuple:
            found = ds.dataset(f"{stores[name].directory}", partitioning="hive", filesystem=server.pyarrow(direct=True)).to_table()
            return digest(session.con, found, COLUMNS)

        return Way(lambda: run(stores[name]), begin, answer)

    def ours(store: Store) -> None:
        con = s3.connect(session, server)
        for batch in batches:
            append(con, store, batch)

    def with_pyarrow(store: Store) -> None:
        filesystem = server.pyarrow()
        for batch in batches:
            pq.write_to_dataset(batch, str(store.directory), partition_cols=list(KEYS), filesystem=filesystem, compression="zstd")

    def one() -> Callable[[duckdb.DuckDBPyConnection], None]:
        """A second append, for the first one to a store also looks what the store can do."""
        store = Store(server.root("append-one"))
        register(s3.connect(session, server, direct=True), store)
        append(s3.connect(session, server, direct=True), store, batches[0])
        return lambda con: append(con, store, batches[-1])

    return [Comparison("s3-appends", f"S3: {count:,} appends of 500 rows, against write_to_dataset", {
        OURS: into("ours", ours, lambda store: register(s3.connect(session, server, direct=True), store)),
        PYARROW: into("pyarrow", with_pyarrow, lambda store: None),
    }, 0.5, against=PYARROW, note=f"one append: {s3.requests(session, server, one())}")]


def append(con: duckdb.DuckDBPyConnection, store: Store, batch: pa.Table) -> None:
    con.register("batch", batch)
    con.execute(f"COPY (SELECT * FROM batch) TO 'amplify://images' (FORMAT amplify, ROOT '{store.root}')").fetchall()


def memory(session: Session) -> list[Comparison]:
    """Peaks of a long stream in and out: the bound is 1 GB, whatever the length."""
    server = s3.server()
    count = session.parameters.s3_stream_bytes // BYTES_PER_NOISY_ROW
    source = Stores(session).source(min(count, session.parameters.rows))
    times = -(-count // min(count, session.parameters.rows))
    # Rows that come again compress to nothing, but for the noise.
    noise = "depth + random() AS depth, temperature + random() AS temperature"
    relation = f"(SELECT s.* REPLACE ({noise}) FROM range({times}), {source} s)"

    def stream_in() -> int:
        con = s3.connect(session, server)
        store = Store(server.root("stream"))
        register(con, store)
        [(written,)] = con.execute(f"COPY (SELECT * FROM {relation}) TO 'amplify://images' (FORMAT amplify, ROOT '{store.root}')").fetchall()
        return written

    def stream_out() -> int:
        return Amplify(s3.connect(session, server), Store(server.last_root("stream"))).stream()

    size = f"{session.parameters.s3_stream_bytes / 1e9:g} GB"
    return [
        Comparison("s3-memory-in", f"S3: memory of {size} in by COPY", {OURS: Way(stream_in)}, memory=True, bound_bytes=BOUND_BYTES),
        Comparison("s3-memory-out", f"S3: memory of {size} out", {OURS: Way(stream_out)}, memory=True, bound_bytes=BOUND_BYTES),
    ]
