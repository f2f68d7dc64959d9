"""The footer that makes a shared library a DuckDB extension, against DuckDB's own loader."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import append_footer
import duckdb
import pytest

SCRIPT = Path(append_footer.__file__)


@pytest.fixture(scope="module")
def library(compile_library) -> Path:
    """A shared library with the entry point and nothing else."""
    return compile_library()


def with_footer(library: Path, directory: Path, *options: str) -> Path:
    output = directory / "amplify.duckdb_extension"
    subprocess.run([sys.executable, SCRIPT, library, output, *options], check=True, stdout=subprocess.DEVNULL)
    return output


def load(extension: Path) -> duckdb.DuckDBPyConnection:
    con = duckdb.connect(config={"allow_unsigned_extensions": "true"})
    con.execute(f"LOAD '{extension}'")
    return con


def test_layout_is_the_one_duckdb_reads_backwards():
    footer = append_footer.footer("linux_amd64", "v1.2.3")
    assert len(footer) == 534
    assert footer[:22] == b"\x00\x93\x04\x10duckdb_signature\x80\x04"
    assert footer[-256:] == bytes(256)
    fields = [footer[start : start + 32].rstrip(b"\0") for start in range(22, 278, 32)]
    assert fields == [b"", b"", b"", b"C_STRUCT", b"v1.2.3", b"v1.5.6", b"linux_amd64", b"4"]


def test_field_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="longer than 32 bytes"):
        append_footer.field("x" * 33)


def test_duckdb_loads_it_and_knows_its_version(library, tmp_path):
    con = load(with_footer(library, tmp_path, "--extension-version", "v9.8.7"))
    loaded = "SELECT extension_version FROM duckdb_extensions() WHERE extension_name = 'amplify' AND loaded"
    assert con.execute(loaded).fetchall() == [("v9.8.7",)]


def test_version_comes_from_cargo_toml(library, tmp_path):
    extension = with_footer(library, tmp_path)
    version = append_footer.crate_version(SCRIPT.parent.parent / "Cargo.toml")
    assert version.startswith("v") and version.encode().ljust(32, b"\0") in extension.read_bytes()[-534:]


def test_platform_is_what_duckdb_calls_it():
    [(platform,)] = duckdb.execute("PRAGMA platform").fetchall()
    assert append_footer.host_platform() == platform


def test_another_platform_is_refused_by_duckdb(library, tmp_path):
    extension = with_footer(library, tmp_path, "--platform", "osx_mips")
    with pytest.raises(duckdb.Error, match="osx_mips"):
        load(extension)


def test_a_newer_c_api_is_refused_by_duckdb(library, tmp_path):
    extension = with_footer(library, tmp_path, "--c-api-version", "v99.0.0")
    with pytest.raises(duckdb.Error, match="v99.0.0"):
        load(extension)


def test_twice_is_the_same_as_once(library, tmp_path):
    once = with_footer(library, tmp_path).read_bytes()
    assert with_footer(library, tmp_path).read_bytes() == once
    assert once[:-534] == library.read_bytes()


def test_the_built_extension_has_it(extension):
    tail = extension.read_bytes()[-534:]
    version = append_footer.crate_version(SCRIPT.parent.parent / "Cargo.toml")
    assert tail == append_footer.footer(append_footer.host_platform(), version)
