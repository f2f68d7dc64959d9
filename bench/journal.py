"""What the journal costs: how much longer a small append takes with it, and planning a read over many commits.

Times are medians in milliseconds, with the quartiles. The ways of writing take turns, so that a noisy machine troubles
all of them; what the journal adds is the median over ours, less the median over pyarrow's `write_to_dataset` of the
same rows, which writes one file without any journal or fsync. Planning is timed as a whole `amplify_count` of a
partition of one file, warm in one session and as the first statement of new processes, with the journal and with the
journal put aside; exits with 1 where a target is missed.

    build/venv/duckdb-1.5.6/bin/python bench/journal.py [--appends 200] [--records 2000] [--processes 15]
"""

import argparse
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import time

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

HERE = pathlib.Path(__file__).resolve().parent.parent
EXTENSION = os.environ.get("AMPLIFY_EXTENSION", HERE / "build" / "quick" / "amplify.duckdb_extension")
SCRATCH = HERE / "build" / "bench-journal"
ROWS = 100
"""Of one small batch, all of one partition."""
APPEND_TARGET_MS = 10
PLANNING_TARGET_MS = 20
SCHEMA = "image_id VARCHAR NOT NULL, instrument VARCHAR, depth DOUBLE"
ONE_FILE = "FROM amplify_count('t', filters => {instrument: 'quiet'})"


def connect(root):
    con = duckdb.connect(config={"allow_unsigned_extensions": "true", "threads": 2})
    con.execute(f"LOAD '{EXTENSION}'")
    con.execute(f"SET GLOBAL amplify_root = '{root}'")
    return con


def fresh(name):
    path = SCRATCH / name
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    return path


def timed_ms(run):
    start = time.perf_counter()
    run()
    return (time.perf_counter() - start) * 1000


def report(name, times):
    low, median, high = statistics.quantiles(times, n=4)
    print(f"{name:58} {median:8.2f} ms   [{low:.2f} .. {high:.2f}]", flush=True)
    return median


def batch():
    return pa.table({"image_id": [f"D20240101T000000_IFCB107_{number:05}" for number in range(ROWS)],
                     "instrument": ["IFCB107"] * ROWS, "depth": [number / 8 for number in range(ROWS)]})


def appends(count):
    """Times of one append each: without a journal, with it, with it and fsync. How much ours take longer, in ms."""
    rows = batch()
    sessions = {}
    for fsync in (False, True):
        con = sessions[fsync] = connect(fresh(f"append_{fsync}"))
        con.execute(f"SET GLOBAL amplify_fsync = {fsync}")
        con.execute(f"SELECT amplify_create_table('t', '{SCHEMA}', ['instrument'])").fetchall()
        con.register("rows", rows)
    plain = fresh("append_plain")
    copy = "COPY (SELECT * FROM rows) TO 'amplify://t' (FORMAT amplify)"
    ways = {
        "append: pyarrow write_to_dataset, no journal, no fsync": lambda: pq.write_to_dataset(
            rows, plain / "t", partition_cols=["instrument"], compression="zstd"),
        "append: amplify, without fsync": lambda: sessions[False].execute(copy),
        "append: amplify, with fsync": lambda: sessions[True].execute(copy),
    }
    times = {name: [] for name in ways}
    for number in range(count + 5):
        for name, run in ways.items():
            took = timed_ms(run)
            if number >= 5:
                times[name].append(took)
    floor, without, with_fsync = (report(name, took) for name, took in times.items())
    print(f"  the journal adds at most {without - floor:.2f} ms without fsync, {with_fsync - floor:.2f} ms with it"
          f" (target without: {APPEND_TARGET_MS} ms)")
    return without - floor


def first_statement_ms(root):
    """The first statement of a new process."""
    program = ("import sys, time; sys.path.insert(0, sys.argv[1]); import journal\n"
               "con = journal.connect(sys.argv[2])\n"
               "con.execute('FROM amplify_tables()').fetchall()\n"
               "print(journal.timed_ms(lambda: con.execute(journal.ONE_FILE).fetchall()))")
    command = [sys.executable, "-c", program, str(HERE / "bench"), str(root)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def planning(records, processes):
    """Planning over `records` commits, in ms: in a new process, and in one that has planned before."""
    root = fresh("planning")
    con = connect(root)
    con.execute("SET GLOBAL amplify_fsync = false")
    con.execute(f"SELECT amplify_create_table('t', '{SCHEMA}', ['instrument'])").fetchall()
    for number in range(records):
        instrument = "quiet" if number == 0 else f"IFCB{number % 50:03}"
        con.execute(f"SELECT amplify_write('t', [{{image_id: 'i{number}', instrument: '{instrument}', depth: 1.5}}])").fetchall()
    [(found,)] = con.execute("SELECT count(*) FROM amplify_history('t')").fetchall()
    assert found == records, f"{found} records, not {records}"
    journal, aside = root / "_registry" / "journal", root / "aside"
    medians = {}
    for label in (f"{records} records", "no journal"):
        cold = [first_statement_ms(root) for _ in range(processes)]
        warm = [timed_ms(lambda: con.execute(ONE_FILE).fetchall()) for _ in range(200)]
        medians[label] = [report(f"planning: {label}, new process", cold), report(f"planning: {label}, warm session", warm)]
        if journal.exists():
            journal.rename(aside)
    added = [with_it - without for with_it, without in zip(*medians.values())]
    print(f"  the journal adds {added[0]:.2f} ms in a new process, {added[1]:.2f} ms in a warm session"
          f" (target: {PLANNING_TARGET_MS} ms)")
    return added


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--appends", type=int, default=200)
    parser.add_argument("--records", type=int, default=2000)
    parser.add_argument("--processes", type=int, default=15)
    options = parser.parse_args()
    print(f"DuckDB {duckdb.__version__}, pyarrow {pa.__version__}, a batch of {ROWS} rows: median [quartiles]", flush=True)
    added = appends(options.appends)
    planned = planning(options.records, options.processes)
    shutil.rmtree(SCRATCH, ignore_errors=True)
    raise SystemExit(1 if added > APPEND_TARGET_MS or max(planned) > PLANNING_TARGET_MS else 0)


if __name__ == "__main__":
    main()
