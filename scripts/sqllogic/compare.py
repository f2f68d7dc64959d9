"""What a query answered against what its record expects, by the rules of DuckDB's dialect.

Expected values stand one row a line, separated by tabs, or one value a line. NULL is `NULL`, the empty text is
`(empty)`, a NUL byte is `\\0`. `<REGEX>:pattern` must match a value as a whole, `<!REGEX>:pattern` must not. Unlike the
official runner, which lets numbers differ by 1 %, numbers that are not floating point must read alike.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Callable

from .session import Answer

RELATIVE_TOLERANCE = {"FLOAT": 1e-5, "DOUBLE": 1e-9}
"""By the digits that the type carries: sums of the same values in another order must agree."""
HASH = re.compile(r"\d+ values hashing to [0-9a-f]{32}")

Matches = Callable[[str, str], bool]


class Mismatch(Exception):
    """How an answer differs from what was expected."""


def shown(value: str | None) -> str:
    """A value as a test file spells it."""
    if value is None:
        return "NULL"
    return value.replace("\0", "\\0") if value else "(empty)"


def sorted_values(answer: Answer, sort: str) -> list[str]:
    """All values of an answer, row by row, spelt as in a test file and sorted as the record asks for."""
    rows = [tuple(shown(value) for value in row) for row in answer.rows]
    if sort == "rowsort":
        rows.sort(key=lambda row: [value.encode() for value in row])
    values = [value for row in rows for value in row]
    if sort == "valuesort":
        values.sort(key=str.encode)
    return values


def hash_of(answer: Answer, values: list[str]) -> str:
    """`N values hashing to MD5`, as the official runner counts them (a BOOLEAN is `1` or `0` there)."""
    booleans = [column_type == "BOOLEAN" for column_type in answer.types]
    digest = hashlib.md5(usedforsecurity=False)
    for index, value in enumerate(values):
        if booleans[index % len(booleans)]:
            value = {"true": "1", "false": "0"}.get(value, value)
        digest.update(value.encode() + b"\n")
    return f"{len(values)} values hashing to {digest.hexdigest()}"


def check(answer: Answer, columns: int, sort: str, expected: tuple[str, ...], matches: Matches) -> None:
    """Raises `Mismatch` where `answer` is not what a query's record expects."""
    if len(answer.types) != columns:
        raise Mismatch(f"The record has {columns} columns, the answer {len(answer.types)}: {', '.join(answer.types)}")
    values = sorted_values(answer, sort)
    if len(expected) == 1 and HASH.fullmatch(expected[0]):
        found = hash_of(answer, values)
        if found != expected[0]:
            raise Mismatch(f"expected: {expected[0]}\n     got: {found}\n{listing(values, columns)}")
        return
    if len(expected) == 1 and expected[0].startswith("<FILE>:"):
        raise Mismatch("<FILE>: is refused: write the result out, or its hash.")
    wanted = expected_rows(expected, columns, len(answer.rows))
    if len(wanted) != len(answer.rows):
        raise Mismatch(f"expected {len(wanted)} rows, got {len(answer.rows)}:\n{listing(values, columns)}")
    # Values sorted on their own have lost their columns, and with them their types.
    types = answer.types if sort != "valuesort" else ("VARCHAR",) * columns
    for number, row in enumerate(wanted):
        for column, want in enumerate(row):
            got = values[number * columns + column]
            if not equal(got, want, types[column], matches):
                raise Mismatch(f"row {number + 1}, column {column + 1} ({types[column]})\nexpected: {want}\n"
                               f"     got: {got}\nall of it:\n{listing(values, columns)}")


def expected_rows(lines: tuple[str, ...], columns: int, row_count: int) -> list[list[str]]:
    """Expected lines, row-wise or value-wise, as rows of values."""
    row_wise = columns > 1 and (len(lines) == row_count or all("\t" in line for line in lines))
    if columns == 1 or row_wise:
        rows = [line.split("\t") for line in lines]
        for number, row in enumerate(rows):
            if len(row) != columns:
                raise Mismatch(f"expected row {number + 1} has {len(row)} values separated by tabs, not {columns}: "
                               f"{lines[number]!r}")
        return rows
    if len(lines) % columns:
        raise Mismatch(f"{len(lines)} expected values do not make rows of {columns} (values of a row are separated "
                       "by one tab)")
    return [list(lines[start : start + columns]) for start in range(0, len(lines), columns)]


def equal(got: str, want: str, column_type: str, matches: Matches) -> bool:
    """Whether one value is the expected one."""
    if got == want:
        return True
    if want.startswith("<REGEX>:"):
        return matches(got, want.removeprefix("<REGEX>:"))
    if want.startswith("<!REGEX>:"):
        return not matches(got, want.removeprefix("<!REGEX>:"))
    if column_type == "BOOLEAN":
        return {"1": "true", "0": "false"}.get(want) == got
    if column_type in RELATIVE_TOLERANCE:
        try:
            return math.isclose(float(got), float(want), rel_tol=RELATIVE_TOLERANCE[column_type])
        except ValueError:
            return False
    return False


def check_error(error: str, want: str, matches: Matches) -> None:
    """Raises `Mismatch` where an error's text is not the expected one: contained in it, or a `<REGEX>:` for all of it."""
    if "INTERNAL" in error or "differs from original result" in error:
        raise Mismatch(f"An internal error is never expected:\n{error}")
    if want.startswith("<!REGEX>:"):
        fits = not any(matches(text, want.removeprefix("<!REGEX>:")) for text in (error, error + "\n"))
    elif want.startswith("<REGEX>:"):
        # Releases of the official runner differ in whether a line feed follows the text.
        fits = all(matches(text, want.removeprefix("<REGEX>:")) for text in (error, error + "\n"))
    else:
        fits = want in error
    if not fits:
        raise Mismatch(f"expected error: {want}\n     got error: {error}")


def listing(values: list[str], columns: int, most_rows: int = 50) -> str:
    """Rows as a test file spells them, to be copied from a report."""
    rows = ["\t".join(values[start : start + columns]) for start in range(0, len(values), columns)]
    if len(rows) > most_rows:
        rows[most_rows:] = [f"… {len(rows) - most_rows} more rows"]
    return "\n".join(rows) or "(no rows)"
