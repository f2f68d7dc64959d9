"""What every Python test shares: the extension under test, connections that have it, and a store of their own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY / "scripts"))

from sqllogictest import DUCKDB_VERSIONS  # noqa: E402  (it lies in the directory above)

# So that what they assert is shown as that of tests is.
pytest.register_assert_rewrite("oracle", "processes", "s3_stores")
# What these show happens below DuckDB, or without it, and takes minutes: with the newest DuckDB alone.
collect_ignore = [] if duckdb.__version__ == DUCKDB_VERSIONS[-1] else [
    "test_fault_proxy.py", "test_s3_network.py", "test_s3_refusals.py", "test_servers.py"]


def pytest_configure(config: pytest.Config) -> None:
    # DuckDB 2.0 recommends con.sql() for Arrow output; it may run a query twice.
    config.addinivalue_line("filterwarnings", "ignore:Arrow output on a DB-API result")


@pytest.fixture(scope="session")
def extension() -> Path:
    """The extension under test: what AMPLIFY_EXTENSION names, else what `make` built."""
    path = Path(os.environ.get("AMPLIFY_EXTENSION", REPOSITORY / "build" / "quick" / "amplify.duckdb_extension"))
    if not path.is_file():
        pytest.fail(f"There is no {path}: build it with make, or name another in AMPLIFY_EXTENSION.")
    return path.resolve()


@pytest.fixture(scope="session")
def compile_library(tmp_path_factory):
    """Compiles an extension that does nothing but run `statements` when it is loaded, without its footer."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    assert compiler, "a C compiler is needed, as it is to build the extension"

    def compile_one(statements: str = "") -> Path:
        directory = tmp_path_factory.mktemp("library")
        source, built = directory / "probe.c", directory / "libamplify.so"
        source.write_text(
            "#include <stdbool.h>\n#include <stdlib.h>\n"
            "bool amplify_init_c_api(void *info, void *access) "
            f"{{ (void)info; (void)access; {statements} return true; }}\n"
        )
        subprocess.run([compiler, "-shared", "-fPIC", "-o", built, source], check=True)
        return built

    return compile_one


@pytest.fixture
def connect(extension: Path):
    """Opens databases that have the extension loaded; closes what the test leaves open."""
    opened = []

    def open_one(database: str | Path = ":memory:", **options) -> duckdb.DuckDBPyConnection:
        connection = duckdb.connect(str(database), config={"allow_unsigned_extensions": "true"}, **options)
        opened.append(connection)
        connection.execute(f"LOAD '{extension}'")
        return connection

    yield open_one
    for connection in opened:
        connection.close()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The root of a store that is not there yet."""
    return tmp_path / "store"


@pytest.fixture
def con(connect, root: Path) -> duckdb.DuckDBPyConnection:
    """A session in memory whose `amplify_root` is `root`."""
    connection = connect()
    connection.execute(f"SET GLOBAL amplify_root = '{root}'")
    return connection
