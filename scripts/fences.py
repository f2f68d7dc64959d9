"""Checks what the source tree promises and no compiler checks: `python3 scripts/fences.py [DIRECTORY]`.

- src/store and src/storage know nothing of DuckDB or of the layers above them;
- `unsafe` stands in src/ffi alone, and at the entry point in src/lib.rs;
- src/store takes neither time nor randomness from the air: they are passed in;
- files stay short enough to be read at once;
- a file below test/sql is for every store, or says why it is not;
- no tracked file names a directory of one machine or the host of a package registry.

A line that has to cross a fence says so in itself: `fence: why`, in a comment.
"""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from sqllogic.parse import why_local

LONGEST_FILE_LINES = 450
LONG_FILE_LINES = 400
"""From here on there is a warning."""


@dataclass(frozen=True)
class Fence:
    """A pattern that must not occur in the Rust code of some directories."""

    what: str
    pattern: re.Pattern
    below: tuple[str, ...]
    but: tuple[str, ...] = ()
    in_tests: bool = True
    """Whether code after `#[cfg(test)]` is held to it too."""


FENCES = (
    Fence("knows DuckDB or a layer above",
          re.compile(r"\blibduckdb_sys\b|\bduckdb::|\bcrate::(\{.*)?\b(ffi|convert|sql)\b"),
          ("src/store", "src/storage")),
    Fence("unsafe outside src/ffi", re.compile(r"\bunsafe\b(?!_)"), ("src",), ("src/ffi", "src/lib.rs")),
    Fence("takes the time or randomness from the air",
          re.compile(r"\b(SystemTime|Utc|Local)::now\b|\bUuid::(new_v|now_v)|\brand::|\bthread_rng\b|\bfastrand::"),
          ("src/store",), in_tests=False),
    Fence("has allow(unsafe_code) outside src/ffi", re.compile(r"allow\(\s*unsafe_code"), ("src",),
          ("src/ffi", "src/lib.rs")),
)
ENTRY_POINT_UNSAFE_LINES = 6
"""src/lib.rs holds the one symbol DuckDB calls, and hands over to src/ffi."""

# Spelt in pieces, so that this file does not hold what it looks for.
PLACES = re.compile("|".join([
    r"(?<![\w.$}/-])/(?:work|home|Users)/[A-Za-z0-9_.]",
    r"/root/\.",
    r"\b(?:files\.)?" + "pythonhosted" + r"\.org\b",
    r"\b" + "pypi" + r"\.org\b",
    r"\b(?:static|index)\." + "crates" + r"\.io\b",
    r"\bregistry\." + "npmjs" + r"\.org\b",
    r"\bdeb\." + "debian" + r"\.org\b",
]))


def tracked(root: Path) -> list[str]:
    """Files under version control, and new ones that are not ignored."""
    command = ["git", "-C", root, "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split("\0")
    return sorted(name for name in names if name and (root / name).is_file())


def below(name: str, directories: tuple[str, ...]) -> bool:
    return any(name == directory or name.startswith(directory + "/") for directory in directories)


def code_lines(text: str) -> list[tuple[int, str, bool]]:
    """Line number, code without comments and string contents, and whether it is test code."""
    lines, in_tests = [], False
    for number, line in enumerate(text.splitlines(), 1):
        in_tests |= line.strip() == "#[cfg(test)]"
        if "fence:" in line:
            continue
        code = re.sub(r'"(?:\\.|[^"\\])*"', '""', line)
        lines.append((number, re.sub(r"//.*", "", code), in_tests))
    return lines


def check_rust(name: str, text: str) -> list[str]:
    """What is wrong with one Rust file."""
    found = []
    lines = code_lines(text)
    in_test_file = name.endswith(("/tests.rs", "_tests.rs")) or "/tests/" in name
    for fence in FENCES:
        if below(name, fence.below) and not below(name, fence.but):
            for number, code, in_tests in lines:
                if fence.pattern.search(code) and (fence.in_tests or not (in_tests or in_test_file)):
                    found.append(f"{name}:{number}: {fence.what}: {code.strip()}")
    if name == "src/lib.rs":
        unsafe = [number for number, code, _ in lines if re.search(r"\bunsafe\b(?!_)", code)]
        if len(unsafe) > ENTRY_POINT_UNSAFE_LINES:
            found.append(f"{name}:{unsafe[0]}: the entry point has {len(unsafe)} lines with unsafe: move them to src/ffi")
    count = text.count("\n")
    if count > LONGEST_FILE_LINES:
        found.append(f"{name}: {count} lines, where {LONGEST_FILE_LINES} are the most: split it by concept")
    elif count > LONG_FILE_LINES:
        print(f"warning: {name} has {count} lines")
    return found


def check_places(name: str, text: str) -> list[str]:
    """Directories and hosts that mean something on one machine only."""
    return [f"{name}:{number}: names a place of one machine or a registry's host: {line.strip()[:100]}"
            for number, line in enumerate(text.splitlines(), 1)
            if PLACES.search(line) and "fence:" not in line]


def check_sql_test(name: str, text: str) -> list[str]:
    """Whether a sqllogictest file has its stores where every kind of store can be."""
    if "test-env TEST_ROOT " in text or why_local(text) is not None:
        return []
    return [f'{name}:1: has its stores neither below ${{TEST_ROOT}} nor "# local: why" in its header (see CONTRIBUTING.md)']


def check(root: Path) -> tuple[int, list[str]]:
    """How many files were looked at, and everything that is wrong."""
    found, names = [], tracked(root)
    for name in names:
        try:
            text = (root / name).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue  # data of a test
        found += check_places(name, text)
        if name.startswith("test/sql/"):
            found += check_sql_test(name, text)
        if name.startswith("src/") and name.endswith(".rs"):
            found += check_rust(name, text)
    return len(names), found


def main() -> None:
    root = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent.parent
    count, found = check(root)
    for line in found:
        print(line)
    print(f"fences: {count} files looked at, {len(found)} found to cross one")
    raise SystemExit(1 if found else 0)


if __name__ == "__main__":
    main()
