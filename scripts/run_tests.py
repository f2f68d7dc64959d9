"""Runs every test there is against what was built: `python3 scripts/run_tests.py [--mode quick] [--jobs 2]`.

Parts: cargo test; the sqllogictest files on every DuckDB, on the local disk and on SeaweedFS; on moto, which is slow, with
the newest DuckDB alone; the Python tests on every DuckDB. The S3 servers run for all of it, and AMPLIFY_TEST_STORES names
them. All parts run even where one fails. Each prints its own closing line; then come the sums of all parts, a line each, and one of everything. A part
that fails, or that ran no test, fails the whole.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import environments
import servers
from sqllogictest import DUCKDB_VERSIONS, LOCAL, REPOSITORY

SQL_MATRIX = ((LOCAL, DUCKDB_VERSIONS), ("seaweedfs", DUCKDB_VERSIONS), ("moto", DUCKDB_VERSIONS[-1:]))
"""Store -> on which DuckDB the sqllogictest files run there."""
LIMIT_SECONDS, S3_LIMIT_SECONDS = 180, 600
"""For one sqllogictest file."""
CARGO_PROFILES = {"debug": "dev", "quick": "quick", "release": "release"}


@dataclass
class Part:
    """One test runner's run."""

    name: str
    passed: int
    failed: int
    skipped: int
    exit_code: int

    @property
    def good(self) -> bool:
        return self.exit_code == 0 and self.failed == 0 and self.passed > 0

    def line(self) -> str:
        skipped = f", {self.skipped} skipped" if self.skipped else ""
        trouble = "" if self.good else f"  <- {self.trouble()}"
        return f"{self.name}: {self.passed} passed, {self.failed} failed{skipped}{trouble}"

    def trouble(self) -> str:
        if self.failed or self.exit_code == 0:
            return "failed" if self.failed else "ran no test"
        return f"exit code {self.exit_code}"


def run(name: str, command: list, counts: dict[str, str], **environment: str) -> Part:
    """Runs `command`, showing what it prints, and adds up what its closing lines say.

    `counts` maps `lines` to what a closing line matches, and `passed`, `failed` and `skipped` to patterns with one
    group, the number.
    """
    print(f"\n== {name}", flush=True)
    started = time.monotonic()
    process = subprocess.Popen(
        command, cwd=REPOSITORY, env={**os.environ, **environment}, text=True, errors="replace",
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )
    sums = {"passed": 0, "failed": 0, "skipped": 0}
    for line in process.stdout:
        print(line, end="", flush=True)
        if re.search(counts["lines"], line):
            for key in sums:
                sums[key] += sum(int(number) for number in re.findall(counts[key], line))
    process.wait()
    print(f"== {name}: done in {time.monotonic() - started:.0f} s", flush=True)
    return Part(name, exit_code=process.returncode, **sums)


def cargo(mode: str) -> Part:
    """The unit, property and integration tests of the crate."""
    locked = ["--locked"] if os.environ.get("CI") else []
    return run(
        "cargo-test", ["cargo", "test", *locked, "--profile", CARGO_PROFILES[mode]],
        {"lines": r"^test result: ", "passed": r"(\d+) passed", "failed": r"(\d+) failed", "skipped": r"(\d+) ignored"},
    )


def sqllogictest(extension: Path, store: str, versions: tuple[str, ...], jobs: int) -> Part:
    """The files below test/sql, on one store."""
    return run(
        f"sqllogictest-{store}",
        [sys.executable, REPOSITORY / "scripts" / "sqllogictest.py", "--extension", extension, "--jobs", str(jobs),
         "--store", store, "--limit-seconds", str(LIMIT_SECONDS if store == LOCAL else S3_LIMIT_SECONDS),
         *(f"--duckdb={version}" for version in versions)],
        {"lines": r"^\d+ passed, \d+ failed$", "passed": r"^(\d+)", "failed": r"(\d+) failed", "skipped": r"(\d+) skip"},
    )


def pytest(extension: Path, version: str) -> Part:
    """The tests below test/python, on one DuckDB."""
    interpreter = environments.ensure(f"duckdb-{version}")
    return run(
        f"pytest-{version}",
        [interpreter, "-m", "pytest", "-ra", "--durations=5", "-p", "no:cacheprovider", "test/python"],
        {"lines": r"^=+ .* in [\d.]+s.* =+$", "passed": r"(\d+) passed", "failed": r"(\d+) (?:failed|error)",
         "skipped": r"(\d+) skipped"},
        AMPLIFY_EXTENSION=str(extension), PYTHONDONTWRITEBYTECODE="1",
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mode", choices=CARGO_PROFILES, default="quick", help="which build (default: quick)")
    parser.add_argument("--jobs", type=int, default=2, help="sqllogictest files run at once (default: 2)")
    arguments = parser.parse_args()
    extension = REPOSITORY / "build" / arguments.mode / "amplify.duckdb_extension"
    if not extension.is_file():
        raise SystemExit(f"There is no {extension}: build it first, with make {arguments.mode}.")

    print(f"== Starting {' and '.join(servers.USUAL)}", flush=True)
    with servers.running(*servers.USUAL) as stores:
        os.environ[servers.VARIABLE] = servers.as_variable(stores)
        parts = [cargo(arguments.mode)]
        parts += [sqllogictest(extension, store, versions, arguments.jobs) for store, versions in SQL_MATRIX]
        parts += [pytest(extension, version) for version in DUCKDB_VERSIONS]
    print("\n== All parts")
    for part in parts:
        print(part.line())
    skipped = sum(part.skipped for part in parts)
    print(f"{sum(part.passed for part in parts)} passed, {sum(part.failed for part in parts)} failed"
          + (f", {skipped} skipped" if skipped else ""))
    if not all(part.good for part in parts):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
