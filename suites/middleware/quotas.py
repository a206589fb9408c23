"""How a key uses up what it may."""

from __future__ import annotations

import secrets

from harness import floor, in_time
from harness.policy.sections import Quota
from harness.principals import ApiKey
from harness.probes.burst import BurstResult
from harness.probes.reply import Reply
from harness.records import Json
from harness.site import Site


def errand(site: Site) -> tuple[str, str, Json]:
    """The cheapest request that a key opens: a listing, else a write of the public contract."""
    if site.contract.capability("recordings").list is not None:
        return "GET", site.contract.path("recordings.list"), None
    return "POST", site.contract.path("recordings.started"), {"recordingId": f"rate-{secrets.token_hex(6)}"}


def errands(site: Site) -> list[tuple[str, str, Json]]:
    """Method, path and body of requests that a key opens, whatever more than the public contract there is."""
    files: dict[str, Json] = {"systemAudioPath": "/s.wav", "microphoneAudioPath": "/m.wav", "metadata": {}}
    recording: dict[str, Json] = {"recordingId": f"rate-{secrets.token_hex(6)}"}
    more = [("GET", "version", "version.path"), ("POST", "tokens", "tokens.issue")]
    present = site.contract.present
    return [
        errand(site),
        ("POST", site.contract.path("recordings.started"), recording),
        ("POST", site.contract.path("recordings.ended"), recording | files),
        *((method, site.contract.path(dotted), None) for method, has, dotted in more if has in present),
    ]


def use(
    site: Site, key: ApiKey, times: int, *, concurrency: int = 4, stop_at: int | None = None
) -> BurstResult:
    method, path, body = errand(site)
    return site.burst(
        times, path, method=method, json=body, key=key, concurrency=concurrency, stop_at=stop_at
    )


def first_refusal(result: BurstResult, limit: Quota) -> Reply:
    """The first refusal of a burst over the quota."""
    served = sum(reply.ok for reply in result.replies)
    floor(served, f"no request was served: {dict(result.statuses)}")
    refused = result.of(429)
    in_time(refused or result.elapsed_s < limit.window_s, f"{served} requests took longer than the window")
    assert refused, f"{served} requests in {result.elapsed_s:.1f} s, and none was refused with 429"
    return refused[0]


def spend(site: Site, key: ApiKey | None = None) -> tuple[ApiKey, float]:
    """A key that has used its quota up, and the `time.perf_counter()` second until which that holds."""
    key, limit = key or site.key(), site.policy.rate.key
    result = use(site, key, limit.quota + 10, stop_at=429)
    first_refusal(result, limit)
    return key, result.began_s + limit.window_s
