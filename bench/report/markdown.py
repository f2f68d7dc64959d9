"""The report as a table: the targets with their ratios, then every way with its own figures."""

from __future__ import annotations

import statistics
from collections.abc import Iterator

from bench.comparison import NATIVE, NATIVE_CACHED, OURS, UNCACHED

GROWTH_TOLERANCE = 1.1
"""Noise that is forgiven before growth counts as faster than its input."""


def render(results: dict) -> str:
    lines = ["# Results", "", *conditions(results), "", "## Against the targets", "",
             "Ratios of ours to the peer: less than 1 is faster, or smaller. Median of the rounds, [least .. greatest].", "",
             *targets(results), *footers(results), *growth(results), "", "## Every way", "",
             "Median [least .. greatest] of one run; in brackets the ratio of ours to it.", "", *ways(results),
             *count_of_read(results)]
    return "\n".join(lines) + "\n"


def conditions(results: dict) -> list[str]:
    """What the figures were taken on, one line an item."""
    machine, parameters = results["machine"], results["parameters"]
    loads = [run["load_average"] for run in results["runs"]]
    return [
        f"- {machine['cpu']}, {machine['cores']} cores, {machine['memory_bytes'] / 2**30:.0f} GiB, {machine['system']}, {machine['file_system']}",
        f"- extension {results['extension']} " + (
            f"(build of the repository at commit {machine['commit']})" if machine["commit"] else
            "(named by AMPLIFY_EXTENSION; of which commit is not known)"),
        f"- DuckDB {' and '.join(versions(results))}, {parameters['threads']} threads, memory limit {parameters['memory_limit']}",
        f"- {parameters['rows']:,} rows, seed {parameters['seed']}, files in the page cache",
        "- unless a way says otherwise, Parquet footers are in the cache of ours and not in DuckDB's: the defaults of both",
        f"- load of the machine as groups began: {min(loads):.1f} to {max(loads):.1f}" + (
            " (others were at work, or the disk with what a group before wrote: these figures are coarse)" if max(loads) > machine["cores"] + 1 else ""),
        *(f"- not run on DuckDB {version}: {', '.join(missing)}" for version, missing in not_run(results).items()),
    ]


def not_run(results: dict) -> dict[str, list[str]]:
    """Which groups there are no figures of, for each version."""
    done = {(run["duckdb"], run["group"]) for run in results["runs"]}
    missing = {version: [group for group in results["groups"] if (version, group) not in done] for version in versions(results)}
    return {version: groups for version, groups in missing.items() if groups}


def versions(results: dict) -> list[str]:
    return list(dict.fromkeys(run["duckdb"] for run in results["runs"]))


def comparisons(results: dict) -> Iterator[tuple[str, dict]]:
    """DuckDB version and comparison."""
    for run in results["runs"]:
        for comparison in run["comparisons"]:
            yield run["duckdb"], comparison


def targets(results: dict) -> Iterator[str]:
    """A row a comparison, a column a DuckDB version; growth has a table of its own."""
    yield "| workload | against | at most |" + "".join(f" DuckDB {version} | |" for version in versions(results))
    yield "|---|---|---|" + "---|---|" * len(versions(results))
    by_name: dict[str, dict[str, dict]] = {}
    for version, comparison in comparisons(results):
        if not comparison["growth"] and (comparison["bound_bytes"] or comparison["against"] in comparison["ways"]):
            by_name.setdefault(comparison["name"], {})[version] = comparison
    for found in by_name.values():
        any_version = next(iter(found.values()))
        target = any_version["target"]
        bound = any_version["bound_bytes"]
        cells = [any_version["title"], *(["-", amount(bound, "memory")] if bound else
                                         [any_version["against"], "-" if target is None else f"{target:g}"])]
        for version in versions(results):
            cells += verdict(found[version]) if version in found else ["not run", ""]
        yield f"| {' | '.join(cells)} |"


def verdict(comparison: dict) -> list[str]:
    """The ratio, and whether it meets the target; or the peak, and whether it is within the bound."""
    peak = comparison["ways"][OURS].get("max")
    if comparison["bound_bytes"] and peak:
        return [amount(peak, "memory"), "met" if peak <= comparison["bound_bytes"] else "**not met**"]
    ratio = comparison["ratios"].get(comparison["against"])
    if ratio is None:
        errors = [f"{name} {way['error']}" for name, way in comparison["ways"].items() if "error" in way]
        return ["; ".join(errors) or "no figure", "not met" if comparison["target"] or comparison["bound_bytes"] else ""]
    met = "" if comparison["target"] is None else "met" if ratio["median"] <= comparison["target"] else "**not met**"
    return [spread(ratio), met]


def footers(results: dict) -> Iterator[str]:
    """What the cache of footers is worth: ours keeps them by default, DuckDB does not."""
    found = [(version, comparison) for version, comparison in comparisons(results) if UNCACHED in comparison["ways"]]
    if not found:
        return
    yield from ("", "## With and without footers in memory", "",
                "By default ours keeps the Parquet footers of the rounds before, and DuckDB does not.", "",
                "| workload | DuckDB | by default | both keep them | neither does |", "|---|---|---|---|---|")
    for version, comparison in found:
        ratios = (comparison["ratios"].get(NATIVE), comparison["ratios"].get(NATIVE_CACHED),
                  between(comparison, UNCACHED, NATIVE))
        yield f"| {comparison['title']} | {version} | {' | '.join(spread(ratio) if ratio else 'no figure' for ratio in ratios)} |"


def between(comparison: dict, way: str, peer: str) -> dict | None:
    """The ratio of one way to another, round by round; None where one of them has no measure.

    Runs are in the order of the rounds, and a way that is left out of a round is left out from then on.
    """
    measured_ways = (comparison["ways"][name]["runs"] for name in (way, peer))
    ratios = [ours / theirs for ours, theirs in zip(*measured_ways)]
    return {"median": statistics.median(ratios), "min": min(ratios), "max": max(ratios)} if ratios else None


def spread(ratio: dict) -> str:
    return f"{figure(ratio['median'])} [{figure(ratio['min'])} .. {figure(ratio['max'])}]"


def figure(value: float) -> str:
    """Three digits, however small."""
    return f"{value:.2f}" if value >= 0.1 else f"{value:.2g}"


def series(results: dict, way: str = OURS) -> dict[tuple[str, str], list[tuple[int, float]]]:
    """(what grows and what is done, DuckDB version) -> count and median, for one way."""
    found: dict[tuple[str, str], list[tuple[int, float]]] = {}
    for version, comparison in comparisons(results):
        if comparison["growth"] and "median" in comparison["ways"].get(way, {}):
            _, count = comparison["growth"]
            name = comparison["name"].removeprefix("growth-").removesuffix(f"-{count}")
            found.setdefault((name, version), []).append((count, comparison["ways"][way]["median"]))
    return found


def growth(results: dict) -> Iterator[str]:
    """How many times as much the largest takes as the smallest."""
    found = series(results)
    if not found:
        return
    yield from ("", "## Growth", "", "| what | DuckDB | input grows | ours grows | |", "|---|---|---|---|---|")
    for (name, version), points in found.items():
        (first, least), (last, most) = points[0], points[-1]
        slower = most / least <= last / first * GROWTH_TOLERANCE
        yield (f"| {name} | {version} | {last / first:g}x | {most / least:.2f}x |"
               f" {'not faster than its input' if slower else '**faster than its input**'} |")


def ways(results: dict) -> Iterator[str]:
    for version, comparison in comparisons(results):
        yield f"**{comparison['title']}**, DuckDB {version}" + (f" ({comparison['note']})" if comparison["note"] else "")
        yield ""
        for name, way in comparison["ways"].items():
            yield f"- {name}: {measured(way, comparison['measure'])}{ratio_to(comparison, name)}"
        yield ""


def count_of_read(results: dict) -> Iterator[str]:
    """The figure that has no target, last, so that it is not overlooked."""
    found = [(version, comparison) for version, comparison in comparisons(results)
             if comparison["name"] == "count-of-read" and comparison["ratios"].get(NATIVE)]
    if not found:
        return
    yield from ("## Without a target", "")
    for version, comparison in found:
        ours, native = (amount(comparison["ways"][name]["median"], "time") for name in (OURS, NATIVE))
        times = spread(comparison["ratios"][NATIVE])
        yield f"- {comparison['title']}, DuckDB {version}: {ours}, {times} times DuckDB's {native}; {comparison['note']}"


def measured(way: dict, measure: str) -> str:
    if "median" not in way:
        return way.get("error", "no figure")
    low, middle, high = (amount(way[key], measure) for key in ("min", "median", "max"))
    cpu = f", processor {amount(way['cpu_median'], measure)}" if "cpu_median" in way else ""
    return f"{middle} [{low} .. {high}] of {len(way['runs'])}{cpu}" + (f"; then {way['error']}" if "error" in way else "")


def amount(value: float, measure: str) -> str:
    if measure == "memory":
        return f"{value / 1e6:,.0f} MB"
    return f"{value:.2f} s" if value >= 1 else f"{value * 1000:.1f} ms"


def ratio_to(comparison: dict, name: str) -> str:
    ratio = comparison["ratios"].get(name)
    return f" ({figure(ratio['median'])})" if ratio else ""
