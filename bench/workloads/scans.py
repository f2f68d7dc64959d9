"""Reading a table, or columns of it, from end to end."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from functools import cached_property

from bench.answers import digest, rows
from bench.comparison import LIBRARY, NATIVE, NATIVE_CACHED, OURS, POLARS, PYARROW, UNCACHED, UNORDERED, Comparison, Way
from bench.dataset.stores import Store, Stores
from bench.peers.arrow_peer import Pyarrow
from bench.peers.duckdb_peers import Amplify, Library, Native
from bench.peers.polars_peer import Polars
from bench.session import Session

TWO_COLUMNS = ("image_id", "depth")
AGGREGATE = ('SELECT count(*), max(image_id), min(instrument), sum(year), sum(month), max("timestamp"), sum(depth),'
             " avg(temperature), max(roi_width), max(class_name) FROM {}")
GROUP_BY = "SELECT class_name, count(*), avg(depth) FROM {} GROUP BY class_name"


class Peers:
    """Every peer, on one store."""

    def __init__(self, session: Session, store: Store):
        self.session, self.store = session, store
        self.amplify, self.native = Amplify(session.con, store), Native(session.con, store)
        self.pyarrow = Pyarrow(store, session.parameters.threads)

    @cached_property
    def library(self) -> Library:
        """In a session of its own, as the library has it."""
        return Library(self.session.connect(), self.store)

    @cached_property
    def polars(self) -> Polars:
        """Imported where it is used only, not to weigh on peaks of memory."""
        return Polars(self.store, self.session.parameters.threads)

    @cached_property
    def uncached(self) -> Amplify:
        """Ours without the cache of footers. Each call sets the process's cache to what its session says, and drops what
        is too much: after it, the ways that go by a warm cache have to be run once."""
        con = self.session.connect()
        con.execute("SET GLOBAL amplify_footer_cache_bytes = 0")
        return Amplify(con, self.store)

    @cached_property
    def native_cached(self) -> Native:
        """DuckDB's own reader with its cache of footers, which is that of one database."""
        con = self.session.connect()
        con.execute("SET parquet_metadata_cache = true")
        return Native(con, self.store)

    def keep_order(self, kept: bool) -> None:
        """Whether the session's rows come in their order. Ours in any order runs in the session of the others: in one of its
        own, its threads would not find the memory that those have at hand."""
        self.session.con.execute(f"SET preserve_insertion_order = {kept}")

    def tables(self, columns: Sequence[str] | None = None, conditions=(), footers: bool = False) -> dict[str, Way]:
        """The rows as a table in memory: Arrow's, or that of the peer. The library's way reads all columns. With `footers`,
        also ours without a cache of footers and DuckDB's with one. Without conditions, also ours in any order."""
        wanted = {name: self.store.columns[name] for name in columns or self.store.columns}

        def way(peer: Callable, columns=columns) -> Way:
            return Way(lambda: peer().table(columns, conditions), answer=lambda table: digest(self.session.con, table, wanted))

        ways = {OURS: way(lambda: self.amplify), NATIVE: way(lambda: self.native), LIBRARY: way(lambda: self.library, None),
                PYARROW: way(lambda: self.pyarrow), POLARS: way(lambda: self.polars)}
        if not conditions:
            ways |= {UNORDERED: dataclasses.replace(ways[OURS], prepare=lambda: self.keep_order(False),
                                                    restore=lambda: self.keep_order(True))}
        if footers:
            ways |= {UNCACHED: without_footers(way(lambda: self.uncached), ways[OURS]),
                     NATIVE_CACHED: way(lambda: self.native_cached)}
        return ways

    def queries(self, query: str, conditions=()) -> dict[str, Way]:
        """The answer to a query in SQL, from the peers that speak it."""
        return {name: Way(lambda peer=peer: peer.rows(query, conditions), answer=rows)
                for name, peer in ((OURS, self.amplify), (NATIVE, self.native))}


def without_footers(uncached: Way, ours: Way) -> Way:
    """`uncached`, after which `ours` finds the footers in memory again: untimed, and not each time just before ours is
    timed, which would warm more for it than the footers."""
    return dataclasses.replace(uncached, restore=ours.run)


def images(session: Session) -> list[Comparison]:
    """Store A: the rows of the target table."""
    store = Stores(session).images(session.parameters.rows)
    return [*reads(session, Peers(session, store), "", (0.95, 0.85, 0.95, 1.05, 1.05)), count_of_read(session, store)]


def foreign(session: Session) -> list[Comparison]:
    """Store D: the same on files that pyarrow wrote; there are no targets for it."""
    store = Stores(session).foreign(session.parameters.rows)
    return reads(session, Peers(session, store), "foreign store: ", (None,) * 5)


def small_files(session: Session) -> list[Comparison]:
    """Store B."""
    peers = Peers(session, Stores(session).small_files(session.parameters.rows))
    return [
        Comparison("small-files-aggregate", "5,040 small files: aggregate over 9 columns", aggregate(peers), 0.35),
        Comparison("small-files-bulk", "5,040 small files: bulk read to Arrow, all columns", peers.tables(), 0.35),
    ]


def reads(session: Session, peers: Peers, prefix: str, targets: Sequence[float | None]) -> list[Comparison]:
    """The five ways to read everything; `targets` in their order."""
    name = prefix.split(" ")[0] + "-" if prefix else ""
    all_columns, two_columns, full, groups, create = targets
    return [
        Comparison(f"{name}bulk-all", f"{prefix}bulk read to Arrow, all columns", peers.tables(), all_columns),
        Comparison(f"{name}bulk-two", f"{prefix}bulk read to Arrow, two columns", peers.tables(TWO_COLUMNS), two_columns,
                   note="the library's way reads all columns"),
        Comparison(f"{name}create-table", f"{prefix}CREATE TABLE AS from a read", create_table(session, peers), create),
        Comparison(f"{name}aggregate", f"{prefix}full aggregate over 9 columns", aggregate(peers), full),
        Comparison(f"{name}group-by", f"{prefix}GROUP BY class", group_by(peers), groups),
    ]


def create_table(session: Session, peers: Peers) -> dict[str, Way]:
    def way(peer) -> Way:
        return Way(
            lambda: session.con.execute(f"CREATE TEMP TABLE copied AS SELECT {peer.select()} FROM {peer.relation()}").fetchall(),
            prepare=lambda: session.con.execute("DROP TABLE IF EXISTS copied"),
            answer=lambda _: digest(session.con, "copied", peers.store.columns),
        )

    return {OURS: way(peers.amplify), NATIVE: way(peers.native)}


def aggregate(peers: Peers) -> dict[str, Way]:
    """One number for each column."""

    def with_pyarrow() -> list[tuple]:
        import pyarrow.compute as pc

        table = peers.pyarrow.table()
        values = [table.num_rows]
        for name, kind in (("image_id", "max"), ("instrument", "min"), ("year", "sum"), ("month", "sum"), ("timestamp", "max"),
                           ("depth", "sum"), ("temperature", "mean"), ("roi_width", "max"), ("class_name", "max")):
            column = table[name]
            values.append((pc.min_max(column)[kind] if kind in ("min", "max") else getattr(pc, kind)(column)).as_py())
        return [tuple(values)]

    def with_polars() -> list[tuple]:
        pl = peers.polars.polars
        column = pl.col
        return peers.polars.rows(
            pl.len(), column("image_id").max(), column("instrument").min(), column("year").sum(), column("month").sum(),
            column("timestamp").max(), column("depth").sum(), column("temperature").mean(), column("roi_width").max(),
            column("class_name").max())

    # A time means the same in every zone object: compare moments.
    def answer(found) -> list[tuple]:
        return [tuple(value.timestamp() if hasattr(value, "timestamp") else value for value in row) for row in found]

    ways = {name: Way(way.run, answer=answer) for name, way in peers.queries(AGGREGATE).items()}
    return ways | {PYARROW: Way(with_pyarrow, answer=answer), POLARS: Way(with_polars, answer=answer)}


def group_by(peers: Peers) -> dict[str, Way]:
    def with_pyarrow() -> list[tuple]:
        table = peers.pyarrow.table(["class_name", "depth"])
        found = table.group_by("class_name").aggregate([([], "count_all"), ("depth", "mean")])
        return [tuple(row[name] for name in ("class_name", "count_all", "depth_mean")) for row in found.to_pylist()]

    def with_polars() -> list[tuple]:
        pl = peers.polars.polars
        return peers.polars.rows(pl.len(), pl.col("depth").mean(), by=["class_name"])

    return peers.queries(GROUP_BY) | {PYARROW: Way(with_pyarrow, answer=rows), POLARS: Way(with_polars, answer=rows)}


def count_of_read(session: Session, store: Store) -> Comparison:
    """DuckDB asks a table function for its first column where it needs none."""
    ours, native = Amplify(session.con, store), Native(session.con, store)
    return Comparison("count-of-read", "SELECT count(*) FROM amplify_read", {
        OURS: Way(lambda: ours.rows("SELECT count(*) FROM {}")), NATIVE: Way(lambda: native.rows("SELECT count(*) FROM {}")),
    }, note="amplify_count is the way to count; this is what the detour costs")
