"""The scripts that guard the repository must fail where they should."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import fences
import pytest
import run_tests

COUNTS = {"lines": r"^\d+ passed", "passed": r"(\d+) passed", "failed": r"(\d+) (?:failed|error)", "skipped": r"(\d+) skipped"}


def check(directory: Path, files: dict[str, str]) -> list[str]:
    """What scripts/fences.py says about a repository of these files."""
    subprocess.run(["git", "init", "--quiet", directory], check=True)
    for name, text in files.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(text)
    return fences.check(directory)[1]


@pytest.mark.parametrize("name, text", [
    ("src/store/a.rs", "use libduckdb_sys as sys;\n"),
    ("src/storage/a.rs", "fn f() { duckdb::x() }\n"),
    ("src/store/a.rs", "use crate::ffi::Vector;\n"),
    ("src/storage/a.rs", "use crate::{error, store};\nuse crate::sql;\n"),
    ("src/storage/a.rs", "use crate::{error, convert};\n"),
    ("src/store/a.rs", "unsafe { x() }\n"),
    ("src/sql/a.rs", "#![allow(unsafe_code)]\n"),
    ("src/store/a.rs", "let now = Utc::now();\n"),
    ("src/store/a.rs", "let now = std::time::SystemTime::now();\n"),
    ("src/store/a.rs", "let id = Uuid::new_v4();\n"),
    ("src/lib.rs", "unsafe { x() }\n" * 7),
    ("src/a.rs", "//\n" * 451),
    ("test/sql/a/a.test", "# name: a\n\nrequire amplify\n\n# local: not in the header\nstatement ok\nSELECT 1\n"),
    ("docs/a.md", "see /" + "work/main/target\n"),
    ("README.md", "pip install -i https://pypi" + ".org/simple\n"),
])
def test_a_crossed_fence_is_found(tmp_path, name, text):
    found = check(tmp_path, {name: text})
    assert len(found) == 1 and found[0].startswith(name)


@pytest.mark.parametrize("name, text", [
    ("src/ffi/a.rs", "unsafe { libduckdb_sys::duckdb_free(p) }\n"),
    ("src/sql/a.rs", "use crate::ffi::Vector;\nlet now = Utc::now();\n"),
    ("src/lib.rs", "#![deny(unsafe_code)]\nunsafe extern \"C\" fn amplify_init_c_api() {}\n"),
    ("src/store/a.rs", "// unsafe, Utc::now() and duckdb::x in a comment\nlet text = \"unsafe duckdb::x\";\n"),
    ("src/store/a.rs", "#[cfg(test)]\nmod tests { fn now() { Utc::now() } }\n"),
    ("src/store/a.rs", "let now = Utc::now(); // fence: the one clock, passed on\n"),
    ("src/a.rs", "//\n" * 450),
    ("test/sql/a/a.test", "# name: a\n# local: it is\n\nstatement ok\nSELECT 1\n"),
    ("test/sql/a/a.test", "# name: a\n\nrequire amplify\n\ntest-env TEST_ROOT __TEST_DIR__\n"),
    ("docs/a.md", "build/work/x, ${HOME}/work/x, ../work/x\n"),
])
def test_what_is_fine_is_passed_over(tmp_path, name, text):
    assert check(tmp_path, {name: text}) == []


def test_the_repository_keeps_its_fences():
    assert fences.check(Path(__file__).resolve().parents[2])[1] == []


@pytest.mark.parametrize("printed, exit_code, good, line", [
    ("3 passed\n2 passed, 0 failed, 1 skipped", 0, True, "part: 5 passed, 0 failed, 1 skipped"),
    ("3 passed, 1 failed", 1, False, "part: 3 passed, 1 failed  <- failed"),
    ("3 passed, 1 failed, 2 errors", 1, False, "part: 3 passed, 3 failed  <- failed"),
    ("3 passed", 2, False, "part: 3 passed, 0 failed  <- exit code 2"),
    ("nothing", 0, False, "part: 0 passed, 0 failed  <- ran no test"),
])
def test_parts_are_summed_up_honestly(printed, exit_code, good, line):
    part = run_tests.run("part", [sys.executable, "-c", f"print({printed!r}); raise SystemExit({exit_code})"], COUNTS)
    assert (part.good, part.line()) == (good, line)
