"""Runs one test file in this process: `python -m sqllogic.worker FILE SCRATCH REPORT [EXTENSION]`.

The report is one JSON object: `records`, and `line` and `message` where it failed. A process that dies leaves none.
"""

from __future__ import annotations

import faulthandler
import json
import sys
from pathlib import Path

from .execute import Failure, Run
from .parse import ParseError, parse
from .session import Session


def run_file(file: Path, scratch: Path, extension: Path | None) -> dict:
    """Runs one file and returns the report."""
    try:
        records = parse(file.read_text(encoding="utf-8"), file.resolve())
        session = Session(extension, scratch)
        try:
            return {"records": Run(session, Path.cwd()).file(records)}
        finally:
            session.close()
    except (ParseError, Failure) as error:
        return {"records": 0, "line": error.line, "message": str(error)}


if __name__ == "__main__":
    faulthandler.enable()
    test_file, scratch_directory, report, *extension_file = (Path(argument) for argument in sys.argv[1:])
    outcome = run_file(test_file, scratch_directory, extension_file[0] if extension_file else None)
    report.write_text(json.dumps(outcome), encoding="utf-8")
