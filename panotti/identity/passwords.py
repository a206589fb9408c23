"""Passwords: Argon2id in the bounded thread pool, so that hashing never holds up the event loop."""

from __future__ import annotations

from anyio import CapacityLimiter, to_thread
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

# OWASP Password Storage Cheat Sheet, Argon2id: 19 MiB, two passes, one lane.
MEMORY_KIB = 19_456
PASSES = 2


class Passwords:
    """Hashes and verifies, at most as many at once as `pool` has threads."""

    def __init__(self, pool: CapacityLimiter) -> None:
        self._pool = pool
        self._hasher = PasswordHasher(time_cost=PASSES, memory_cost=MEMORY_KIB, parallelism=1)
        self._nobody: str | None = None

    async def hash(self, password: str) -> str:
        return await to_thread.run_sync(self._hasher.hash, password, limiter=self._pool)

    async def verify(self, stored: str | None, password: str) -> bool:
        """Whether the password fits. `stored` None (no such user) takes as long, and is False."""
        if self._nobody is None:
            self._nobody = await self.hash("nobody")
        fits = await to_thread.run_sync(self._fits, stored or self._nobody, password, limiter=self._pool)
        return fits and stored is not None

    def _fits(self, stored: str, password: str) -> bool:
        try:
            return self._hasher.verify(stored, password)
        except (VerificationError, InvalidHashError):
            return False
