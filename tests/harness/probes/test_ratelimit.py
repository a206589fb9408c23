from __future__ import annotations

import pytest

from harness.probes.ratelimit import (
    QuotaPolicy,
    ServiceLimit,
    quota_policies,
    retry_after_s,
    service_limits,
)
from harness.probes.reply import Headers, Reply


def answer(**fields: str) -> Reply:
    return Reply(
        status=200, headers=Headers((name.replace("_", "-"), value) for name, value in fields.items())
    )


def test_every_member_is_read_with_its_parameters_in_any_order():
    reply = answer(
        ratelimit_policy='"default";q=100;w=5, "address" ; w=60 ;q=2000',
        ratelimit='"default";r=50;t=30,"address";t=1;r=0',
    )

    assert quota_policies(reply) == (
        QuotaPolicy(name="default", quota=100, window_s=5),
        QuotaPolicy(name="address", quota=2000, window_s=60),
    )
    assert service_limits(reply) == (
        ServiceLimit(name="default", remaining=50, reset_s=30),
        ServiceLimit(name="address", remaining=0, reset_s=1),
    )


def test_repeated_fields_are_one_list_and_unknown_parameters_do_not_matter():
    reply = Reply(
        status=429,
        headers=Headers(
            [("RateLimit", '"a";r=1;t=2'), ("RateLimit", '"b, c";r=3;t=4;pk=:cHsdsRa894==:'), ("X", "y")]
        ),
    )

    assert [limit.name for limit in service_limits(reply)] == ["a", "b, c"]


@pytest.mark.parametrize(
    "value", ["", "100", '"default"', '"default";r=-1;t=5', '"default";r=x;t=5', "limit=1"]
)
def test_what_says_nothing_is_nothing(value):
    reply = answer(ratelimit=value, ratelimit_policy=value)

    assert service_limits(reply) == quota_policies(reply) == ()


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("7", 7), ("0", 0), ("", None), ("-1", None), ("Wed, 21 Oct 2026 07:28:00 GMT", None)],
)
def test_retry_after_is_a_number_of_seconds(value, seconds):
    assert retry_after_s(answer(retry_after=value)) == seconds
