"""Runs one test file in this process: `python -m sqllogic.worker FILE SCRATCH REPORT [EXTENSION]`.

The report is one JSON object: `records`, `passed_over` where local records were, and `line` and `message` where it
failed. A process that dies leaves none. SQLLOGIC_SETTINGS in the environment says that the store is not local: it is a
JSON object of settings to be made when the extension is loaded.
"""

from __future__ import annotations

import faulthandler
import json
import os
import sys
from pathlib import Path

from .execute import Failure, Run
from .parse import ParseError, parse
from .session import Session


def run_file(file: Path, scratch: Path, extension: Path | None, settings: dict[str, str] | None = None) -> dict:
    """Runs one file and returns the report."""
    try:
        text = file.read_text(encoding="utf-8")
        records = parse(text, file.resolve())
        if settings is not None and "test-env TEST_ROOT " not in text:
            raise ParseError(1, "No store of this file is below ${TEST_ROOT}: it must be, or the header say \"# local: why\".")
        session = Session(extension, scratch, settings)
        try:
            ran, passed_over = Run(session, Path.cwd()).file(records)
            return {"records": ran, **({"passed_over": passed_over} if passed_over else {})}
        finally:
            session.close()
    except (ParseError, Failure) as error:
        return {"records": 0, "line": error.line, "message": str(error)}


if __name__ == "__main__":
    faulthandler.enable()
    test_file, scratch_directory, report, *extension_file = (Path(argument) for argument in sys.argv[1:])
    outcome = run_file(test_file, scratch_directory, extension_file[0] if extension_file else None,
                       json.loads(os.environ.get("SQLLOGIC_SETTINGS", "null")))
    report.write_text(json.dumps(outcome), encoding="utf-8")
