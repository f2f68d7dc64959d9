"""S3 servers for tests: those of AMPLIFY_TEST_STORES, or started for this run where it names none.

A test module that imports the fixtures `store`, `s3` and `s3_con` runs on every server of its fixture `server`.
"""

from __future__ import annotations

import atexit
import contextlib
import dataclasses
import itertools
from dataclasses import dataclass

import duckdb
import pytest
import servers
from fault_proxy import FaultProxy
from s3_request import Store

STARTED = contextlib.ExitStack()
atexit.register(STARTED.close)
STORES: dict[str, Store] = {}
"""Name -> a server that runs."""
NUMBERS = itertools.count()


def server_named(name: str) -> Store:
    """The server of that name: it runs when this returns, until the process ends."""
    if name not in STORES:
        STORES[name] = STARTED.enter_context(servers.given_or_started(name))
    return STORES[name]


def behind(store: Store, proxy: FaultProxy) -> Store:
    """The same store, by way of a proxy."""
    return dataclasses.replace(store, endpoint=proxy.endpoint)


def settings(store: Store) -> dict[str, object]:
    """The settings that make amplify use a store."""
    return {"amplify_s3_endpoint": store.endpoint, "amplify_s3_region": "us-east-1",
            "amplify_s3_access_key": store.access_key, "amplify_s3_secret_key": store.secret_key,
            "amplify_s3_use_ssl": store.endpoint.startswith("https:"), "amplify_s3_url_style": "path"}


def apply(con: duckdb.DuckDBPyConnection, values: dict[str, object]) -> None:
    """Sets settings for all sessions of a database."""
    for name, value in values.items():
        text = str(value).lower() if isinstance(value, bool) else "'" + str(value).replace("'", "''") + "'"
        con.execute(f"SET GLOBAL {name} = {text}")


@dataclass(frozen=True)
class Root:
    """A root of its own on a server."""

    store: Store
    prefix: str
    """In the bucket, without slashes at its ends."""

    @property
    def url(self) -> str:
        return f"s3://{self.store.bucket}/{self.prefix}"

    def key(self, path: str) -> str:
        """The key of a path below the root."""
        return f"{self.prefix}/{path}"


@pytest.fixture
def store(server: str) -> Store:
    """A running server. `server`, its name, is a fixture of the test module."""
    return server_named(server)


@pytest.fixture
def s3(store: Store, request: pytest.FixtureRequest) -> Root:
    """A root that nobody has used."""
    return fresh_root(store, request.node.name.split("[")[0])


def fresh_root(store: Store, name: str) -> Root:
    return Root(store, f"{name}-{duckdb.__version__}-{next(NUMBERS)}")


@pytest.fixture
def s3_con(connect, s3: Root) -> duckdb.DuckDBPyConnection:
    """A session in memory whose `amplify_root` is `s3`."""
    connection = connect()
    apply(connection, settings(s3.store))
    connection.execute(f"SET GLOBAL amplify_root = '{s3.url}'")
    return connection
