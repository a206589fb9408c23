"""Campaigns on a server of notes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest

from harness.fuzz.order import Caller, Known, Operation, Order, Reached
from tests.harness.fuzz.notes import DESCRIPTION, KEY, Notes

Ordering = Callable[..., Order]
TAKE, READ = "POST /notes", "GET /notes/{name}"


@pytest.fixture
def notes() -> Notes:
    return Notes()


@pytest.fixture
def order(notes: Notes, serve: Callable[..., str]) -> Ordering:
    """Orders a campaign on the server of notes: `order(budget_s=1.0)`."""
    where = urlsplit(serve(notes))

    def make(**given: Any) -> Order:
        port = where.port or 0
        usual: dict[str, Any] = {
            "peer": Reached(
                host="127.0.0.1", port=port, tls=False, name="127.0.0.1", authority=f"127.0.0.1:{port}"
            ),
            "base_path": "",
            "description": DESCRIPTION,
            "operations": (
                Operation(
                    name=TAKE,
                    allowed=("writer",),
                    refused=("anonymous",),
                    known=(Known(parameters={}, body='{"text":"hello"}'),),
                ),
                Operation(name=READ, allowed=("writer",), known=(Known(parameters={"name": "first"}),)),
            ),
            "callers": (
                Caller(name="writer", fields=(("X-API-Key", KEY),), account="writer"),
                Caller(name="anonymous", fields=(), account=""),
            ),
            "unversioned": ("server",),
            "seed": 1,
            "budget_s": 4.0,
            "window_s": 1.0,
            "per_key": 10_000,
            "per_address": 10_000,
        }
        return Order(**{**usual, **given})

    return make
