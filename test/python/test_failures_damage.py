"""Damaged stores: an error that names the path and says what is wrong, nothing touched, everything else works."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from oracle import JOURNAL, check_clean, state_of, unfinished

ROWS = [("a", 1, "x"), ("b", 2, "y")]
WRITE = "SELECT amplify_write('t', [{part: 'a', n: 3, text: 'z'}])"
OVERWRITE = "SELECT amplify_write('t', [{part: 'a', n: 3, text: 'z'}], true)"
READ = "FROM amplify_read('t')"


@pytest.fixture
def table(con):
    for name in ("t", "other"):
        con.execute(f"SELECT amplify_create_table('{name}', 'part VARCHAR, n BIGINT, text VARCHAR', ['part'])").fetchall()
        con.execute(f"SELECT amplify_write('{name}', [{{part: 'a', n: 1, text: 'x'}}])").fetchall()
        con.execute(f"SELECT amplify_write('{name}', [{{part: 'b', n: 2, text: 'y'}}])").fetchall()
    return con


def refused(con, root: Path, statement: str, path: Path | str, message: str) -> None:
    """That a statement fails with the path and the message, and changes nothing."""
    before = state_of(root)
    with pytest.raises(duckdb.Error) as error:
        con.execute(statement).fetchall()
    assert str(path) in str(error.value) and re.search(message, str(error.value)), error.value
    assert state_of(root) == before and unfinished(root) == []
    assert con.execute("SELECT 42").fetchall() == [(42,)]


def rows(con, table: str = "t", part: str | None = None) -> list[tuple]:
    filters = f", filters => {{part: '{part}'}}" if part else ""
    return con.execute(f"SELECT part, n, text FROM amplify_read('{table}'{filters}) ORDER BY ALL").fetchall()


def only_file(root: Path, part: str) -> Path:
    [file] = (root / "t" / f"part={part}").glob("*.parquet")
    return file


def commits(root: Path) -> list[Path]:
    return sorted((root / JOURNAL / "t" / "commits").iterdir())


DAMAGES = {
    "empty": lambda text: b"",
    "truncated": lambda text: text[:-40],
    "garbage": lambda text: os.urandom(300),
    "a_list": lambda text: b"[]",
    "not_utf8": lambda text: text.replace(b'"t"', b'"\xff"'),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_registry(table, root, damage):
    """It is never taken for empty, and never written over."""
    path = root / "_registry" / "tables.json"
    whole = path.read_bytes()
    path.write_bytes(DAMAGES[damage](whole))
    for statement in [READ, WRITE, OVERWRITE, "FROM amplify_tables()", "FROM amplify_read('other')",
                      "SELECT amplify_create_table('new', 'i INTEGER')", "FROM amplify_vacuum('t', dry_run => false)"]:
        refused(table, root, statement, path, "damaged|JSON|empty|object|UTF-8|cut off|not")
    path.write_bytes(whole)
    table.execute(WRITE).fetchall()
    assert rows(table) == sorted([*ROWS, ("a", 3, "z")])


def test_a_damaged_entry_of_the_registry_is_one_tables_trouble(table, root):
    path = root / "_registry" / "tables.json"
    tables = json.loads(path.read_text())
    tables["t"]["schema_ipc"] = tables["t"]["schema_ipc"][:-60]
    path.write_text(json.dumps(tables))
    for statement in [READ, WRITE]:
        refused(table, root, statement, path, '"t"')
    assert rows(table, "other") == ROWS
    table.execute("SELECT amplify_create_table('new', 'i INTEGER')").fetchall()
    assert json.loads(path.read_text())["t"] == tables["t"]


@pytest.mark.parametrize("damage", ["cut_in_half", "cut_before_the_footer", "garbage", "footer_of_another"])
def test_a_damaged_data_file(table, root, damage):
    """Reads that need it fail; those of other partitions and tables do not, and overwriting its partition heals."""
    path = only_file(root, "a")
    whole = path.read_bytes()
    path.write_bytes({
        "cut_in_half": whole[:len(whole) // 2],
        "cut_before_the_footer": whole[:-8],
        "garbage": os.urandom(len(whole)),
        "footer_of_another": whole[:4] + whole[-len(whole) // 2:],
    }[damage])
    refused(table, root, READ, path, "Parquet|cut off|damaged")
    assert rows(table, part="b") == ROWS[1:]
    assert rows(table, "other") == ROWS
    table.execute(OVERWRITE).fetchall()
    assert rows(table) == [("a", 3, "z"), ROWS[1]]
    check_clean(table, root)


def test_a_file_of_another_schema(table, root):
    path = root / "t" / "part=a" / "foreign.parquet"
    pq.write_table(pa.table({"n": ["no number"], "text": ["x"]}), path)
    refused(table, root, READ, path, '"n"')
    assert rows(table, part="b") == ROWS[1:]
    pq.write_table(pa.table({"n": pa.array([7], pa.int16()), "more": ["of it"]}), path)
    assert rows(table) == sorted([*ROWS, ("a", 7, None)], key=str)


@pytest.mark.parametrize("where", ["kind=a", "part=a/deeper=1", ".", "%ZZ"])
def test_a_directory_that_does_not_fit(table, root, where):
    path = root / "t" / where / "foreign.parquet"
    path.parent.mkdir(exist_ok=True)
    refused_path = path if where in (".", "part=a/deeper=1") else path.parent
    before = table.execute(READ).fetchall()  # without a file in it, it is passed over
    pq.write_table(pa.table({"n": [7], "text": ["x"]}), path)
    refused(table, root, READ, refused_path, "Parquet file")
    assert rows(table, "other") == ROWS
    path.unlink()
    assert table.execute(READ).fetchall() == before


def test_what_is_passed_over(table, root):
    (root / "t" / "part=a" / "_SUCCESS").touch()
    (root / "t" / "part=a" / "empty.parquet").touch()
    (root / "t" / "part=a" / ".hidden.parquet").write_bytes(b"x")
    (root / "t" / "part=a" / "notes.txt").write_text("x")
    (root / "t" / "_temporary").mkdir()
    (root / "t" / "_temporary" / "x.parquet").write_bytes(b"x")
    assert rows(table) == ROWS
    table.execute(OVERWRITE).fetchall()
    assert rows(table) == [("a", 3, "z"), ROWS[1]]
    assert (root / "t" / "part=a" / "notes.txt").read_text() == "x"


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_commit_record(table, root, damage):
    """A settled write's is for the history alone. A pending one's may say what is visible: nothing goes on without it."""
    path = commits(root)[0]
    whole = path.read_bytes()
    path.write_bytes(DAMAGES[damage](whole) if damage != "not_utf8" else whole.replace(b"append", b"app\xffnd"))
    refused(table, root, "FROM amplify_history('t')", path, "is damaged")
    assert rows(table) == ROWS
    record = json.loads(whole)
    marker = root / JOURNAL / "t" / "pending" / f"{0:020}-{record['txid']}.json"
    nobody = {**record["writer"], "process": ""}  # of whom nobody can tell whether they live
    marker.write_text(json.dumps({"txid": record["txid"], "at": "2024-01-01T00:00:00Z", "writer": nobody}))
    for statement in [READ, "FROM amplify_count('t')", "FROM amplify_history('t')", WRITE, OVERWRITE,
                      "FROM amplify_vacuum('t', dry_run => false)"]:
        refused(table, root, statement, path, "is damaged")
    assert rows(table, "other") == ROWS
    path.write_bytes(whole)
    assert rows(table) == ROWS
    table.execute(WRITE).fetchall()
    assert not marker.exists()
    check_clean(table, root)


def test_a_damaged_pending_marker(table, root):
    """Reads need only its name; writers and vacuum must know whose it is."""
    path = root / JOURNAL / "t" / "pending" / f"{2:020}-{'0' * 32}.json"
    path.write_text("{")
    assert rows(table) == ROWS
    for statement in [WRITE, "FROM amplify_vacuum('t', dry_run => false)"]:
        refused(table, root, statement, path, "is damaged")


def test_a_record_missing_in_the_middle(table, root):
    """As trimming leaves it: the record of an append that is settled is not needed."""
    table.execute(WRITE).fetchall()
    commits(root)[1].unlink()
    assert rows(table) == sorted([*ROWS, ("a", 3, "z")])
    table.execute(WRITE).fetchall()
    assert table.execute("SELECT list(seq ORDER BY seq) FROM amplify_history('t')").fetchall() == [([1, 3, 4],)]
    check_clean(table, root)


def test_data_ahead_of_the_journal(table, root):
    """The newest records are lost: what was written after them is not hidden silently."""
    table.execute(WRITE).fetchall()  # on top of commit 2
    for path in commits(root)[1:]:
        path.unlink()
    [ahead] = (path for path in (root / "t").rglob("c2-*.parquet"))
    for statement in [READ, "FROM amplify_files('t')", OVERWRITE]:
        refused(table, root, statement, ahead, r"written after commit 2, but the journal \".*/commits\" ends at 1")
    assert rows(table, "other") == ROWS


def test_the_journal_is_gone(table, root):
    """Without any journal every file is visible: the store is a plain one again."""
    table.execute(OVERWRITE).fetchall()
    (root / JOURNAL / "t").rename(root / "lost")
    assert rows(table) == [("a", 3, "z"), ROWS[1]]


def test_foreign_names_in_the_journal(table, root):
    """What an editor or a backup leaves there is no record."""
    for name in ["notes.txt", "00000000000000000003.json~", "3.json", ".00000000000000000003.json.swp"]:
        (root / JOURNAL / "t" / "commits" / name).write_text("{")
    (root / JOURNAL / "t" / "pending" / "README").write_text("x")
    assert rows(table) == ROWS
    table.execute(WRITE).fetchall()
    assert rows(table) == sorted([*ROWS, ("a", 3, "z")])


@pytest.mark.parametrize("linked", [".", "t", "t/part=a", "file"])
def test_symbolic_links(table, root, tmp_path, linked):
    """They are the user's: followed in reads and in writes, also by an overwrite."""
    path = only_file(root, "a") if linked == "file" else root / linked
    target = tmp_path / "elsewhere"
    path.rename(target)
    path.symlink_to(target)
    assert rows(table) == ROWS
    table.execute(WRITE).fetchall()
    assert rows(table) == sorted([*ROWS, ("a", 3, "z")])
    table.execute("SELECT amplify_write('t', [{part: 'a', n: 4, text: 'w'}], true)").fetchall()
    assert rows(table) == [("a", 4, "w"), ROWS[1]]
    assert path.is_symlink() == (linked != "file")
    [(seq,)] = table.execute("SELECT max(seq) FROM amplify_history('t')").fetchall()
    assert table.execute(f"SELECT amplify_restore('t', {seq})").fetchall() == [(2,)]
    assert rows(table) == sorted([*ROWS, ("a", 3, "z")])


def test_links_to_nowhere_and_in_circles(table, root):
    (root / "t" / "part=a" / "gone.parquet").symlink_to(root / "nowhere")
    assert rows(table) == ROWS
    (root / "t" / "part=a" / "circle.parquet").symlink_to("circle.parquet")
    with pytest.raises(duckdb.Error, match=r"circle\.parquet.*symbolic links"):
        table.execute(READ).fetchall()
    assert rows(table, part="b") == ROWS[1:]
