"""The S3 servers of the tests start for a command, and are gone with who started them, whatever that dies of."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import servers
from s3_request import Store, objects, request

SCRIPT = Path(servers.__file__)


def run(*arguments: str, **options) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, SCRIPT, "run", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            text=True, **options)


def children(process: subprocess.Popen) -> list[int]:
    return [int(pid) for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


SHOW = [sys.executable, "-c", "import os; print(os.environ['AMPLIFY_TEST_STORES']); raise SystemExit(7)"]


def test_a_command_is_told_of_the_servers_and_its_exit_code_is_passed_on():
    process = run("--", *SHOW)
    told, said = process.communicate(timeout=120)
    assert process.returncode == 7
    stores = [Store(**store) for store in json.loads(told)]
    assert [store.name for store in stores] == ["seaweedfs", "moto"]
    for store in stores:
        assert f"{store.name} serves {store.endpoint}/{store.bucket}" in said
        with pytest.raises(ConnectionError):
            request(store, "HEAD")
        assert not list(servers.DIRECTORY.glob(f"*-{store.endpoint.rpartition(':')[2]}"))


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_no_server_outlives_who_started_it(end):
    process = run("--server", "seaweedfs", "--server", "moto", "--", "sleep", "300")
    deadline = time.monotonic() + 120
    while len(pids := children(process)) < 3:
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.05)
    assert all(map(is_alive, pids))
    process.send_signal(end)
    process.wait()
    command = pids.pop() if end == signal.SIGKILL else None
    while any(map(is_alive, pids)):
        assert time.monotonic() < deadline, "a server is still there"
        time.sleep(0.05)
    if command:
        os.kill(command, signal.SIGKILL)  # it is ours, and no server


def test_servers_that_run_are_used(monkeypatch):
    given = Store("moto", "http://127.0.0.1:1", "b", "a", "s")
    monkeypatch.setenv(servers.VARIABLE, servers.as_variable([given]))
    with servers.given_or_started("moto") as store:
        assert store == given


def test_two_of_a_kind_do_not_meet():
    with servers.running("seaweedfs", "seaweedfs") as (one, other):
        assert one.endpoint != other.endpoint
        request(one, "PUT", "x y/ü%", body=b"1")
        assert (objects(one), objects(other)) == ({"x y/ü%": 1}, {})


@pytest.mark.parametrize("name", ["seaweedfs", "moto"])
def test_long_listings_come_in_pages(name):
    """Of the client that the tests look with."""
    with servers.given_or_started(name) as store:
        keys = [f"pages-{os.getpid()}/{number:04}" for number in range(1010)]
        for key in keys:
            assert request(store, "PUT", key, body=b"x").status == 200
        assert sorted(objects(store, f"pages-{os.getpid()}/")) == keys
