"""Processes that work on one store: starting, killing and hearing them. What they do is in worker.py."""

from __future__ import annotations

import ctypes
import itertools
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import pytest

HERE = Path(__file__).resolve().parent
ENVIRONMENTS = HERE.parents[1] / "build" / "venv"
VERSIONS = ("1.5.6", "2.0.0")
PATIENCE_SECONDS = 120
"""No single step takes longer, on a machine with other work to do."""


def interpreters() -> list[str]:
    """A Python for each DuckDB, this one's first. Skips the test where the other is not there."""
    others = [version for version in VERSIONS if version != duckdb.__version__]
    paths = [ENVIRONMENTS / f"duckdb-{version}" / "bin" / "python" for version in others]
    for path in paths:
        if not path.exists():
            pytest.skip(f"There is no {path}: make configure makes it.")
    return [sys.executable, *map(str, paths)]


def obey_permissions() -> None:
    """Takes from this process, and what it runs, root's right to pass over permissions. Others have no such right."""
    drop_capability, dac_override, dac_read_search = 24, 1, 2  # of linux/prctl.h and linux/capability.h
    libc = ctypes.CDLL(None)
    libc.prctl(drop_capability, dac_override, 0, 0, 0)
    libc.prctl(drop_capability, dac_read_search, 0, 0, 0)


@dataclass
class Running:
    """One worker."""

    name: str
    process: subprocess.Popen
    log: Path
    errors: Path

    def events(self, kind: str | None = None) -> list[dict]:
        """What it has said. The last line counts when it is whole."""
        lines = self.log.read_text().split("\n")[:-1] if self.log.exists() else []
        said = [json.loads(line) for line in lines]
        return [event for event in said if kind in (None, event["event"])]

    def wait_for(self, kind: str) -> dict:
        """The first event of a kind."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not (found := self.events(kind)):
            ended = self.process.poll()
            if ended is not None and not (found := self.events(kind)):
                pytest.fail(f"{self.name} ended ({ended}) before it was {kind}: {self.events('error')}\n{self.errors.read_text()}")
            if time.monotonic() > deadline:
                pytest.fail(f"{self.name} was not {kind} after {PATIENCE_SECONDS} s")
            if found:
                break
            time.sleep(0.001)
        return found[0]

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def finish(self) -> list[dict]:
        """Everything it said, after it ended without an error."""
        try:
            code = self.process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            pytest.fail(f"{self.name} did not end after {PATIENCE_SECONDS} s")
        failed = [event["message"] for event in self.events("error")]
        assert code == 0 and not failed, f"{self.name} ended with {code}: {failed}\n{self.errors.read_text()}"
        return self.events()


@dataclass
class Crew:
    """All workers of one test."""

    scratch: Path
    root: Path | str
    """A local path, or a URL."""
    extension: Path
    all: list[Running] = field(default_factory=list)
    settings: dict[str, str] = field(default_factory=dict)
    """What a worker needs to be told besides the root."""

    def start(self, role: str, name: str, interpreter: str = sys.executable, obeys_permissions: bool = False,
              **arguments) -> Running:
        """Starts a process in a role of worker.py. With `obeys_permissions`, root does so too."""
        log, errors = self.scratch / f"{name}.jsonl", self.scratch / f"{name}.err"
        told = {"name": name, "root": str(self.root), "extension": str(self.extension), "log": str(log),
                "start": str(self.scratch / "start"), "stop": str(self.scratch / "stop"),
                "settings": self.settings, **arguments}
        command = [interpreter, str(HERE / "worker.py"), role, json.dumps(told)]
        with open(errors, "wb") as stderr:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=stderr, stderr=stderr,
                                       preexec_fn=obey_permissions if obeys_permissions else None,
                                       env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"})
        self.all.append(running := Running(name, process, log, errors))
        return running

    def go(self) -> None:
        """Lets those go that wait for one another."""
        for running in self.all:
            running.wait_for("ready")
        (self.scratch / "start").touch()

    def stop(self) -> None:
        """Tells those that work without end to come to one."""
        (self.scratch / "stop").touch()

    def run(self, sql: str, name: str = "statement", **arguments) -> dict:
        """Runs one statement in a process of its own; how it ended. Its session was alive afterwards."""
        events = self.start("statement", name, sql=sql, **arguments).finish()
        assert events[-1]["event"] == "alive"
        return events[-2]

    def said(self) -> list[dict]:
        """What all of them have said."""
        return [event for running in self.all for event in running.events()]

    def end(self) -> None:
        """Leaves nothing running."""
        for running in self.all:
            if running.process.poll() is None:
                running.kill()


def kill_again_and_again(kills: int, at_once: int, bear: Callable[[int], Running], heard: str, chance: random.Random,
                         longest_seconds: float) -> list[Running]:
    """Kills workers, the oldest first, at any moment in the `longest_seconds` after it was `heard`, and has another take
    its place: `bear` starts number 1, 2, …. Returns the `at_once` that are left."""
    numbers = itertools.count(1)
    workers = [bear(next(numbers)) for _ in range(at_once)]
    for _ in range(kills):
        victim = workers.pop(0)
        victim.wait_for(heard)
        time.sleep(chance.uniform(0, longest_seconds))
        victim.kill()
        assert not victim.events("error")
        workers.append(bear(next(numbers)))
    return workers


@pytest.fixture
def crew(tmp_path: Path, root: Path, extension: Path):
    """Starts workers on `root`; ends those that a failed test left."""
    scratch = tmp_path / "crew"
    scratch.mkdir()
    crew = Crew(scratch, root, extension)
    yield crew
    crew.end()
