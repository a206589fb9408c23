"""What goes wrong with rate limiters, planted in the reference's."""

from __future__ import annotations

from harness import defect, edit
from harness.defects import Variation

LIMITER = "panotti/middleware/ratelimit.py"
STORAGE = "panotti/ratelimit/storage.py"
COUNTED = "            passed, used, left = await self.storage.hit(key, self.quota, self.window)\n"
LIVE = """\
        while gone < len(slices) and slices[gone][1] <= now - expiry:
            gone += 1
"""
APP = "panotti/app.py"
KEY_NAME = 'return f"key/{principal.key_id}"'


def preflights_first(what: str, layer: str) -> Variation:
    """Preflights are answered before `what` is done by the layer whose lines begin with `layer`."""
    preflight = "        partial(PreflightMiddleware),\n"
    return defect(
        f"preflights are answered before {what}",
        edit("", APP, preflight, ""),
        edit("", APP, f"        {layer}", f"{preflight}        {layer}"),
    )


PREFLIGHTS_OUTERMOST = preflights_first("anything is limited", "partial(ConcurrencyMiddleware,")
PER_WORKER = edit(
    "each worker counts for itself",
    APP,
    "    for layer in reversed(layers(settings, table, counters, in_flight)):",
    "    import os\n\n"
    "    from panotti.ratelimit.storage import SQLiteStorage\n\n"
    "    class Own(SQLiteStorage):\n"
    "        def _open(self):\n"
    "            self.file = settings.counters_dir / f'counters-{os.getpid()}.db'\n"
    "            return super()._open()\n\n"
    "    own = Own(settings.counters_dir)\n"
    "    for layer in reversed(layers(settings, table, own, in_flight)):",
)
ONE_MORE = edit(
    "one request over the quota passes",
    STORAGE,
    "passed = self.count < limit",
    "passed = self.count <= limit",
)
ONE_LESS = edit(
    "the last request of the quota is refused",
    STORAGE,
    "passed = self.count < limit",
    "passed = self.count < limit - 1",
)
RACE = edit(
    "tested first and counted later, so that racing requests all pass the test",
    LIMITER,
    COUNTED,
    "            import asyncio\n\n"
    "            _, used, left = await self.storage.hit(key, 0, self.window)\n"
    "            passed = used < self.quota\n"
    "            await asyncio.sleep(0.01)  # the round trip to a store\n"
    "            await self.storage.hit(key, self.quota, self.window)\n",
)
FIXED_WINDOW = edit(
    "a fixed window, so that two quotas fit around its edge",
    STORAGE,
    LIVE,
    "        if slices and slices[0][0] <= now - expiry:\n            gone = len(slices)\n",
)
SHORT_WINDOW = edit(
    "the window is a second too short",
    LIMITER,
    "self.window = ceil(window)",
    "self.window = ceil(window) - 1",
)
LONG_WINDOW = edit(
    "the window is a second longer than Retry-After says",
    STORAGE,
    "while gone < len(slices) and slices[gone][1] <= now - expiry:",
    "while gone < len(slices) and slices[gone][1] <= now - expiry - 1.5:",
)
NO_RETRY_AFTER = edit(
    "no Retry-After", LIMITER, '"Too Many Requests", detail, [retry])', '"Too Many Requests", detail)'
)
HASTY_RETRY_AFTER = edit(
    "Retry-After is always one second", LIMITER, '(b"retry-after", b"%d" % wait)', '(b"retry-after", b"1")'
)
NO_FIELDS_WHEN_REFUSED = edit(
    "no RateLimit fields on 429",
    LIMITER,
    "await send_problem(marked, scope, 429,",
    "await send_problem(send, scope, 429,",
)
MILLISECONDS = edit(
    "the window is announced in milliseconds",
    LIMITER,
    "% (quota, ceil(window))",
    "% (quota, ceil(window * 1000))",
)
STALE_REMAINDER = edit(
    "the remainder is the one before this request",
    LIMITER,
    "max(0, self.quota - used)",
    "max(0, self.quota - used + 1)",
)
BY_PATH = edit(
    "a quota for each path",
    LIMITER,
    "key = self.prefix + caller",
    'key = self.prefix + caller + scope["raw_path"].decode()',
)
BY_METHOD = edit(
    "a quota for each method",
    LIMITER,
    "key = self.prefix + caller",
    'key = self.prefix + caller + scope["method"]',
)
BY_FORWARDED = edit(
    "the key's quota is counted by X-Forwarded-For too",
    LIMITER,
    KEY_NAME,
    'return f"key/{principal.key_id}/" + str(dict(scope["headers"]).get(b"x-forwarded-for"))',
)
BY_CREDENTIAL = edit(
    "a token has a quota beside its key's",
    LIMITER,
    KEY_NAME,
    'return f"{principal.credential}/{principal.key_id}"',
)
BY_TENANT = edit(
    "all keys of a tenant share one quota", LIMITER, KEY_NAME, 'return f"tenant/{principal.tenant}"'
)
