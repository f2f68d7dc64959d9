"""The README's session prints what the README says."""

import pathlib
import re
import subprocess

import pytest

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
SHELL = REPOSITORY / "build" / "venv" / "cli" / "duckdb"


def test_the_session_prints_what_the_readme_shows(extension, tmp_path):
    if not SHELL.exists():
        pytest.skip("the DuckDB shell is not installed: make demo or scripts/environments.py does")
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    session, shown = re.search(r"## A session\n\n```sql\n(.*?)```\n```\n(.*?)```", readme, re.S).groups()
    session = re.sub(r"LOAD '[^']*'", f"LOAD '{extension}'", session).replace("/data/store", str(tmp_path / "store"))
    script = tmp_path / "session.sql"
    script.write_text("SET TimeZone = 'UTC';\n" + session, encoding="utf-8")
    answer = subprocess.run([SHELL, "-unsigned", "-no-init", "-batch", "-bail", "-f", script],
                            capture_output=True, text=True, timeout=60)
    assert answer.returncode == 0, answer.stderr
    # File sizes differ with the writing library's version by a few bytes.
    plain = lambda text: re.sub(r"│ +\d{3,4} │$", "│ size │", text, flags=re.M).strip()  # noqa: E731
    assert plain(answer.stdout) == plain(shown)
