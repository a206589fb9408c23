"""`python -m panotti.alive`: exit status 0 while the server on this machine is alive, else 1.

What the image's HEALTHCHECK runs, again and again, beside the server and within its quota. Hence it imports
next to nothing, and reads no configuration: where to ask, the server has written down.
"""

from __future__ import annotations

import os
import socket
import ssl
import sys
from pathlib import Path

DOOR = "door"
TIMEOUT = 2.0  # seconds
_ANY = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  compared with, not bound


def announce(folder: Path, *, host: str, port: int, tls: bool, name: str) -> None:
    """Write down where this server listens. name: what it is called in the Host of a request."""
    folder.mkdir(parents=True, exist_ok=True)
    transport = "tls" if tls else "plain"
    (folder / DOOR).write_text(f"{_ANY.get(host, host)} {port} {transport} {name}\n")


def answer(folder: Path) -> int:
    """Return the status of the liveness path. Raises OSError or ValueError where there is no answer."""
    host, port, transport, name = (folder / DOOR).read_text().split()
    request = f"GET /health/live HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n"
    with socket.create_connection((host, int(port)), timeout=TIMEOUT) as plain:
        if transport == "tls":
            # It asks the process in its own container; the name in the certificate is for clients.
            context = ssl._create_unverified_context()  # noqa: S323, SLF001
            with context.wrap_socket(plain) as secured:
                return _status(secured, request)
        return _status(plain, request)


def _status(connection: socket.socket, request: str) -> int:
    connection.sendall(request.encode())
    with connection.makefile("rb") as lines:
        return int(lines.readline(256).split()[1])


def main() -> int:
    """Say on stderr what is wrong; return the exit status."""
    folder = os.environ.get("PANOTTI_STATE_DIR")
    if not folder:
        sys.stderr.write("panotti: PANOTTI_STATE_DIR is not set: where has the server written its address?\n")
        return 1
    try:
        status = answer(Path(folder))
    except (OSError, ValueError, IndexError) as error:
        sys.stderr.write(f"panotti does not answer: {error}\n")
        return 1
    if status != 200:
        sys.stderr.write(f"panotti answers {status}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
