"""Makes pyarrow.json, a registry in the three generations that the Python library has written.

    pip install pyarrow==26.0.1 && python make.py > pyarrow.json

schema_fields of the table "types" is what pyarrow prints for every type that a store can hold.
"""

import base64
import json

import pyarrow as pa


def ipc(schema):
    return base64.b64encode(schema.serialize().to_pybytes()).decode()


def fields(schema):
    return [{"name": f.name, "type": str(f.type), "nullable": f.nullable} for f in schema]


def entry(schema, partition_by):
    return {
        "schema_ipc": ipc(schema),
        "columns": schema.names,
        "schema_fields": fields(schema),
        "partition_by": partition_by,
    }


utc = pa.timestamp("us", tz="UTC")
images = pa.schema(
    [
        pa.field("image_id", pa.string(), nullable=False),
        pa.field("instrument", pa.string(), nullable=False),
        pa.field("year", pa.int64(), nullable=False),
        pa.field("timestamp", utc, nullable=False),
        pa.field("depth", pa.float64()),
        pa.field("metadata", pa.large_string()),
    ],
    metadata={"source": "pydantic"},
)

box = pa.struct([pa.field("x", pa.int32(), nullable=False), pa.field("Y max", pa.float64())])
types = [
    pa.bool_(), pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64(),
    pa.float16(), pa.float32(), pa.float64(), pa.string(), pa.large_string(), pa.string_view(), pa.binary(),
    pa.large_binary(), pa.binary_view(), pa.binary(16), pa.uuid(), pa.json_(), pa.date32(), pa.date64(),
    pa.time32("s"), pa.time32("ms"), pa.time64("us"), pa.time64("ns"), pa.timestamp("s"), pa.timestamp("ms"),
    pa.timestamp("us"), pa.timestamp("ns"), utc, pa.timestamp("ns", tz="Europe/Oslo"), pa.timestamp("s", tz="+01:00"),
    pa.decimal32(5, 2), pa.decimal64(18, 0), pa.decimal128(38, 10), pa.decimal256(20, 4),
    pa.dictionary(pa.int32(), pa.string()), pa.dictionary(pa.uint8(), pa.large_string(), ordered=True),
    pa.list_(pa.string()), pa.list_(pa.field("element", pa.int32(), nullable=False)), pa.large_list(pa.float32()),
    pa.list_view(pa.int8()), pa.large_list_view(pa.int8()), pa.list_(pa.float32(), 3), pa.list_(pa.uuid()),
    box, pa.list_(box), pa.struct([pa.field("a", pa.list_(pa.struct([pa.field("b", utc)])))]),
    pa.map_(pa.string(), pa.int32()), pa.map_(pa.string(), pa.list_(box)),
    pa.map_(pa.string(), pa.int64(), keys_sorted=True),
    pa.map_(pa.field("k", pa.int32(), nullable=False), pa.field("v", pa.uuid())),
    pa.list_(pa.dictionary(pa.int16(), pa.string())),
]
every = pa.schema([pa.field(f"c{i}", t, nullable=i % 3 != 0) for i, t in enumerate(types)])

legacy = pa.schema(
    [
        pa.field("bin_id", pa.string(), nullable=False),
        pa.field("day", pa.date32()),
        pa.field("taken", utc),
        pa.field("local", pa.timestamp("us")),
        pa.field("score", pa.float32()),
        pa.field("extra", pa.large_string()),
    ]
)

registry = {
    "_comment": "made by make.py",
    "images": {**entry(images, ["instrument", "year"]), "owner": {"unit": "plankton", "since": 2019.50}},
    "types": entry(every, None),
    "bins": {"schema_fields": fields(legacy), "partition_by": ["day"]},
    "names": {"columns": ["id", "score"], "partition_by": None},
    "../escape": entry(legacy, None),
}
print(json.dumps(registry, indent=2))
