"""pyarrow.dataset. A dataset is opened anew for each question, as each question of ours lists anew."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from bench.dataset.stores import Store
from bench.peers.duckdb_peers import Conditions

TESTS = {
    "eq": lambda field, value: field == value,
    "gte": lambda field, value: field >= value,
    "lt": lambda field, value: field < value,
    "in": lambda field, value: field.isin(value),
}


class Pyarrow:
    """The rows of a store by way of pyarrow.dataset."""

    def __init__(self, store: Store, threads: int, filesystem=None):
        pa.set_cpu_count(threads)
        self.store, self.filesystem = store, filesystem

    def dataset(self) -> ds.Dataset:
        return ds.dataset(str(self.store.directory), format="parquet", partitioning="hive", filesystem=self.filesystem)

    def table(self, columns: Sequence[str] | None = None, conditions: Conditions = ()) -> pa.Table:
        return self.dataset().to_table(columns=list(columns or self.store.columns), filter=expression(conditions))

    def count(self, conditions: Conditions = ()) -> int:
        return self.dataset().count_rows(filter=expression(conditions))

    def partitions(self) -> set[tuple]:
        """The keys of every partition, from the listing."""
        found = set()
        for fragment in self.dataset().get_fragments():
            values = ds.get_partition_keys(fragment.partition_expression)
            found.add(tuple(values[key] for key in self.store.keys))
        return found

    def stream(self) -> int:
        return sum(batch.num_rows for batch in self.dataset().to_batches(columns=list(self.store.columns)))


def expression(conditions: Conditions) -> pc.Expression | None:
    found = None
    for column, operator, value in conditions:
        test = TESTS[operator](pc.field(column), value)
        found = test if found is None else found & test
    return found
