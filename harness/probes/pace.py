"""Keeps the requests of this machine below what one address may send: no check starves another."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Collection
from typing import Final

from harness.evidence import waited

# The rest is for probes that count their own requests: raw connections, held requests, a browser.
_SHARE: Final = 0.75
# A server may let a request leave its window a little late.
_LATE: Final = 1.05


class Pace:
    """Room for requests from this machine's address: at most three quarters of `quota` in `window_s`.

    exempt: paths that are not counted. Safe to use from several threads.
    """

    def __init__(self, quota: int, window_s: float, *, exempt: Collection[str] = ()) -> None:
        self._most = max(1, int(quota * _SHARE))
        self._window_s = window_s * _LATE
        self._exempt = frozenset(exempt)
        self._sent: deque[float] = deque()
        self._lock = threading.Lock()

    def take(self, path: str, count: int = 1) -> None:
        """Wait until there is room for `count` requests, a wait that the quota demands, and take it.

        What is more than all the room there is has to wait for none of it: it means to use the quota up.
        """
        if path.partition("?")[0] in self._exempt:
            return
        began = time.perf_counter()
        while pause := self._take(count):
            time.sleep(pause)
            waited("demanded", began, time.perf_counter())

    def _take(self, count: int) -> float:
        """Take the room; return how long to wait first, 0 when it was taken."""
        with self._lock:
            now = time.monotonic()
            while self._sent and self._sent[0] <= now - self._window_s:
                self._sent.popleft()
            over = len(self._sent) + count - self._most
            if count > self._most or over <= 0:
                self._sent.extend([now] * count)
                return 0.0
            return self._sent[over - 1] + self._window_s - now
