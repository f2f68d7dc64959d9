"""Runs the benchmark: `python3 -m bench [--quick] [--s3] [--group NAME] [--only TEXT] …`; see bench/README.md.

Each group of comparisons runs in a process of its own, on every DuckDB version; what is found is written after each
group, so that a run that was stopped is gone on with by --resume.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from bench.parameters import (DUCKDB_VERSIONS, REPOSITORY, RUN_VARIABLE, SCRATCH, Parameters, extension_digest,
                              extension_path)
from bench.report.machine import describe

GROUPS = ("scans", "lookups", "metadata", "foreign", "small-files", "partitions", "copy-sorted", "copy-random", "appends",
          "join", "journal", "memory", "growth-rows", "growth-partitions")
S3_GROUPS = ("s3-month", "s3-bulk", "s3-appends", "s3-memory")
"""As in bench/workloads, which this process does not import: it needs no packages of its own."""


def main() -> None:
    options = arguments()
    parameters = chosen_parameters(options)
    groups = options.group or (S3_GROUPS if options.s3 else GROUPS)
    output = options.output or REPOSITORY / ("build/bench/results-quick" if options.quick else "bench/results")
    output.mkdir(parents=True, exist_ok=True)
    extension = extension_path()
    digest = extension_digest(extension)
    os.environ[RUN_VARIABLE] = SCRATCH.name
    results = output / ("results-s3.json" if options.s3 else "results.json")
    found = {"parameters": dataclasses.asdict(parameters), "extension": digest, "machine": describe(extension),
             "groups": S3_GROUPS if options.s3 else GROUPS, "runs": []}
    if options.resume and results.is_file():
        old = json.loads(results.read_text())
        if (old["extension"], json.dumps(old["parameters"])) == (digest, json.dumps(found["parameters"])):
            found = old
    with s3_server(parameters) if options.s3 else contextlib.nullcontext():
        for version in options.duckdb or DUCKDB_VERSIONS:
            for group in groups:
                if not any(run["duckdb"] == version and run["group"] == group for run in found["runs"]):
                    found["runs"].append(run_group(version, group, parameters, options.only))
                    results.write_text(json.dumps(found, indent=1) + "\n")
    shutil.rmtree(SCRATCH, ignore_errors=True)
    subprocess.run([interpreter(DUCKDB_VERSIONS[-1]), "-m", "bench.report", results], cwd=REPOSITORY, check=True)
    if any(run["exit_code"] for run in found["runs"]):
        raise SystemExit("Some groups did not come to their end: see above.")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python3 -m bench", description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small data, into build/bench/results-quick")
    parser.add_argument("--s3", action="store_true", help="the groups on S3, and not those on local files")
    named = f"{', '.join(GROUPS)}; on S3, with --s3: {', '.join(S3_GROUPS)}"
    parser.add_argument("--group", action="append", metavar="NAME", choices=[*GROUPS, *S3_GROUPS],
                        help=f"only this group (may be given again): {named}")
    parser.add_argument("--only", default="", help="only comparisons with this text in their name")
    parser.add_argument("--duckdb", action="append", choices=DUCKDB_VERSIONS, help="only this version (may be given again)")
    parser.add_argument("--output", type=Path,
                        help="where results go (default: bench/results; build/bench/results-quick with --quick)")
    parser.add_argument("--resume", action="store_true", help="keep the groups that this build has been measured in already")
    sizes = parser.add_argument_group("sizes")
    for field in dataclasses.fields(Parameters):
        kind, metavar = KINDS[field.type]
        sizes.add_argument("--" + field.name.replace("_", "-"), type=kind, metavar=metavar,
                           help=f"{field.metadata['help']} ({defaults(field.name)})")
    return parser.parse_args()


def comma_list(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in text.split(","))


KINDS = {"int": (int, "N"), "str": (str, "TEXT"), "tuple[int, ...]": (comma_list, "N,N,N")}
"""The type of a parameter -> how it is read, and its name in --help."""


def defaults(name: str) -> str:
    """What a parameter is where it is not given."""
    full, quick = (shown(getattr(parameters, name)) for parameters in (Parameters(), Parameters.quick()))
    return f"default: {full}" if full == quick else f"default: {full}; {quick} with --quick"


def shown(value: int | str | tuple[int, ...]) -> str:
    """As it is typed."""
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


def chosen_parameters(options: argparse.Namespace) -> Parameters:
    """The defaults, and what was said otherwise."""
    parameters = Parameters.quick() if options.quick else Parameters()
    given = {field.name: getattr(options, field.name) for field in dataclasses.fields(Parameters)}
    return dataclasses.replace(parameters, **{name: value for name, value in given.items() if value is not None})


def run_group(version: str, group: str, parameters: Parameters, only: str) -> dict:
    """One group on one DuckDB, as results.json has it."""
    print(f"\n== {group}, DuckDB {version}", flush=True)
    start, load = time.perf_counter(), os.getloadavg()[0]
    command = [interpreter(version), "-m", "bench.worker", "--group", group, "--parameters", parameters.to_json(), "--only", only]
    process = subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True)
    comparisons = [json.loads(line) for line in process.stdout]
    process.wait()
    print(f"== {group}, DuckDB {version}: {time.perf_counter() - start:.0f} s", flush=True)
    return {"duckdb": version, "group": group, "load_average": load, "exit_code": process.returncode, "comparisons": comparisons}


def interpreter(version: str) -> Path:
    """Of the environment of a DuckDB version and its peers."""
    sys.path.insert(0, str(REPOSITORY / "scripts"))
    import environments

    return environments.ensure(f"bench-{version}")


def s3_server(parameters: Parameters) -> contextlib.AbstractContextManager:
    from bench import s3

    return s3.running(parameters.s3_delay_ms)


if __name__ == "__main__":
    main()
