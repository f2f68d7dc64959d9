"""pyarrow reads from S3 what amplify wrote there, and amplify what pyarrow wrote."""

from __future__ import annotations

import base64
import datetime
import json

import pyarrow as pa
import pyarrow.dataset as ds
import pytest
from pyarrow import fs

from s3_stores import Root, check_clean, s3, s3_con, store  # noqa: F401  (fixtures)

UTC = datetime.timezone.utc
ROWS = [
    {"id": number, "taken": datetime.datetime(2024, 1, 1 + number, 3, tzinfo=UTC), "text": f"ü {number}",
     "k": ["plain", "a/b", "100% =x", "ü"][number % 4], "year": 2023 + number % 2}
    for number in range(12)]
SCHEMA = pa.schema([("id", pa.int32()), ("taken", pa.timestamp("us", "UTC")), ("text", pa.string()), ("k", pa.string()),
                    ("year", pa.int32())])
KEYS = pa.schema([("k", pa.string()), ("year", pa.int32())])


@pytest.fixture(params=["seaweedfs", "moto"])
def server(request) -> str:
    return request.param


@pytest.fixture
def filesystem(s3):  # noqa: F811
    return fs.S3FileSystem(access_key=s3.store.access_key, secret_key=s3.store.secret_key, scheme="http",
                           endpoint_override=s3.store.endpoint.removeprefix("http://"), region="us-east-1")


@pytest.fixture
def table(s3_con):  # noqa: F811
    s3_con.execute("""SELECT amplify_create_table('t',
        'id INTEGER, taken TIMESTAMPTZ, text VARCHAR, k VARCHAR, year INTEGER', ['k', 'year'])""").fetchall()
    return s3_con


def read_with_pyarrow(filesystem, root: Root) -> list[dict]:
    dataset = ds.dataset(f"{root.store.bucket}/{root.key('t')}", filesystem=filesystem, format="parquet",
                         partitioning=ds.partitioning(KEYS, flavor="hive"))
    found = dataset.to_table().select(SCHEMA.names).cast(SCHEMA)
    return found.sort_by("id").to_pylist()


def write_with_pyarrow(filesystem, root: Root, rows: list[dict]) -> None:
    ds.write_dataset(pa.Table.from_pylist(rows, SCHEMA), f"{root.store.bucket}/{root.key('t')}", filesystem=filesystem,
                     format="parquet", partitioning=ds.partitioning(KEYS, flavor="hive"),
                     basename_template="0f0e0d0c0b0a09080706050403020100-{i}.parquet", existing_data_behavior="overwrite_or_ignore")


def read_with_amplify(con, **filters) -> list[dict]:
    con.execute("SET TimeZone = 'UTC'")
    found = con.execute(f"SELECT * FROM amplify_read('t', filters => $${json.dumps(filters)}$$) ORDER BY id")
    return found.to_arrow_table().cast(SCHEMA).to_pylist()


def test_pyarrow_reads_what_amplify_wrote(table, filesystem, s3):  # noqa: F811
    rows = pa.Table.from_pylist(ROWS, SCHEMA)  # noqa: F841  (DuckDB finds it)
    table.execute("COPY (SELECT r FROM rows r) TO 'amplify://t' (FORMAT amplify)")
    assert read_with_pyarrow(filesystem, s3) == ROWS
    check_clean(table, s3)


def test_amplify_reads_what_pyarrow_wrote(table, filesystem, s3):  # noqa: F811
    write_with_pyarrow(filesystem, s3, ROWS)
    assert read_with_amplify(table) == ROWS
    for key in {row["k"] for row in ROWS}:
        assert read_with_amplify(table, k=key) == [row for row in ROWS if row["k"] == key]
    assert read_with_amplify(table, year=2024, id={"lt": 6}) == [row for row in ROWS if row["year"] == 2024 and row["id"] < 6]
    keys = table.execute("SELECT k, year FROM amplify_partitions('t') ORDER BY ALL").fetchall()
    assert keys == sorted({(row["k"], row["year"]) for row in ROWS})
    assert table.execute("FROM amplify_count('t')").fetchall() == [(len(ROWS),)]


def test_both_write_one_table(table, filesystem, s3):  # noqa: F811
    write_with_pyarrow(filesystem, s3, ROWS[:6])
    rows = pa.Table.from_pylist(ROWS[6:], SCHEMA)  # noqa: F841
    table.execute("COPY (SELECT r FROM rows r) TO 'amplify://t' (FORMAT amplify)")
    assert read_with_amplify(table) == ROWS == read_with_pyarrow(filesystem, s3)


def test_amplify_overwrites_what_pyarrow_wrote(table, filesystem, s3):  # noqa: F811
    write_with_pyarrow(filesystem, s3, ROWS)
    new = [{**row, "id": row["id"] + 100, "text": None} for row in ROWS if row["k"] == "a/b"]
    rows = pa.Table.from_pylist(new, SCHEMA)  # noqa: F841
    table.execute("COPY (SELECT r FROM rows r) TO 'amplify://t' (FORMAT amplify, MODE 'overwrite')")
    expected = sorted([*(row for row in ROWS if row["k"] != "a/b"), *new], key=lambda row: row["id"])
    assert read_with_amplify(table) == expected == read_with_pyarrow(filesystem, s3)
    check_clean(table, s3)


def test_the_registry_is_one_that_the_python_library_reads(table, filesystem, s3):  # noqa: F811
    with filesystem.open_input_stream(f"{s3.store.bucket}/{s3.key('_registry/tables.json')}") as stream:
        entry = json.loads(stream.read())["t"]
    assert entry["partition_by"] == ["k", "year"]
    schema = pa.ipc.read_schema(pa.py_buffer(base64.b64decode(entry["schema_ipc"])))
    assert schema.names == SCHEMA.names == entry["columns"]
