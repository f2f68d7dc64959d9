"""Rows as imaging flow cytometers give them: 5 instruments, 3 years, 50 classes, a bin of images every 20 minutes.

Numbers come from integer arithmetic on the row's number and the seed, so that every DuckDB version makes the same rows.
"""

from __future__ import annotations

TABLE = "images"
KEYS = ("instrument", "year", "month")
INSTRUMENTS = tuple(f"IFCB{number}" for number in range(101, 106))
YEARS = (2021, 2022, 2023)
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
GEOLOCATION = "geolocation"
GEOLOCATION_COLUMNS = {
    "image_id": "VARCHAR NOT NULL",
    "instrument": "VARCHAR",
    "year": "INTEGER",
    "latitude": "DOUBLE",
    "longitude": "DOUBLE",
}
GEOLOCATION_KEYS = ("instrument", "year")
IMAGES_PER_POSITION = 10
"""Every so many images there is one whose position is known."""

# A finalizer of two rounds: 32 bits of i and the seed, mixed well enough that neighbours have nothing in common.
_MIX = """
CREATE OR REPLACE TEMP MACRO first_round(i, stream) AS
    ((i::UBIGINT + {seed}::UBIGINT * 7919) * 2654435761 + stream::UBIGINT * 40503) % 4294967296;
CREATE OR REPLACE TEMP MACRO second_round(x) AS (xor(x, x >> 15) * 2246822519::UBIGINT) % 4294967296;
CREATE OR REPLACE TEMP MACRO random32(i, stream) AS xor(second_round(first_round(i, stream)), second_round(first_round(i, stream)) >> 13);
"""


def macros(seed: int) -> str:
    """`random32(i, stream)`: a number below 2^32 for each i and stream."""
    return _MIX.format(seed=seed)


def images(rows: int) -> str:
    """`rows` images as a query, in the order of instrument and time; `macros` must have been run."""
    return f"""
SELECT strftime(time_bucket(INTERVAL 20 MINUTES, sampled), 'D%Y%m%dT%H%M%S') || '_' || instrument || '_'
           || lpad((i % 100000)::VARCHAR, 5, '0') AS image_id,
       instrument, year(sampled)::INTEGER AS year, month(sampled)::INTEGER AS month,
       sampled AT TIME ZONE 'UTC' AS "timestamp",
       (random32(i, 1) % 10000) / 100.0 AS depth, 4 + (random32(i, 2) % 20000) / 1000.0 AS temperature,
       (16 + random32(i, 3) % 1000)::INTEGER AS roi_width,
       'class_' || lpad((random32(i, 4) % 50)::VARCHAR, 2, '0') AS class_name
FROM (SELECT i, 'IFCB' || (101 + i * 5 // {rows})::VARCHAR AS instrument,
             TIMESTAMP '2021-01-01' + to_microseconds((i * 5 % {rows}) * (1095::BIGINT * 86400 * 1000000 // {rows})) AS sampled
      FROM range({rows}) t(i))"""


def positions(source: str) -> str:
    """Positions of every tenth image of the relation `source`: a ship that goes back and forth, so that a box of
    latitudes and longitudes holds short stretches of time."""
    return f"""
SELECT image_id, instrument, year,
       40 + 5 * sin(epoch("timestamp") / 500000) + (roi_width % 10) / 1000.0 AS latitude,
       -70 + 5 * cos(epoch("timestamp") / 700000) + (roi_width % 7) / 1000.0 AS longitude
FROM {source} WHERE image_id LIKE '%0'"""


def order_at_random(query: str) -> str:
    """The rows of `query` in an order that has nothing to do with their values."""
    return f"SELECT * FROM ({query}) ORDER BY md5(image_id || class_name)"
