"""A result as the generator leaves it and the harness reads it."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from harness.errors import ProbeFailed, UserError
from harness.load.records import Writes, read_result, write_result
from tests.harness.load.results import result, step


def test_what_is_written_is_read(tmp_path: Path) -> None:
    left = result(writes={"started": Writes(acknowledged=("a", "b"), unknown=("c",))})

    write_result(left, tmp_path / "r.json")

    assert read_result(tmp_path / "r.json") == left


def test_sums_go_over_all_steps() -> None:
    steps = (step("start", [5.0] * 10, {"Wrong: status 503": 2, "timed out": 1}), step("read", [900.0]))
    left = result(steps=steps)

    assert left.failed == 3
    assert left.errors == {"Wrong: status 503": 2, "timed out": 1}
    assert (left.latency.count, round(left.latency.max_ms)) == (11, 900)
    assert left.step("nothing") is None


def test_no_result_is_a_failed_probe(tmp_path: Path) -> None:
    with pytest.raises(ProbeFailed, match="no readable result"):
        read_result(tmp_path / "absent.json")


def test_a_result_of_another_make_names_the_key(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    write_result(result(), path)
    path.write_bytes(orjson.dumps({**orjson.loads(path.read_bytes()), "plans": 3}))

    with pytest.raises(UserError, match="plans: unknown key"):
        read_result(path)
