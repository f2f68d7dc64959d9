"""Images taken in a box of latitudes and longitudes."""

from __future__ import annotations

from bench.answers import digest
from bench.comparison import LIBRARY, NATIVE, OURS, POLARS, PYARROW, Comparison, Way
from bench.dataset.stores import Stores
from bench.peers.duckdb_peers import where
from bench.session import Session
from bench.workloads.scans import Peers

BOX = [("latitude", "gte", 41.0), ("latitude", "lt", 41.4), ("longitude", "gte", -68.0), ("longitude", "lt", -67.6)]


def box(session: Session) -> list[Comparison]:
    """Store E: positions -> images, the columns of the images."""
    positions, images = (Peers(session, store) for store in Stores(session).geolocation(session.parameters.rows))
    selected = ", ".join(f'r."{name}"' for name in images.store.columns)

    def ours():
        filters = positions.amplify.filters(BOX).replace("filters", "left_filters")
        return session.con.execute(
            f"FROM amplify_join('{positions.store.table}', '{images.store.table}', 'image_id'{filters}, side => 'right',"
            f" root => '{images.store.root}')").to_arrow_table()

    def in_sql(left: str, right: str, con):
        return lambda: con.execute(f"SELECT {selected} FROM (SELECT * FROM {left}{where(BOX)}) l JOIN {right} r"
                                   " ON l.image_id = r.image_id").to_arrow_table()

    def with_pyarrow():
        ids = positions.pyarrow.table(["image_id"], BOX)
        return images.pyarrow.table().join(ids, "image_id", join_type="inner")

    def with_polars():
        ids = positions.polars.scan(BOX).select("image_id")
        return images.polars.scan().join(ids, on="image_id").collect()

    library = images.library.con
    runs = {
        OURS: ours,
        "amplify, SQL over two reads": in_sql(positions.amplify.relation(BOX), images.amplify.relation(), session.con),
        NATIVE: in_sql(positions.store.native, images.store.native, session.con),
        LIBRARY: in_sql(positions.store.native, images.store.native, library),
        PYARROW: with_pyarrow,
        POLARS: with_polars,
    }
    ways = {name: Way(run, answer=lambda table: digest(session.con, table, images.store.columns)) for name, run in runs.items()}
    return [Comparison("join", "join geolocation box -> images, select right", ways, 1.0)]
