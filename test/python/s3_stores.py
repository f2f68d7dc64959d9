"""S3 servers for tests: those of AMPLIFY_TEST_STORES, or started for this run where it names none.

A test module that imports the fixtures `store`, `proxy`, `s3`, `s3_con` and `s3_crew` runs on every server of its own
fixture `server`.
"""

from __future__ import annotations

import atexit
import contextlib
import dataclasses
import itertools
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pytest
import servers
from fault_proxy import FaultProxy
from s3_request import Store, objects

from processes import Crew

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


def settings(store: Store) -> dict[str, str]:
    """The settings that make amplify use a store."""
    return {"amplify_s3_endpoint": store.endpoint, "amplify_s3_access_key": store.access_key,
            "amplify_s3_secret_key": store.secret_key, "amplify_s3_use_ssl": "false", "amplify_s3_url_style": "path"}


def use(con: duckdb.DuckDBPyConnection, root: Root, store: Store | None = None) -> None:
    """Has all sessions of a database work on `root`, by way of `store` where that is not the root's own."""
    for name, value in {**settings(store or root.store), "amplify_root": root.url}.items():
        con.execute(f"SET GLOBAL {name} = '{value}'")


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

    def objects(self, below: str = "") -> dict[str, int]:
        """Every object below a path: its path below the root, and its size in bytes."""
        start = len(self.key(""))
        return {key[start:]: size for key, size in objects(self.store, self.key(below)).items()}


def fresh_root(store: Store, name: str) -> Root:
    """A root that nobody has used, with something of `name` in its name."""
    return Root(store, f"{name[:40]}-{os.getpid()}-{next(NUMBERS)}")


def check_clean(con: duckdb.DuckDBPyConnection, root: Root, table: str = "t") -> None:
    """That nothing is pending, and nothing lies in the table's directory that is not part of it, but for the empty
    objects that pyarrow makes for directories."""
    assert root.objects(f"_registry/journal/{table}/pending/") == {}
    visible = {path for path, in con.execute(f"SELECT path FROM amplify_files('{table}')").fetchall()}
    assert {f"{root.url}/{path}" for path in root.objects(f"{table}/") if not path.endswith("/")} == visible


@pytest.fixture
def store(server: str) -> Store:
    """A running server. `server`, its name, is a fixture of the test module."""
    return server_named(server)


@pytest.fixture
def proxy(store: Store) -> Iterator[FaultProxy]:
    """What stands before the server where a test wants a bad network."""
    with FaultProxy(store.endpoint) as proxy:
        yield proxy


@pytest.fixture
def s3(store: Store, request: pytest.FixtureRequest) -> Root:
    """A root that nobody has used."""
    return fresh_root(store, request.node.name.split("[")[0])


@pytest.fixture
def s3_con(connect, s3: Root) -> duckdb.DuckDBPyConnection:
    """A session in memory whose `amplify_root` is `s3`."""
    connection = connect()
    use(connection, s3)
    return connection


@pytest.fixture
def s3_crew(tmp_path: Path, s3: Root, extension: Path) -> Iterator[Crew]:
    """Starts workers on `s3`; ends those that a failed test left."""
    scratch = tmp_path / "crew"
    scratch.mkdir()
    crew = Crew(scratch, s3.url, extension, settings=settings(s3.store))
    yield crew
    crew.end()
