"""The moving window against its definition, and its file when things go wrong."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from struct import calcsize

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panotti.ratelimit.counters import CountersError, Hit
from panotti.ratelimit.storage import SLICE, SLICES, SQLiteStorage, _Window

WINDOW = 10.0
LATE = WINDOW / SLICES


def hits(times: list[float], limit: int) -> Iterator[tuple[float, bool, bytes]]:
    """When each attempt was made, whether it passed, and what is stored then."""
    stored = b""
    for at in times:
        window = _Window.unpacked(stored, at, WINDOW)
        hit = window.hit(limit)
        stored = window.packed()
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


@pytest.fixture
def other(counters: SQLiteStorage) -> Iterator[sqlite3.Connection]:
    """Another process's connection to the file."""
    asyncio.run(counters.prepare())
    connection = sqlite3.connect(counters.file, isolation_level=None)
    yield connection
    connection.close()


def test_hits_that_come_together_are_judged_one_by_one(counters: SQLiteStorage) -> None:
    async def run() -> list[Hit]:
        calls = (counters.hit(key, 2, 10) for key in ("a", "b", "a", "a", "b"))
        return await asyncio.gather(*calls)

    found = asyncio.run(run())

    assert [hit.passed for hit in found] == [True, True, True, False, True]
    assert [hit.used for hit in found] == [1, 1, 2, 2, 2]
    assert all(0 < hit.left <= 10 for hit in found)


def test_what_comes_together_is_one_transaction(counters: SQLiteStorage, other: sqlite3.Connection) -> None:
    async def run() -> None:
        await asyncio.gather(*(counters.hit(f"key/{number}", 1, 10) for number in range(20)))

    def version() -> int:
        found: int = other.execute("PRAGMA data_version").fetchone()[0]
        return found

    before = version()
    asyncio.run(run())

    assert counters._commits == 1
    assert version() != before
    assert other.execute("SELECT count(*) FROM windows").fetchone() == (20,)


def test_a_held_lock_is_waited_for(counters: SQLiteStorage, other: sqlite3.Connection) -> None:
    async def run() -> list[Hit]:
        other.execute("BEGIN IMMEDIATE")
        early = asyncio.create_task(counters.hit("k", 5, 10))
        await asyncio.sleep(0.01)
        late = asyncio.create_task(counters.hit("k", 5, 10))
        await asyncio.sleep(0.01)
        assert not early.done()
        other.execute("COMMIT")
        return [await early, await late]

    assert [hit.used for hit in asyncio.run(run())] == [1, 2]


def test_a_lock_that_stays_held_is_an_error_and_no_hit(
    counters: SQLiteStorage, other: sqlite3.Connection
) -> None:
    async def run() -> Hit:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(CountersError, match="locked"):
            await counters.hit("k", 5, 10)
        other.execute("ROLLBACK")
        return await counters.hit("k", 5, 10)

    assert asyncio.run(run()).used == 1


def test_a_client_that_left_keeps_nobody_from_an_answer(counters: SQLiteStorage) -> None:
    async def run() -> Hit:
        gone = asyncio.create_task(counters.hit("k", 5, 10))
        stays = asyncio.create_task(counters.hit("k", 5, 10))
        await asyncio.sleep(0)
        gone.cancel()
        return await stays

    assert asyncio.run(run()).passed


def test_a_row_that_is_no_window_is_the_storages_own_error_and_leaves_no_lock(
    counters: SQLiteStorage, other: sqlite3.Connection
) -> None:
    other.execute("INSERT INTO windows VALUES ('k', x'00', 1e9)")

    async def run() -> Hit:
        with pytest.raises(CountersError):
            await counters.hit("k", 5, 10)
        return await counters.hit("sound", 5, 10)

    assert asyncio.run(run()).passed


def test_a_file_that_is_no_database_is_the_storages_own_error(tmp_path: Path) -> None:
    (tmp_path / "counters.db").write_bytes(b"rubbish " * 1000)
    broken = SQLiteStorage(tmp_path)

    with pytest.raises(CountersError):
        asyncio.run(broken.prepare())
    with pytest.raises(CountersError):
        asyncio.run(broken.hit("k", 1, 10))
    broken.close()
