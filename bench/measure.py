"""Takes the measures: the ways of a comparison in turn, so that what troubles the machine troubles all of them.

Each round runs every way once, beginning with another one each time; the first round only warms up. Every answer,
timed or not, must equal the first one of ours. The ratio is taken within each round; the report gives the median of
the ratios, with the least and the greatest.
"""

from __future__ import annotations

import gc
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from bench.answers import same
from bench.comparison import OURS, Comparison, Way

SLOW_PEER_SECONDS = 30
SLOW_PEER_RUNS = 3
"""A peer that took longer to warm up is timed only so often, unless the target speaks of it."""
SHORT_ROUND_SECONDS = 0.5
SHORT_ROUNDS_FACTOR = 3
"""Rounds shorter than that are repeated so much more often: noise weighs more there."""


@dataclass
class Runs:
    """What was measured of one way."""

    values: dict[int, float] = field(default_factory=dict)
    """Round -> seconds, or bytes."""
    cpu: list[float] = field(default_factory=list)
    """Seconds of processor time, all threads of this process together; the warm-up's too."""
    error: str | None = None
    """Why there is nothing more: the way failed, or gave another answer than ours."""


def measure_time(comparison: Comparison, repeats: int) -> dict[str, Runs]:
    """Times every way `repeats` times or more."""
    runs = {name: Runs() for name in comparison.ways}
    expected: list = []
    # Ours comes first to warm up: its answer is what the others are held to.
    warm_up = {name: run_once(comparison.ways[name], runs[name], expected)
               for name in sorted(comparison.ways, key=lambda name: name != OURS)}
    length = sum(took for took in warm_up.values() if took is not None)
    rounds = repeats * (SHORT_ROUNDS_FACTOR if length < SHORT_ROUND_SECONDS else 1)
    names = list(comparison.ways)
    for number in range(rounds):
        for name in names[number % len(names):] + names[:number % len(names)]:
            slow = name not in (OURS, comparison.against) and (warm_up[name] or 0) > SLOW_PEER_SECONDS
            if runs[name].error is None and not (slow and number >= SLOW_PEER_RUNS):
                took = run_once(comparison.ways[name], runs[name], expected)
                if took is not None:
                    runs[name].values[number] = took
    return runs


def run_once(way: Way, runs: Runs, expected: list) -> float | None:
    """One run, in seconds. A failure is kept in `runs`, for a peer that fails is part of the report."""
    try:
        way.prepare()
        gc.collect()
        start, cpu_start = time.perf_counter(), time.process_time()
        result = way.run()
        took, cpu = time.perf_counter() - start, time.process_time() - cpu_start
        answer = way.answer(result)
    except Exception as error:
        runs.error = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"[:300]
        return None
    finally:
        way.restore()
    if not expected:
        expected.append(answer)
    elif not same(answer, expected[0]):
        runs.error = f"gave another answer: {short(answer)}, not {short(expected[0])}"
        return None
    runs.cpu.append(cpu)
    return took


def measure_memory(comparison: Comparison, repeats: int, in_new_process: Callable[[str], dict]) -> dict[str, Runs]:
    """Has `in_new_process(way)` take the peak of each way `repeats` times."""
    runs = {name: Runs() for name in comparison.ways}
    expected: list = []
    for number in range(repeats):
        for name in comparison.ways:
            if runs[name].error is None:
                found = in_new_process(name)
                if "error" in found:
                    runs[name].error = found["error"]
                    continue
                expected = expected or [found["answer"]]
                if same(found["answer"], expected[0]):
                    runs[name].values[number] = found["peak_bytes"]
                else:
                    runs[name].error = f"gave another answer: {short(found['answer'])}, not {short(expected[0])}"
    return runs


def summary(runs: Runs) -> dict:
    """One way in results.json."""
    found: dict = {"runs": list(runs.values.values())}
    if runs.values:
        values = list(runs.values.values())
        found |= {"median": statistics.median(values), "min": min(values), "max": max(values)}
    if runs.cpu:
        found["cpu_median"] = statistics.median(runs.cpu)
    return found | ({"error": runs.error} if runs.error else {})


def ratio(ours: Runs, peer: Runs) -> dict | None:
    """Ours to the peer's, round by round; None where one of them has no measure."""
    ratios = [ours.values[number] / peer.values[number] for number in ours.values if number in peer.values]
    return {"median": statistics.median(ratios), "min": min(ratios), "max": max(ratios)} if ratios else None


def peak_memory_bytes() -> int:
    """The most memory that this process has had resident.

    Linux hands `ru_maxrss` on from the process that started this one, so its status file comes first.
    """
    status = Path("/proc/self/status")
    if status.is_file():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    import resource  # not on Windows

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def short(answer: object) -> str:
    text = repr(answer)
    return text if len(text) <= 120 else text[:117] + "..."
