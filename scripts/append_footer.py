"""Turns the shared library cargo built into a file DuckDB loads: the library, then DuckDB's metadata footer.

    python3 scripts/append_footer.py LIBRARY OUTPUT... [--platform linux_amd64] [--extension-version v0.1.0]

The footer is a WebAssembly custom section called "duckdb_signature" (so that one format serves every platform) whose
content is eight fields of 32 bytes, zero padded, and room for a signature of 256 bytes. DuckDB reads the fields from
the end of the file backwards. Every OUTPUT is written anew from LIBRARY, whole or not at all, so calling it twice, or
while a session has the old file mapped, does no harm. Needs Python's standard library only.
"""

import argparse
import os
import platform
import re
import sys
from pathlib import Path

FIELD_BYTES = 32
SIGNATURE_BYTES = 256
SECTION_NAME = b"duckdb_signature"
MAGIC = "4"
ABI_TYPE = "C_STRUCT"
"""The stable C API: one binary serves every DuckDB from C_API_VERSION on."""
C_API_VERSION = "v1.5.6"


def leb128(number: int) -> bytes:
    """`number` as WebAssembly writes sizes: 7 bits a byte, the lowest first."""
    encoded = bytearray()
    while True:
        low, number = number & 0x7F, number >> 7
        encoded.append(low | (0x80 if number else 0))
        if not number:
            return bytes(encoded)


def field(text: str) -> bytes:
    """One metadata field: `text` padded with zeros to 32 bytes."""
    raw = text.encode("ascii")
    if len(raw) > FIELD_BYTES:
        raise ValueError(f'The metadata field "{text}" is longer than {FIELD_BYTES} bytes.')
    return raw.ljust(FIELD_BYTES, b"\0")


def footer(duckdb_platform: str, extension_version: str, c_api_version: str = C_API_VERSION) -> bytes:
    """The whole footer, 534 bytes."""
    fields = ["", "", "", ABI_TYPE, extension_version, c_api_version, duckdb_platform, MAGIC]
    content = b"".join(field(text) for text in fields) + bytes(SIGNATURE_BYTES)
    named = leb128(len(SECTION_NAME)) + SECTION_NAME + leb128(len(content)) + content
    custom_section_id = b"\0"
    return custom_section_id + leb128(len(named)) + named


def host_platform(system: str = sys.platform, machine: str = platform.machine()) -> str:
    """What `PRAGMA platform` answers in a DuckDB built for this machine, e.g. `linux_amd64`."""
    machines = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}
    systems = {"linux": "linux", "darwin": "osx", "win32": "windows"}
    try:
        return f"{systems[system]}_{machines[machine.lower()]}"
    except KeyError as unknown:
        raise SystemExit(
            f"No DuckDB platform is known for system {system!r} on machine {machine!r} ({unknown} is unknown).\n"
            "Name one with --platform, as PRAGMA platform prints it in your DuckDB."
        ) from None


def crate_version(manifest: Path) -> str:
    """The `version` of the `[package]` in a Cargo.toml, with a `v` in front."""
    # By hand, not with tomllib: this also runs on a Python older than 3.11.
    package = re.search(r"^\[package\]\n(.*?)(?=^\[|\Z)", manifest.read_text(encoding="utf-8"), re.M | re.S)
    version = package and re.search(r'^version\s*=\s*"([^"]+)"', package.group(1), re.M)
    if not version:
        raise SystemExit(f"{manifest} has no version in [package].")
    return f"v{version.group(1)}"


def write_whole(path: Path, content: bytes) -> None:
    """Replaces `path` in one step: whoever has the old file open or mapped keeps it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    staged = path.with_name(f".{path.name}.{os.getpid()}")
    staged.write_bytes(content)
    os.replace(staged, path)


def main() -> None:
    repository = Path(__file__).resolve().parent.parent
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("library", type=Path, help="what cargo built (.so, .dylib or .dll)")
    parser.add_argument("output", type=Path, nargs="+", help="where the loadable extension goes")
    parser.add_argument("--platform", help="DuckDB's platform name (default: this machine's)")
    parser.add_argument("--extension-version", help="default: the version in Cargo.toml, with a v in front")
    parser.add_argument("--c-api-version", default=C_API_VERSION, help="the oldest DuckDB that loads it")
    arguments = parser.parse_args()

    version = arguments.extension_version or crate_version(repository / "Cargo.toml")
    duckdb_platform = arguments.platform or host_platform()
    content = arguments.library.read_bytes() + footer(duckdb_platform, version, arguments.c_api_version)
    for output in arguments.output:
        write_whole(output, content)
        print(f"{output}: {version} for {duckdb_platform}, C API {arguments.c_api_version}, {len(content)} bytes")


if __name__ == "__main__":
    main()
