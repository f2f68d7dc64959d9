"""Disks that are full, read-only or not ours: a clear error with the path, and the store as it was, to the byte."""

from __future__ import annotations

import errno
import os
import re
import subprocess
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pytest

from oracle import check_clean, pending, state_of, unfinished
from processes import crew  # noqa: F401  (a fixture)

ROWS = [("a", 1, "x"), ("b", 2, "y")]
BOTH = "[{part: 'a', n: 3, text: 'z'}, {part: 'b', n: 4, text: 'z'}]"
WRITE = f"SELECT amplify_write('t', {BOTH})"
OVERWRITE = f"SELECT amplify_write('t', {BOTH}, true)"
PAGE_BYTES = 4096


def fill(con, root) -> None:
    con.execute(f"SET amplify_root = '{root}'")
    con.execute("SELECT amplify_create_table('t', 'part VARCHAR, n BIGINT, text VARCHAR', ['part'])").fetchall()
    con.execute("SELECT amplify_write('t', [{part: 'a', n: 1, text: 'x'}, {part: 'b', n: 2, text: 'y'}])").fetchall()


def rows(con) -> list[tuple]:
    return con.execute("SELECT part, n, text FROM amplify_read('t') ORDER BY ALL").fetchall()


@pytest.fixture
def table(con, root):
    fill(con, root)
    return con


@contextmanager
def mounted(*arguments):
    """A mount, as long as it is needed. Skips the test where nobody may mount."""
    done = subprocess.run(["mount", *map(str, arguments)], capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"mount is refused here: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", arguments[-1]], check=True)


@pytest.fixture(params=["size=4m", "nr_inodes=60"])
def small_disk(request, con, tmp_path):
    """A store on a file system that is soon full: of bytes, or of files."""
    disk = tmp_path / "disk"
    disk.mkdir()
    with mounted("-t", "tmpfs", "-o", request.param, "tmpfs", disk):
        fill(con, disk / "store")
        yield disk
        con.close()


def use_up(disk: Path, left: int) -> list[Path]:
    """Takes all of a disk but `left` pages or files."""
    taken = []
    free = os.statvfs(disk).f_ffree
    if free < 1000:
        for number in range(free - left):
            taken.append(disk / f"filler{number}")
            taken[-1].touch()
        return taken
    filler = disk / "filler"
    with open(filler, "wb") as file:
        for _ in range(os.statvfs(disk).f_bavail - left):
            file.write(b"x" * PAGE_BYTES)
    return [filler]


@pytest.mark.parametrize("mode", ["append", "overwrite"])
def test_the_disk_is_full_in_the_middle(con, small_disk, mode):
    root = small_disk / "store"
    before = state_of(root)
    large = "SELECT 'p' || (i % 50), i, md5(i::VARCHAR) || md5((i + 1)::VARCHAR) FROM range(200000) r(i)"
    with pytest.raises(duckdb.Error, match=rf"{root}/[^ ]*.*No space left on device"):
        con.execute(f"COPY ({large}) TO 'amplify://t' (FORMAT amplify, MODE '{mode}')")
    assert state_of(root) == before and unfinished(root) == []
    assert rows(con) == ROWS
    con.execute(WRITE).fetchall()
    assert len(rows(con)) == 4
    check_clean(con, root)


@pytest.mark.parametrize("statement", [WRITE, OVERWRITE, WRITE.replace(BOTH, BOTH + ", {batch: 'b'}")],
                         ids=["append", "overwrite", "batch"])
def test_the_disk_is_full_at_every_moment(con, small_disk, statement):
    """With room for 0, 1, 2 … more pages or files: all of the write, or an error and nothing of it."""
    root = small_disk / "store"
    failed, done = 0, False
    before = state_of(root)
    for left in range(20):
        filler = use_up(small_disk, left)
        try:
            con.execute(statement).fetchall()
            done = True
        except duckdb.Error as error:
            assert re.search(rf"{root}/.*No space left on device", str(error)), error
            failed += 1
        if done:
            break
        assert rows(con) == ROWS
        # The claim of a batch may stay: it says nothing as long as nobody has committed.
        assert {path: data for path, data in state_of(root).items() if "/batches/" not in path} == before, f"{left} left"
        for path in filler:
            path.unlink()
    new = [("a", 3, "z"), ("b", 4, "z")]
    assert failed and done and rows(con) == (new if statement == OVERWRITE else sorted(ROWS + new))
    for path in filler:
        path.unlink()
    # There may have been no room for the trash, or for marking the batch: the next writer makes up for it.
    con.execute("SELECT amplify_write('t', [{part: 'c', n: 5, text: 'w'}])").fetchall()
    check_clean(con, root)
    if "batch" in statement:
        con.execute(statement).fetchall()
    assert rows(con) == (new if statement == OVERWRITE else sorted(ROWS + new)) + [("c", 5, "w")]


def test_a_read_only_store_can_be_read(table, root):
    """Reading, listing and looking write nothing."""
    before = state_of(root)
    with mounted("--bind", root, root):
        subprocess.run(["mount", "-o", "remount,ro,bind", root], check=True)
        with pytest.raises(OSError) as refused:
            (root / "probe").touch()
        assert refused.value.errno == errno.EROFS
        assert rows(table) == ROWS
        for statement in ["FROM amplify_count('t')", "FROM amplify_files('t')", "FROM amplify_history('t')", "FROM amplify_tables()",
                          "FROM amplify_vacuum('t')", "FROM amplify_distinct('t', ['part'])"]:
            table.execute(statement).fetchall()
        unchanged = "SELECT amplify_create_table('t', 'part VARCHAR, n BIGINT, text VARCHAR', ['part'])"
        assert table.execute(unchanged).fetchall() == [("unchanged",)]
        for statement in [WRITE, OVERWRITE, "COPY (SELECT 'a', 1, 'x') TO 'amplify://t' (FORMAT amplify)",
                          "SELECT amplify_create_table('u', 'i INTEGER')"]:
            with pytest.raises(duckdb.Error, match=rf"{root}/.*Read-only file system"):
                table.execute(statement).fetchall()
        assert rows(table) == ROWS
    assert state_of(root) == before
    table.execute(WRITE).fetchall()
    check_clean(table, root)


@contextmanager
def permissions(path: Path, mode: int):
    usual = path.stat().st_mode
    path.chmod(mode)
    try:
        yield
    finally:
        path.chmod(usual)


def check_denied(crew, statement: str, where: str, name: str = "statement") -> None:  # noqa: F811
    """That the statement fails, by permissions, at a path that `where` begins."""
    ended = crew.run(statement, name, obeys_permissions=True)
    assert ended["event"] == "failed"
    assert re.search(rf"{where}.*Permission denied", ended["message"]), ended


@pytest.mark.parametrize("statement", [WRITE, OVERWRITE], ids=["append", "overwrite"])
@pytest.mark.parametrize("where", ["t/part=b", "_registry/journal/t/pending", "_registry/journal/t/commits"])
def test_a_directory_may_not_be_written(crew, table, root, statement, where):  # noqa: F811
    """Half-way: the files of partition a, or of both, are there when the directory refuses."""
    before = state_of(root)
    with permissions(root / where, 0o555):
        check_denied(crew, statement, f"{root}/{where}/")
    assert state_of(root) == before and unfinished(root) == []
    table.execute(statement).fetchall()
    check_clean(table, root)


def test_the_trash_may_not_be_written(crew, table, root):  # noqa: F811
    """The overwrite is committed and seen; the next writer that may moves what it replaced to the trash. Until then
    readers that glob see old and new rows, as docs/FORMAT.md says."""
    glob = f"SELECT n FROM read_parquet('{root}/t/**/*.parquet') ORDER BY n"
    with permissions(root / "_registry", 0o555):
        assert crew.run(OVERWRITE, obeys_permissions=True)["event"] == "done"
        assert rows(table) == [("a", 3, "z"), ("b", 4, "z")]
        assert len(pending(root)) == 1
        assert table.execute(glob).fetchall() == [(1,), (2,), (3,), (4,)]
    table.execute("SELECT amplify_write('t', [{part: 'a', n: 5, text: 'w'}])").fetchall()
    assert rows(table) == [("a", 3, "z"), ("a", 5, "w"), ("b", 4, "z")]
    assert table.execute(glob).fetchall() == [(3,), (4,), (5,)]
    check_clean(table, root)


@pytest.mark.parametrize(("where", "statement"), [
    (".", "SELECT amplify_create_table('u', 'i INTEGER')"),
    ("_registry", "SELECT amplify_create_table('u', 'i INTEGER')"),
], ids=["root", "registry"])
def test_a_table_may_not_be_registered(crew, table, root, where, statement):  # noqa: F811
    for path in (root / "_registry").glob("*.lock"):
        path.unlink()
    if where == ".":
        (root / "_registry").rename(root / "elsewhere")
    before = state_of(root)
    with permissions(root / where, 0o555):
        check_denied(crew, statement, f"{root}/")
    assert state_of(root) == before and unfinished(root) == []


@pytest.mark.parametrize("where", ["_registry/tables.json", "t/part=b", "t/part=b/*.parquet", "_registry/journal/t/commits",
                                   "_registry/journal/t/pending"])
def test_something_may_not_be_read(crew, table, root, where):  # noqa: F811
    """It is never taken for empty or missing."""
    [path] = root.glob(where)
    before = state_of(root)
    with permissions(path, 0):
        for number, statement in enumerate(["FROM amplify_read('t')", OVERWRITE.replace("'a'", "'b'")]):
            if (number, path.suffix) == (1, ".parquet"):
                continue  # who overwrites need not read what it replaces
            check_denied(crew, statement, str(path), f"statement{number}")
    # Who may not look into a directory cannot tell that it left nothing there: its marker stays, for the next writer.
    left = {name for name in state_of(root) if name not in before}
    assert all("/pending/" in name for name in left) and len(left) <= 1 and unfinished(root) == []
    table.execute(WRITE).fetchall()
    assert sorted(ROWS + [("a", 3, "z"), ("b", 4, "z")]) == rows(table)
    check_clean(table, root)


@pytest.mark.parametrize("where", ["t/part=b", "_registry/journal", "_registry/journal/t/commits", "_registry/journal/t/pending"])
def test_a_file_is_where_a_directory_should_be(con, root, where):
    con.execute("SELECT amplify_create_table('t', 'part VARCHAR, n BIGINT, text VARCHAR', ['part'])").fetchall()
    path = root / where
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("a note")
    before = state_of(root)
    with pytest.raises(duckdb.Error, match=re.escape(str(path))):
        con.execute(WRITE).fetchall()
    assert state_of(root) == before and unfinished(root) == []
    path.unlink()
    con.execute(WRITE).fetchall()
    assert rows(con) == [("a", 3, "z"), ("b", 4, "z")]
    check_clean(con, root)


def test_the_root_is_a_file(con, root):
    root.write_text("a note")
    for statement in ["SELECT amplify_create_table('t', 'i INTEGER')", "FROM amplify_read('t')", "FROM amplify_tables()"]:
        with pytest.raises(duckdb.Error, match=re.escape(str(root))):
            con.execute(statement).fetchall()
    assert root.read_text() == "a note"
