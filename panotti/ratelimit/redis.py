"""Counters in Redis, for all replicas."""

from __future__ import annotations

from redis.exceptions import RedisError

from panotti.health import Probe
from panotti.ratelimit.counters import CountersError, Hit
from panotti.redis_server import Address, RedisProbe, reach

PREFIX = "panotti:limit:"
# One round trip for a hit: it is judged and counted in one step for all replicas, by the clock of Redis.
# The window is a list of times, newest first; hits older than the window leave it from its end.
SCRIPT = """
local hits, limit, window = KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2])
local clock = redis.call('TIME')
local now = clock[1] + clock[2] / 1000000
local oldest = redis.call('LINDEX', hits, -1)
while oldest and tonumber(oldest) <= now - window do
    redis.call('RPOP', hits)
    oldest = redis.call('LINDEX', hits, -1)
end
local used = redis.call('LLEN', hits)
local passed = used < limit
if passed then
    used = redis.call('LPUSH', hits, string.format('%.6f', now))
    redis.call('EXPIRE', hits, window)
end
return {passed and 1 or 0, used, string.format('%.6f', (tonumber(oldest or now)) + window - now)}
"""


class RedisCounters:
    """One list for each key. `client` may be used for other keys too."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self.client = address.client()
        self._hit = self.client.register_script(SCRIPT)

    async def hit(self, key: str, limit: int, window: int) -> Hit:
        try:
            passed, used, left = await self._hit([PREFIX + key], [limit, window])
        except RedisError as error:
            raise CountersError(f"{type(error).__name__}: {error}") from error
        return Hit(bool(passed), used, float(left))

    def probe(self, timeout: float) -> Probe:
        del timeout  # the address has it
        return RedisProbe(self._address)

    async def prepare(self) -> None:
        """Redis makes a key when it is needed."""

    async def reach(self) -> None:
        await reach(self._address)

    async def aclose(self) -> None:
        await self.client.aclose(close_connection_pool=True)
