"""Stores of many partitions: listing them, and reading one."""

from __future__ import annotations

from bench.answers import rows
from bench.comparison import LIBRARY, NATIVE, OURS, PYARROW, Comparison, Way
from bench.dataset.partitions import many_partitions
from bench.session import Session
from bench.workloads.scans import Peers

ONE = [("instrument", "eq", "IFCB105"), ("year", "eq", 2019), ("bin", "eq", 0)]


def many(session: Session) -> list[Comparison]:
    """Store C: the middle size and the largest of the parameters, 10,000 and 100,000 partitions in a full run."""
    _, middle, large = session.parameters.partitions
    peers = Peers(session, many_partitions(session, middle))
    larger = Peers(session, many_partitions(session, large))
    return [
        Comparison("partitions-native", f"amplify_partitions, {middle:,} partitions, against DISTINCT over native",
                   listing(peers), 0.01),
        Comparison("partitions-pyarrow", f"amplify_partitions, {middle:,} partitions, against pyarrow's listing",
                   {name: way for name, way in listing(peers).items() if name in (OURS, PYARROW)}, 0.3, against=PYARROW),
        Comparison("one-of-middle", f"one partition of {middle:,}", peers.tables(conditions=ONE), 0.05),
        Comparison("one-of-large", f"one partition of {large:,}", larger.tables(conditions=ONE), 0.02),
    ]


def listing(peers: Peers) -> dict[str, Way]:
    """The keys of all partitions."""
    keys = ", ".join(peers.store.keys)
    return {
        OURS: Way(lambda: peers.amplify.call("amplify_partitions"), answer=lambda found: rows(row[:len(peers.store.keys)] for row in found)),
        NATIVE: Way(lambda: peers.native.rows(f"SELECT DISTINCT {keys} FROM {{}}"), answer=rows),
        PYARROW: Way(peers.pyarrow.partitions, answer=rows),
        LIBRARY: Way(lambda: by_directories(peers), answer=rows),
    }


def by_directories(peers: Peers) -> list[tuple]:
    """The Python library's way to find distinct keys: a directory a call, through pyarrow's file system."""
    import pyarrow.fs as fs

    files, kinds = fs.LocalFileSystem(), [int if "INT" in peers.store.columns[key] else str for key in peers.store.keys]

    def below(path: str, values: tuple) -> list[tuple]:
        if len(values) == len(kinds):
            return [values]
        found = []
        for info in files.get_file_info(fs.FileSelector(path)):
            if info.type == fs.FileType.Directory:
                found += below(info.path, (*values, kinds[len(values)](info.base_name.split("=", 1)[1])))
        return found

    return below(str(peers.store.directory), ())
