"""Records that hold secrets, as files that only this user may read."""

from __future__ import annotations

import os
from pathlib import Path

import orjson


def write_secretly(record: object, path: Path) -> None:
    """Write a record as JSON, for this user alone (mode 0600)."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(orjson.dumps(record))
