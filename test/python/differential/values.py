"""Every type a table can have, with SQL literals of values of it: ordinary ones, extremes and oddities."""

from __future__ import annotations

import random
import string
from collections.abc import Callable
from dataclasses import dataclass

ODD_STRINGS = (
    "", " ", "a", "A", "a b", "a/b", "../x", "..", ".", "a=b", "%", "a%2Fb", "%41", "a+b", "it's", 'say "x"', "ü", "u\u0308", "日本",
    "\U0001f990", "007", "7", "-1", "1e5", "2024-01-02", "true", "NULL", "null", "nan", "a\\b", "tab\there", "new\nline", "\x7f", "\ufeff",
    "{}", "[]", "'; DROP TABLE t; --", "_x", "a,b", "~", "z" * 70, "\x00", "a\x00b",
)


@dataclass(frozen=True)
class Type:
    """A column type, and how to get a value of it."""

    sql: str
    literal: Callable[[random.Random], str]
    """A SQL literal of the type; never NULL."""
    compares: bool = True
    """Whether filters other than is_null take it."""
    is_key: bool = True
    """Whether it can be a partition key, with the values that `key` gives."""
    key: Callable[[random.Random], str] | None = None

    def key_literal(self, rng: random.Random) -> str:
        return (self.key or self.literal)(rng)


def quoted(text: str) -> str:
    """A string as SQL, NUL included."""
    pieces = ["'" + piece.replace("'", "''") + "'" for piece in text.split("\0")]
    return " || chr(0) || ".join(pieces) if len(pieces) == 1 else f"({' || chr(0) || '.join(pieces)})"


def typed(sql: str, choose: Callable[[random.Random], object]) -> Callable[[random.Random], str]:
    """Literals of the type `sql` from their texts."""
    return lambda rng: f"{quoted(str(choose(rng)))}::{sql}"


def integers(sql: str, low: int, high: int) -> Type:
    def choose(rng: random.Random) -> int:
        return rng.choice([low, low + 1, high, high - 1, 0, 1, rng.randint(low, high), rng.randint(max(low, -9), min(high, 99))])

    return Type(sql, typed(sql, choose))


def floats(sql: str, extremes: tuple[str, ...]) -> Type:
    def ordinary(rng: random.Random) -> str:
        return rng.choice(["1", "0.5", "-2.25", "1e20", "1e-7", f"{rng.randint(-999, 999) / 8}", *extremes])

    def choose(rng: random.Random) -> str:
        return rng.choice(["nan", "inf", "-inf", "0.0", "-0.0", ordinary(rng), ordinary(rng), ordinary(rng)])

    return Type(sql, typed(sql, choose), key=typed(sql, ordinary))


def decimals(rng: random.Random) -> Type:
    """DECIMAL of a random width and scale."""
    width = rng.choice([1, 4, 9, 18, 19, 38])
    scale = rng.choice([0, min(2, width), width // 2, width])

    def choose(rng: random.Random) -> str:
        digits = rng.choice(["9" * width, "0", "1", str(rng.randint(0, 10 ** width - 1)), str(rng.randint(0, 99))])[:width].zfill(scale + 1)
        number = f"{digits[:len(digits) - scale]}.{digits[len(digits) - scale:]}" if scale else digits
        return rng.choice(["", "-"]) + number

    sql = f"DECIMAL({width},{scale})"
    return Type(sql, typed(sql, choose))


def strings(rng: random.Random) -> str:
    return rng.choice([rng.choice(ODD_STRINGS), rng.choice(ODD_STRINGS), "".join(rng.choices(string.printable, k=rng.randint(1, 12))),
                       f"D2024{rng.randint(101, 112)}T{rng.randint(0, 235959):06}_IFCB{rng.randint(101, 109)}"])


def moments(sql: str, digits: int, zone: str = "", years: tuple[int, int] = (1, 9999)) -> Type:
    """Timestamps with so many digits behind the seconds."""
    def choose(rng: random.Random) -> str:
        year = rng.choice([years[0], years[1], 1969, 1970, 2023, 2024, 2024])
        fraction = "".join(rng.choices(string.digits, k=digits))
        time = rng.choice(["00:00:00", "23:59:59", f"{rng.randint(0, 23):02}:{rng.randint(0, 59):02}:{rng.randint(0, 59):02}"])
        return f"{year:04}-{rng.randint(1, 12):02}-{rng.randint(1, 28):02} {time}{'.' + fraction if digits else ''}{zone}"

    return Type(sql, typed(sql, choose))


def dates(rng: random.Random) -> str:
    return rng.choice(["0001-01-01", "9999-12-31", "1969-12-31", "1970-01-01", "2024-02-29",
                       f"{rng.randint(2020, 2024)}-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}"])


def times(digits: int) -> Callable[[random.Random], str]:
    return lambda rng: rng.choice(["00:00:00", f"23:59:59.{'9' * digits}", f"{rng.randint(0, 23):02}:{rng.randint(0, 59):02}:00.{rng.randint(0, 10 ** digits - 1):0{digits}}"])


def blobs(rng: random.Random) -> str:
    return rng.choice(["", "a", r"\x00", r"\xFF\x00\x80", r"\x27", "%", "x" * 40])


def scalar(rng: random.Random) -> Type:
    """A random type that is not nested."""
    return rng.choice([
        Type("BOOLEAN", typed("BOOLEAN", lambda rng: rng.choice(["true", "false"]))),
        integers("TINYINT", -2 ** 7, 2 ** 7 - 1), integers("SMALLINT", -2 ** 15, 2 ** 15 - 1),
        integers("INTEGER", -2 ** 31, 2 ** 31 - 1), integers("BIGINT", -2 ** 63, 2 ** 63 - 1),
        integers("UTINYINT", 0, 2 ** 8 - 1), integers("USMALLINT", 0, 2 ** 16 - 1),
        integers("UINTEGER", 0, 2 ** 32 - 1), integers("UBIGINT", 0, 2 ** 64 - 1),
        floats("FLOAT", ("3.4028235e38", "1.1754944e-38", "1e-45")),
        floats("DOUBLE", ("1.7976931348623157e308", "2.2250738585072014e-308", "4.9406564584124654e-324", "0.1")),
        decimals(rng), decimals(rng),
        Type("VARCHAR", lambda rng: f"{quoted(strings(rng))}::VARCHAR"), Type("VARCHAR", lambda rng: f"{quoted(strings(rng))}::VARCHAR"),
        Type("BLOB", typed("BLOB", blobs), is_key=False),
        Type("UUID", typed("UUID", lambda rng: rng.choice(["0" * 8 + "-0000-0000-0000-" + "0" * 12, "f" * 8 + "-ffff-ffff-ffff-" + "f" * 12,
                                                           f"{rng.getrandbits(32):08x}-0000-4000-8000-000000000001"]))),
        Type("DATE", typed("DATE", dates)),
        Type("TIME", typed("TIME", times(6))), Type("TIME_NS", typed("TIME_NS", times(9))),
        moments("TIMESTAMP", 6), moments("TIMESTAMP_S", 0), moments("TIMESTAMP_MS", 3), moments("TIMESTAMP_NS", 9, years=(1700, 2200)),
        moments("TIMESTAMPTZ", 6, "+00"), moments("TIMESTAMPTZ", 6, "+00"),
    ])


def nested(rng: random.Random, depth: int = 2) -> Type:
    """A random LIST, ARRAY, STRUCT or MAP of types that may be nested too."""
    def inner() -> Type:
        return nested(rng, depth - 1) if depth > 1 and rng.random() < 0.3 else scalar(rng)

    def or_null(element: Type, rng: random.Random) -> str:
        return "NULL" if rng.random() < 0.2 else element.literal(rng)

    kind, element = rng.choice(["list", "array", "struct", "map"]), inner()
    if kind == "list":
        sql, choose = f"{element.sql}[]", lambda rng: f"[{', '.join(or_null(element, rng) for _ in range(rng.randint(0, 3)))}]"
    elif kind == "array":
        sql, choose = f"{element.sql}[2]", lambda rng: f"[{or_null(element, rng)}, {or_null(element, rng)}]"
    elif kind == "struct":
        other = inner()
        sql = f"STRUCT(a {element.sql}, \"b c\" {other.sql})"
        choose = lambda rng: f"{{'a': {or_null(element, rng)}, 'b c': {or_null(other, rng)}}}"  # noqa: E731
    else:
        sql = f"MAP(VARCHAR, {element.sql})"
        choose = lambda rng: "MAP {" + ", ".join(f"{quoted(key)}: {or_null(element, rng)}" for key in rng.sample(["a", "b c", "", "ü"], rng.randint(0, 3))) + "}"  # noqa: E731
    return Type(sql, lambda rng: f"CAST({choose(rng)} AS {sql})", compares=False, is_key=False)
