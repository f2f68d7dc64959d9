"""Differential fuzz: random tables, writes and questions; amplify must answer as a plain DuckDB table of the same rows.

AMPLIFY_FUZZ_SEED (default: one for each DuckDB version) is the seed of the first store, AMPLIFY_FUZZ_STORES how many
there are (default 50), each of 30 questions. A failure says the seed, and a script that shows it.
"""

from __future__ import annotations

import itertools
import json
import os
import zlib
from pathlib import Path

import duckdb
import pytest

from differential.case import Runner, WriteFails
from differential.questions import Question, without_a_condition

FIRST_SEED = int(os.environ.get("AMPLIFY_FUZZ_SEED", zlib.crc32(duckdb.__version__.encode()) % 1_000_000))
STORES = int(os.environ.get("AMPLIFY_FUZZ_STORES", "50"))
QUESTIONS = 30
STORES_ON_S3 = 5
S3 = json.loads(os.environ.get("AMPLIFY_TEST_STORES", "[]"))


def runner_of(con: duckdb.DuckDBPyConnection, base: str) -> Runner:
    """Roots below `base`; layout options where this build knows them."""
    con.execute("SET TimeZone = 'UTC'")
    con.execute("SET threads = 2")
    con.execute("SET GLOBAL amplify_fsync = false")
    numbers = itertools.count()
    try:
        con.execute(f"SELECT amplify_create_table('probe', 'id BIGINT', NULL, {{root: '{base}/probe', row_group_rows: 1000}})").fetchall()
        options = True
    except duckdb.Error:
        options = False
    return Runner(con, lambda: f"{base}/{next(numbers)}", options)


@pytest.fixture
def runner(connect, tmp_path: Path) -> Runner:
    return runner_of(connect(), str(tmp_path))


def check_store(runner: Runner, seed: int, questions: int = QUESTIONS) -> None:
    report = None
    try:
        rng, case, root = runner.store(seed)
        for asked in runner.questions(rng, case, questions):
            if trouble := runner.compare(asked, root):
                report = runner.report(seed, asked, trouble)
                break
    except WriteFails as failure:
        report = str(failure)
    if report:
        pytest.fail(report, pytrace=False)


@pytest.mark.parametrize("seed", range(FIRST_SEED, FIRST_SEED + STORES))
def test_answers_are_those_of_a_plain_table(runner, seed):
    check_store(runner, seed)


@pytest.mark.parametrize("seed", range(FIRST_SEED + STORES, FIRST_SEED + STORES + STORES_ON_S3))
@pytest.mark.parametrize("store", S3, ids=[store["name"] for store in S3])
def test_answers_on_s3_are_those_of_a_plain_table(connect, tmp_path, store, seed):
    con = connect()
    for name in ("endpoint", "access_key", "secret_key"):
        con.execute(f"SET GLOBAL amplify_s3_{name} = '{store[name]}'")
    con.execute(f"SET GLOBAL amplify_s3_use_ssl = {store['endpoint'].startswith('https')}")
    check_store(runner_of(con, f"s3://{store['bucket']}/{tmp_path.name}-{os.getpid()}"), seed)


def operators_loosened(question: Question) -> Question:
    """`>` for `>=`, and so on: wrong only where a value is met exactly."""
    other = {"gte": "gt", "gt": "gte", "lte": "lt", "lt": "lte"}
    return Question(question.kind, tuple(type(condition)(condition.column, other.get(condition.operator, condition.operator), condition.operands)
                                         for condition in question.conditions), question.form, question.columns)


def columns_rotated(question: Question) -> Question:
    return Question(question.kind, question.conditions, question.form, question.columns[1:] + question.columns[:1])


@pytest.mark.parametrize("fault", [without_a_condition, operators_loosened, columns_rotated])
def test_a_fault_is_found_out(runner, fault):
    """A fuzz that cannot fail is worthless: questions that are wrong on purpose must be noticed, and made small."""
    found, runner.fault = 0, fault
    for seed in range(5):
        rng, case, root = runner.store(seed)
        for asked in runner.questions(rng, case, QUESTIONS):
            found += runner.compare(asked, root) is not None
    assert found >= 3


def test_a_lost_write_is_found_out(runner):
    """So must rows that are not there."""
    found = 0
    for seed in range(4):
        rng, case, root = runner.store(seed)
        runner.con.execute("INSERT INTO model BY NAME SELECT * REPLACE (id + 1000000 AS id) FROM model LIMIT 1")
        for asked in runner.questions(rng, case, QUESTIONS):
            found += runner.compare(asked, root) is not None
    assert found >= 10


def test_a_failure_is_made_small(runner):
    """What a failure does not need goes from its report, which names the seed."""
    runner.fault = without_a_condition
    for seed in range(20):
        rng, case, root = runner.store(seed)
        for asked in runner.questions(rng, case, QUESTIONS):
            if len(asked.question.conditions) > 1 and len(case.writes) > 1 and (trouble := runner.compare(asked, root)):
                small, _ = runner.shrink(asked, trouble)
                assert len(small.question.conditions) == 1
                assert len(small.writes) == 1 and small.writes[0].rows <= asked.writes[0].rows
                assert f"seed {seed}" in runner.report(seed, small, trouble)
                return
    pytest.fail("no question was wrong enough")
