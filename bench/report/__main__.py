"""Writes results.md and the plots beside a results.json: `python -m bench.report RESULTS`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from bench.report import markdown, plots


def main() -> None:
    source = Path(sys.argv[1])
    results = json.loads(source.read_text())
    text = markdown.render(results)
    source.with_suffix(".md").write_text(text)
    drawn = plots.draw(results, source.parent, source.stem.removeprefix("results").lstrip("-"))
    print(text)
    print("\n".join(str(path) for path in (source.with_suffix(".md"), *drawn)))


if __name__ == "__main__":
    main()
