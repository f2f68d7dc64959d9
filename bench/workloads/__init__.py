"""All comparisons, in groups. A group is a function from a session to comparisons; it runs in one process of its own."""

from __future__ import annotations

from collections.abc import Callable

from bench.comparison import Comparison
from bench.session import Session
from bench.workloads import copying, growth, joins, journal, lookups, memory, metadata, partitions, scans, streams

GROUPS: dict[str, Callable[[Session], list[Comparison]]] = {
    "scans": scans.images,
    "lookups": lookups.images,
    "metadata": metadata.images,
    "foreign": scans.foreign,
    "small-files": scans.small_files,
    "partitions": partitions.many,
    "copy-sorted": copying.in_order,
    "copy-random": copying.at_random,
    "appends": copying.appends,
    "join": joins.box,
    "journal": journal.planning,
    "memory": memory.peaks,
    "growth-rows": growth.of_rows,
    "growth-partitions": growth.of_partitions,
}
"""On local files, in the order in which they run."""
S3_GROUPS: dict[str, Callable[[Session], list[Comparison]]] = {
    "s3-month": streams.month,
    "s3-bulk": streams.bulk,
    "s3-appends": streams.appends,
    "s3-memory": streams.memory,
}
"""On a local S3 server behind a proxy that delays each request."""
