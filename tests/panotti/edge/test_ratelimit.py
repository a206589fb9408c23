"""The moving window against its definition, and its file when things go wrong."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from struct import calcsize
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st
from limits.errors import StorageError

from panotti.ratelimit import storage
from panotti.ratelimit.storage import SLICE, SLICES, SQLiteStorage, _Hit

WINDOW = 10.0
LATE = WINDOW / SLICES


def hits(times: list[float], limit: int) -> Iterator[tuple[float, bool, bytes]]:
    """When each attempt was made, whether it passed, and what is stored then."""
    stored = b""
    for at in times:
        hit = _Hit(limit=limit, expiry=WINDOW, amount=1)
        with patch.object(storage, "monotonic", lambda at=at: at):
            stored = hit.judge(stored, 0.0)
        yield at, hit.passed, stored


@given(st.lists(st.floats(0, 4), min_size=1, max_size=60), st.integers(1, 8))
def test_never_more_than_the_quota_in_any_window_and_a_place_comes_back_in_time(
    gaps: list[float], limit: int
) -> None:
    times = [sum(gaps[: n + 1]) for n in range(len(gaps))]
    taken: list[float] = []

    for at, passed, stored in hits(times, limit):
        within = [t for t in taken if t > at - WINDOW]
        nearly = [t for t in taken if t > at - WINDOW - LATE]
        if passed:
            assert len(within) < limit, "one too many"
            taken.append(at)
        else:
            assert len(nearly) >= limit, "refused though a place was free"
        assert len(stored) <= (SLICES + 1) * calcsize(SLICE)


@pytest.fixture
def counters(tmp_path: Path) -> Iterator[SQLiteStorage]:
    made = SQLiteStorage(tmp_path / "state")
    yield made
    made.close()


def test_what_fails_amid_a_write_leaves_nothing_and_no_lock(counters: SQLiteStorage) -> None:
    def half(connection: sqlite3.Connection, now: float) -> None:
        connection.execute("INSERT INTO counters VALUES ('half', 1, ?)", (now + 60,))
        raise KeyboardInterrupt

    async def run() -> tuple[int, int]:
        with pytest.raises(KeyboardInterrupt):
            await counters._write(half)
        return await counters.get("half"), await counters.incr("whole", 60)

    assert asyncio.run(run()) == (0, 1)


def test_a_file_that_is_no_database_is_the_storages_own_error(tmp_path: Path) -> None:
    (tmp_path / "counters.db").write_bytes(b"rubbish " * 1000)
    broken = SQLiteStorage(tmp_path)

    with pytest.raises(StorageError):
        asyncio.run(broken.check())
    broken.close()
