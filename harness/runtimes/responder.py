"""The witness beside a measured target, run as a script: a server with next to no work to do.

    responder.py LISTEN_HOST:LISTEN_PORT FOLDER

It answers every request with the same few bytes; before the answer to /written it writes to a file in FOLDER,
and waits until the disk has it. It prints the port that it listens on as one JSON line.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys

_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
_END = b"\r\n\r\n"
_WRITES = b"GET /written "
_BLOCK = b"x" * 512


class Responder(asyncio.Protocol):
    """One connection. Requests have no body."""

    def __init__(self, file: int) -> None:
        self._file = file
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep where to answer to."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer every request that is complete."""
        self._received += data
        while _END in self._received:
            head, _, self._received = self._received.partition(_END)
            if head.startswith(_WRITES):
                os.pwrite(self._file, _BLOCK, 0)
                os.fdatasync(self._file)
            self._transport.write(_ANSWER)


async def main(listen: str, folder: str) -> None:
    """Answer until the process is ended."""
    host, _, port = listen.rpartition(":")
    file = os.open(os.path.join(folder, "witness"), os.O_CREAT | os.O_WRONLY, 0o600)  # noqa: PTH118
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Responder(file), host, int(port), backlog=1024)
    sys.stdout.write(json.dumps([server.sockets[0].getsockname()[1]]) + "\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
