"""Runs sqllogictest files strictly, on every DuckDB the extension serves; see scripts/sqllogic.

    python3 scripts/sqllogictest.py --extension build/quick/amplify.duckdb_extension [--duckdb 1.5.6] [FILE|DIRECTORY…]

Each file runs in a process and a scratch directory of its own, with a time limit. The scratch directory of a file that
failed is kept, below build/sqllogictest. Makes the environments of scripts/environments.py where they are missing. The
last line is `N passed, N failed`, one test being one file on one DuckDB.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import environments

REPOSITORY = environments.REPOSITORY
DUCKDB_VERSIONS = ("1.5.6", "2.0.0")


@dataclass(frozen=True)
class Outcome:
    """How one file fared on one DuckDB."""

    version: str
    file: Path
    records: int
    seconds: float
    failure: str | None
    """What went wrong, starting with the place."""

    def line(self) -> str:
        head = "ok    " if self.failure is None else "FAILED"
        return f"duckdb {self.version}  {head}  {self.seconds:6.2f} s  {self.records:4} records  {relative(self.file)}"


def relative(path: Path) -> str:
    """A path as a reader of the report would type it."""
    return os.path.relpath(path, REPOSITORY) if path.is_relative_to(REPOSITORY) else str(path)


def test_files(paths: list[Path]) -> list[Path]:
    """The test files that are named or lie below what is named, in order."""
    found = []
    for path in paths:
        if path.is_dir():
            found += sorted([*path.rglob("*.test"), *path.rglob("*.test_slow")])
        elif path.is_file():
            found.append(path)
        else:
            raise SystemExit(f"{path} is neither a file nor a directory.")
    return [path.resolve() for path in dict.fromkeys(found)]


def run(file: Path, version: str, extension: Path | None, limit_seconds: float) -> Outcome:
    """Runs one file on one DuckDB in a process of its own."""
    name = re.sub(r"\W+", "_", relative(file.with_suffix(""))).strip("_")
    scratch = REPOSITORY / "build" / "sqllogictest" / version / name
    shutil.rmtree(scratch, ignore_errors=True)
    work = scratch / "scratch"
    work.mkdir(parents=True)
    report, log = scratch / "report.json", scratch / "output.txt"
    command = [environments.python(f"duckdb-{version}"), "-m", "sqllogic.worker", file, work, report]
    started = time.monotonic()
    with open(log, "wb") as output:
        process = subprocess.Popen(
            [*command, *([extension] if extension else [])],
            cwd=REPOSITORY, env={**os.environ, "PYTHONPATH": str(REPOSITORY / "scripts")},
            stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
        )
        try:
            process.wait(limit_seconds)
            ended = f"The process ended with code {process.returncode} and no report."
        except subprocess.TimeoutExpired:
            ended = f"Not done within {limit_seconds:g} s: killed."
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
    seconds = time.monotonic() - started
    if not report.exists():
        tail = log.read_text(encoding="utf-8", errors="replace")[-4000:]
        return Outcome(version, file, 0, seconds, f"{relative(file)}: {ended}\n{tail}")
    told = json.loads(report.read_text(encoding="utf-8"))
    if "message" in told:
        return Outcome(version, file, 0, seconds, f"{relative(file)}:{told['line']}: {told['message']}")
    if process.returncode != 0:
        tail = log.read_text(encoding="utf-8", errors="replace")[-4000:]
        return Outcome(version, file, 0, seconds, f"{relative(file)}: All records passed, but: {ended}\n{tail}")
    shutil.rmtree(scratch)
    return Outcome(version, file, told["records"], seconds, None)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("paths", type=Path, nargs="*", default=[REPOSITORY / "test" / "sql"], help="default: test/sql")
    group = parser.add_mutually_exclusive_group(required=True)
    group.add_argument("--extension", type=Path, help='what "require amplify" loads')
    group.add_argument("--no-extension", action="store_true", help="plain DuckDB: to test the runner itself")
    parser.add_argument("--duckdb", action="append", choices=DUCKDB_VERSIONS, help="default: all of them")
    parser.add_argument("--jobs", type=int, default=2, help="files run at once (default: 2)")
    parser.add_argument("--limit-seconds", type=float, default=180, help="for one file (default: 180)")
    arguments = parser.parse_args()

    versions = arguments.duckdb or list(DUCKDB_VERSIONS)
    extension = arguments.extension and arguments.extension.resolve()
    if extension and not extension.is_file():
        raise SystemExit(f"There is no {extension}: build it first, with make.")
    files = test_files(arguments.paths)
    for version in versions:
        environments.ensure(f"duckdb-{version}")

    outcomes = []
    with ThreadPoolExecutor(arguments.jobs) as pool:
        jobs = [pool.submit(run, file, version, extension, arguments.limit_seconds)
                for version in versions for file in files]
        for job in jobs:
            outcome = job.result()
            outcomes.append(outcome)
            print(outcome.line(), flush=True)
            if outcome.failure:
                print("  " + outcome.failure.replace("\n", "\n  "), flush=True)
    failed = [outcome for outcome in outcomes if outcome.failure]
    if failed:
        print("\nFailed:")
        for outcome in failed:
            print(f"  duckdb {outcome.version}  {outcome.failure.splitlines()[0]}")
    for version in versions:
        bad = sum(outcome.version == version for outcome in failed)
        print(f"duckdb-{version}: {len(files) - bad} passed, {bad} failed")
    print(f"{len(outcomes) - len(failed)} passed, {len(failed)} failed")
    if not outcomes:
        raise SystemExit("There was no test file, which is a failure too.")
    raise SystemExit(1 if failed else 0)


if __name__ == "__main__":
    main()
