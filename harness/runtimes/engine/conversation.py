"""A command in a container that is spoken with while it runs: lines in, answers out."""

from __future__ import annotations

import socket
import struct
import time
from typing import Any, Final

from harness.errors import ProbeFailed

_HEADER: Final = struct.Struct(">BxxxL")  # the stream of an output, and how many bytes of it follow
_CHUNK: Final = 65536


class Conversation:
    """Speaks with one command. stream: as docker-py attaches to what it starts in a container.

    What the command says on standard error is an answer too.
    """

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._socket: socket.socket = getattr(stream, "_sock", stream)
        self._raw = bytearray()
        self._said = bytearray()

    def say(self, line: str) -> None:
        """Send a line. Raises `ProbeFailed` where the command has ended."""
        try:
            self._socket.sendall(f"{line}\n".encode())
        except OSError as cause:
            raise ProbeFailed(f"the conversation has ended: {cause}") from None

    def hear(self, mark: str, *, within_s: float) -> str:
        """Return what is said up to a mark, without it. Raises `ProbeFailed` where it is not said in time."""
        wanted, deadline = mark.encode(), time.monotonic() + within_s
        while (place := self._said.find(wanted)) < 0:
            self._read(deadline)
        answer = bytes(self._said[:place])
        del self._said[: place + len(wanted)]
        return answer.decode("utf-8", errors="replace")

    def close(self) -> None:
        """End it; the command finds its input at an end."""
        self._stream.close()
        self._socket.close()

    def _read(self, deadline: float) -> None:
        self._socket.settimeout(max(0.001, deadline - time.monotonic()))
        try:
            data = self._socket.recv(_CHUNK)
        except TimeoutError:
            raise ProbeFailed(f"no answer in time, only: {self._told()}") from None
        except OSError as cause:
            raise ProbeFailed(f"the conversation has ended: {cause}") from None
        if not data:
            raise ProbeFailed(f"the conversation has ended after: {self._told()}")
        self._raw += data
        while len(self._raw) >= _HEADER.size:
            size = _HEADER.size + _HEADER.unpack_from(self._raw)[1]
            if len(self._raw) < size:
                return
            self._said += self._raw[_HEADER.size : size]
            del self._raw[:size]

    def _told(self) -> str:
        return self._said.decode("utf-8", errors="replace").strip()[-200:] or "nothing"
