"""No panic reaches DuckDB: a build that panics in every kind of callback gives errors, and the session lives on."""

import pathlib
import subprocess
import sys

import pytest

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
PROBE = REPOSITORY / "build" / "probe" / "amplify.duckdb_extension"

SCRIPT = """
import sys, duckdb
con = duckdb.connect(config={"allow_unsigned_extensions": "true"})
con.execute(f"LOAD '{sys.argv[1]}'")
for statement in sys.argv[2:-1]:
    con.execute(statement)
try:
    con.execute(sys.argv[-1]).fetchall()
    print("no error")
except duckdb.Error as error:
    print("error:", str(error).replace(chr(10), " "))
print("alive:", con.execute("SELECT count(*) FROM range(7)").fetchall()[0][0])
"""


def run(*statements):
    """Runs them in a process of their own, which an escaping panic would abort."""
    if not PROBE.exists():
        pytest.skip(f"there is no {PROBE.relative_to(REPOSITORY)}: make probe builds it")
    answer = subprocess.run([sys.executable, "-c", SCRIPT, PROBE, *statements], capture_output=True, text=True, timeout=60)
    assert answer.returncode == 0, answer.stderr
    assert "alive: 7" in answer.stdout
    return answer.stdout


@pytest.mark.parametrize("stage", ["bind", "open", "reader", "next"])
def test_table_function(stage):
    assert f"amplify failed unexpectedly: probe in {stage}" in run(f"FROM amplify_panic('{stage}')")


@pytest.mark.parametrize("stage", ["drop_reader", "drop_scan"])
def test_destructors_have_nobody_to_tell(stage):
    assert "no error" in run(f"FROM amplify_panic('{stage}')")


def test_scalar_function():
    assert "probe in call" in run("SELECT amplify_panic_call('call')")
    assert "probe in open" in run("SET amplify_root = 'open'", "SELECT amplify_panic_call('')")


@pytest.mark.parametrize("stage", ["bind", "open", "write", "finish"])
def test_copy(stage):
    answer = run(f"COPY (SELECT 1) TO 'amplify://x' (FORMAT amplify_panic, STAGE '{stage}')")
    assert f"probe in {stage}" in answer


def test_copy_destructor():
    failing = "SELECT CASE WHEN i = 2 THEN error('the source failed') ELSE i END FROM range(3) t(i)"
    assert "the source failed" in run(f"COPY ({failing}) TO 'amplify://x' (FORMAT amplify_panic, STAGE 'drop_sink')")


def test_replacement_scan():
    assert "probe in name" in run("FROM 'amplify-panic://x'")
