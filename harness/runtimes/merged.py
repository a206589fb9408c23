"""The logs of several containers as one, in the order of Docker's time stamps."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from harness.runtimes.engine import Box


class MergedLog:
    """Grows at its end only, so that a place in it remains one. Of the edges it has the structured lines."""

    def __init__(self, *, servers: Callable[[], Sequence[Box]], edges: Callable[[], Sequence[Box]]) -> None:
        self._servers = servers
        self._edges = edges
        self._seen: dict[int, str] = {}
        self._text = ""
        self._lock = threading.Lock()

    def text(self) -> str:
        """Return everything printed so far."""
        with self._lock:
            fresh = [line for box in self._servers() for line in self._new(box)]
            fresh += [line for box in self._edges() for line in self._new(box) if _own(line[1])]
            self._text += "".join(f"{text}\n" for _, text in sorted(fresh, key=lambda line: line[0]))
            return self._text

    def _new(self, box: Box) -> list[tuple[str, str]]:
        seen = self._seen.get(id(box), "")
        lines = box.log_after(seen)
        if lines:
            self._seen[id(box)] = max(stamp for stamp, _ in lines)
        return lines


def _own(line: str) -> bool:
    """Whether an edge's line is structured, and of a request that no replica logs.

    A request whose client left it (C) while its body (D) or answer (H) was under way had reached a replica.
    """
    return line.startswith("{") and not any(f'"state":"{state}' in line for state in ("CD", "CH"))
