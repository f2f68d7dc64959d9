"""Stores are plain: what pyarrow wrote is read by us, and what we write is read by pyarrow and by `read_parquet`.

The layout of a foreign store is the one the Python library amplify-db-utils leaves behind: `write_to_dataset` below
`<root>/<table>`, and `_registry/tables.json`.
"""

from __future__ import annotations

import base64
import datetime
import decimal
import json
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

UTC = datetime.timezone.utc


@dataclass(frozen=True)
class Keys:
    """A type of partition key, and values that are hard to keep apart in a path."""

    sql_type: str
    arrow_type: pa.DataType
    values: tuple


KEYS = {
    "varchar": Keys("VARCHAR", pa.string(), (
        "plain", "a b", " a", "a/b", "a=b", "a%b", "a%2Fb", "a+b", "a&b?c#d", "it's", 'say "x"', "ü", "日本", "\U0001f990",
        "", "007", "7", "2024-01-02", "true", "1.0", ".", "..", "~", "a\\b", "x/../../victim", "k=v", "a:b*c|d<e>",
        "tab\there", "new\nline", "null", "NULL", "'; DROP TABLE t; --", "{}", "${x}",
    )),
    "boolean": Keys("BOOLEAN", pa.bool_(), (True, False)),
    "tinyint": Keys("TINYINT", pa.int8(), (-128, 0, 127)),
    "integer": Keys("INTEGER", pa.int32(), (-1, 0, 7, 2024)),
    "bigint": Keys("BIGINT", pa.int64(), (-(2**63), 2**63 - 1)),
    "ubigint": Keys("UBIGINT", pa.uint64(), (0, 2**64 - 1)),
    "double": Keys("DOUBLE", pa.float64(), (1.5, 2.0, -0.25, 1e20, 1e-7)),
    "decimal": Keys("DECIMAL(10,2)", pa.decimal128(10, 2), (decimal.Decimal("1.50"), decimal.Decimal("-0.05"))),
    "date": Keys("DATE", pa.date32(), (datetime.date(2024, 1, 2), datetime.date(1969, 12, 31))),
    "timestamp": Keys("TIMESTAMP", pa.timestamp("us"), (
        datetime.datetime(2024, 1, 2, 3, 4, 5), datetime.datetime(1969, 12, 31, 23, 59, 59, 999999))),
    "timestamptz": Keys("TIMESTAMPTZ", pa.timestamp("us", "UTC"), (
        datetime.datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC), datetime.datetime(2024, 1, 2, 3, 4, 5, 123456, tzinfo=UTC))),
}


@pytest.fixture(params=KEYS)
def keys(request) -> Keys:
    return KEYS[request.param]


def rows_of(keys: Keys, each: int = 3) -> pa.Table:
    """Some rows for every key value, `id` telling which row is which."""
    values = [value for value in keys.values for _ in range(each)]
    return pa.table({"id": pa.array(range(len(values)), pa.int64()), "k": pa.array(values, keys.arrow_type)})


def register(root: Path, name: str, schema: pa.Schema, partition_by: list[str] | None, generation: str) -> None:
    """Adds a table to the registry as a release of the Python library did."""
    entry = {
        "columns": schema.names,
        "schema_fields": [{"name": f.name, "type": str(f.type), "nullable": f.nullable} for f in schema],
        "partition_by": partition_by,
    }
    if generation == "schema_ipc":
        entry["schema_ipc"] = base64.b64encode(schema.serialize().to_pybytes()).decode()
    path = root / "_registry" / "tables.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    tables = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps({**tables, name: entry}, indent=2))


def foreign_store(root: Path, name: str, rows: pa.Table, partition_by: list[str], generation: str = "schema_ipc") -> None:
    """A table as pyarrow writes it."""
    pq.write_to_dataset(rows, root / name, partition_cols=partition_by)
    register(root, name, rows.schema, partition_by, generation)


def literal(value, sql_type: str) -> str:
    """A value as SQL."""
    text = "'" + str(value).replace("'", "''") + "'"
    return text if sql_type == "VARCHAR" else f"CAST({text} AS {sql_type})"


def read(con, sql: str) -> list[dict]:
    """Rows of a query, times in UTC."""
    con.execute("SET TimeZone = 'UTC'")
    return con.execute(sql).to_arrow_table().to_pylist()


def read_by_pyarrow(path: Path, schema: pa.Schema, partition_by: list[str]) -> list[dict]:
    """All rows by pyarrow, which reads no DECIMAL from a path: those go by way of text."""
    key_types = {name: schema.field(name).type for name in partition_by}
    as_text = pa.schema([(n, pa.string() if pa.types.is_decimal(t) else t) for n, t in key_types.items()])
    wanted = pa.schema([as_text.field(f.name) if f.name in partition_by else f for f in schema])
    table = ds.dataset(path, schema=wanted, partitioning=ds.partitioning(as_text, flavor="hive")).to_table()
    return table.cast(schema).sort_by("id").select(schema.names).to_pylist()


def read_by_duckdb(con, path: Path, hive_types: dict[str, str]) -> list[dict]:
    types = ", ".join(f"{name}: '{sql_type}'" for name, sql_type in hive_types.items())
    return read(con, f"FROM read_parquet('{path}/**/*.parquet', hive_partitioning = true, hive_types = {{{types}}}) ORDER BY id")


def directories(path: Path) -> set[str]:
    """Partition directories with data, relative to the table's."""
    return {str(file.parent.relative_to(path)) for file in path.rglob("*.parquet")}


@pytest.mark.parametrize("generation", ["schema_ipc", "schema_fields"])
def test_a_store_of_pyarrow_is_read_as_it_stands(con, root, keys, generation):
    rows = rows_of(keys)
    foreign_store(root, "t", rows, ["k"], generation)
    assert read(con, "FROM amplify_read('t') ORDER BY id") == rows.to_pylist()
    assert read(con, "SELECT column_type, partition_key FROM amplify_schema('t') WHERE column_name = 'k'") == [
        {"column_type": {"TIMESTAMPTZ": "TIMESTAMP WITH TIME ZONE"}.get(keys.sql_type, keys.sql_type), "partition_key": 1}]
    partitions = read(con, "SELECT k, file_count FROM amplify_partitions('t')")
    assert len(partitions) == len(keys.values)
    assert {repr(partition["k"]) for partition in partitions} == {repr(row["k"]) for row in rows.to_pylist()}


def test_every_key_value_of_a_store_of_pyarrow_is_found_by_filter(con, root, keys):
    rows = rows_of(keys)
    foreign_store(root, "t", rows, ["k"])
    for number, value in enumerate(keys.values):
        found = read(con, f"SELECT id FROM amplify_read('t', filters => {{k: {literal(value, keys.sql_type)}}}) ORDER BY id")
        assert [row["id"] for row in found] == [3 * number, 3 * number + 1, 3 * number + 2], repr(value)


def test_a_store_of_pyarrow_is_extended_in_place(con, root, keys):
    rows = rows_of(keys)
    foreign_store(root, "t", rows, ["k"])
    more = rows.set_column(0, "id", pa.array(range(1000, 1000 + rows.num_rows), pa.int64()))
    con.register("more", more)
    before = directories(root / "t")
    con.execute("COPY (SELECT id, k FROM more) TO 'amplify://t' (FORMAT amplify)")
    everything = rows.to_pylist() + more.to_pylist()
    assert directories(root / "t") == before
    assert read(con, "FROM amplify_read('t') ORDER BY id") == everything
    assert read_by_pyarrow(root / "t", rows.schema, ["k"]) == everything


def test_what_we_write_is_laid_out_and_read_like_pyarrows(con, root, tmp_path, keys):
    rows = rows_of(keys)
    con.execute(f"SELECT amplify_create_table('t', 'id BIGINT, k {keys.sql_type}', ['k'])").fetchall()
    con.register("given", rows)
    con.execute("COPY (SELECT id, k FROM given) TO 'amplify://t' (FORMAT amplify)")
    pq.write_to_dataset(rows, tmp_path / "pyarrow", partition_cols=["k"])
    assert directories(root / "t") == directories(tmp_path / "pyarrow")
    assert read_by_pyarrow(root / "t", rows.schema, ["k"]) == rows.to_pylist()
    # read_parquet of DuckDB 1.5 takes a directory k=null for a NULL.
    plain = [row for row in rows.to_pylist() if row["k"] not in ("null", "NULL")]
    native = read_by_duckdb(con, root / "t", {"k": keys.sql_type})
    assert [row for row in native if row["k"] not in (None, "null", "NULL")] == plain
    assert len(native) == rows.num_rows
    assert read(con, "FROM amplify_read('t') ORDER BY id") == rows.to_pylist()
    for file in (root / "t").rglob("*.parquet"):
        assert pq.read_schema(file).names == ["id"], "keys are not stored inside the files"


def test_the_registry_we_write_is_read_by_pyarrow(con, root):
    con.execute("SELECT amplify_create_table('t', 'id BIGINT NOT NULL, k VARCHAR, sampled TIMESTAMPTZ', ['k'])").fetchall()
    entry = json.loads((root / "_registry" / "tables.json").read_text())["t"]
    schema = pa.ipc.read_schema(pa.py_buffer(base64.b64decode(entry["schema_ipc"])))
    assert schema.names == entry["columns"] == ["id", "k", "sampled"]
    assert [field.nullable for field in schema] == [False, True, True]
    assert schema.field("sampled").type == pa.timestamp("us", "UTC")
    assert [f["name"] for f in entry["schema_fields"]] == ["id", "k", "sampled"]
    assert entry["partition_by"] == ["k"]


def test_levels_of_keys(con, root):
    rows = pa.table({
        "id": pa.array(range(4), pa.int64()),
        "instrument": ["IFCB 107", "IFCB/107", "IFCB=107", "IFCB 107"],
        "year": pa.array([2024, 2024, 2023, 2023], pa.int32()),
        "class_name": ["Ditylum brightwellii", "a/b", "", "ü"],
    })
    foreign_store(root, "t", rows, ["instrument", "year", "class_name"])
    assert read(con, "FROM amplify_read('t') ORDER BY id") == rows.to_pylist()
    assert read(con, "SELECT id FROM amplify_read('t', filters => {year: 2023, instrument: 'IFCB 107'})") == [{"id": 3}]
    assert read(con, "FROM amplify_distinct('t', ['instrument', 'year'], filters => {class_name: ''})") == [
        {"instrument": "IFCB=107", "year": 2023}]


def test_overwrite_replaces_the_rows_of_encoded_directories_and_no_others(con, root):
    keys = KEYS["varchar"]
    rows = rows_of(keys)
    foreign_store(root, "t", rows, ["k"])
    foreign_store(root, "victim", rows_of(KEYS["integer"]), ["k"])
    new = pa.table({"id": pa.array(range(900, 900 + len(keys.values)), pa.int64()), "k": list(keys.values)})
    con.register("new", new.slice(0, 20))
    con.execute("COPY (SELECT id, k FROM new) TO 'amplify://t' (FORMAT amplify, MODE 'overwrite')")
    replaced = set(keys.values[:20])
    expected = [row for row in rows.to_pylist() if row["k"] not in replaced] + new.slice(0, 20).to_pylist()
    assert read(con, "FROM amplify_read('t') ORDER BY id") == expected
    con.execute("SELECT amplify_write('t', [{id: 1, k: 'x/../../victim'}], true)").fetchall()
    assert read(con, "SELECT id FROM amplify_read('t', filters => {k: 'x/../../victim'})") == [{"id": 1}]
    assert read(con, "FROM amplify_read('victim') ORDER BY id") == rows_of(KEYS["integer"]).to_pylist()


def test_a_store_without_partitions(con, root):
    rows = pa.table({"id": pa.array(range(3), pa.int64()), "name": ["a", None, ""]})
    (root / "t").mkdir(parents=True)
    pq.write_table(rows, root / "t" / "0f3c.parquet")
    register(root, "t", rows.schema, None, "schema_ipc")
    con.execute("SELECT amplify_write('t', [{id: 3, name: 'b'}])").fetchall()
    expected = rows.to_pylist() + [{"id": 3, "name": "b"}]
    assert read(con, "FROM amplify_read('t') ORDER BY id") == expected
    assert ds.dataset(root / "t", schema=rows.schema).to_table().sort_by("id").to_pylist() == expected


def test_files_older_than_a_column_give_null(con, root):
    rows = pa.table({"id": pa.array(range(3), pa.int64()), "k": ["a", "b", "b"]})
    foreign_store(root, "t", rows, ["k"])
    added = "SELECT amplify_create_table('t', 'id BIGINT, k VARCHAR, depth DOUBLE', ['k'])"
    assert con.execute(added).fetchall() == [("extended",)]
    con.execute("SELECT amplify_write('t', [{id: 3, k: 'b', depth: 1.5}])").fetchall()
    assert [row["depth"] for row in read(con, "FROM amplify_read('t') ORDER BY id")] == [None, None, None, 1.5]


def test_json_text_of_the_python_library(con, root):
    schema = pa.schema([("id", pa.int64()), ("attributes", pa.large_utf8()), ("k", pa.string())])
    rows = pa.table({"id": [1, 2], "attributes": ['{"a": [1, null]}', None], "k": ["x", "y"]}, schema=schema)
    foreign_store(root, "t", rows, ["k"])
    assert read(con, "FROM amplify_read('t') ORDER BY id") == rows.to_pylist()


def test_every_type_is_read_back_by_pyarrow_and_read_parquet(con, root):
    columns = {
        "id": "BIGINT", "i8": "TINYINT", "i16": "SMALLINT", "i32": "INTEGER", "u8": "UTINYINT", "u16": "USMALLINT",
        "u32": "UINTEGER", "u64": "UBIGINT", "f32": "FLOAT", "f64": "DOUBLE", "dec": "DECIMAL(38,9)", "flag": "BOOLEAN",
        "text": "VARCHAR", "raw": "BLOB", "day": "DATE", "at": "TIMESTAMPTZ", "naive": "TIMESTAMP",
        "list": "INTEGER[]", "struct": "STRUCT(a INTEGER, b VARCHAR[])", "map": "MAP(VARCHAR, DOUBLE)",
    }
    values = """SELECT 1 AS id, -128, -32768, -2147483648, 255, 65535, 4294967295, 18446744073709551615,
            1.25::FLOAT, 0.1::DOUBLE, -12345678901234567890123456789.123456789::DECIMAL(38,9), true, 'ü', '\\x00\\xFF'::BLOB,
            DATE '2024-01-02', TIMESTAMPTZ '2024-01-02 03:04:05.000006+00', TIMESTAMP '2024-01-02 03:04:05.000006',
            [1, NULL, 3], {a: NULL::INTEGER, b: ['x', NULL]}, MAP {'k': 0.5::DOUBLE}
        UNION ALL SELECT 2, """ + ", ".join("NULL" for _ in range(len(columns) - 1))
    listed = ", ".join(f'"{name}" {sql_type}' for name, sql_type in columns.items())
    con.execute("SET TimeZone = 'UTC'")
    con.execute(f"SELECT amplify_create_table('t', '{listed}')").fetchall()
    con.execute(f"COPY ({values}) TO 'amplify://t' (FORMAT amplify)")
    ours = con.execute("FROM amplify_read('t') ORDER BY id").to_arrow_table()
    native = con.execute(f"FROM read_parquet('{root}/t/*.parquet') ORDER BY id").to_arrow_table()
    assert ours.schema.types == native.schema.types
    assert ours.to_pylist() == native.to_pylist()
    pyarrow = ds.dataset(root / "t").to_table().sort_by("id")
    assert pyarrow.schema.names == list(columns)
    assert pyarrow.to_pylist() == ours.to_pylist()
    assert ours["text"].to_pylist() == ["ü", None] and ours["struct"].to_pylist() == [{"a": None, "b": ["x", None]}, None]


@pytest.mark.parametrize("seed", (0, 3, 4))
def test_pages_without_rows_are_passed_over(con, root, seed):
    """Written in batches of few values, long lists make pyarrow begin some pages that stay without a row."""
    random = Random(seed)
    lengths = [random.choice((0, 1, 2, 40)) for _ in range(20_000)]
    rows = pa.table({"c": pa.array([random.randrange(2) for _ in lengths]),
                     "l": pa.array([[float(number % 3)] * length for number, length in enumerate(lengths)], pa.list_(pa.float32()))})
    con.execute("SELECT amplify_create_table('t', 'c BIGINT, l FLOAT[]')").fetchall()
    (root / "t").mkdir(parents=True, exist_ok=True)
    pq.write_table(rows, root / "t" / "f.parquet", write_page_index=True, data_page_size=100, write_batch_size=10,
                   row_group_size=5000, data_page_version="2.0")
    expected = sum(length for length, c in zip(lengths, rows["c"].to_pylist()) if c == 1)
    assert con.execute("SELECT sum(len(l)) FROM amplify_read('t', filters => {c: 1})").fetchall() == [(expected,)]
