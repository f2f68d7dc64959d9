"""The S3 server of a run: started by `python -m bench`, and told to its workers in an environment variable.

Everything timed goes through a proxy that delays each request; data sets get there past it.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from bench.parameters import CACHE, REPOSITORY

if TYPE_CHECKING:  # the driver has no packages
    import duckdb

    from bench.session import Session

VARIABLE = "AMPLIFY_BENCH_S3"
SERVER = "seaweedfs"
UPLOADS_AT_ONCE = 8


@dataclass(frozen=True)
class Server:
    """Where it answers, with and without delay."""

    endpoint: str
    direct: str
    bucket: str
    access_key: str
    secret_key: str

    def root(self, name: str) -> BucketPath:
        """A prefix that nobody has used; the last one of a name is remembered for other processes."""
        prefix = f"{name}-{uuid.uuid4().hex[:12]}"
        (CACHE / f"s3-{name}.last").write_text(prefix)
        return BucketPath(self.bucket, prefix)

    def last_root(self, name: str) -> BucketPath:
        return BucketPath(self.bucket, (CACHE / f"s3-{name}.last").read_text())

    def pyarrow(self, direct: bool = False):
        """pyarrow's file system on it."""
        import pyarrow.fs as fs

        url = self.direct if direct else self.endpoint
        return fs.S3FileSystem(access_key=self.access_key, secret_key=self.secret_key, region="us-east-1", scheme="http",
                               endpoint_override=url.removeprefix("http://"))

    def put(self, names: Sequence[str], content: bytes) -> None:
        """The same content under each name (`bucket/key`), without delay."""
        filesystem = self.pyarrow(direct=True)

        def put(name: str) -> None:
            with filesystem.open_output_stream(name) as stream:
                stream.write(content)

        with ThreadPoolExecutor(UPLOADS_AT_ONCE) as pool:
            list(pool.map(put, names))


@dataclass(frozen=True)
class BucketPath:
    """The root of a store in a bucket. Its text is a URL, as amplify wants it; below it are names as pyarrow wants them."""

    bucket: str
    prefix: str

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}"

    def __truediv__(self, name: str) -> PurePosixPath:
        return PurePosixPath(self.bucket, self.prefix, name)


def server() -> Server:
    """The one that runs."""
    if VARIABLE not in os.environ:
        raise SystemExit("The S3 groups need a server: start them by make bench-s3.")
    return Server(**json.loads(os.environ[VARIABLE]))


def connect(session: Session, at: Server, direct: bool = False) -> duckdb.DuckDBPyConnection:
    """A new session that knows the server."""
    con = session.connect()
    for name, value in (("endpoint", at.direct if direct else at.endpoint), ("access_key", at.access_key),
                        ("secret_key", at.secret_key)):
        con.execute(f"SET GLOBAL amplify_s3_{name} = '{value}'")
    con.execute("SET GLOBAL amplify_s3_use_ssl = false")
    return con


def requests(session: Session, at: Server, run: Callable[[duckdb.DuckDBPyConnection], object]) -> str:
    """What `run` asked of the server, as amplify_io_stats counts it, for a note."""
    con = connect(session, at)
    before = dict(stats(con))
    run(con)
    asked = {kind: count - before.get(kind, 0) for kind, count in stats(con)}
    return ", ".join(f"{kind} {count:,}" for kind, count in asked.items() if count)


def stats(con: duckdb.DuckDBPyConnection) -> list[tuple[str, int]]:
    """Name and number of every figure that amplify_io_stats gives."""
    result = con.execute("FROM amplify_io_stats()")
    names = [column[0] for column in result.description]
    found = []
    for row in result.fetchall():
        label = " ".join(str(value) for value in row if isinstance(value, str))
        found += [(f"{label} {name}".strip(), value) for name, value in zip(names, row) if isinstance(value, int)]
    return found


@contextlib.contextmanager
def running(delay_ms: int) -> Iterator[None]:
    """Starts the server and the proxy, names them to the workers, and stops them in the end."""
    sys.path.insert(0, str(REPOSITORY / "scripts"))
    import servers

    with servers.running(SERVER) as [store]:
        proxy = subprocess.Popen([sys.executable, REPOSITORY / "scripts" / "fault_proxy.py", store.endpoint,
                                  "--delay-ms", str(delay_ms)], stdout=subprocess.PIPE, text=True)
        try:
            found = Server(proxy.stdout.readline().strip(), store.endpoint, store.bucket, store.access_key, store.secret_key)
            os.environ[VARIABLE] = json.dumps(asdict(found))
            yield
        finally:
            os.environ.pop(VARIABLE, None)
            proxy.terminate()
            proxy.wait()
