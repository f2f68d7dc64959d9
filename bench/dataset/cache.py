"""Directories that are made once, and anew when what they are made of changes."""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from bench.parameters import CACHE

DIGEST_LENGTH = 12


def cached(name: str, inputs: Mapping, make: Callable[[Path], None]) -> Path:
    """The directory `name` made of `inputs`; `make` fills it if it is not there. Older ones of that name go."""
    text = json.dumps(inputs, sort_keys=True)
    path = CACHE / f"{name}-{hashlib.sha256(text.encode()).hexdigest()[:DIGEST_LENGTH]}"
    stamp = path.with_suffix(".made")
    if stamp.exists():
        return path
    for old in CACHE.glob(f"{name}-{'[0-9a-f]' * DIGEST_LENGTH}*"):
        shutil.rmtree(old) if old.is_dir() else old.unlink()
    path.mkdir(parents=True)
    start = time.perf_counter()
    make(path)
    stamp.write_text(text)
    print(f"made {path.name} in {time.perf_counter() - start:.1f} s", file=sys.stderr, flush=True)
    return path
