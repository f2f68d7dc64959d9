"""How fast amplify is, as ratios to DuckDB's own Parquet reader and writer in the same process.

Every workload runs ours and the peer's way in turn, so that a noisy machine troubles both; the answer is the median of
the ratios' parts, with minimum and maximum. Every timed answer is compared for equality first. Lower is better.

    build/venv/duckdb-1.5.6/bin/python bench/speed.py [--rows 4000000] [--repeats 7] [--threads 2] [--only NAME]
"""

import argparse
import pathlib
import shutil
import statistics
import time

import duckdb

HERE = pathlib.Path(__file__).resolve().parent.parent
SCRATCH = HERE / "build" / "bench"
KEYS = ["instrument", "year", "month"]
COLUMNS = {
    "image_id": "VARCHAR NOT NULL",
    "instrument": "VARCHAR",
    "year": "INTEGER",
    "month": "INTEGER",
    "timestamp": "TIMESTAMPTZ",
    "depth": "DOUBLE",
    "temperature": "DOUBLE",
    "roi_width": "INTEGER",
    "class_name": "VARCHAR",
}

# 5 instruments x 3 years x 12 months = 180 partitions, 50 classes, ids as the instruments write them.
ROWS = """
CREATE OR REPLACE TEMP TABLE {name} AS
SELECT strftime(sampled, 'D%Y%m%dT%H%M%S') || '_' || instrument || '_' || lpad((i % 10000)::VARCHAR, 5, '0') AS image_id,
       instrument, year(sampled)::INTEGER AS year, month(sampled)::INTEGER AS month, sampled::TIMESTAMPTZ AS "timestamp",
       (hash(i) % 10000) / 100.0 AS depth, 4 + (hash(i + 1) % 20000) / 1000.0 AS temperature,
       (16 + hash(i + 2) % 1000)::INTEGER AS roi_width, 'class_' || (hash(i + 3) % 50)::VARCHAR AS class_name
FROM (SELECT i, 'IFCB' || lpad((i * 5 // {rows})::VARCHAR, 3, '0') AS instrument,
             TIMESTAMP '2021-01-01' + to_microseconds(((i * 5 % {rows})::DOUBLE / {rows} * 1095 * 86400 * 1e6)::BIGINT) AS sampled
      FROM range({rows}) t(i))
{order}
"""


def connect(threads):
    con = duckdb.connect(config={"allow_unsigned_extensions": "true", "threads": threads})
    con.execute("SET TimeZone = 'UTC'")
    con.execute(f"LOAD '{HERE}/build/quick/amplify.duckdb_extension'")
    return con


def fresh(name):
    path = SCRATCH / name
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    return path


def timed(run):
    start = time.perf_counter()
    answer = run()
    return time.perf_counter() - start, answer


class Bench:
    def __init__(self, con, repeats):
        self.con, self.repeats, self.lines = con, repeats, []

    def compare(self, name, ours, peer, same=None):
        """Runs both in turn; `same(a, b)` says whether their answers are equal."""
        a, b = ours(), peer()
        if same is not None:
            assert same(a, b), f"{name}: the answers differ"
        pairs = [(timed(ours)[0], timed(peer)[0]) for _ in range(self.repeats)]
        ratios = [o / p for o, p in pairs]
        mine, other = (statistics.median(times) for times in zip(*pairs))
        print(f"{name:46} {mine:8.3f} s {other:8.3f} s   ratio {statistics.median(ratios):5.2f}"
              f"  [{min(ratios):.2f} .. {max(ratios):.2f}]", flush=True)


def register(con, root, table="images"):
    con.execute(f"SET amplify_root = '{root}'")
    con.execute(f"SELECT amplify_create_table('{table}', ?, {KEYS!r})",
                [", ".join(f'"{name}" {kind}' for name, kind in COLUMNS.items())]).fetchall()


def copy_workload(bench, con, source, label):
    def ours():
        register(con, fresh("copy_ours"))
        con.execute(f"COPY (SELECT * FROM {source}) TO 'amplify://images' (FORMAT amplify)").fetchall()

    def native(codec):
        def run():
            path = fresh("copy_native")
            con.execute(f"COPY (SELECT * FROM {source}) TO '{path}' (FORMAT parquet, COMPRESSION {codec},"
                        f" PARTITION_BY ({', '.join(KEYS)}), OVERWRITE_OR_IGNORE)").fetchall()
        return run

    bench.compare(f"COPY {label}, native zstd", ours, native("zstd"))
    bench.compare(f"COPY {label}, native snappy", ours, native("snappy"))


def read_workloads(bench, con):
    root = fresh("read")
    register(con, root)
    con.execute("COPY (SELECT * FROM sorted) TO 'amplify://images' (FORMAT amplify)").fetchall()
    native = f"read_parquet('{root}/images/**/*.parquet', hive_partitioning = true)"
    columns = ", ".join(f'"{name}"' for name in COLUMNS)
    same_rows = lambda a, b: a.num_rows == b.num_rows  # noqa: E731
    table = lambda sql: (lambda: con.execute(sql).to_arrow_table())  # noqa: E731
    rows = lambda sql: (lambda: con.execute(sql).fetchall())  # noqa: E731
    bench.compare("bulk read to Arrow, all columns", table("FROM amplify_read('images')"),
                  table(f"SELECT {columns} FROM {native}"), same_rows)
    bench.compare("bulk read to Arrow, two columns", table("SELECT image_id, depth FROM amplify_read('images')"),
                  table(f"SELECT image_id, depth FROM {native}"), same_rows)
    total = "SELECT count(image_id), sum(depth), avg(temperature), max(roi_width), min(timestamp), max(class_name) FROM "
    equal = lambda a, b: a[0][0] == b[0][0] and a[0][3:] == b[0][3:]  # noqa: E731
    bench.compare("full aggregate", rows(total + "amplify_read('images')"), rows(total + native), equal)
    group = "SELECT class_name, count(*) FROM {} GROUP BY ALL ORDER BY ALL"
    bench.compare("GROUP BY class", rows(group.format("amplify_read('images')")), rows(group.format(native)),
                  lambda a, b: a == b)
    bench.compare("count(*)", rows("SELECT count(*) FROM amplify_read('images')"),
                  rows(f"SELECT count(*) FROM {native}"), lambda a, b: a == b)
    bench.compare("amplify_count", rows("FROM amplify_count('images')"), rows(f"SELECT count(*) FROM {native}"),
                  lambda a, b: a == b)
    hour = "timestamp >= '2022-05-10 10:00:00+00' AND timestamp < '2022-05-10 11:00:00+00'"
    bench.compare(
        "one hour within a month",
        rows("SELECT count(*), sum(depth) FROM amplify_read('images', filters => {instrument: 'IFCB002', year: 2022,"
             " month: 5, timestamp: {gte: '2022-05-10 10:00', lt: '2022-05-10 11:00'}})"),
        rows(f"SELECT count(*), sum(depth) FROM {native} WHERE instrument = 'IFCB002' AND year = 2022 AND month = 5"
             f" AND {hour}"), lambda a, b: a[0][0] == b[0][0])
    some_id = con.execute("SELECT image_id FROM sorted WHERE instrument = 'IFCB002' AND year = 2022 AND month = 5 LIMIT 1"
                          ).fetchall()[0][0]
    bench.compare(
        "point lookup with keys",
        rows(f"FROM amplify_read('images', filters => {{instrument: 'IFCB002', year: 2022, month: 5,"
             f" image_id: '{some_id}'}})"),
        rows(f"SELECT {columns} FROM {native} WHERE instrument = 'IFCB002' AND year = 2022 AND month = 5"
             f" AND image_id = '{some_id}'"), lambda a, b: a == b)
    bench.compare("CREATE TABLE AS",
                  rows("CREATE OR REPLACE TEMP TABLE copied AS FROM amplify_read('images')"),
                  rows(f"CREATE OR REPLACE TEMP TABLE copied AS SELECT {columns} FROM {native}"))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=4_000_000)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", choices=["read", "copy"])
    options = parser.parse_args()
    con = connect(options.threads)
    bench = Bench(con, options.repeats)
    print(f"DuckDB {duckdb.__version__}, {options.rows:,} rows, {options.threads} threads, median of {options.repeats}:"
          " ours, peer, ratio [min .. max]", flush=True)
    con.execute(ROWS.format(name="sorted", rows=options.rows, order=""))
    if options.only != "copy":
        read_workloads(bench, con)
    if options.only != "read":
        copy_workload(bench, con, "sorted", "sorted by partition")
        con.execute(ROWS.format(name="shuffled", rows=options.rows, order="ORDER BY hash(i)"))
        copy_workload(bench, con, "shuffled", "in random order")
    shutil.rmtree(SCRATCH, ignore_errors=True)


if __name__ == "__main__":
    main()
