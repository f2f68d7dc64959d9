"""What a local commit puts on disk, and in which order: the extension under strace.

A power cut may keep any part of what was not synced. So each step of a write has to be on disk before the next one
begins: marker, data files, commit record, and only then the answer.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

TRACED = "open,openat,fsync,fdatasync,link,linkat,rename,renameat,renameat2,unlink,unlinkat,mkdir,mkdirat,close,write"
ANSWER = "the write was answered"

# Runs the statements of its input, and says so.
WRITER = f"""
import os, sys, duckdb
extension, root, fsync = sys.argv[1:]
con = duckdb.connect(config={{"allow_unsigned_extensions": "true"}})
con.execute(f"LOAD '{{extension}}'")
con.execute(f"SET GLOBAL amplify_root = '{{root}}'; SET GLOBAL amplify_fsync = {{fsync}}")
con.execute(sys.stdin.read())
os.write(2, b"{ANSWER}")
"""

CREATE = "SELECT amplify_create_table('images', {id: 'BIGINT', k: 'BIGINT'}, ['k']);"
WRITE = "COPY (SELECT range AS id, range % 2 AS k FROM range(10)) TO 'amplify://images' (FORMAT amplify{mode});"
JOURNAL = "_registry/journal/images"


@dataclass(frozen=True)
class Call:
    """One system call that succeeded. `paths` are below the root, where they lie there."""

    name: str
    paths: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.name} {' '.join(self.paths)}"


def parse(trace: str, root: Path) -> list[Call]:
    """The calls of all threads, in the order in which they came back, which is when they have had their effect."""
    unfinished: dict[str, str] = {}
    calls = []
    for line in trace.splitlines():
        pid, _, rest = line.partition(" ")
        rest = rest.strip()
        if rest.endswith("<unfinished ...>"):
            unfinished[pid] = rest.removesuffix("<unfinished ...>").rstrip()
            continue
        if resumed := re.match(r"<\.\.\. \w+ resumed>\s*(.*)", rest):
            rest = unfinished.pop(pid, "") + resumed.group(1)
        if not (call := re.match(r"(\w+)\((.*)\)\s+= (-?\d+)", rest)) or call.group(3).startswith("-"):
            continue
        name, arguments = call.group(1), call.group(2)
        if name == "write":
            if ANSWER in arguments:
                calls.append(Call("answer", ()))
            continue
        # With strace's -y, a descriptor is shown with its path: 5</a/b>.
        named = re.findall(r'"((?:[^"\\]|\\.)*)"', arguments) or re.findall(r"^\d+<([^>]*)>", arguments)
        below = [path.removeprefix(f"{root}").lstrip("/") for path in named if path.startswith(f"{root}")]
        if below and name != "close":
            calls.append(Call({"fdatasync": "fsync", "linkat": "link", "unlinkat": "unlink"}.get(name, name), tuple(below)))
    return calls


def traced_calls(extension: Path, root: Path, tmp_path: Path, sql: str, fsync: bool = True) -> list[Call]:
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("strace is not installed: the order of system calls cannot be seen")
    trace = tmp_path / "trace.txt"
    command = [strace, "-f", "-y", "-s", "256", "-o", trace, "-e", f"trace={TRACED}", sys.executable, "-c", WRITER]
    ran = subprocess.run([*command, extension, root, str(fsync).lower()], input=sql, text=True, capture_output=True)
    if ran.returncode != 0 and "ptrace" in ran.stderr.lower():
        pytest.skip(f"strace may not trace here: {ran.stderr.strip().splitlines()[-1]}")
    assert ran.returncode == 0, ran.stderr
    return parse(trace.read_text(), root.resolve())


def is_marker(path: str) -> bool:
    return path.startswith(f"{JOURNAL}/pending/") and path.endswith(".json")


def is_record(path: str) -> bool:
    return path.startswith(f"{JOURNAL}/commits/") and path.endswith(".json")


def is_data(path: str) -> bool:
    return path.startswith("images/") and path.endswith(".parquet")


def parent(path: str) -> str:
    return path.rpartition("/")[0]


class Order:
    """Which calls came when, by their position among all."""

    def __init__(self, calls: list[Call]):
        self.calls = calls

    def links(self, wanted) -> list[tuple[int, str, str]]:
        """Where files got a name that is wanted: position, temporary name, name."""
        named = [(at, *call.paths) for at, call in enumerate(self.calls) if call.name == "link"]
        return [link for link in named if wanted(link[2])]

    def synced(self, path: str, after: int, before: int) -> bool:
        between = self.calls[after + 1:before]
        return any(call.name == "fsync" and call.paths == (path,) for call in between)

    def last_write(self, path: str, before: int) -> int:
        opened = [at for at, call in enumerate(self.calls[:before]) if call.name.startswith("open") and call.paths == (path,)]
        return opened[-1]

    def check_link(self, link: tuple[int, str, str], before: int) -> None:
        """The file's bytes are on disk before it gets its name, and its name is before `before`."""
        at, temporary, name = link
        assert self.synced(temporary, self.last_write(temporary, at), at), f"{name} appeared before it was synced"
        assert self.synced(parent(name), at, before), f"the directory of {name} was not synced in time"

    def position(self, name: str) -> int:
        return next(at for at, call in enumerate(self.calls) if call.name == name)


@pytest.mark.parametrize("mode", ["append", "overwrite"])
def test_each_step_is_on_disk_before_the_next(extension, root, tmp_path, connect, mode):
    connection = connect()
    connection.execute(f"SET GLOBAL amplify_root = '{root}'")
    connection.execute(CREATE)
    if mode == "overwrite":
        connection.execute(WRITE.format(mode=""))
    calls = traced_calls(extension, root, tmp_path, WRITE.format(mode=f", MODE '{mode}'"))
    order = Order(calls)
    answer = order.position("answer")
    (marker,), data, (record,) = order.links(is_marker), order.links(is_data), order.links(is_record)
    assert len(data) == 2, [str(call) for call in calls]

    # Marker: on disk before any data file is there, even under its temporary name.
    temporary = {link[1] for link in data}
    begun = [at for at, call in enumerate(calls) if call.name.startswith("open") and temporary & set(call.paths)]
    order.check_link(marker, before=min(begun))
    # Data files, and their names: before the commit.
    for link in data:
        order.check_link(link, before=record[0])
    # The commit record, and its name: before the answer.
    order.check_link(record, before=answer)
    # What is undone or taken away goes after the commit is on disk.
    on_disk = next(at for at, call in enumerate(calls) if at > record[0] and call == Call("fsync", (f"{JOURNAL}/commits",)))
    removed = [at for at, call in enumerate(calls) if call.name == "unlink" and is_marker(call.paths[0])]
    moved = [at for at, call in enumerate(calls) if call.name.startswith("rename") and is_data(call.paths[0])]
    assert len(removed) == 1 and len(moved) == (2 if mode == "overwrite" else 0)
    assert all(at > on_disk for at in removed + moved)


def test_the_way_to_the_files_is_on_disk_too(extension, root, tmp_path):
    """Directories that a first write makes: each is synced into its parent before the commit."""
    calls = traced_calls(extension, root, tmp_path, CREATE + WRITE.format(mode=""))
    order = Order(calls)
    ((commit, _, _),) = order.links(is_record)
    made = [(at, call.paths[0]) for at, call in enumerate(calls) if call.name == "mkdir" and at < commit]
    assert {path for _, path in made} >= {"images", "images/k=0", "images/k=1", JOURNAL, f"{JOURNAL}/pending"}
    for at, path in made:
        if path:
            assert order.synced(parent(path), at, commit), f"{path} may be lost with all that is in it"


def test_fsync_can_be_turned_off(extension, root, tmp_path):
    calls = traced_calls(extension, root, tmp_path, CREATE + WRITE.format(mode=""), fsync=False)
    order = Order(calls)
    assert len(order.links(is_data)) == 2
    assert [call for call in calls if call.name == "fsync"] == []
    (record,) = order.links(is_record)
    with pytest.raises(AssertionError, match="before it was synced"):  # or the test above could not fail
        order.check_link(record, before=order.position("answer"))
