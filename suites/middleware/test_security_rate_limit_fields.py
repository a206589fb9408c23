"""What a limited server says of its quota, held against the quota that was measured."""

from __future__ import annotations

from collections.abc import Sequence

from harness import control, floor, in_time
from harness.policy.sections import Quota
from harness.probes.ratelimit import QuotaPolicy, quota_policies, retry_after_s, service_limits
from harness.probes.reply import Reply
from harness.site import Site
from suites.middleware.limiters import (
    HASTY_RETRY_AFTER,
    MILLISECONDS,
    NO_FIELDS_WHEN_REFUSED,
    NO_RETRY_AFTER,
    STALE_REMAINDER,
)
from suites.middleware.quotas import first_refusal, use

CONTROL = "middleware.security.rate-limit"


@control(CONTROL, intrusive=True, broken_by=(NO_RETRY_AFTER, HASTY_RETRY_AFTER, NO_FIELDS_WHEN_REFUSED))
def test_refusal_tells_when_to_come_back(site: Site) -> None:
    """A 429 says Retry-After and RateLimit, and Retry-After is not earlier than the limit's reset."""
    limit = site.policy.rate.key
    refusal = first_refusal(use(site, site.key(), limit.quota + 10, stop_at=429), limit)

    wait = retry_after_s(refusal)
    assert wait is not None, f"429 carries no Retry-After in seconds: {refusal.headers.get('retry-after')!r}"
    used_up = [member for member in service_limits(refusal) if member.remaining == 0]
    assert used_up, f"no RateLimit member of the 429 has nothing left: {refusal.headers.get('ratelimit')!r}"
    resets = max(member.reset_s for member in used_up)
    assert wait >= resets, f"Retry-After says {wait} s, RateLimit says {resets} s"
    assert wait <= limit.window_s, f"Retry-After says {wait} s, the window is {limit.window_s:g} s"
    announced = {member.name for member in quota_policies(refusal)}
    assert {member.name for member in used_up} <= announced, "the 429 does not carry its RateLimit-Policy"


@control(CONTROL, intrusive=True, broken_by=(MILLISECONDS, STALE_REMAINDER))
def test_fields_agree_with_the_quota_that_was_measured(site: Site) -> None:
    """RateLimit-Policy announces the quota that holds, and RateLimit counts down what is left of it."""
    limit = site.policy.rate.key
    result = use(site, site.key(), limit.quota + 1, concurrency=1)
    in_time(result.elapsed_s < limit.window_s, f"{len(result.hits)} requests took longer than the window")
    served = [reply for reply in result.replies if reply.ok]
    floor(served, f"no request was served: {result.statuses}")

    for reply in result.replies:
        assert _announced(reply, limit), (
            f"RateLimit-Policy announces {reply.headers.get('ratelimit-policy')!r}, "
            f"not {limit.quota} in {limit.window_s:g} s"
        )
    name = _announced(served[0], limit)[0].name
    left = [[m.remaining for m in service_limits(reply) if m.name == name] for reply in served]
    right = [[len(served) - 1 - number] for number in range(len(served))]
    wrong = next((n for n, (told, true) in enumerate(zip(left, right, strict=True)) if told != true), None)
    assert wrong is None, (
        f"after {wrong + 1 if wrong is not None else 0} of {len(served)}: r={left[wrong or 0]}"
    )


def _announced(reply: Reply, limit: Quota) -> Sequence[QuotaPolicy]:
    right = (limit.quota, limit.window_s)
    return [member for member in quota_policies(reply) if (member.quota, member.window_s) == right]
