"""The oracle of the process tests sees what it is there to see."""

from __future__ import annotations

import pytest

from oracle import check_reads, writes_of


def write(id: str, intent: float, ack: float | None, mode: str = "append", hot: bool = False) -> list[dict]:
    events = [{"event": "intent", "id": id, "mode": mode, "hot": hot, "t": intent}]
    return events + ([{"event": "ack", "id": id, "t": ack}] if ack else [])


def overwrite(id: str, intent: float, ack: float | None) -> list[dict]:
    return write(id, intent, ack, "overwrite", hot=True)


def read(start: float, end: float, came: str = "", went: str = "", torn=()) -> dict:
    return {"event": "read", "start": start, "end": end, "came": came.split(), "went": went.split(), "torn": list(torn)}


def check(writes: list[list[dict]], *readers: list[dict]) -> int:
    return check_reads(writes_of(event for events in writes for event in events), list(readers))


def test_what_may_be():
    writes = [write("a", 1, 2), write("b", 3, None), overwrite("o", 1, 2), overwrite("p", 5, 7), write("h", 3, 4, hot=True)]
    early = [read(0, 0.5), read(1.1, 1.9, "a o"), read(4.5, 6, "b p", "o"), read(8, 9)]
    late = [read(3.5, 3.6, "a o"), read(4.1, 4.9, "h"), read(5.1, 6.9, "b"), read(7.5, 8, "p", "o h")]
    assert check(writes, early, late) == 8


@pytest.mark.parametrize(("writes", "readers", "message"), [
    ([write("a", 1, 2)], [[read(3, 4, "a", torn=[("a", 1, 3, 1)])]], "parts of writes"),
    ([write("a", 1, 2)], [[read(3, 4)]], "had been answered"),
    ([write("a", 1, None)], [[read(3, 4, "a"), read(5, 6, went="a")]], "one before it had seen"),
    ([write("a", 1, None)], [[read(3, 4, "a")], [read(5, 6)]], "another reader had seen"),
    ([write("a", 5, 6)], [[read(1, 2, "a")]], "before it was begun"),
    ([overwrite("o", 1, 2), overwrite("p", 3, 4)], [[read(5, 6, "o p")]], "had been answered"),
    ([overwrite("o", 1, 2), overwrite("p", 3, None)], [[read(5, 6, "o p")]], "two overwrites"),
    ([overwrite("o", 1, 2), overwrite("p", 3, 4)], [[read(5, 6, "o")]], "after an overwrite"),
    ([overwrite("o", 1, None), write("h", 2, 3, hot=True), overwrite("p", 4, 5)], [[read(6, 7, "p h")]], "after an overwrite"),
    ([overwrite("o", 1, 2), write("h", 3, 4, hot=True)], [[read(5, 6, "o")]], "h was not seen"),
    ([overwrite("o", 1, 2)], [[read(3, 4)]], "was not seen"),
    ([overwrite("o", 1, 2), overwrite("p", 3, None)], [[read(5, 6)]], "without any overwrite"),
], ids=lambda value: value.replace(" ", "_") if isinstance(value, str) else "")
def test_what_must_not_be(writes, readers, message):
    with pytest.raises(AssertionError, match=message):
        check(writes, *readers)
