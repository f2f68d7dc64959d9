"""What a user gets wrong about an S3 store is told in time, with the place and what to check, and never with a key."""

from __future__ import annotations

import dataclasses
import socket
import time

import duckdb
import pytest
from fault_proxy import FaultProxy, Hang, Refuse, every
from servers import free_ports

from processes import Crew
from s3_stores import behind, fresh_root, s3, s3_con, s3_crew, server_named, settings, store, use  # noqa: F401  (fixtures)

LONGEST_SECONDS = 30
SECRET = "n0b0dy/mUst+see=this"
TOKEN = "t0ken/that+n0body=sees"
UNKNOWN_KEY = "AKIAN0B0DYKN0WSTH1S"
STATEMENTS = {
    "read": "FROM amplify_read('t')",
    "tables": "FROM amplify_tables()",
    "create": "SELECT amplify_create_table('t', 'i INTEGER')",
}


@pytest.fixture
def server() -> str:
    return "seaweedfs"


def error_of(con, sql: str) -> str:
    """What the statement fails with, in time."""
    begun = time.monotonic()
    with pytest.raises(duckdb.Error) as failed:
        con.execute(sql).fetchall()
    assert time.monotonic() - begun < LONGEST_SECONDS
    message = str(failed.value)
    for secret in (SECRET, TOKEN, UNKNOWN_KEY, "testkey", "testsecret123"):
        assert secret not in message
    return message


def check_names(message: str, *parts: str) -> None:
    for part in parts:
        assert part in message, f"{part!r} is missing in: {message}"


@pytest.fixture(params=STATEMENTS)
def statement(request) -> str:
    return STATEMENTS[request.param]


def test_wrong_secret_key(connect, s3, statement):  # noqa: F811
    con = connect()
    use(con, s3, dataclasses.replace(s3.store, secret_key=SECRET))
    check_names(error_of(con, statement), s3.url, s3.store.endpoint, "SignatureDoesNotMatch", "amplify_s3_secret_key")


def test_unknown_access_key(connect, s3, statement):  # noqa: F811
    con = connect()
    use(con, s3, dataclasses.replace(s3.store, access_key=UNKNOWN_KEY, secret_key=SECRET))
    check_names(error_of(con, statement), s3.url, s3.store.endpoint, "InvalidAccessKeyId", "amplify_s3_access_key")


@pytest.mark.parametrize("name", ["seaweedfs", "moto"])
def test_missing_bucket(connect, name, statement):
    con = connect()
    root = fresh_root(dataclasses.replace(server_named(name), bucket="no-such-bucket"), "missing")
    use(con, root)
    check_names(error_of(con, statement), "s3://no-such-bucket/", root.store.endpoint, "NoSuchBucket", "check its name")


def test_a_bucket_that_is_missing_is_no_empty_store(connect, store):  # noqa: F811
    """S3 answers 404 for a missing object and a missing bucket alike."""
    con = connect()
    use(con, fresh_root(dataclasses.replace(store, bucket="no-such-bucket"), "missing"))
    for sql in ["FROM amplify_tables()", "FROM amplify_count('t')", "SELECT amplify_write('t', [{i: 1}])"]:
        check_names(error_of(con, sql), "no-such-bucket")


ANSWERS = {
    "wrong region": (Refuse(400, "AuthorizationHeaderMalformed",
                            "The authorization header is malformed; the region 'us-east-1' is wrong; expecting 'eu-west-1'"
                            "</Message><Region>eu-west-1</Region><Message>"), ["eu-west-1", "amplify_s3_region"]),
    "another region": (Refuse(301, "PermanentRedirect", "The bucket must be addressed using the specified endpoint."),
                       ["PermanentRedirect", "amplify_s3_region"]),
    "expired token": (Refuse(400, "ExpiredToken", "The provided token has expired."),
                      ["ExpiredToken", "amplify_s3_session_token", "AWS_SESSION_TOKEN"]),
    "not allowed": (Refuse(403, "AccessDenied", "Access Denied"), ["AccessDenied", "amplify_s3_access_key"]),
    "wrong clock": (Refuse(403, "RequestTimeTooSkewed", "The difference is too large."), ["RequestTimeTooSkewed", "clock"]),
    "a key in the answer": (Refuse(403, "SignatureDoesNotMatch", f"You sent {SECRET} and {TOKEN}."), ["SignatureDoesNotMatch"]),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_answers_as_aws_gives_them(connect, s3, statement, name):  # noqa: F811
    """The servers of the tests know no regions, tokens or rights: the proxy says what AWS says."""
    answer, parts = ANSWERS[name]
    with FaultProxy(s3.store.endpoint) as proxy:
        proxy.plan = every(1, answer)
        con = connect()
        use(con, s3, dataclasses.replace(behind(s3.store, proxy), secret_key=SECRET))
        con.execute(f"SET GLOBAL amplify_s3_session_token = '{TOKEN}'")
        check_names(error_of(con, statement), s3.url, proxy.endpoint, *parts)


def test_nobody_listens(connect, s3, statement):  # noqa: F811
    [port] = free_ports(1)
    con = connect()
    use(con, s3, dataclasses.replace(s3.store, endpoint=f"http://127.0.0.1:{port}"))
    check_names(error_of(con, statement), s3.url, f"127.0.0.1:{port}", "amplify_s3_endpoint")


def test_no_such_host(connect, s3, statement):  # noqa: F811
    con = connect()
    use(con, s3, dataclasses.replace(s3.store, endpoint="http://no-such-host.invalid:9000"))
    check_names(error_of(con, statement), s3.url, "no-such-host.invalid:9000", "amplify_s3_endpoint")


def test_somebody_listens_and_says_nothing(connect, s3):  # noqa: F811
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        con = connect()
        use(con, s3, dataclasses.replace(s3.store, endpoint=f"http://127.0.0.1:{port}"))
        check_names(error_of(con, STATEMENTS["read"]), s3.url, f"127.0.0.1:{port}", "amplify_s3_endpoint")


def test_a_server_that_never_answers(connect, s3):  # noqa: F811
    with FaultProxy(s3.store.endpoint) as proxy:
        proxy.plan = every(1, Hang())
        con = connect()
        use(con, s3, behind(s3.store, proxy))
        check_names(error_of(con, STATEMENTS["tables"]), s3.url, proxy.endpoint)


def test_tls_where_there_is_none(connect, s3):  # noqa: F811
    con = connect()
    use(con, s3, dataclasses.replace(s3.store, endpoint=s3.store.endpoint.replace("http:", "https:")))
    check_names(error_of(con, STATEMENTS["tables"]), s3.url, "amplify_s3_use_ssl")


@pytest.mark.parametrize(("name", "value", "parts"), [
    ("amplify_s3_url_style", "sideways", ["path", "vhost"]),
    ("amplify_s3_endpoint", "not a host", ["amplify_s3_endpoint"]),
    ("amplify_s3_endpoint", f"http://user:{SECRET.replace('/', '')}@localhost:1", ["user or password"]),
    ("amplify_s3_secret_key", "", []),
    ("amplify_s3_secret_key", f"{SECRET.replace('/', '')}\n", ["amplify_s3_secret_key holds a control character"]),
])
def test_settings_that_cannot_be_meant(connect, s3, name, value, parts):  # noqa: F811
    con = connect()
    use(con, s3)
    con.execute(f"SET GLOBAL {name} = '{value}'")
    message = error_of(con, STATEMENTS["tables"])
    check_names(message, *parts)
    assert SECRET.replace("/", "") not in message


@pytest.mark.parametrize("url", ["s3://", "s3:///x", "s3://UPPER CASE/x", "s3://test/../x", "s3://test?x=1", "s3:/test/x"])
def test_roots_that_cannot_be_meant(connect, s3, url):  # noqa: F811
    con = connect()
    use(con, s3)
    con.execute(f"SET GLOBAL amplify_root = '{url}'")
    check_names(error_of(con, STATEMENTS["tables"]), url)


@pytest.mark.parametrize("spelling", ["{url}/", "{url}//", "S3://{bucket}/{prefix}"])
def test_roots_that_mean_the_same(s3_con, connect, s3, spelling):  # noqa: F811
    s3_con.execute("SELECT amplify_create_table('t', 'i INTEGER')").fetchall()
    url = spelling.format(url=s3.url, bucket=s3.store.bucket, prefix=s3.prefix)
    assert s3_con.execute(f"SELECT table_name FROM amplify_tables(root => '{url}')").fetchall() == [("t",)]


def test_a_store_may_be_a_whole_bucket(connect, store):  # noqa: F811
    from s3_request import request as ask
    own = dataclasses.replace(store, bucket=f"whole-{time.monotonic_ns()}")
    assert ask(own, "PUT").status == 200
    con = connect()
    use(con, fresh_root(own, "x"))
    con.execute(f"SET GLOBAL amplify_root = 's3://{own.bucket}'")
    con.execute("SELECT amplify_create_table('t', 'i INTEGER, k VARCHAR', ['k'])").fetchall()
    con.execute("SELECT amplify_write('t', [{i: 1, k: 'a/b=c d%'}])").fetchall()
    assert con.execute("SELECT i, k FROM amplify_read('t')").fetchall() == [(1, "a/b=c d%")]
    assert con.execute("SELECT path FROM amplify_files('t')").fetchall()[0][0].startswith(f"s3://{own.bucket}/t/k=a%2Fb")


def test_keys_are_shown_nowhere(s3_con, s3, tmp_path):  # noqa: F811
    con = s3_con
    con.execute("SELECT amplify_create_table('t', 'i INTEGER')").fetchall()
    con.execute("SELECT amplify_write('t', [{i: 1}])").fetchall()
    con.execute(f"SET GLOBAL amplify_s3_session_token = ''")
    profile = tmp_path / "profile.json"
    con.execute(f"SET enable_profiling = 'json'; SET profiling_output = '{profile}'")
    shown = [str(con.execute(sql).fetchall()) for sql in [
        "EXPLAIN FROM amplify_read('t')", "EXPLAIN ANALYZE FROM amplify_read('t')", "FROM amplify_io_stats()",
        "FROM amplify_files('t')", "FROM amplify_history('t')", "SELECT * FROM duckdb_functions() WHERE function_name LIKE 'amplify%'"]]
    con.execute("FROM amplify_count('t')").fetchall()
    everything = "\n".join([*shown, profile.read_text(encoding="utf-8")])
    assert s3.store.secret_key not in everything and s3.store.access_key not in everything


# Keys from the environment: in processes of their own, for the environment is one of the process.

def without_keys(crew: Crew) -> None:
    for name in ("amplify_s3_access_key", "amplify_s3_secret_key"):
        del crew.settings[name]


def test_keys_from_the_environment(s3_crew, s3, monkeypatch):  # noqa: F811
    without_keys(s3_crew)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", s3.store.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", s3.store.secret_key)
    assert s3_crew.run(STATEMENTS["create"])["event"] == "done"
    assert set(s3.objects("_registry/")) == {"_registry/tables.json"}


def test_the_endpoint_from_the_environment(s3_crew, s3, monkeypatch):  # noqa: F811
    s3_crew.settings.clear()
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", s3.store.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", s3.store.secret_key)
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3.store.endpoint)
    assert s3_crew.run(STATEMENTS["create"])["event"] == "done"
    assert set(s3.objects("_registry/")) == {"_registry/tables.json"}


def test_settings_win_over_the_environment(s3_crew, s3, monkeypatch):  # noqa: F811
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "other")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_SESSION_TOKEN", TOKEN)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    assert s3_crew.run(STATEMENTS["create"])["event"] == "done"


def test_wrong_keys_in_the_environment(s3_crew, s3, monkeypatch):  # noqa: F811
    without_keys(s3_crew)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", s3.store.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    ended = s3_crew.run(STATEMENTS["create"])
    assert ended["event"] == "failed"
    check_names(ended["message"], "SignatureDoesNotMatch", "AWS_SECRET_ACCESS_KEY", s3.store.endpoint)
    assert SECRET not in ended["message"]


def test_no_keys_anywhere(s3_crew, s3, monkeypatch):  # noqa: F811
    without_keys(s3_crew)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    begun = time.monotonic()
    ended = s3_crew.run(STATEMENTS["create"])
    assert time.monotonic() - begun < LONGEST_SECONDS and ended["event"] == "failed"
    check_names(ended["message"], s3.store.endpoint, "amplify_s3_access_key", "AWS_ACCESS_KEY_ID")
