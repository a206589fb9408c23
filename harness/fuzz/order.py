"""What a campaign is told: where to, as whom, and what to begin with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from harness.fuzz.message import Message
from harness.tomlfile import Closed, to_record


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller(Closed):
    """Somebody with a credential. fields: the header fields that present it, secret.

    account: callers of one account share its quota; "" for who has none.
    """

    name: str
    fields: tuple[tuple[str, str], ...]
    account: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Known(Closed):
    """What makes a request valid. body: JSON as text, "" for none."""

    parameters: Mapping[str, str]
    body: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation(Closed):
    """One operation, by method and path as the description spells them.

    allowed, refused: the names of those who may call it, and of those who may not.
    known: valid requests to it, as values of its path's parameters and bodies; each is good for one call.
    """

    name: str
    allowed: tuple[str, ...]
    refused: tuple[str, ...] = ()
    known: tuple[Known, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached(Closed):
    """Where the server is. It stands for a `Peer`."""

    host: str
    port: int
    tls: bool
    name: str
    authority: str
    ca_file: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order(Closed):
    """One campaign. It holds secrets: it is kept in files of mode 0600 only.

    description: the target's own, an OpenAPI document. base_path: before every path of it.
    seed: of every choice that is made. budget_s: seconds from the first request to the last.
    per_key, per_address: how many requests in `window_s` seconds one account and all together may send.
    kept: failures of earlier campaigns, with the names of their callers; they come first.
    """

    peer: Reached
    base_path: str
    description: Mapping[str, Any]
    operations: tuple[Operation, ...]
    callers: tuple[Caller, ...]
    unversioned: tuple[str, ...]
    seed: int
    budget_s: float
    window_s: float
    per_key: int
    per_address: int
    kept: tuple[tuple[str, Message], ...] = ()


def read_order(path: Path) -> Order:
    """Return what `harness.secretly.write` wrote. Raises `UserError`."""
    return to_record(Order, orjson.loads(path.read_bytes()), source=path, remedy="Run `harness fuzz` again.")
