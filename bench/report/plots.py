"""The report as plots: ratios beside their targets, and growth."""

from __future__ import annotations

from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt  # noqa: E402  after the choice of what draws

from bench.comparison import NATIVE, OURS, PYARROW  # noqa: E402
from bench.report.markdown import comparisons, conditions, series, versions  # noqa: E402

COLOURS = ("#0b6e99", "#e07a1f")
WAYS = {OURS: "-o", NATIVE: "--s", PYARROW: ":^"}
ROW_INCHES = 0.34


def draw(results: dict, directory: Path, label: str) -> list[Path]:
    """Writes the plots that the results have figures for; their paths."""
    prefix = f"{label}-" if label else ""
    drawn = [ratios(results, directory / f"{prefix}ratios.png")]
    for grows in ("rows", "partitions"):
        if any(comparison["growth"] and comparison["growth"][0] == grows for _, comparison in comparisons(results)):
            drawn.append(growth(results, grows, directory / f"{prefix}growth-{grows}.png"))
    return [path for path in drawn if path]


def stamp(figure: plt.Figure, results: dict) -> None:
    """Machine and versions, below the plot."""
    figure.text(0.01, 0.005, "\n".join(line.removeprefix("- ") for line in conditions(results)), fontsize=6.5, va="bottom")


def ratios(results: dict, path: Path) -> Path | None:
    """A bar a comparison and DuckDB version, from the least to the greatest ratio, with the target as a mark."""
    titles = {comparison["name"]: (comparison["title"], comparison["against"], comparison["target"])
              for _, comparison in comparisons(results)
              if not comparison["growth"] and comparison["ratios"].get(comparison["against"])}
    if not titles:
        return None
    height = ROW_INCHES * len(titles) + 1.8
    figure, axes = plt.subplots(figsize=(10, height))
    places = {name: len(titles) - number for number, name in enumerate(titles)}
    for number, version in enumerate(versions(results)):
        offset = (0.5 - number) * 0.3
        for found, comparison in comparisons(results):
            ratio = comparison["ratios"].get(comparison["against"])
            if found == version and comparison["name"] in places and ratio:
                place = places[comparison["name"]] + offset
                axes.plot([ratio["min"], ratio["max"]], [place, place], color=COLOURS[number], alpha=0.45, linewidth=3)
                axes.plot(ratio["median"], place, "o", color=COLOURS[number], markersize=4)
        axes.plot([], [], "o", color=COLOURS[number], label=f"DuckDB {version}")
    for name, (_, _, target) in titles.items():
        if target is not None:
            axes.plot([target, target], [places[name] - 0.4, places[name] + 0.4], color="#b00020", linewidth=1.5)
    axes.plot([], [], color="#b00020", label="target: at most")
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_xscale("log")
    axes.set_yticks(list(places.values()), [f"{title} ({against})" for title, against, _ in titles.values()], fontsize=7)
    axes.set_xlabel("ours / peer, median with least and greatest; left of 1 is better")
    axes.legend(fontsize=7, loc="lower left")
    axes.grid(axis="x", alpha=0.3)
    return save(figure, results, path, 0.9 / height)


def growth(results: dict, grows: str, path: Path) -> Path:
    """Time and memory of ours and the peers against what grows, both axes logarithmic, one panel a thing done."""
    grown = [comparison for _, comparison in comparisons(results) if comparison["growth"] and comparison["growth"][0] == grows]
    names = list(dict.fromkeys(comparison["name"].removeprefix("growth-").removesuffix(f"-{comparison['growth'][1]}")
                               for comparison in grown))
    sizes = sorted({comparison["growth"][1] for comparison in grown})
    columns = min(3, len(names))
    lines = -(-len(names) // columns)
    figure, panels = plt.subplots(lines, columns, figsize=(4 * columns, 3.2 * lines + 0.8), squeeze=False)
    for panel in panels.flat[len(names):]:
        panel.set_visible(False)
    for name, panel in zip(names, panels.flat):
        in_bytes = name.startswith("memory")
        for way, style in WAYS.items():
            for number, version in enumerate(versions(results)):
                points = series(results, way).get((name, version))
                if points:
                    panel.plot([count for count, _ in points], [value / 1e6 if in_bytes else value for _, value in points], style,
                               color=COLOURS[number], markersize=4, linewidth=1.2, label=f"{way}, {version}")
        panel.set(xscale="log", yscale="log", title=name, xlabel=grows, ylabel="MB" if in_bytes else "seconds")
        # The sizes that were measured: a logarithmic axis would label more than there is room for.
        panel.set_xticks(sizes, [f"{size:,}" for size in sizes], fontsize=8)
        panel.set_xticks([], minor=True)
        panel.grid(alpha=0.3)
    panels.flat[0].legend(fontsize=6)
    return save(figure, results, path, 0.9 / (3.2 * lines + 0.8))


def save(figure: plt.Figure, results: dict, path: Path, bottom: float) -> Path:
    """With room for the stamp."""
    figure.tight_layout(rect=(0, bottom, 1, 1))
    stamp(figure, results)
    figure.savefig(path, dpi=130)
    plt.close(figure)
    return path
