"""The relay: bytes both ways to their ends, from the address named."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys

from harness.runtimes import relay
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


def test_as_a_program_it_tells_its_ports_and_relays_from_each_address() -> None:
    with socket.create_server(("127.0.0.1", 0)) as target:
        listening = f"127.0.0.1:{target.getsockname()[1]}"
        command = [sys.executable, relay.__file__, listening, "127.0.0.1:0=127.0.0.77", "127.0.0.1:0"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as program:
            assert program.stdout is not None
            try:
                ports = json.loads(program.stdout.readline())
                came_from = []
                for port in ports:
                    with socket.create_connection(("127.0.0.1", port)), target.accept()[0] as accepted:
                        came_from.append(accepted.getpeername()[0])
            finally:
                program.terminate()

    assert came_from == ["127.0.0.77", "127.0.0.1"]
