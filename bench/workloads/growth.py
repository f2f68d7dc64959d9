"""How time and memory grow with the rows and with the partitions: nothing may grow faster than its input."""

from __future__ import annotations

from collections.abc import Iterator

from bench.comparison import NATIVE, OURS, PYARROW, Comparison, Way
from bench.dataset.partitions import many_partitions
from bench.dataset.stores import Stores
from bench.session import Session
from bench.workloads import memory, partitions, scans
from bench.workloads.copying import copies
from bench.workloads.scans import Peers

ROW_PARTS = (16, 4, 1)
"""The rows of the run, divided by these: 1x, 4x, 16x."""


def of_rows(session: Session) -> list[Comparison]:
    return [comparison for part in ROW_PARTS for comparison in at_rows(session, session.parameters.rows // part)]


def at_rows(session: Session, count: int) -> Iterator[Comparison]:
    stores, growth = Stores(session), ("rows", count)
    peers = Peers(session, stores.images(count))
    bulk = {name: way for name, way in peers.tables().items() if name in (OURS, NATIVE, PYARROW)}
    yield Comparison(f"growth-bulk-{count}", f"bulk read of {count:,} rows", bulk, growth=growth)
    yield Comparison(f"growth-aggregate-{count}", f"aggregate over {count:,} rows", scans.aggregate(peers), growth=growth)
    ways = copies(session, stores.source(count))
    yield Comparison(f"growth-copy-{count}", f"COPY of {count:,} rows from Parquet", ways, growth=growth)
    yield Comparison(f"growth-memory-read-{count}", f"memory of a read of {count:,} rows in batches",
                     memory.streamed(session, peers.store), memory=True, growth=growth)
    yield Comparison(f"growth-memory-copy-{count}", f"memory of COPY of {count:,} rows",
                     memory.copied(session, stores.source(count)), memory=True, growth=growth)


def of_partitions(session: Session) -> list[Comparison]:
    return [comparison for count in session.parameters.partitions for comparison in at_partitions(session, count)]


def at_partitions(session: Session, count: int) -> Iterator[Comparison]:
    growth = ("partitions", count)
    peers = Peers(session, many_partitions(session, count))
    only = (OURS, NATIVE, PYARROW)
    one = {name: way for name, way in peers.tables(conditions=partitions.ONE).items() if name in only}
    listing = {name: way for name, way in partitions.listing(peers).items() if name in only}
    yield Comparison(f"growth-one-{count}", f"one partition of {count:,}", one, growth=growth)
    yield Comparison(f"growth-listing-{count}", f"listing {count:,} partitions", listing, growth=growth)
    yield Comparison(f"growth-memory-one-{count}", f"memory of reading one partition of {count:,}", counted(one), memory=True, growth=growth)
    yield Comparison(f"growth-memory-listing-{count}", f"memory of listing {count:,} partitions", counted(listing), memory=True, growth=growth)


def counted(ways: dict[str, Way]) -> dict[str, Way]:
    """The same, with answers that are counts."""
    return {name: Way(way.run, way.prepare, len) for name, way in ways.items()}
