"""Whose address counts, and who may call: every way in which a caller can write one."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

import pytest

from panotti.middleware import addresses
from panotti.middleware.addresses import AddressesMiddleware, parse


def called(
    peer: str | None,
    *forwarded: str,
    scheme: str = "",
    middleware: AddressesMiddleware | None = None,
    **lists: Iterable[str],
) -> tuple[int, str, str]:
    """Status, the client and the scheme that the application saw or would have seen."""
    headers = [(b"x-forwarded-for", value.encode("latin-1")) for value in forwarded]
    headers += [(b"x-forwarded-proto", scheme.encode())] if scheme else []
    scope: dict[str, Any] = {
        "type": "http",
        "method": "GET",
        "path": "/",
        "scheme": "http",
        "headers": headers,
        "state": {"request_id": "r"},
        "client": (peer, 1) if peer is not None else None,
    }
    sent: list[Any] = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        raise AssertionError("nothing is read of a body")

    asyncio.run((middleware or AddressesMiddleware(application, **lists))(scope, receive, send))
    return sent[0]["status"], scope["state"]["client"], scope["scheme"]


PROXY = {"trusted_proxies": ["10.0.0.0/8"]}


@pytest.mark.parametrize(
    ("written", "address"),
    [
        ("192.0.2.1", "192.0.2.1"),
        (" 192.0.2.1:4711 ", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::1"),
        ("[2001:db8::1]:4711", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("[::ffff:192.0.2.1]:80", "192.0.2.1"),
    ],
)
def test_an_address_is_read_as_proxies_write_it(written: str, address: str) -> None:
    assert str(parse(written)) == address


@pytest.mark.parametrize(
    "written", ["", "unknown", "_hidden", "192.0.2", "192.0.2.256", "a:b", "[", "0x7f000001"]
)
def test_what_is_none_is_none(written: str) -> None:
    assert parse(written) is None


class TestForwarded:
    def test_from_a_proxy_the_rightmost_untrusted_entry_is_the_client(self) -> None:
        assert called("10.0.0.1", "203.0.113.9, 192.0.2.1, 10.0.0.2", **PROXY)[1] == "192.0.2.1"

    def test_several_header_lines_are_one_list(self) -> None:
        assert called("10.0.0.1", "203.0.113.9", "192.0.2.1", **PROXY)[1] == "192.0.2.1"

    def test_from_anybody_else_it_counts_for_nothing(self) -> None:
        assert called("192.0.2.7", "203.0.113.9", scheme="https", **PROXY) == (200, "192.0.2.7", "http")

    def test_rubbish_stands_for_the_nearest_known_hop(self) -> None:
        assert called("10.0.0.1", "192.0.2.1, rubbish, 10.0.0.2", **PROXY)[1] == "10.0.0.2"
        assert called("10.0.0.1", **PROXY)[1] == "10.0.0.1"

    def test_where_every_hop_is_a_proxy_the_first_is_the_client(self) -> None:
        assert called("10.0.0.1", "10.0.0.3, 10.0.0.2", **PROXY)[1] == "10.0.0.3"

    @pytest.mark.parametrize(
        ("given", "seen"), [("https", "https"), (" HTTPS ", "https"), ("ftp", "http"), ("", "http")]
    )
    def test_its_scheme_is_taken_if_it_is_one(self, given: str, seen: str) -> None:
        assert called("10.0.0.1", "192.0.2.1", scheme=given, **PROXY)[2] == seen


class TestLists:
    @pytest.mark.parametrize(
        ("lists", "peer", "status"),
        [
            ({"deny": ["192.0.2.0/24"]}, "192.0.2.1", 403),
            ({"deny": ["192.0.2.0/24"]}, "::ffff:192.0.2.1", 403),
            ({"deny": ["::ffff:192.0.2.0/120"]}, "192.0.2.1", 403),
            ({"deny": ["192.0.2.0/24"]}, "192.0.3.1", 200),
            ({"allow": ["192.0.2.0/24"]}, "192.0.2.1", 200),
            ({"allow": ["192.0.2.0/24"]}, "192.0.3.1", 403),
            ({"allow": ["192.0.2.0/24"], "deny": ["192.0.2.1/32"]}, "192.0.2.1", 403),
            ({"allow": ["2001:db8::/32"]}, "192.0.2.1", 403),
            ({"allow": ["192.0.2.0/24"]}, None, 403),
            ({"deny": ["192.0.2.0/24"]}, None, 200),
        ],
    )
    def test_who_may_call(self, lists: dict[str, list[str]], peer: str | None, status: int) -> None:
        assert called(peer, **lists)[0] == status

    def test_a_proxy_may_bring_only_whom_the_list_names(self) -> None:
        lists = {"allow": ["192.0.2.0/24"], **PROXY}

        assert called("10.0.0.1", "192.0.2.1", **lists)[0] == 200
        assert called("10.0.0.1", "203.0.113.9", **lists)[0] == 403

    def test_a_denied_proxy_brings_nobody(self) -> None:
        lists = {"deny": ["10.0.0.1/32"], "allow": ["192.0.2.0/24"], **PROXY}

        assert called("10.0.0.1", "192.0.2.1", **lists)[0] == 403


def test_callers_from_many_addresses_take_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(addresses, "REMEMBERED", 3)

    async def application(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})

    middleware = AddressesMiddleware(application, deny=["192.0.2.2/32"])
    statuses = [called(f"192.0.2.{n % 8}", middleware=middleware)[0] for n in range(24)]

    assert len(middleware.decided) <= 3
    assert statuses == [403 if n % 8 == 2 else 200 for n in range(24)]


def test_what_is_no_request_passes() -> None:
    seen: list[str] = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["type"])

    asyncio.run(AddressesMiddleware(application, allow=["192.0.2.1/32"])({"type": "lifespan"}, None, None))  # type: ignore[arg-type]

    assert seen == ["lifespan"]
