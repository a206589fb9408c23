"""Fresh keys in a fresh tenant, so that a run meets no quota and lists nothing but its own."""

from __future__ import annotations

import secrets
from typing import Any, Final

import gevent
import orjson
from geventhttpclient.client import HTTPClient

from harness.errors import UserError
from harness.load.generator.asking import exchange
from harness.load.order import Order
from harness.principals import TENANT

# Too many requests, and overloaded for the moment (RFC 6585, RFC 9110): the load of a run before may be why.
_LATER: Final = frozenset({429, 503})
_TRIES: Final = 8
_PAUSE_S: Final = 1.0


def mint(client: HTTPClient, order: Order) -> tuple[list[str], str]:
    """Return writers' keys and their tenant; the one key and "" where the target can make none.

    Raises `UserError` where it is not up, or does not take the key.
    """
    path = order.reach.paths.get("keys")
    if path is None:
        return [order.reach.key], ""
    fresh = f"load-{secrets.token_hex(6)}"
    maker = _make(client, order, path, order.reach.key, "admin", fresh)
    # An administrator of one tenant alone cannot open another.
    tenant = fresh if maker else TENANT
    maker = maker or order.reach.key
    keys = [_make(client, order, path, maker, "writer", tenant) for _ in range(order.keys)]
    if not all(keys):
        raise UserError(
            f"{order.reach.base_url} makes no keys in the tenant {tenant}",
            remedy="Give an administrator's key.",
        )
    return keys, tenant


def _make(client: HTTPClient, order: Order, path: str, maker: str, role: str, tenant: str) -> str:
    """Return a key, "" where the maker may not make it."""
    body = {"principal": f"load-{secrets.token_hex(6)}", "tenant": tenant, "role": role}
    headers = {order.reach.auth_header: maker, "Content-Type": "application/json"}
    status, answer = _patiently(client, order, path, orjson.dumps(body), headers)
    if status == 403:
        return ""
    if not 200 <= status < 300:
        raise UserError(
            f"{order.reach.base_url} makes no key: it answers {status} at {path}",
            remedy="Give an administrator's key of this server.",
        )
    document: Any = orjson.loads(answer)
    return str(document["key"])


def _patiently(
    client: HTTPClient, order: Order, path: str, body: bytes, headers: dict[str, str]
) -> tuple[int, bytes]:
    for _ in range(_TRIES):
        try:
            status, answer = exchange(client, "POST", path, body, headers)
        except Exception as cause:
            # Sockets, TLS and the parser raise what they like; each means that nothing useful answers.
            raise UserError(
                f"{order.reach.base_url} is not up: {cause}",
                remedy="Bring it up (harness up PROFILE), or name another with --base-url.",
            ) from None
        if status not in _LATER:
            break
        gevent.sleep(_PAUSE_S)
    return status, answer
