"""A store that ignores the conditions of a PUT is found out, and refused for writing unless one writer is promised."""

from __future__ import annotations

import duckdb
import pytest
from s3_request import request as ask

from s3_stores import check_clean, fresh_root, s3, s3_con, server_named, store, use  # noqa: F401  (fixtures)


@pytest.fixture
def server() -> str:
    """It answers 200 to `If-None-Match: *`, whatever is there."""
    try:
        server_named("s3rver")
    except SystemExit as error:
        pytest.skip(str(error))
    return "s3rver"


def execute(con, sql: str):
    return con.execute(sql).fetchall()


WRITES = {
    "create_table": "SELECT amplify_create_table('u', 'i INTEGER')",
    "write": "SELECT amplify_write('t', [{i: 1, k: 'a'}])",
    "overwrite": "SELECT amplify_write('t', [{i: 1, k: 'a'}], true)",
    "copy": "COPY (SELECT 1, 'a') TO 'amplify://t' (FORMAT amplify)",
}


@pytest.fixture
def filled(s3_con, s3):  # noqa: F811
    """A table with two rows, written by one who promised to be the only writer."""
    execute(s3_con, "SELECT amplify_create_table('t', 'i INTEGER, k VARCHAR', ['k'], {single_writer: true})")
    execute(s3_con, "SELECT amplify_write('t', [{i: 1, k: 'a'}, {i: 2, k: 'b'}], {single_writer: true})")
    return s3_con


@pytest.mark.parametrize("name", WRITES)
def test_writing_is_refused(filled, connect, s3, name):  # noqa: F811
    before = s3.objects()
    for attempt in range(2):  # the answer of the probe is remembered, and it is the same
        with pytest.raises(duckdb.Error) as refused:
            execute(filled, WRITES[name])
        message = str(refused.value)
        for part in ["conditional writes", "single_writer: true", s3.store.bucket, s3.store.endpoint.removeprefix("http://")]:
            assert part in message, message
        assert s3.objects() == before, "the probe left something"
    assert execute(filled, "SELECT i, k FROM amplify_read('t') ORDER BY i") == [(1, "a"), (2, "b")]


def test_clearing_up_is_refused(filled, s3):  # noqa: F811
    """Vacuum deletes: it needs the promise as writes do. To look what it would do, nobody needs it."""
    txid = "0" * 31 + "1"
    stray = f"t/k=a/c0-{txid}-0.parquet"
    for path in [stray, f"_registry/journal/t/void/{txid}"]:  # of a write that was given up
        assert ask(s3.store, "PUT", s3.key(path), body=b"x").status == 200
    before = s3.objects()
    expected = [("delete_stray", f"{s3.url}/{stray}")]
    assert execute(filled, "SELECT action, path FROM amplify_vacuum('t')") == expected
    with pytest.raises(duckdb.Error, match="single_writer => true"):
        execute(filled, "FROM amplify_vacuum('t', dry_run => false)")
    assert s3.objects() == before
    assert execute(filled, "SELECT action, path FROM amplify_vacuum('t', dry_run => false, single_writer => true)") == expected
    assert before.keys() - s3.objects().keys() == {stray}


def test_a_new_store_is_refused_too(s3_con, s3):  # noqa: F811
    with pytest.raises(duckdb.Error, match="single_writer: true"):
        execute(s3_con, WRITES["create_table"])
    assert s3.objects() == {}


def test_reading_needs_no_promise(filled, connect, s3):  # noqa: F811
    con = connect()
    use(con, s3)
    assert execute(con, "SELECT i, k FROM amplify_read('t', filters => {k: 'a'})") == [(1, "a")]
    assert execute(con, "FROM amplify_count('t')") == [(2,)]
    assert execute(con, "SELECT k, file_count FROM amplify_partitions('t') ORDER BY k") == [("a", 1), ("b", 1)]
    assert execute(con, "SELECT count(*) FROM amplify_files('t')") == [(2,)]
    assert execute(con, "SELECT table_name FROM amplify_tables()") == [("t",)]
    assert execute(con, "SELECT count(*) FROM amplify_history('t')") == [(1,)]


def test_who_promises_to_be_the_only_writer_writes(filled, s3):  # noqa: F811
    assert execute(filled, "SELECT amplify_write('t', [{i: 3, k: 'a'}], {single_writer: true})") == [(1,)]
    assert execute(filled, "SELECT amplify_write('t', [{i: 4, k: 'b'}], {overwrite: true, single_writer: true})") == [(1,)]
    execute(filled, "COPY (SELECT 5, 'c') TO 'amplify://t' (FORMAT amplify, SINGLE_WRITER true)")
    outcome = execute(filled, "SELECT amplify_create_table('t', 'i INTEGER, k VARCHAR, more DOUBLE', ['k'], {single_writer: true})")
    assert outcome == [("extended",)]
    assert execute(filled, "SELECT i, k, more FROM amplify_read('t') ORDER BY i") == [
        (1, "a", None), (3, "a", None), (4, "b", None), (5, "c", None)]
    check_clean(filled, s3)


def test_the_server_does_ignore_conditions(store):  # noqa: F811
    """Without this, the tests above would show nothing."""
    answers = [ask(store, "PUT", "condition", body=b"x", headers={"If-None-Match": "*"}).status for _ in range(2)]
    assert answers == [200, 200]


@pytest.mark.parametrize("name", ["seaweedfs", "moto"])
def test_other_servers_need_no_promise(connect, name):
    root = fresh_root(server_named(name), "promise")
    con = connect()
    use(con, root)
    execute(con, "SELECT amplify_create_table('t', 'i INTEGER, k VARCHAR', ['k'])")
    execute(con, "SELECT amplify_write('t', [{i: 1, k: 'a'}])")
    assert execute(con, "FROM amplify_count('t')") == [(1,)]
    check_clean(con, root)
