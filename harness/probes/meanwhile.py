"""What clients are answered while something is done to the server."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final, TypeVar

from harness.outcome import floor
from harness.probes import waiting
from harness.probes.reply import Reply

T = TypeVar("T")
_PAUSE_S: Final = 0.005  # steady traffic, not a flood


def meanwhile(ask: Callable[[], Reply], act: Callable[[], T], *, before: int = 5) -> tuple[T, list[Reply]]:
    """Run `act` while another thread calls `ask` over and over; return its result and all the answers.

    before: so many answers come before it begins; without them the check is NotVerified.
    """
    replies: list[Reply] = []
    results: list[T] = []
    done = threading.Event()

    def keep_asking() -> None:
        while not done.is_set():
            replies.append(ask())
            time.sleep(_PAUSE_S)

    def once_under_way() -> None:
        try:
            floor(waiting.eventually(lambda: len(replies) >= before), "no requests were under way")
            results.append(act())
        finally:
            done.set()

    waiting.together(keep_asking, once_under_way)
    return results[0], replies
