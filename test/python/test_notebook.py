"""A notebook's way of working: DataFrames in, Arrow out, several connections, database files, threads."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import duckdb
import pandas as pd
import pyarrow as pa
import pytest

SCHEMA = """image_id VARCHAR NOT NULL, instrument VARCHAR NOT NULL, year INTEGER NOT NULL, timestamp TIMESTAMPTZ NOT NULL,
            depth DOUBLE, class_name VARCHAR"""


def register(con, table: str = "images") -> str:
    [(outcome,)] = con.execute(f"SELECT amplify_create_table('{table}', '{SCHEMA}', ['instrument', 'year'])").fetchall()
    return outcome


def frame(rows: int = 1000, first: int = 0) -> pd.DataFrame:
    numbers = range(first, first + rows)
    return pd.DataFrame({
        "image_id": [f"D20240101T000000_IFCB107_{number:05d}" for number in numbers],
        "instrument": [f"IFCB{100 + number % 3}" for number in numbers],
        "year": [2023 + number % 2 for number in numbers],
        "timestamp": pd.to_datetime([1704067200 + number for number in numbers], unit="s", utc=True),
        "depth": [None if number % 10 == 0 else number / 8 for number in numbers],
        "class_name": pd.Categorical([["Ceratium", "Ciliate mix"][number % 2] for number in numbers]),
    })


def count(con, table: str = "images") -> int:
    [(rows,)] = con.execute(f"FROM amplify_count('{table}')").fetchall()
    return rows


def test_a_dataframe_in_by_name_and_arrow_out(con):
    assert register(con) == "created"
    df = frame()
    # A row as one STRUCT goes by name: the order of the columns does not matter.
    shuffled = df[["class_name", "depth", "timestamp", "year", "instrument", "image_id"]]
    con.execute("COPY (SELECT row FROM shuffled row) TO 'amplify://images' (FORMAT amplify)")
    con.execute("SET TimeZone = 'UTC'")
    out = con.execute("FROM amplify_read('images') ORDER BY image_id").to_arrow_table()
    assert out.schema.names == ["image_id", "instrument", "year", "timestamp", "depth", "class_name"]
    assert out.schema.field("timestamp").type.unit == "us"
    back = out.to_pandas()
    assert back["image_id"].tolist() == df["image_id"].tolist()
    assert back["year"].tolist() == df["year"].tolist()
    assert back["class_name"].tolist() == df["class_name"].tolist()
    assert out["timestamp"].to_pylist() == [moment.to_pydatetime() for moment in df["timestamp"]]
    assert out["depth"].to_pylist() == [None if pd.isna(depth) else depth for depth in df["depth"]]


def test_a_dataframe_in_by_position(con):
    register(con)
    df = frame(10)
    con.execute("COPY (SELECT * FROM df) TO 'amplify://images' (FORMAT amplify)")
    assert count(con) == 10
    assert con.sql("FROM amplify_read('images', columns => ['depth', 'image_id']) ORDER BY image_id").columns == [
        "depth", "image_id"]


def test_an_arrow_table_in(con):
    register(con)
    rows = pa.Table.from_pandas(frame(100), preserve_index=False)
    con.register("rows", rows)
    con.execute("COPY (SELECT row FROM rows row) TO 'amplify://images' (FORMAT amplify)")
    assert count(con) == 100


def test_records_in_by_write(con):
    register(con)
    written = con.execute("""SELECT amplify_write('images', [{image_id: 'a', instrument: 'IFCB107', year: 2024,
        timestamp: '2024-01-01 00:00:00'}])""").fetchall()
    assert written == [(1,)]
    df = frame(20)
    written = con.execute("SELECT amplify_write('images', (SELECT list(row) FROM df row))").fetchall()
    assert written == [(20,)]
    assert count(con) == 21


def test_explain_and_prepare_write_nothing(con, root):
    register(con)
    write = "SELECT amplify_write('images', [{image_id: 'a', instrument: 'I', year: 2024, timestamp: '2024-01-01'}])"
    con.execute("EXPLAIN " + write).fetchall()
    con.execute("PREPARE w AS " + write)
    con.execute("EXPLAIN SELECT amplify_create_table('other', 'i INTEGER')").fetchall()
    assert count(con) == 0 and not list((root / "images").rglob("*.parquet"))
    assert con.execute("SELECT table_name FROM amplify_tables()").fetchall() == [("images",)]
    assert con.execute("EXECUTE w").fetchall() == [(1,)]
    assert count(con) == 1


def test_relations_and_parameters(con):
    register(con)
    df = frame(100)
    con.execute("COPY (SELECT * FROM df) TO 'amplify://images' (FORMAT amplify)")
    relation = con.sql("FROM amplify_read('images', filters => {instrument: 'IFCB101'})")
    assert relation.filter("year = 2024").aggregate("count(*)").fetchall() == [(17,)]
    assert con.execute("SELECT count(*) FROM amplify_read('images') WHERE year = ?", [2023]).fetchall() == [(50,)]
    assert con.table_function("amplify_count", ["images"]).fetchall() == [(100,)]
    assert len(con.sql("FROM 'amplify://images'").df()) == 100


def test_a_reader_of_batches_may_be_left_early(con):
    register(con)
    df = frame(50_000)
    con.execute("COPY (SELECT * FROM df) TO 'amplify://images' (FORMAT amplify)")
    other = con.cursor()
    reader = other.execute("FROM amplify_read('images')").to_arrow_reader(1000)
    assert reader.read_next_batch().num_rows > 0
    del reader
    other.close()
    assert count(con) == 50_000


def test_two_connections_see_each_others_commits(connect, root):
    writer, reader = connect(), connect()
    writer.execute(f"SET amplify_root = '{root}'")
    reader.execute(f"SET amplify_root = '{root}'")
    assert register(writer) == "created"
    assert register(reader) == "unchanged"
    for round_ in range(3):
        df = frame(10, first=10 * round_)
        writer.execute("COPY (SELECT * FROM df) TO 'amplify://images' (FORMAT amplify)")
        assert count(reader) == 10 * (round_ + 1)


def test_settings_of_a_session_and_of_all(connect, root, tmp_path):
    con = connect()
    with pytest.raises(duckdb.Error, match="amplify_root"):
        con.execute("FROM amplify_tables()").fetchall()
    con.execute(f"SET GLOBAL amplify_root = '{root}'")
    register(con)
    assert con.cursor().execute("SELECT table_name FROM amplify_tables()").fetchall() == [("images",)]
    elsewhere = tmp_path / "elsewhere"
    assert con.execute(f"FROM amplify_tables(root => '{elsewhere}')").fetchall() == []
    con.execute("RESET GLOBAL amplify_root")
    with pytest.raises(duckdb.Error, match="amplify_root"):
        con.execute("FROM amplify_tables()").fetchall()


@pytest.mark.parametrize("statement", [
    "SELECT amplify_write('images', [{image_id: 'a', instrument: 'I', year: 2024, timestamp: '2024-01-01'}])",
    "COPY (SELECT 'a', 'I', 2024, '2024-01-01', 1.5, 'x') TO 'amplify://images' (FORMAT amplify)",
    "FROM amplify_read('images')",
    "FROM amplify_join('images', 'images', 'image_id')",
    "SELECT amplify_create_table('other', 'i INTEGER')",
], ids=["write", "copy", "read", "join", "create_table"])
def test_nothing_keeps_a_database_file_open(connect, root, tmp_path, statement):
    """After close() another process opens the file to write; while it was open, that was refused."""
    file = tmp_path / "notebook.db"
    con = connect(file)
    con.execute(f"SET GLOBAL amplify_root = '{root}'")
    register(con)
    con.execute(statement).fetchall()
    con.execute("CREATE TABLE mine AS FROM amplify_read('images')")
    opens = [sys.executable, "-c", f"import duckdb; duckdb.connect({str(file)!r}).execute('CREATE TABLE more (i INTEGER)')"]
    assert subprocess.run(opens, capture_output=True, text=True).returncode != 0
    con.close()
    done = subprocess.run(opens, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_nothing_of_ours_is_stored_in_a_database_file(connect, root, tmp_path):
    """A file that was used with amplify opens without it."""
    file = tmp_path / "notebook.db"
    con = connect(file)
    con.execute(f"SET GLOBAL amplify_root = '{root}'")
    register(con)
    con.execute("CREATE TABLE mine AS FROM amplify_read('images')")
    con.close()
    with duckdb.connect(str(file)) as plain:
        assert plain.execute("SELECT table_name FROM duckdb_tables()").fetchall() == [("mine",)]
        assert plain.execute("SELECT count(*) FROM duckdb_functions() WHERE NOT internal").fetchall() == [(0,)]


def test_a_read_only_database(connect, root, tmp_path):
    file = tmp_path / "notebook.db"
    with duckdb.connect(str(file)) as plain:
        plain.execute("CREATE TABLE staging AS SELECT range AS i FROM range(3)")
    con = connect(file, read_only=True)
    con.execute(f"SET GLOBAL amplify_root = '{root}'")
    register(con)
    con.execute("""COPY (SELECT 'id' || i, 'IFCB107', 2024, '2024-01-01', i, NULL FROM staging)
                   TO 'amplify://images' (FORMAT amplify)""")
    assert con.execute("SELECT image_id FROM amplify_read('images') ORDER BY ALL").fetchall() == [("id0",), ("id1",), ("id2",)]


def test_threads_write_and_read_at_once(con):
    register(con)
    threads, rounds, rows = 4, 5, 50

    def work(thread: int) -> list[int]:
        own, seen = con.cursor(), []
        for round_ in range(rounds):
            df = frame(rows, first=rows * (thread * rounds + round_))  # found by its name in this function
            own.execute("COPY (SELECT * FROM df) TO 'amplify://images' (FORMAT amplify)")
            seen.append(count(own))
        own.close()
        return seen

    with ThreadPoolExecutor(threads) as pool:
        all_seen = list(pool.map(work, range(threads)))
    assert count(con) == threads * rounds * rows
    [(distinct,)] = con.execute("SELECT count(DISTINCT image_id) FROM amplify_read('images')").fetchall()
    assert distinct == threads * rounds * rows
    for seen in all_seen:
        assert seen == sorted(seen)


def test_threads_register_tables_at_once(con):
    def work(number: int) -> tuple[str, str]:
        own = con.cursor()
        outcomes = register(own, f"own_{number}"), register(own, "shared")
        own.close()
        return outcomes

    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(work, range(8)))
    assert [own for own, _ in outcomes] == ["created"] * 8
    assert sorted(shared for _, shared in outcomes) == ["created"] + ["unchanged"] * 7
    tables = con.execute("SELECT table_name FROM amplify_tables() ORDER BY ALL").fetchall()
    assert tables == [(f"own_{number}",) for number in range(8)] + [("shared",)]


def test_an_error_leaves_the_session_alive(con):
    register(con)
    for statement, message in [
        ("FROM amplify_read('imges')", 'Did you mean "images"'),
        ("SELECT amplify_write('images', [{image_id: 'a', instrument: 'I', year: 'x', timestamp: '2024-01-01'}])", "year"),
        ("COPY (SELECT 1) TO 'amplify://images' (FORMAT amplify)", "column"),
    ]:
        with pytest.raises(duckdb.Error, match=message):
            con.execute(statement).fetchall()
        assert count(con) == 0
    con.execute("SELECT amplify_write('images', [{image_id: 'a', instrument: 'I', year: 1, timestamp: '2024-01-01'}])").fetchall()
    assert count(con) == 1
