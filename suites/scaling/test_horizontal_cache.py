"""What one replica acknowledged, every other one knows."""

from __future__ import annotations

from typing import Final

from harness import control, edit, floor
from harness.defects import Variation
from harness.principals import ApiKey
from harness.site import Site
from suites.replicas import REPLICATED, WHY_NOT

CONSISTENCY: Final = "scaling.horizontal.cache-consistency"
ROUNDS: Final = 8
ROUTES: Final = "panotti/routes/recordings.py"
READ: Final = (
    "        raise _unknown()\n    return answer(dict(found))\n\n\n"
    '@router.get("/recordings/{recording_id}/events"'
)
CODE: Final = "panotti/identity/authenticator.py"


KEY: Final = '        return None if row is None else _principal(row, key_id=row["id"], credential="key")'
KEYS_KEPT: Final = edit(
    "each process keeps the keys that it has seen",
    CODE,
    KEY,
    '        kept = globals().setdefault("_kept", {})\n'
    "        row = kept.get(digest) if row is None else kept.setdefault(digest, row)\n"
    f"{KEY}",
)


def cached(title: str, seconds: float) -> Variation:
    """Readings of a recording kept in each process, and served again for a while."""
    return edit(
        title,
        ROUTES,
        READ,
        "        raise _unknown()\n"
        "    import time\n\n"
        '    kept = globals().setdefault("_kept", {})\n'
        "    name = (caller.tenant, recording_id)\n"
        f"    if name not in kept or kept[name][0] < time.monotonic() - {seconds}:\n"
        "        kept[name] = (time.monotonic(), dict(found))\n"
        "    return answer(kept[name][1])\n\n\n"
        '@router.get("/recordings/{recording_id}/events"',
    )


@control(
    CONSISTENCY,
    profiles=REPLICATED,
    prove_in="production",
    runtimes=("containers",),
    why_not=WHY_NOT,
    broken_by=(
        cached("each process keeps what it has read", 1e9),
        cached("each process keeps what it has read for a second", 1.0),
    ),
)
def test_no_replica_serves_an_old_value(site: Site) -> None:
    """Once one replica has acknowledged a change, every replica serves the new value within the bound."""
    replicas, stale_s = range(len(site.topology.replicas())), site.policy.topology.stale_s
    floor(len(replicas) >= site.policy.topology.replicas, f"{len(replicas)} replicas are too few")
    late = []
    for number in range(ROUNDS):
        key, writer = site.key(), number % len(replicas)
        recording = site.recording(key)
        before = [_state(site, key, recording, replica) for replica in replicas for _ in range(2)]
        floor(set(before) == {"active"}, f"the new recording was read as {before}")
        state = site.contract.path("recordings.state").replace("{recording_id}", recording)
        reply = site.http.put(state, key=key, json={"state": "failed"}, replica=writer)
        floor(reply.ok, f"the change was answered {reply.status or reply.error}")
        site.demanded_wait(stale_s, why="an old value may be served")
        late += [_state(site, key, recording, replica) for replica in replicas for _ in range(4)]

    old = [state for state in late if state != "failed"]
    assert not old, f"{len(old)} of {len(late)} readings {stale_s:g} s after the change were old: {old[0]}"


@control(
    CONSISTENCY,
    profiles=REPLICATED,
    prove_in="production",
    runtimes=("containers",),
    why_not=WHY_NOT,
    broken_by=(KEYS_KEPT,),
)
def test_a_revoked_key_stops_on_every_replica(site: Site) -> None:
    """A key that was revoked at one replica opens nothing at any of them."""
    replicas = range(len(site.topology.replicas()))
    key, path = site.key(), site.contract.path("recordings.list")
    before = [site.http.get(path, key=key, replica=number).status for number in replicas for _ in range(4)]
    floor(set(before) == {200}, f"a fresh key was answered {before}")
    one = site.contract.path("administration.key").replace("{key_id}", key.id)
    operator = ApiKey(value=site.deployment.api_key)
    revoked = site.http.delete(one, key=operator, replica=0)
    floor(revoked.ok, f"the revocation was answered {revoked.status or revoked.error}")
    site.demanded_wait(site.policy.topology.stale_s, why="an old value may be served")
    after = [site.http.get(path, key=key, replica=number).status for number in replicas for _ in range(4)]

    assert not {status for status in after if status < 400}, f"a revoked key was answered {after}"


def _state(site: Site, key: ApiKey, recording: str, replica: int) -> str:
    path = site.contract.path("recordings.read").replace("{recording_id}", recording)
    return site.http.get(path, key=key, replica=replica, connection="new").string("state")
