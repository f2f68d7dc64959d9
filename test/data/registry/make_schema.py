"""Makes pydantic.json, what Pydantic prints for a model with every kind of field that becomes a column.

    pip install pydantic==2.* && python make_schema.py > pydantic.json
"""

import datetime
import enum
import json
import uuid
from typing import Literal, Optional, Union

from pydantic import BaseModel, Field


class Box(BaseModel):
    x: int
    y: int
    parent: Optional["Box"] = None


class Kind(enum.Enum):
    A = "a"
    B = "b"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Record(BaseModel):
    image_id: str
    timestamp: datetime.datetime
    day: datetime.date
    at: datetime.time
    key: uuid.UUID
    blob: bytes
    count: int = Field(ge=0)
    score: float
    good: bool
    label: Optional[str]
    depth: Optional[float] = None
    unit: str = "m"
    box: Box
    maybe_box: Optional[Box] = None
    described_box: Box = Field(description="with a description")
    extra: dict
    counts: dict[str, int]
    kind: Kind
    level: Level
    status: Literal["new", "done"]
    one: Literal[1]
    tags: list[str]
    maybe_tags: Optional[list[Optional[str]]]
    matrix: list[list[float]]
    boxes: list[Box]
    times: list[datetime.datetime]
    names: set[str]
    pair: tuple[float, float]
    shape: Union[Box, dict[str, int]]
    path_like: str = Field(alias="Path/~Like")


print(json.dumps(Record.model_json_schema(), indent=2))
