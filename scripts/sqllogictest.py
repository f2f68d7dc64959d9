"""Runs sqllogictest files strictly, on every DuckDB the extension serves; see scripts/sqllogic.

    python3 scripts/sqllogictest.py --extension build/quick/amplify.duckdb_extension [--duckdb 1.5.6] [FILE|DIRECTORY…]

With --store seaweedfs, or moto, they run on that S3 server (scripts/servers.py), but for files and records that say
`# local: why`. A file keeps its stores below ${TEST_ROOT}, which is __TEST_DIR__, or a prefix of a bucket.

Each file runs in a process and a scratch directory of its own, with a time limit. The scratch directory of a file that
failed is kept, below build/sqllogictest. Makes the environments of scripts/environments.py where they are missing. The
last line is `N passed, N failed`, one test being one file on one DuckDB and one store.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import os
import re
import shutil
import signal
import subprocess
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import environments
import servers
from s3_request import Store, request
from sqllogic.parse import why_local

REPOSITORY = environments.REPOSITORY
DUCKDB_VERSIONS = ("1.5.6", "2.0.0")
LOCAL = "local"


@dataclass(frozen=True)
class Place:
    """A DuckDB and a store that files run on."""

    version: str
    store: Store | None
    """`None`: the local disk."""

    @property
    def name(self) -> str:
        return f"duckdb-{self.version}" + (f" on {self.store.name}" if self.store else "")


@dataclass(frozen=True)
class Outcome:
    """How one file fared in one place."""

    place: Place
    file: Path
    records: int
    seconds: float
    failure: str | None
    """What went wrong, starting with file and line."""
    passed_over: int = 0
    """Records that are for local stores."""

    def line(self) -> str:
        head = "ok    " if self.failure is None else "FAILED"
        return f"{self.place.name}  {head}  {self.seconds:6.2f} s  {self.records:4} records  {relative(self.file)}"


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


def variables(place: Place, name: str) -> dict[str, str]:
    """The environment of a file that runs on a store."""
    clean = {key: value for key, value in os.environ.items() if key not in ("TEST_ROOT", "SQLLOGIC_SETTINGS")}
    store = place.store
    if store is None:
        return clean
    fresh = uuid.uuid4().hex[:8]
    if store.name == "moto":
        # It goes over all keys of a bucket for every listing.
        store = dataclasses.replace(store, bucket=f"{store.bucket}-{fresh}")
        request(store, "PUT")
    return {**clean, "TEST_ROOT": f"s3://{store.bucket}/{place.version}_{name}_{fresh}",
            "SQLLOGIC_SETTINGS": json.dumps({
                "amplify_s3_endpoint": store.endpoint, "amplify_s3_access_key": store.access_key,
                "amplify_s3_secret_key": store.secret_key, "amplify_s3_use_ssl": "false", "amplify_s3_url_style": "path"})}


def run(file: Path, place: Place, extension: Path | None, limit_seconds: float) -> Outcome:
    """Runs one file in one place, in a process of its own."""
    name = re.sub(r"\W+", "_", relative(file.with_suffix(""))).strip("_")
    scratch = REPOSITORY / "build" / "sqllogictest" / place.name.replace(" ", "-") / name
    shutil.rmtree(scratch, ignore_errors=True)
    work = scratch / "scratch"
    work.mkdir(parents=True)
    report, log = scratch / "report.json", scratch / "output.txt"
    command = [environments.python(f"duckdb-{place.version}"), "-m", "sqllogic.worker", file, work, report]
    started = time.monotonic()
    with open(log, "wb") as output:
        process = subprocess.Popen(
            [*command, *([extension] if extension else [])],
            cwd=REPOSITORY, env={**variables(place, name), "PYTHONPATH": str(REPOSITORY / "scripts")},
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
        return Outcome(place, file, 0, seconds, f"{relative(file)}: {ended}\n{tail}")
    told = json.loads(report.read_text(encoding="utf-8"))
    if "message" in told:
        return Outcome(place, file, 0, seconds, f"{relative(file)}:{told['line']}: {told['message']}")
    if process.returncode != 0:
        tail = log.read_text(encoding="utf-8", errors="replace")[-4000:]
        return Outcome(place, file, 0, seconds, f"{relative(file)}: All records passed, but: {ended}\n{tail}")
    shutil.rmtree(scratch)
    return Outcome(place, file, told["records"], seconds, None, told.get("passed_over", 0))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("paths", type=Path, nargs="*", default=[REPOSITORY / "test" / "sql"], help="default: test/sql")
    group = parser.add_mutually_exclusive_group(required=True)
    group.add_argument("--extension", type=Path, help='what "require amplify" loads')
    group.add_argument("--no-extension", action="store_true", help="plain DuckDB: to test the runner itself")
    parser.add_argument("--duckdb", action="append", choices=DUCKDB_VERSIONS, help="default: all of them")
    parser.add_argument("--store", action="append", choices=[LOCAL, *servers.USUAL], help="default: local")
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

    with contextlib.ExitStack() as stack:
        stores = [None if name == LOCAL else stack.enter_context(servers.given_or_started(name))
                  for name in arguments.store or [LOCAL]]
        outcomes = run_all(files, [Place(version, store) for store in stores for version in versions], extension,
                           arguments.jobs, arguments.limit_seconds)
    failed = [outcome for outcome in outcomes if outcome.failure]
    if failed:
        print("\nFailed:")
        for outcome in failed:
            print(f"  {outcome.place.name}  {outcome.failure.splitlines()[0]}")
    for place in dict.fromkeys(outcome.place for outcome in outcomes):
        here = [outcome for outcome in outcomes if outcome.place == place]
        bad = sum(outcome.failure is not None for outcome in here)
        passed_over = sum(outcome.passed_over for outcome in here)
        print(f"{place.name}: {len(here) - bad} passed, {bad} failed" + (
            f"; not for this store: {len(files) - len(here)} files, {passed_over} records" if place.store else ""))
    print(f"{len(outcomes) - len(failed)} passed, {len(failed)} failed")
    if not outcomes:
        raise SystemExit("There was no test file, which is a failure too.")
    raise SystemExit(1 if failed else 0)


def run_all(files: list[Path], places: list[Place], extension: Path | None, jobs: int, limit_seconds: float) -> list[Outcome]:
    """Runs every file in every place that it is for; tells how each fared."""
    local = {file for file in files if why_local(file.read_text(encoding="utf-8")) is not None}
    outcomes = []
    with ThreadPoolExecutor(jobs) as pool:
        running = [pool.submit(run, file, place, extension, limit_seconds)
                   for place in places for file in files if place.store is None or file not in local]
        for job in running:
            outcome = job.result()
            outcomes.append(outcome)
            print(outcome.line(), flush=True)
            if outcome.failure:
                print("  " + outcome.failure.replace("\n", "\n  "), flush=True)
    return outcomes


if __name__ == "__main__":
    main()
