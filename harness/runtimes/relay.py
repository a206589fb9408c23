"""A TCP forwarder, run as a script: it makes connections come from a named client address.

    relay.py HOST:PORT LISTEN_HOST:LISTEN_PORT[=SOURCE] ...

It forwards each connection to HOST:PORT, from the address SOURCE where one is given (Linux owns 127/8),
else from the address of the machine it runs on. It prints the ports it listens on as one JSON line.
"""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import dataclass

_CHUNK = 65536


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """One end of a connection."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Address:
        host, _, port = text.rpartition(":")
        return cls(host=host, port=int(port))


async def forward(target: Address, listen: Address, source: str | None) -> asyncio.Server:
    """Listen, and forward every connection to `target`, from the address `source`."""
    local = (source, 0) if source else None

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there_reader, there_writer = await asyncio.open_connection(
                target.host, target.port, local_addr=local
            )
        except OSError:
            writer.close()
            return
        await asyncio.gather(_copy(reader, there_writer), _copy(there_reader, writer))
        writer.close()
        there_writer.close()

    return await asyncio.start_server(handle, listen.host, listen.port, backlog=1024)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copy until the end and pass it on; a connection that broke is broken on the other side too."""
    try:
        while data := await reader.read(_CHUNK):
            writer.write(data)
            await writer.drain()
        writer.write_eof()
    except OSError:
        writer.transport.abort()


async def main(arguments: list[str]) -> None:
    """Forward until the process is ended."""
    target = Address.parse(arguments[0])
    servers = []
    for argument in arguments[1:]:
        listen, _, source = argument.partition("=")
        servers.append(await forward(target, Address.parse(listen), source or None))
    sys.stdout.write(json.dumps([server.sockets[0].getsockname()[1] for server in servers]) + "\n")
    sys.stdout.flush()
    await asyncio.gather(*(server.serve_forever() for server in servers))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
