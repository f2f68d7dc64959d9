"""The stores that are read, each made once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from bench.dataset import rows
from bench.dataset.cache import cached
from bench.session import Session

FILES_PER_PARTITION = 28
"""In the store of small files: 180 partitions of 28 files make 5,040."""
FOREIGN_ROW_GROUP_ROWS = 32_768


@dataclass(frozen=True)
class Store:
    """A table of a store, for every peer."""

    root: Path
    table: str = rows.TABLE
    keys: Sequence[str] = rows.KEYS
    columns: Mapping[str, str] = None

    def __post_init__(self) -> None:
        if self.columns is None:
            object.__setattr__(self, "columns", rows.COLUMNS)

    @property
    def directory(self) -> Path:
        return self.root / self.table

    @property
    def native(self) -> str:
        """DuckDB's own reader of the same files."""
        return f"read_parquet('{self.directory}/**/*.parquet', hive_partitioning = true)"


def register(con: duckdb.DuckDBPyConnection, store: Store, options: str = "") -> None:
    """Makes the store's table known to amplify, with `options` in SQL (`, bloom_filter: ['image_id']`)."""
    columns = ", ".join(f'"{name}" {kind}' for name, kind in store.columns.items())
    con.execute(f"SELECT amplify_create_table('{store.table}', ?, {list(store.keys)!r}, {{root: '{store.root}'{options}}})",
                [columns]).fetchall()


def write(con: duckdb.DuckDBPyConnection, store: Store, query: str) -> None:
    """Appends the rows of `query` through amplify; not fsynced, for these stores may be lost."""
    con.execute("SET GLOBAL amplify_fsync = false")
    con.execute(f"COPY ({query}) TO 'amplify://{store.table}' (FORMAT amplify, ROOT '{store.root}')").fetchall()
    con.execute("RESET GLOBAL amplify_fsync")


class Stores:
    """All of them, at any number of rows."""

    def __init__(self, session: Session):
        self.session = session
        self.seed = session.parameters.seed

    def source(self, count: int, at_random: bool = False) -> str:
        """`count` images as one Parquet file, in order or in none: a relation in SQL."""
        query = rows.images(count)
        query = rows.order_at_random(query) if at_random else query

        def make(path: Path) -> None:
            con = self.session.connect()
            con.execute(rows.macros(self.seed))
            con.execute(f"COPY ({query}) TO '{path}/images.parquet' (FORMAT parquet, COMPRESSION zstd)")

        name = f"source{'-random' if at_random else ''}-{count}"
        return f"'{cached(name, {'query': query, 'macros': rows.macros(self.seed)}, make)}/images.parquet'"

    def through_amplify(self, name: str, count: int, fill, **inputs) -> Path:
        """A store that this build of amplify writes: made anew for each build."""
        return cached(f"{name}-{count}", {"seed": self.seed, "extension": self.session.digest, "version": 1, **inputs}, fill)

    def images(self, count: int) -> Store:
        """A: written through amplify, sorted by time."""
        source = self.source(count)

        def make(path: Path) -> None:
            con = self.session.connect()
            register(con, Store(path))
            write(con, Store(path), f"SELECT * FROM {source}")

        return Store(self.through_amplify("images", count, make))

    def images_at_random(self, count: int) -> tuple[Store, str]:
        """A with the rows of each partition in no order, with a bloom filter for image_id if this build knows them; and
        a note that says whether it does."""
        source = self.source(count, at_random=True)

        def make(path: Path) -> None:
            con, note = self.session.connect(), "bloom filters on image_id"
            try:
                register(con, Store(path), ", bloom_filter: ['image_id']")
            except duckdb.Error:
                register(con, Store(path))
                note = "no bloom filters: this build has no such option"
            (path / "note").write_text(note)
            write(con, Store(path), f"SELECT * FROM {source}")

        path = self.through_amplify("images-random", count, make)
        return Store(path), (path / "note").read_text()

    def small_files(self, count: int) -> Store:
        """B: the same rows in 28 files a partition."""
        source = self.source(count)

        def make(path: Path) -> None:
            con = self.session.connect()
            register(con, Store(path))
            for number in range(FILES_PER_PARTITION):
                write(con, Store(path), f"SELECT * FROM {source} WHERE roi_width % {FILES_PER_PARTITION} = {number}")

        return Store(self.through_amplify("small-files", count, make))

    def foreign(self, count: int) -> Store:
        """D: the same rows in no order, in small row groups, as pyarrow writes them."""
        import pyarrow.dataset as ds
        import pyarrow.parquet as pq

        source = self.source(count, at_random=True)

        def make(path: Path) -> None:
            con = self.session.connect()
            register(con, Store(path))
            # Without the lower bound, each batch would leave a tiny row group in every partition.
            table = pq.read_table(source.strip("'"))
            ds.write_dataset(table, path / rows.TABLE, format="parquet", partitioning_flavor="hive",
                             partitioning=list(rows.KEYS), max_rows_per_group=FOREIGN_ROW_GROUP_ROWS, min_rows_per_group=FOREIGN_ROW_GROUP_ROWS,
                             file_options=ds.ParquetFileFormat().make_write_options(compression="zstd"))

        return Store(cached(f"foreign-{count}", {"source": source, "row_group_rows": FOREIGN_ROW_GROUP_ROWS}, make))

    def geolocation(self, count: int) -> tuple[Store, Store]:
        """E: positions beside the images of A, in one store."""
        source = self.source(count)
        images, table = self.images(count), (rows.GEOLOCATION, rows.GEOLOCATION_KEYS, rows.GEOLOCATION_COLUMNS)

        def make(path: Path) -> None:
            con = self.session.connect()
            register(con, Store(path))
            register(con, Store(path, *table))
            write(con, Store(path), f"SELECT * FROM {source}")
            write(con, Store(path, *table), rows.positions(source))

        path = self.through_amplify("geolocation", count, make, positions=rows.positions("source"))
        return Store(path, *table), Store(path)
