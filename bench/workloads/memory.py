"""Peaks of memory: each is taken in a new process that does one thing once, Python and its libraries included."""

from __future__ import annotations

from bench.comparison import NATIVE, OURS, POLARS, PYARROW, Comparison, Way
from bench.dataset.stores import Store, Stores
from bench.session import Session
from bench.workloads.copying import WITHOUT_FSYNC, copies
from bench.workloads.scans import Peers


def peaks(session: Session) -> list[Comparison]:
    """A bulk read whose batches are dropped, one that is kept, and COPY from a Parquet file."""
    stores, count = Stores(session), session.parameters.rows
    store = stores.images(count)
    return [
        Comparison("memory-stream", "memory of a bulk read in batches", streamed(session, store), 0.7, memory=True),
        Comparison("memory-bulk", "memory of a bulk read to one Arrow table", kept(session, store), 0.7, memory=True,
                   note="most of it is the table itself"),
        Comparison("memory-copy", f"memory of COPY of {count:,} rows, sorted", copied(session, stores.source(count)), 0.7, memory=True),
        Comparison("memory-copy-random", f"memory of COPY of {count:,} rows, random order",
                   copied(session, stores.source(count, at_random=True)), 0.7, memory=True),
    ]


def streamed(session: Session, store: Store) -> dict[str, Way]:
    peers = Peers(session, store)
    return {OURS: Way(peers.amplify.stream), NATIVE: Way(peers.native.stream), PYARROW: Way(peers.pyarrow.stream)}


def kept(session: Session, store: Store) -> dict[str, Way]:
    peers = Peers(session, store)
    ways = {OURS: peers.amplify, NATIVE: peers.native, PYARROW: peers.pyarrow}
    return {name: Way(lambda peer=peer: peer.table().num_rows) for name, peer in ways.items()} | {
        POLARS: Way(lambda: peers.polars.table().height)}


def copied(session: Session, source: str) -> dict[str, Way]:
    """Ours and native's."""
    return {name: way for name, way in copies(session, source).items() if name != WITHOUT_FSYNC}
