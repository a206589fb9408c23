"""What the server asks of its request counters, whichever they are: storage.py and redis.py realise it."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from panotti.errors import PanottiError
from panotti.health import Probe


class CountersError(PanottiError):
    """The counters are out of reach."""


class Hit(NamedTuple):
    """One attempt. `used`: places that are taken now. `left`: seconds until the oldest of them is free."""

    passed: bool
    used: int
    left: float


class Counters(Protocol):
    """A moving window for each key."""

    async def hit(self, key: str, limit: int, window: int) -> Hit:
        """Counts one more if it is one of at most `limit` in any `window` seconds; a refused one does not.

        Raises CountersError.
        """
        ...

    def probe(self, timeout: float) -> Probe:
        """What readiness asks."""
        ...

    async def prepare(self) -> None:
        """Makes what is missing, once in each worker. Raises CountersError."""
        ...

    async def reach(self) -> None:
        """Tries once. Raises UnreachableError when later may be better, StartError when it will not be."""
        ...

    async def aclose(self) -> None:
        """Ends the connections of this worker."""
        ...
