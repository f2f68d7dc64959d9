"""Runs one group of comparisons on the DuckDB of this interpreter; started by `python -m bench`.

    python -m bench.worker --group NAME --parameters JSON [--only TEXT]      a line of JSON a comparison
    python -m bench.worker --group NAME --parameters JSON --comparison NAME --way NAME
                                                          does it once; a line of JSON with the peak of memory
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys

from bench.comparison import OURS, Comparison
from bench.measure import measure_memory, measure_time, peak_memory_bytes, ratio, summary
from bench.parameters import REPOSITORY, Parameters
from bench.session import Session
from bench.workloads import GROUPS, S3_GROUPS

ONCE_TIMEOUT_SECONDS = 3600


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--group", required=True, choices=[*GROUPS, *S3_GROUPS])
    parser.add_argument("--parameters", required=True, type=Parameters.from_json)
    parser.add_argument("--only", default="")
    parser.add_argument("--comparison")
    parser.add_argument("--way")
    options = parser.parse_args()
    comparisons = (GROUPS | S3_GROUPS)[options.group](Session(options.parameters))
    if options.comparison:
        [comparison] = [comparison for comparison in comparisons if comparison.name == options.comparison]
        print(json.dumps(once(comparison, options.way)), flush=True)
        return
    for comparison in comparisons:
        if options.only in comparison.name:
            print(json.dumps(measured(comparison, options)), flush=True)


def measured(comparison: Comparison, options: argparse.Namespace) -> dict:
    """One comparison as results.json has it."""
    if comparison.memory:
        runs = measure_memory(comparison, options.parameters.repeats, lambda way: in_new_process(comparison, way, options))
    else:
        runs = measure_time(comparison, options.parameters.repeats)
    found = {
        "group": options.group, "name": comparison.name, "title": comparison.title, "measure": comparison.measure,
        "target": comparison.target, "against": comparison.against, "bound_bytes": comparison.bound_bytes,
        "growth": comparison.growth, "note": comparison.note,
        "ways": {name: summary(way) for name, way in runs.items()},
        "ratios": {name: ratio(runs[OURS], way) for name, way in runs.items() if name != OURS},
    }
    print(line(found), file=sys.stderr, flush=True)
    return found


def line(found: dict) -> str:
    """What is shown as the run goes on."""
    parts = []
    for name, way in found["ways"].items():
        value = way.get("median")
        shown = way.get("error", "-") if value is None else f"{value / 1e6:.0f} MB" if found["measure"] == "memory" else f"{value * 1000:.1f} ms"
        times = found["ratios"].get(name)
        parts.append(f"{name} {shown}" + (f" ({times['median']:.2f}x)" if times else ""))
    return f"{found['title']}: " + ", ".join(parts)


def in_new_process(comparison: Comparison, way: str, options: argparse.Namespace) -> dict:
    """What `once` finds in a process of its own."""
    command = [sys.executable, "-m", "bench.worker", "--group", options.group, "--parameters", options.parameters.to_json(),
               "--comparison", comparison.name, "--way", way]
    process = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=ONCE_TIMEOUT_SECONDS)
    if process.returncode != 0:
        told = re.findall(r"^\S+(?:Error|Exception|Exit):.*", process.stderr, re.MULTILINE)
        return {"error": told[-1][:300] if told else f"exit code {process.returncode}"}
    return json.loads(process.stdout)


def once(comparison: Comparison, name: str) -> dict:
    """Does it once, and takes the peak of memory before the answer is looked at."""
    way = comparison.ways[name]
    way.prepare()
    result = way.run()
    peak = peak_memory_bytes()
    return {"peak_bytes": peak, "answer": way.answer(result)}


if __name__ == "__main__":
    main()
