"""The sqllogictest runner must fail where a test is wrong. Everything here runs on plain DuckDB."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import append_footer
import duckdb
import pytest
from sqllogic.parse import why_local
from sqllogic.worker import run_file

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "sqllogictest.py"
HEADER = "# name: test/sql/probe.test\n# description: a probe of the runner\n# group: [runner]\n\n"


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Runs the text of a test file; returns its report."""
    monkeypatch.chdir(tmp_path)
    file, scratch = tmp_path / "test" / "sql" / "probe.test", tmp_path / "scratch"
    file.parent.mkdir(parents=True)
    scratch.mkdir()

    def run_text(text: str, header: str = HEADER, settings: dict | None = None) -> dict:
        file.write_text(header + text.strip("\n") + "\n", encoding="utf-8")
        return run_file(file, scratch, None, settings)

    return run_text


PASSING = {
    "row-wise": "query IT\nSELECT 1, 'a b' UNION ALL SELECT 2, NULL ORDER BY 1\n----\n1\ta b\n2\tNULL",
    "value-wise": "query IT\nSELECT 1, 'a'\n----\n1\na",
    "no rows": "query I\nSELECT 1 WHERE false\n----",
    "empty text and NUL": "query TT\nSELECT '', 'a' || chr(0) || 'b'\n----\n(empty)\ta\\0b",
    "boolean either way": "query TTT\nSELECT true, false, true\n----\ntrue\tfalse\t1",
    "nested": "query TT\nSELECT [1, NULL], {'a': 1.50::DECIMAL(4,2), 'b': 'x'}\n----\n[1, NULL]\t{'a': 1.50, 'b': x}",
    "map and blob": "query TT\nSELECT MAP {'k': 1}, '\\x00\\x41'::BLOB\n----\n{k=1}\t\\x00A",
    "timestamps": "query TTT\nSELECT TIMESTAMPTZ '2024-01-02 03:04:05+00', TIMESTAMP_NS '2024-01-02 03:04:05.000000001',"
                  " DATE 'infinity'\n----\n2024-01-02 03:04:05+00\t2024-01-02 03:04:05.000000001\tinfinity",
    "interval, uuid, hugeint": "query TTT\nSELECT INTERVAL '1 month 2 days 3 seconds', "
                               "'00000000-0000-0000-0000-000000000001'::UUID, -170141183460469231731687303715884105727::HUGEINT\n----\n"
                               "1 month 2 days 00:00:03\t00000000-0000-0000-0000-000000000001\t-170141183460469231731687303715884105727",
    "time zone of the session": "statement ok\nSET TimeZone = 'Asia/Kathmandu'\n\n"
                                "query T\nSELECT TIMESTAMPTZ '2024-01-02 00:00:00+00'\n----\n2024-01-02 05:45:00+05:45",
    "floating point": "query RR\nSELECT 1::DOUBLE / 3, 'nan'::DOUBLE\n----\n0.33333333333\tnan",
    "rowsort": "query I rowsort\nSELECT * FROM (VALUES (2), (10), (1))\n----\n1\n10\n2",
    "valuesort": "query II valuesort\nSELECT 2, 1\n----\n1\t2",
    "same names": "query II\nSELECT 1 AS a, 2 AS a\n----\n1\t2",
    "regex": "query T\nSELECT 'x1' || chr(10) || 'y'\n----\n<REGEX>:x\\d.*y",
    "not regex": "query T\nSELECT 'abc'\n----\n<!REGEX>:b",
    "hash": "query I\nSELECT 42\n----\n1 values hashing to 50a2fabfdd276f573ff97ace8b11c5f4",
    "label": "query I nosort one\nSELECT 42\n----\n42\n\nquery I nosort one\nSELECT 40 + 2\n----",
    "error contained": "statement error\nSELECT * FROM nowhere\n----\nnowhere does not exist",
    "error regex": "statement error\nSELECT * FROM nowhere\n----\n<REGEX>:Catalog Error.*nowhere.*",
    "error while fetching": "statement error\nSELECT CAST(if(range = 99999, 'x', '1') AS INTEGER) FROM range(100000)\n"
                            "----\nCould not convert\n\nquery I\nSELECT 1\n----\n1",
    "maybe": "statement maybe\nSELECT * FROM nowhere\n----\ndoes not exist\n\nstatement maybe\nSELECT 1\n----\nnothing",
    "connections": "statement ok\nCREATE TABLE t (i INTEGER)\n\nstatement ok one\nBEGIN\n\nstatement ok one\n"
                   "INSERT INTO t VALUES (1)\n\nquery I\nSELECT count(*) FROM t\n----\n0\n\nquery I one\n"
                   "SELECT count(*) FROM t\n----\n1",
    "reconnect": "statement ok\nCREATE TEMP TABLE t (i INTEGER)\n\nreconnect\n\nstatement error\nFROM t\n----\ndoes not exist",
    "loops": "loop i 0 2\n\nforeach a,b x,y z,w\n\nquery TT\nSELECT '${a}${i}', '${b}'\n----\n"
             "<REGEX>:[xz][01]\t<REGEX>:[yw]\n\nendloop\n\nendloop",
    "conditions": "loop i 0 5\n\nonlyif i>=1&&i<3\nquery I\nSELECT ${i} IN (1, 2)\n----\n1\n\nskipif i<>4\n"
                  "query I\nSELECT ${i}\n----\n4\n\nendloop",
    "concurrent": "statement ok\nCREATE TABLE t (i INTEGER)\n\nconcurrentloop i 0 6\n\nstatement ok\n"
                  "INSERT INTO t VALUES (${i})\n\nendloop\n\nquery II\nSELECT count(*), sum(i) FROM t\n----\n6\t15",
    "files": "load __TEST_DIR__/a.db\n\nstatement ok\nCREATE TABLE t AS SELECT 1 AS i\n\nrestart\n\nquery I\nFROM t\n----\n1\n\n"
             "load __TEST_DIR__/a.db readonly\n\nstatement error\nDROP TABLE t\n----\nread-only\n\nload\n\nstatement error\n"
             "FROM t\n----\ndoes not exist",
    "environment": "test-env NOT_SET_ANYWHERE here\n\nquery T\nSELECT '${NOT_SET_ANYWHERE}'\n----\nhere",
    "require": "require parquet\n\nrequire notwindows\n\nstatement ok\nSELECT 1",
    "sleep": "sleep 1 millisecond\n\nstatement ok\nSELECT 1",
    "tags": "tags slow\n\nstatement ok\nSELECT 1",
}


@pytest.mark.parametrize("name", PASSING)
def test_passes(run, name):
    assert run(PASSING[name]).get("message") is None


LOCAL_RECORDS = """
test-env TEST_ROOT __TEST_DIR__

# local: looks at the disk
query I
SELECT count(*) FROM glob('__TEST_DIR__/*')
----
{count}

loop i 0 2

# A remark.
# local: looks at the disk
statement ok
SELECT ${i}

query I
SELECT '${TEST_ROOT}' = 's3://b/p'
----
{is_s3}

endloop
"""


def test_local_records_run_on_local_stores_alone(run, monkeypatch):
    text = LOCAL_RECORDS.replace("{count}", "0")
    assert run(text.replace("{is_s3}", "false")) == {"records": 3}
    monkeypatch.setenv("TEST_ROOT", "s3://b/p")
    assert run(text.replace("{is_s3}", "true").replace("glob", "nonsense"), settings={}) == {"records": 1, "passed_over": 2}


def test_the_header_says_that_a_file_is_for_local_stores(run):
    header = HEADER.replace("# group", "# local: why it is\n# group")
    assert run("statement ok\nSELECT 1", header) == {"records": 1}
    assert why_local(header + "statement ok\nSELECT 1") == "why it is"
    assert why_local(HEADER + LOCAL_RECORDS) is None


def test_a_file_for_all_stores_keeps_its_own_where_it_is_told_to(run):
    assert "${TEST_ROOT}" in run("statement ok\nSELECT 1", settings={})["message"]


def test_counts_records_once(run):
    assert run("loop i 0 3\n\nstatement ok\nSELECT ${i}\n\nendloop\n\nquery I\nSELECT 1\n----\n1") == {"records": 2}


def test_side_effects_happen_once(run):
    query = "query I\nSELECT nextval('s')\n----\n"
    report = run(f"statement ok\nCREATE SEQUENCE s\n\n{query}1\n\nstatement ok\nSELECT nextval('s')\n\n{query}3")
    assert report == {"records": 4}


ONE = "statement ok\nSELECT 1\n\n"
FAILING = {
    # what a query answers
    "value": ("query I\nSELECT 1\n----\n2", "expected: 2\n     got: 1"),
    "null is not empty": ("query T\nSELECT NULL\n----\n(empty)", "got: NULL"),
    "empty is not null": ("query T\nSELECT ''\n----\nNULL", "got: (empty)"),
    "boolean": ("query T\nSELECT true\n----\nfalse", "got: true"),
    "missing row": ("query I\nSELECT 1\n----\n1\n2", "expected 2 rows, got 1"),
    "extra row": ("query I\nSELECT unnest([1, 2])\n----\n1", "expected 1 rows, got 2"),
    "rows for none": ("query I\nSELECT 1\n----", "expected 0 rows, got 1"),
    "no rows for some": ("query I\nSELECT 1 WHERE false\n----\n1", "expected 1 rows, got 0"),
    "order": ("query I\nSELECT unnest([2, 1])\n----\n1\n2", "row 1, column 1"),
    "more columns": ("query I\nSELECT 1, 2\n----\n1\t2", "The record has 1 columns, the answer 2"),
    "fewer columns": ("query II\nSELECT 1\n----\n1", "The record has 2 columns, the answer 1"),
    "tabs missing": ("query II\nSELECT 1, 2 UNION ALL SELECT 3, 4\n----\n1 2\n3 4", "expected row 1 has 1 values"),
    "tab inside one column": ("query T\nSELECT 'a' || chr(9) || 'b'\n----\na\tb", "expected row 1 has 2 values"),
    "odd values": ("query II\nSELECT 1, 2\n----\n1\n2\n3", "do not make rows of 2"),
    "decimal digits": ("query R\nSELECT 1.50::DECIMAL(4,2)\n----\n1.5", "got: 1.50"),
    "near integer": ("query I\nSELECT 1000\n----\n1001", "got: 1000"),
    "far double": ("query R\nSELECT 1.0::DOUBLE\n----\n1.0001", "got: 1.0"),
    "regex": ("query T\nSELECT 'abc'\n----\n<REGEX>:b", "got: abc"),
    "not regex": ("query T\nSELECT 'abc'\n----\n<!REGEX>:a.c", "got: abc"),
    "bad regex": ("query T\nSELECT 'abc'\n----\n<REGEX>:(", "is none"),
    "hash": ("query I\nSELECT 43\n----\n1 values hashing to 50a2fabfdd276f573ff97ace8b11c5f4", "got: 1 values"),
    "label": ("query I nosort one\nSELECT 1\n----\n1\n\nquery I nosort one\nSELECT 2\n----\n2", 'label "one"'),
    "label still checks values": ("query I nosort one\nSELECT 1\n----\n2", "got: 1"),
    "file": ("query I\nSELECT 1\n----\n<FILE>:x.csv", "<FILE>: is refused"),
    "query that errors": ("query I\nSELECT * FROM nowhere\n----\n1", "The query failed"),
    "not to be shown": ("query T\nSELECT '101'::BIT\n----\n101", "cannot show BIT"),
    # errors
    "ok that errors": ("statement ok\nSELECT * FROM nowhere", "The statement failed"),
    "error that is none": ("statement error\nSELECT 1\n----\nx", "should have failed"),
    "other error": ("statement error\nSELECT * FROM nowhere\n----\nelsewhere", "got error: Catalog Error"),
    "other maybe": ("statement maybe\nSELECT * FROM nowhere\n----\nelsewhere", "got error: Catalog Error"),
    "error regex of a part": ("statement error\nSELECT * FROM nowhere\n----\n<REGEX>:nowhere", "got error"),
    "error not regex": ("statement error\nSELECT * FROM nowhere\n----\n<!REGEX>:.*nowhere.*", "got error"),
    "error while fetching": ("query I\nSELECT CAST(if(range = 99999, 'x', '1') AS INTEGER) FROM range(100000)\n----\n1",
                             "The query failed"),
    "in a thread": ("concurrentloop i 0 4\n\nquery I\nSELECT ${i} = 3\n----\nfalse\n\nendloop", "with i = 3"),
    "in a loop": ("loop i 0 4\n\nquery I\nSELECT ${i}\n----\n0\n\nendloop", "with i = 1"),
    # what would be skipped
    "require": ("require nosuchextension\n\n" + ONE, "a skipped test is a failure"),
    "require without extension": ("require amplify\n\n" + ONE, "a skipped test is a failure"),
    "require-env": ("require-env NOT_SET_ANYWHERE\n\n" + ONE, "a skipped test is a failure"),
    "never ran": ("loop i 0 3\n\nonlyif i=7\nstatement ok\nSELECT 1\n\nendloop", "never ran"),
    "mode skip": ("mode skip\n\n" + ONE, "refused"),
    "halt": (ONE + "halt", "refused"),
    "hash-threshold": ("hash-threshold 10\n\n" + ONE, "refused"),
    "set": ("set ignore_error_messages x\n\n" + ONE, "refused"),
    "unzip": ("unzip a.gz\n\n" + ONE, "refused"),
    "nothing": ("require parquet", "tests nothing"),
    "empty": ("", "tests nothing"),
    # what cannot be read
    "unknown": ("frobnicate\n\n" + ONE, 'Unknown directive "frobnicate"'),
    "capital": ("Statement ok\nSELECT 1", "Unknown directive"),
    "statement kind": ("statement fine\nSELECT 1", "must read"),
    "query types": ("query X\nSELECT 1\n----\n1", "must read"),
    "sort style": ("query I nosort rowsort\nSELECT 1\n----\n1", "sort style comes second"),
    "no sql": ("statement ok\n\n" + ONE, "There is no SQL"),
    "error without text": ("statement error\nSELECT * FROM nowhere", 'needs "----"'),
    "error with empty text": ("statement error\nSELECT * FROM nowhere\n----", 'needs "----"'),
    "error with empty regex": ("statement error\nSELECT * FROM nowhere\n----\n<REGEX>:", 'needs "----"'),
    "ok with text": ("statement ok\nSELECT 1\n----\n1", "has no expected text"),
    "query without result": ("query I\nSELECT 1", 'A query needs "----"'),
    "almost the separator": ("query I\nSELECT 1\n-----\n1", 'exactly "----"'),
    "comment inside": ("query I\nSELECT 1\n# why\n----\n1", "A comment inside a record"),
    "blanks only": ("statement ok\nSELECT 1\n  \nstatement ok\nSELECT nonsense", "blanks only"),
    "not separated": ("require parquet\nstatement ok\nSELECT 1", "separated by an empty line"),
    "endloop": ("endloop\n\n" + ONE, "endloop without a loop"),
    "no endloop": ("loop i 0 2\n\n" + ONE, "has no endloop"),
    "no round": ("loop i 2 2\n\n" + ONE + "endloop", "has no round"),
    "empty loop": ("loop i 0 2\n\nendloop\n\n" + ONE, "This loop is empty"),
    "local without a reason": (ONE + "# local:\nstatement ok\nSELECT 1", "must say why"),
    "local above a gap": (ONE + "# local: why\n\n" + ONE, "right above a record"),
    "local above a loop": (ONE + "# local: why\nloop i 0 2\n\n" + ONE + "endloop", "goes with statement and query"),
    "same variable": ("loop i 0 2\n\nloop i 0 2\n\n" + ONE + "endloop\n\nendloop", "no new variable"),
    "tuple size": ("foreach a,b 1,2 3\n\n" + ONE + "endloop", "has 1 values"),
    "collection": ("foreach t <numeric>\n\n" + ONE + "endloop", "write the values out"),
    "unknown variable": ("query I\nSELECT ${i}\n----\n1", "Nothing defines ${i}"),
    "variable in the result": ("loop i 0 1\n\nquery T\nSELECT 'x'\n----\n${i}\n\nendloop", "not replaced in expected text"),
    "keyword in the result": ("query T\nSELECT 'x'\n----\n__TEST_DIR__", "not replaced in expected text"),
    "system condition": ("skipif duckdb\nstatement ok\nSELECT 1", "no condition on a loop variable"),
    "unknown condition": ("loop i 0 1\n\nonlyif k=0\nstatement ok\nSELECT 1\n\nendloop", "no variable of a loop"),
    "lonely condition": ("loop i 0 1\n\nonlyif i=0\n\nstatement ok\nSELECT 1\n\nendloop", "stands alone"),
    "named in a concurrent loop": ("concurrentloop i 0 2\n\nstatement ok con1\nSELECT 1\n\nendloop", "no named connections"),
    "restart in a concurrent loop": ("concurrentloop i 0 2\n\nrestart\n\n" + ONE + "endloop", "concurrent loop"),
    "sleep": ("sleep long\n\n" + ONE, "must read"),
    "sleep unit": ("sleep 1 year\n\n" + ONE, "must read"),
    "load elsewhere": ("load /tmp/x.db\n\n" + ONE, "below __TEST_DIR__"),
    "load mode": ("load __TEST_DIR__/x.db readwrite\n\n" + ONE, "must read"),
    "tags": ("tags\n\n" + ONE, "must read"),
}


@pytest.mark.parametrize("name", FAILING)
def test_fails(run, name):
    text, message = FAILING[name]
    report = run(text)
    assert message in report.get("message", "it passed")
    assert report["line"] >= 1


@pytest.mark.parametrize("header, message", [
    ("", 'header "# name:" is missing'),
    ("# name: test/sql/probe.test\n# group: [x]\n\n", 'header "# description:" is missing'),
    ("# name: test/sql/probe.test\n# description: x\n\n", 'header "# group:" is missing'),
    ("# name: test/sql/other.test\n# description: x\n# group: [x]\n\n", "but the file is"),
    ("# name: obe.test\n# description: x\n# group: [x]\n\n", "but the file is"),
    ("# name: test/sql/probe.test\n# description: x\n# group: x\n\n", "not of the form [group]"),
    (HEADER.replace("\n\n", "\n# group: [y]\n\n"), "stands here twice"),
])
def test_header(run, header, message):
    assert message in run(ONE, header=header)["message"]


def test_reports_the_line_of_the_record(run):
    report = run("statement ok\nSELECT 1\n\nquery I\nSELECT 1\n----\n2")
    assert report["line"] == 8


def test_no_variable_of_the_runner_is_a_table(run):
    assert "does not exist" in run("statement ok\nFROM answer")["message"]


def command_line(files: dict[str, str], directory: Path, *options) -> subprocess.CompletedProcess:
    """Runs scripts/sqllogictest.py on files of that text, on the DuckDB of this Python."""
    tests = directory / "test" / "sql"
    tests.mkdir(parents=True)
    for name, text in files.items():
        (tests / name).write_text(HEADER.replace("probe.test", name) + text, encoding="utf-8")
    command = [sys.executable, SCRIPT, "--duckdb", duckdb.__version__, *(options or ["--no-extension"]), tests]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def test_command_line_sums_up(tmp_path):
    done = command_line({"good.test": ONE, "bad.test": "query I\nSELECT 1\n----\n2\n"}, tmp_path)
    assert done.returncode == 1
    assert done.stdout.splitlines()[-2:] == [f"duckdb-{duckdb.__version__}: 1 passed, 1 failed", "1 passed, 1 failed"]
    assert f"{tmp_path}/test/sql/bad.test:5: row 1, column 1" in done.stdout


def test_command_line_passes(tmp_path):
    done = command_line({"good.test": ONE}, tmp_path)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "1 passed, 0 failed")


def test_no_file_is_a_failure(tmp_path):
    done = command_line({}, tmp_path)
    assert done.returncode == 1 and "no test file" in done.stderr


def test_time_limit(tmp_path):
    done = command_line({"slow.test": "sleep 60 seconds\n\n" + ONE}, tmp_path, "--no-extension", "--limit-seconds", "3")
    assert done.returncode == 1 and "Not done within 3 s: killed" in done.stdout


def with_footer(library: Path) -> Path:
    extension = library.with_name("amplify.duckdb_extension")
    footer = append_footer.footer(append_footer.host_platform(), "v0.0.1")
    append_footer.write_whole(extension, library.read_bytes() + footer)
    return extension


def test_require_loads_the_extension_and_restart_loads_it_again(tmp_path, compile_library):
    loaded = "query I\nSELECT count(*) FROM duckdb_extensions() WHERE loaded AND extension_name = 'amplify'\n----\n"
    text = f"{loaded}0\n\nrequire amplify\n\n{loaded}1\n\nrestart\n\n{loaded}1\n\nrestart no_extension_load\n\n{loaded}0\n"
    done = command_line({"load.test": text}, tmp_path, "--extension", with_footer(compile_library()))
    assert done.stdout.splitlines()[-1] == "1 passed, 0 failed"


def test_a_crash_is_a_failure_of_its_file_alone(tmp_path, compile_library):
    files = {"bad.test": "require amplify\n\n" + ONE, "good.test": ONE}
    done = command_line(files, tmp_path, "--extension", with_footer(compile_library("abort();")))
    assert done.returncode == 1
    assert "bad.test: The process ended with code -6 and no report." in done.stdout
    assert done.stdout.splitlines()[-1] == "1 passed, 1 failed"


def test_a_crash_after_the_last_record_is_a_failure(tmp_path, compile_library):
    library = compile_library("extern int atexit(void (*)(void)); atexit(abort);")
    done = command_line({"bad.test": "require amplify\n\n" + ONE}, tmp_path, "--extension", with_footer(library))
    assert "All records passed, but" in done.stdout and done.stdout.splitlines()[-1] == "0 passed, 1 failed"
