"""The relay: bytes both ways to their ends, from the address named."""

from __future__ import annotations

import asyncio

from harness.runtimes.relay import Address, forward

LOOPBACK = Address(host="127.0.0.1", port=0)


async def _upper(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer, in capitals, where the caller comes from and everything that it sent."""
    heard = await reader.read()
    writer.write(f"{writer.get_extra_info('peername')[0]} ".encode() + heard.upper())
    writer.close()


async def _through(source: str | None, sent: bytes, *, target_up: bool = True) -> bytes:
    server = await asyncio.start_server(_upper, "127.0.0.1", 0)
    target = Address.parse(f"127.0.0.1:{server.sockets[0].getsockname()[1]}")
    if not target_up:
        server.close()
        await server.wait_closed()
    relay = await forward(target, LOOPBACK, source)
    reader, writer = await asyncio.open_connection(*relay.sockets[0].getsockname())
    writer.write(sent)
    writer.write_eof()
    heard = await reader.read()
    writer.close()
    for each in (relay, server):
        each.close()
        await each.wait_closed()
    return heard


def test_it_comes_from_the_address_named() -> None:
    assert asyncio.run(_through("127.0.0.77", b"hello")) == b"127.0.0.77 HELLO"


def test_without_a_source_it_comes_from_where_it_runs() -> None:
    assert asyncio.run(_through(None, b"hello")) == b"127.0.0.1 HELLO"


def test_much_passes_whole() -> None:
    much = b"x" * 3_000_000

    assert asyncio.run(_through("127.0.0.9", much)) == b"127.0.0.9 " + much.upper()


def test_a_target_that_is_gone_closes_the_connection() -> None:
    assert asyncio.run(_through(None, b"", target_up=False)) == b""
