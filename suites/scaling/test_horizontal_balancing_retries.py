"""What the edge may send again: where a replica has taken a request and broken off, it may have been done."""

from __future__ import annotations

import secrets
from typing import Final

from harness import control, edit, floor
from harness.principals import ApiKey
from harness.probes.logs import LogRecord
from harness.records import Json
from harness.site import Site
from suites.replicas import EDGE, REPLICATED, WHY_NOT

BALANCING: Final = "scaling.horizontal.load-balancing"
BREAK: Final = "X-Break-Off"
HAS_KEY: Final = "{ req.fhdr(idempotency-key) -m found }"
KEYED: Final = f"{{ method POST }} {{ path /api/recording-started /api/recording-ended }} {HAS_KEY}"

BREAKS_OFF = edit(
    "a replica does what it is asked to, and then breaks off where a header says so",
    "panotti/middleware/context.py",
    '            self.status = message["status"]\n',
    '            self.status = message["status"]\n'
    f'            if values(self._scope, b"{BREAK.lower()}"):\n'
    '                self._scope["state"]["connection"].transport.close()\n'
    '                await __import__("asyncio").sleep(0.1)\n',
)
ANY_KEY = edit(
    "whatever has an idempotency key is sent again, also where the key is ignored",
    EDGE,
    KEYED,
    HAS_KEY,
)
WITHOUT_KEY = edit(
    "a recording is sent again without an idempotency key",
    EDGE,
    KEYED,
    KEYED.removesuffix(f" {HAS_KEY}"),
)
EVERYTHING = edit(
    "everything is sent again",
    EDGE,
    "    http-request disable-l7-retry unless ",
    "    http-request disable-l7-retry unless { always_true } or ",
)


@control(
    BALANCING,
    profiles=REPLICATED,
    prove_in="production",
    runtimes=("containers",),
    why_not=WHY_NOT,
    setup=BREAKS_OFF,
    broken_by=(ANY_KEY, WITHOUT_KEY, EVERYTHING),
)
def test_only_a_request_with_one_effect_is_sent_again(site: Site) -> None:
    """What a replica may have done is sent again only where its idempotency key gives it one effect."""
    key, principal = site.key("admin"), f"once-{secrets.token_hex(6)}"
    started, api_keys = (
        site.contract.path("recordings.started"),
        site.contract.path("administration.api_keys"),
    )
    made: Json = {"principal": principal, "tenant": key.tenant, "role": "reader"}
    mark = site.logs.mark()
    asked = {
        "a recording without a key": _ask(site, f"POST {started}", key, {"recordingId": principal}),
        "a new API key": _ask(site, f"POST {api_keys}", key, made, keyed=True),
        **{route: _ask(site, route, key, {}, keyed=True) for route in _unkeyed(site)},
    }
    # Last: once its attempts are in the log, those of the others are.
    looked = _ask(site, f"GET {site.contract.path('recordings.list')}", key)
    again = site.logs.wait_for(_by_replica, since=mark, count=2, event="request", request_id=looked)
    floor(len(again) > 1, "a read whose replica broke off was not sent again: nothing was broken off")
    lines = site.logs.requests(asked.values(), since=mark)
    sent = {name: len([*filter(_by_replica, lines[id_])]) for name, id_ in asked.items()}
    found = site.http.get(api_keys, key=key).field("api_keys") or []
    keys = [one for one in found if one["principal"] == principal]
    floor(keys and all(sent.values()), f"not every request reached a replica: {sent}")

    twice = {name: times for name, times in sent.items() if times > 1}
    assert not twice, f"what may have been done was sent again, so many times in all: {twice}"
    assert len(keys) == 1, f"one request made {len(keys)} API keys"


def _unkeyed(site: Site) -> list[str]:
    """The unsafe routes of the policy that give a request no single effect by an idempotency key."""
    recordings = [f"POST {site.contract.path(name)}" for name in ("recordings.started", "recordings.ended")]
    return [
        route
        for route in site.policy.roles
        if not route.startswith("GET ") and site.contract.filled(route) not in recordings
    ]


def _ask(site: Site, route: str, key: ApiKey, json: Json = None, *, keyed: bool = False) -> str:
    """Send a request that is broken off, with an idempotency key or without one; return its id."""
    method, _, path = route.partition(" ")
    id_ = secrets.token_hex(16)
    headers = {BREAK: "yes", "X-Request-ID": id_, **({"Idempotency-Key": id_} if keyed else {})}
    # On a kept connection HAProxy leaves it to the client to try again.
    reply = site.http.request(
        method, site.contract.filled(path), key=key, json=json, headers=headers, connection="new"
    )
    floor(reply.status == 502, f"{route} was not broken off, but answered {reply.status or reply.error}")
    return id_


def _by_replica(line: LogRecord) -> bool:
    return line.get("at") != "edge"
