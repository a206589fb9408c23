"""A little server as a target of load, and what its deployment is reached by."""

from __future__ import annotations

import json
from typing import Any

import pytest

from harness import places
from harness.contract import read_contract
from harness.load.order import Order, reach_of


class Remembering:
    """Makes the little server answer what it was told: lists, and single recordings."""

    def __init__(self, little: Any) -> None:
        self.little = little
        usual = little._answer

        def answer(request: dict[str, Any], number: int) -> Any:
            route = (request["method"], request["path"])
            if route not in little.answers and request["path"].startswith("/api/recordings/"):
                return 200, {"recording_id": request["path"].rpartition("/")[2]}, []
            return usual(request, number)

        little._answer = answer

    def of(self, method: str, path: str) -> list[dict[str, Any]]:
        """The requests of a route; a path that ends in a slash stands for all below it."""
        return [
            request
            for request in self.little.seen
            if request["method"] == method
            and (request["path"].startswith(path) if path.endswith("/") else request["path"] == path)
        ]

    def ids(self, path: str) -> list[str]:
        return [json.loads(request["body"])["recordingId"] for request in self.of("POST", path)]


@pytest.fixture
def remembering(little: Any) -> Remembering:
    return Remembering(little)


@pytest.fixture
def order(plain: Any, remembering: Remembering) -> Order:
    reach = reach_of(plain, read_contract(places.CONTRACT))
    return Order(reach=reach, rate=50.0, for_s=1.0, keys=3)
