"""Real S3 servers for the tests, on free ports, with their data below build/servers; gone when who started them is.

    python3 scripts/servers.py run [--server NAME…] -- COMMAND…

runs COMMAND with AMPLIFY_TEST_STORES in its environment: a JSON list of {"name", "endpoint", "bucket", "access_key",
"secret_key"}, one a server. Without --server these are seaweedfs and moto. In Python:

    with servers.running("seaweedfs", "moto") as stores: …

The servers: `seaweedfs`; `moto`, one request at a time; `s3rver`, which ignores If-None-Match.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import dataclasses
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import environments
from s3_request import Store, request

DIRECTORY = environments.REPOSITORY / "build" / "servers"
VARIABLE = "AMPLIFY_TEST_STORES"
"""The environment variable that names running servers."""
USUAL = ("seaweedfs", "moto")
BUCKET = "test"
START_TRIES = 5
"""A port may be taken between the look and the start."""
START_PATIENCE_SECONDS = 60
STOP_PATIENCE_SECONDS = 10
PORTS = range(20_000, 32_000)
"""Below those that systems hand out by themselves."""
GRPC_OFFSET = 10_000
"""SeaweedFS listens on every port of its own plus this, too."""


@dataclass(frozen=True)
class Kind:
    """How one kind of server is started."""

    environment: str
    access_key: str
    secret_key: str
    ports: int
    """How many; the first is where it serves S3."""
    command: Callable[[list[int]], list]
    """Ports -> what to run, in the directory of its data."""
    variables: dict[str, str]


def seaweedfs(ports: list[int]) -> list:
    s3, master, filer, volume, admin = ports
    return [environments.ENVIRONMENTS / "seaweedfs" / "bin" / "weed", "mini", "-dir=.", "-ip=127.0.0.1",
            "-ip.bind=127.0.0.1", f"-s3.port={s3}", f"-master.port={master}", f"-filer.port={filer}",
            f"-volume.port={volume}", f"-admin.port={admin}", "-s3.port.iceberg=0", "-s3.port.lance=0", "-webdav=false",
            "-admin.ui=false", "-s3.autoCreateBucket=false", "-master.telemetry=false", "-filer.localSocket=filer.sock", "-s3.localSocket=s3.sock",
            f"-bucket={BUCKET}"]


def moto(ports: list[int]) -> list:
    return [environments.python("moto"), Path(__file__).with_name("moto_server.py"), str(ports[0])]


def s3rver(ports: list[int]) -> list:
    program = environments.ENVIRONMENTS / "s3rver" / "node_modules" / "s3rver" / "bin" / "s3rver.js"
    return ["node", program, "--directory", ".", "--address", "127.0.0.1", "--port", str(ports[0]), "--silent",
            "--no-vhost-buckets", "--configure-bucket", BUCKET]


KINDS = {
    "seaweedfs": Kind("seaweedfs", "testkey", "testsecret123", 5, seaweedfs,
                      {"AWS_ACCESS_KEY_ID": "testkey", "AWS_SECRET_ACCESS_KEY": "testsecret123"}),
    "moto": Kind("moto", "testkey", "testsecret123", 1, moto, {}),
    "s3rver": Kind("s3rver", "S3RVER", "S3RVER", 1, s3rver, {}),
}


@contextlib.contextmanager
def running(*names: str) -> Iterator[list[Store]]:
    """Starts servers, and stops them in the end. To be used from the main thread."""
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(one(name)) for name in names]


def stores() -> list[Store]:
    """The servers that who runs this program has started for it; none where nobody did."""
    return [Store(**store) for store in json.loads(os.environ.get(VARIABLE, "[]"))]


@contextlib.contextmanager
def given_or_started(name: str) -> Iterator[Store]:
    """The server of that name that runs already, as `stores` says, or one for as long as it is needed."""
    given = [store for store in stores() if store.name == name]
    if given:
        yield given[0]
    else:
        with one(name) as store:
            yield store


def as_variable(running_stores: list[Store]) -> str:
    """What `stores` reads."""
    return json.dumps([dataclasses.asdict(store) for store in running_stores])


@contextlib.contextmanager
def one(name: str) -> Iterator[Store]:
    """One server. It has the bucket `test` and answers when this returns."""
    kind = KINDS[name]
    environments.ensure(kind.environment)
    for attempt in range(1, START_TRIES + 1):
        ports = free_ports(kind.ports)
        directory = DIRECTORY / f"{name}-{ports[0]}"
        shutil.rmtree(directory, ignore_errors=True)
        data, log = directory / "data", directory / "log.txt"
        data.mkdir(parents=True)
        store = Store(name, f"http://127.0.0.1:{ports[0]}", BUCKET, kind.access_key, kind.secret_key)
        process = start(kind.command(ports), data, log, kind.variables)
        try:
            if wait_until_ready(store, process):
                yield store
                return
            told = log.read_text(encoding="utf-8", errors="replace")[-2000:]
        finally:
            stop(process)
            shutil.rmtree(directory, ignore_errors=True)
    raise RuntimeError(f"{name} did not start in {attempt} tries. Its last words:\n{told}")


def start(command: list, directory: Path, log: Path, variables: dict[str, str]) -> subprocess.Popen:
    """Starts a server that dies with this process, whatever this process dies of (on Linux)."""
    # The system watches the thread that starts a process, not its process.
    assert threading.current_thread() is threading.main_thread(), "start servers from the main thread"
    parent, libc = os.getpid(), ctypes.CDLL(None)

    def die_with_parent() -> None:
        set_parent_death_signal = 1  # of linux/prctl.h
        if sys.platform == "linux":
            libc.prctl(set_parent_death_signal, signal.SIGKILL)
            if os.getppid() != parent:
                os._exit(1)

    clean = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    with open(log, "wb") as output:
        # A session of its own, so that Ctrl-C reaches who works with the server, and not the server.
        return subprocess.Popen(command, cwd=directory, env={**clean, **variables}, stdin=subprocess.DEVNULL,
                                stdout=output, stderr=subprocess.STDOUT, preexec_fn=die_with_parent,
                                start_new_session=True)


def wait_until_ready(store: Store, process: subprocess.Popen) -> bool:
    """Waits until the server answers for its bucket, which it is asked to make. Whether it came to that."""
    deadline = time.monotonic() + START_PATIENCE_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            if request(store, "HEAD").status == 200:
                # Ready is who can store, not who can say that it has a bucket.
                if request(store, "PUT", "ready", body=b"yes").status == 200:
                    return request(store, "DELETE", "ready").status in (200, 204)
            elif request(store, "PUT").status == 200:
                continue
        except OSError:
            pass
        time.sleep(0.1)
    return False


def stop(process: subprocess.Popen) -> None:
    """Ends a server: it is asked first."""
    process.terminate()
    try:
        process.wait(STOP_PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def free_ports(count: int) -> list[int]:
    """Ports that nothing listens on now, nor on those `GRPC_OFFSET` above them."""
    chosen: list[int] = []
    for port in random.SystemRandom().sample(PORTS, len(PORTS)):
        if is_free(port) and is_free(port + GRPC_OFFSET):
            chosen.append(port)
            if len(chosen) == count:
                return chosen
    raise RuntimeError("There are no free ports.")


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def run(command: list[str], names: list[str]) -> int:
    """Runs `command` with servers; its exit code."""
    with running(*names) as started:
        for store in started:
            print(f"{store.name} serves {store.endpoint}/{store.bucket}", file=sys.stderr, flush=True)
        process = subprocess.Popen(command, env={**os.environ, VARIABLE: as_variable(started)})
        try:
            return process.wait()
        finally:
            if process.poll() is None:
                stop(process)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("action", choices=["run"])
    parser.add_argument("--server", action="append", choices=KINDS, help=f"default: {' and '.join(USUAL)}")
    parser.add_argument("command", nargs="+", metavar="-- COMMAND…")
    arguments = parser.parse_args()
    # Who ends this program by SIGTERM wants the servers and the command gone as well.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    raise SystemExit(run(arguments.command, arguments.server or list(USUAL)))


if __name__ == "__main__":
    main()
