"""What must hold of a store that many processes worked on, whoever of them died: from what they said, and on disk."""

from __future__ import annotations

import bisect
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

JOURNAL = Path("_registry") / "journal"


@dataclass
class Write:
    """A write that was announced. It took effect at one moment between `intent` and `ack`; without an answer, at any
    moment after `intent`, or never."""

    id: str
    overwrites: bool
    hot: bool
    intent: float
    ack: float = math.inf
    gone_after: float = math.inf
    """A read that begins later must not see it: an overwrite that began after `ack` was answered by then."""
    whole_until: float = math.inf
    """A read that ended earlier must see it, if it began after `ack`: no overwrite that could undo it had begun."""


def writes_of(events: Iterable[dict]) -> dict[str, Write]:
    """Every announced write."""
    writes: dict[str, Write] = {}
    for event in events:
        if event["event"] == "intent":
            writes[event["id"]] = Write(event["id"], event["mode"] == "overwrite", event["hot"], event["t"])
        elif event["event"] == "ack":
            writes[event["id"]].ack = event["t"]
    overwrites = [write for write in writes.values() if write.overwrites]
    for write in writes.values():
        if write.hot:
            later = [other for other in overwrites if other is not write]
            write.gone_after = min((other.ack for other in later if other.intent > write.ack), default=math.inf)
            write.whole_until = min((other.intent for other in later if other.ack > write.intent), default=math.inf)
    return writes


def check_reads(writes: dict[str, Write], readers: list[list[dict]]) -> int:
    """That each read saw one state that the writes allow at that moment, whole writes only. Returns how many reads."""
    must_be_there = sorted((write.ack, write.id) for write in writes.values() if not write.hot)
    acks = [ack for ack, _ in must_be_there]
    hot = [write for write in writes.values() if write.hot and write.ack < math.inf]
    first_overwrite = min((write.ack for write in hot if write.overwrites), default=math.inf)
    first_seen = first_reads(writes, readers)
    reads = 0
    for events in readers:
        seen: set[str] = set()
        cold: set[str] = set()
        for read in (event for event in events if event["event"] == "read"):
            reads += 1
            start, end = read["start"], read["end"]
            assert not read["torn"], f"a read saw parts of writes (id, rows, rows of the write, distinct rows): {read}"
            seen = (seen - set(read["went"])) | set(read["came"])
            gone = [id for id in read["went"] if not writes[id].hot]
            assert not gone, f"a read did not see what one before it had seen: {gone}"
            cold |= {id for id in read["came"] if not writes[id].hot}
            lost = {id for _, id in must_be_there[:bisect.bisect_left(acks, start)]} - cold
            assert not lost, f"a read did not see what had been answered before it began: {lost}"
            lost = {id for id, at in first_seen.items() if at < start} - cold
            assert not lost, f"a read did not see what another reader had seen before: {lost}"
            for id in read["came"]:
                assert writes[id].intent < end, f"{id} was seen before it was begun"
            for id in seen - cold:
                assert start <= writes[id].gone_after, f"{id} was seen after an overwrite of it had been answered"
            for write in hot:
                if write.ack < start and end < write.whole_until:
                    assert write.id in seen, f"{write.id} was not seen, though nothing could have overwritten it"
            overwrites = [id for id in seen - cold if writes[id].overwrites]
            assert len(overwrites) <= 1, f"a read saw two overwrites of the same partitions: {overwrites}"
            assert overwrites or start < first_overwrite, "a read saw the overwritten partitions without any overwrite"
    return reads


def check_answered(con, writes: dict[str, Write], also: set[str]) -> set[str]:
    """That the table holds whole writes only: all that were answered, and `also` others. Returns the overwrites that are
    there."""
    there = con.execute("SELECT write_id, count(*), min(of) FROM amplify_read('t') GROUP BY write_id").fetchall()
    assert [row for row in there if row[1] != row[2]] == []
    ids = {id for id, *_ in there}
    assert {write.id for write in writes.values() if not write.hot and write.ack < math.inf} <= ids
    assert ids - writes.keys() == also
    return {id for id in ids - also if writes[id].overwrites}


def check_totals(con, writes: dict[str, Write], appends: int, rows_an_overwrite: int) -> None:
    """That every write was answered, and the table and its history hold each once: `appends` that nobody overwrites, and
    of the overwrites the last."""
    assert all(write.ack < math.inf for write in writes.values())
    overwrites = [write for write in writes.values() if write.overwrites]
    assert len(writes) - len(overwrites) == appends
    [(appended, rows, expected)] = con.execute("""SELECT count(DISTINCT write_id), count(*), sum(of / of::DOUBLE)
        FROM amplify_read('t') WHERE part LIKE 'cold%'""").fetchall()
    assert (appended, rows) == (appends, int(expected))
    last = "SELECT count(DISTINCT write_id), count(*) FROM amplify_read('t') WHERE part LIKE 'hot%'"
    assert con.execute(last).fetchall() == [(1, rows_an_overwrite)]
    history = dict(con.execute("SELECT kind, count(*) FROM amplify_history('t') GROUP BY kind").fetchall())
    assert history == {"append": appends, "overwrite": len(overwrites)}


def first_reads(writes: dict[str, Write], readers: Iterable[list[dict]]) -> dict[str, float]:
    """When a read that saw a write of the partitions that nobody overwrites had first ended."""
    first: dict[str, float] = {}
    for events in readers:
        for read in (event for event in events if event["event"] == "read"):
            for id in read["came"]:
                if not writes[id].hot:
                    first[id] = min(first.get(id, math.inf), read["end"])
    return first


def pending(root: Path, table: str = "t") -> list[str]:
    """The markers of writes that have not come to an end."""
    directory = root / JOURNAL / table / "pending"
    return sorted(path.name for path in directory.glob("*.json")) if directory.exists() else []


def unfinished(root: Path) -> list[Path]:
    """Hidden temporary files, anywhere in the store."""
    return sorted(root.rglob(".*.tmp"))


def data_files(root: Path, table: str = "t") -> set[str]:
    """Every file that lies in the table's directory, hidden ones too."""
    return {str(path) for path in (root / table).rglob("*") if not path.is_dir()}


def visible_files(con, table: str = "t") -> set[str]:
    return {path for path, in con.execute(f"SELECT path FROM amplify_files('{table}')").fetchall()}


def check_clean(con, root: Path, table: str = "t") -> None:
    """That nothing is pending, and nothing lies in the table's directory that is not part of it."""
    assert pending(root, table) == []
    assert data_files(root, table) == visible_files(con, table)


def state_of(root: Path) -> dict[str, bytes]:
    """Every file below the root but locks, with its bytes: for tests that nothing was touched."""
    files = (path for path in root.rglob("*") if path.is_file() and path.suffix != ".lock")
    return {str(path.relative_to(root)): path.read_bytes() for path in files}
