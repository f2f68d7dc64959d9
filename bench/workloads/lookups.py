"""Finding few rows among many."""

from __future__ import annotations

import datetime

from bench.comparison import Comparison
from bench.dataset.stores import Stores
from bench.session import Session
from bench.workloads.scans import Peers

INSTRUMENT, YEAR, MONTH = "IFCB103", 2022, 5
HOUR = datetime.datetime(2022, 5, 10, 10, tzinfo=datetime.timezone.utc)
KEYS = [("instrument", "eq", INSTRUMENT), ("year", "eq", YEAR), ("month", "eq", MONTH)]


def images(session: Session) -> list[Comparison]:
    """Stores A and D, and A with the rows of each partition in no order."""
    stores, count = Stores(session), session.parameters.rows
    found = session.con.execute(
        f"SELECT image_id FROM {stores.source(count)} WHERE instrument = ? AND \"timestamp\" >= ? ORDER BY \"timestamp\" LIMIT 1",
        [INSTRUMENT, HOUR]).fetchall()
    image = ("image_id", "eq", found[0][0])
    hour = [("timestamp", "gte", HOUR), ("timestamp", "lt", HOUR + datetime.timedelta(hours=1))]
    ours = Peers(session, stores.images(count))
    at_random, note = stores.images_at_random(count)
    unordered, foreign = Peers(session, at_random), Peers(session, stores.foreign(count))
    return [
        Comparison("hour", "one hour inside one month", ours.tables(conditions=[*KEYS, *hour], footers=True), 0.15),
        Comparison("lookup-keys", "point lookup by image_id with keys",
                   ours.tables(conditions=[*KEYS, image], footers=True), 0.15),
        Comparison("lookup-id", "point lookup by image_id alone, ids in order",
                   ours.tables(conditions=[image], footers=True), 0.5),
        Comparison("lookup-id-unordered", "point lookup by image_id alone, ids not sorted",
                   unordered.tables(conditions=[image], footers=True), 0.5, note=note),
        Comparison("foreign-hour", "foreign store: one hour inside one month", foreign.tables(conditions=[*KEYS, *hour])),
        Comparison("foreign-lookup-id", "foreign store: point lookup by image_id alone", foreign.tables(conditions=[image])),
    ]
