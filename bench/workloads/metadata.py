"""Questions that file metadata and listings answer."""

from __future__ import annotations

from bench.answers import rows
from bench.comparison import LIBRARY, NATIVE, NATIVE_CACHED, OURS, POLARS, PYARROW, UNCACHED, Comparison, Way
from bench.dataset.stores import Stores
from bench.session import Session
from bench.workloads.lookups import INSTRUMENT, YEAR
from bench.workloads.scans import Peers, without_footers


def images(session: Session) -> list[Comparison]:
    """Store A."""
    peers = Peers(session, Stores(session).images(session.parameters.rows))
    keys = [("instrument", "eq", INSTRUMENT), ("year", "eq", YEAR)]
    return [
        Comparison("count", "amplify_count without filters, against count(*)", counts(peers, []), 0.3),
        Comparison("count-keys", "amplify_count on keys, against count(*)", counts(peers, keys), 0.3),
    ]


def counts(peers: Peers, conditions: list) -> dict[str, Way]:
    """The number of rows that meet the conditions."""
    query = "SELECT count(*) FROM {}"
    ours = Way(lambda: peers.amplify.call("amplify_count", conditions))
    return {
        OURS: ours,
        NATIVE: Way(lambda: peers.native.rows(query, conditions)),
        LIBRARY: Way(lambda: peers.library.rows(query, conditions)),
        PYARROW: Way(lambda: peers.pyarrow.count(conditions), answer=lambda count: [(count,)]),
        POLARS: Way(lambda: peers.polars.rows(peers.polars.polars.len(), conditions=conditions), answer=rows),
        UNCACHED: without_footers(Way(lambda: peers.uncached.call("amplify_count", conditions)), ours),
        NATIVE_CACHED: Way(lambda: peers.native_cached.rows(query, conditions)),
    }
