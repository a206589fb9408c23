"""The sections of a policy file, one record each. Times end in `_s` (seconds) or `_ms`, sizes in `_bytes`.

Figures say what a client must observe. They never come from the server's own configuration.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from harness.policy.values import (
    Bytes,
    ClientAddress,
    Count,
    Flag,
    Flow,
    HeaderName,
    Method,
    Milliseconds,
    Origin,
    Path,
    RoleName,
    Seconds,
    Share,
    Text,
    Tier,
)
from harness.profiles import Profile
from harness.tomlfile import Closed


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment(Closed):
    """What the profile is like from outside.

    docs: whether the documentation pages are served at all.
    differences: the settings in which staging differs from production, by the server's names; no others may.
    no_higher, no_wider: settings that may not be higher, or hold more, in production than in staging.
    precedence: the sources of a setting in the order in which they count, the strongest first.
    """

    transport: Literal["tls", "plain"]
    docs: Literal["served", "absent"]
    log_level: Literal["debug", "info"]
    differences: tuple[Text, ...] = ()
    no_higher: tuple[Text, ...] = ()
    no_wider: tuple[Text, ...] = ()
    precedence: tuple[Text, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Server(Closed):
    """The process. thread_pool, max_concurrency: of each worker.

    liveness_budget_s: the liveness answer while the pool is saturated.
    replaced_within_s: from the death of a worker until all are there again.
    timeout_slack_s: how much later than header_timeout_s or body_timeout_s a slow client may be cut off.
    """

    workers: Count
    thread_pool: Count
    liveness_budget_s: Seconds
    max_concurrency: Count
    max_body_bytes: Bytes
    header_timeout_s: Seconds
    body_timeout_s: Seconds
    timeout_slack_s: Seconds
    shutdown_grace_s: Seconds
    replaced_within_s: Seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Cors(Closed):
    """Exactly what other origins are granted. Header names are in lower case; the order means nothing."""

    origins: tuple[Origin, ...]
    methods: tuple[Method, ...]
    headers: tuple[HeaderName, ...]
    expose_headers: tuple[HeaderName, ...]
    max_age_s: Annotated[int, Field(strict=True, ge=0)]
    credentials: Flag


@dataclass(frozen=True, slots=True, kw_only=True)
class Cookie(Closed):
    """What the session's cookie must look like. Its name is the contract's; here is how that must begin."""

    name_prefix: Text
    secure: Flag
    http_only: Flag
    same_site: Literal["Strict", "Lax"]
    path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing(Closed):
    """The test for a timing signal of refused keys.

    effect_ns: the difference of means, in nanoseconds, that the test must be able to see.
    alpha, power: its error rates. samples: the least number of pairs.
    """

    alpha: Share
    power: Share
    effect_ns: Count
    samples: Count


@dataclass(frozen=True, slots=True, kw_only=True)
class Auth(Closed):
    """Credentials. roles: every role that the `[roles]` table may name, `anonymous` among them."""

    roles: tuple[RoleName, ...]
    key_min_length: Count
    access_ttl_s: Seconds
    refresh_ttl_s: Seconds
    session_idle_ttl_s: Seconds
    session_absolute_ttl_s: Seconds
    session_id_min_bits: Count
    cookie: Cookie
    timing: Timing

    def __post_init__(self) -> None:
        if "anonymous" not in self.roles:
            raise ValueError('roles lacks "anonymous", the caller without a credential')
        if self.session_idle_ttl_s > self.session_absolute_ttl_s:
            raise ValueError("session_idle_ttl_s is longer than session_absolute_ttl_s")


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota(Closed):
    """`quota` requests pass in any window of `window_s`; the next one is refused."""

    quota: Count
    window_s: Seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate(Closed):
    """Rate limits, and the paths that have none."""

    key: Quota
    address: Quota
    exempt: tuple[Path, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses(Closed):
    """What becomes of a caller from each of the named client addresses.

    trusted: may say in X-Forwarded-For whom they speak for. denied: are refused with `refused_status`.
    ipv6_prefix: IPv6 callers within one such network share a quota.
    """

    trusted: tuple[ClientAddress, ...]
    denied: tuple[ClientAddress, ...]
    refused_status: Count
    ipv6_prefix: Annotated[int, Field(strict=True, ge=32, le=128)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls(Closed):
    """TLS, where the environment's transport is `tls`. profile: Mozilla's, by name."""

    profile: Literal["intermediate", "modern"]
    min_days_left: Count
    min_rsa_bits: Count
    min_ec_bits: Count
    redirect_status: Literal[301, 308]
    hsts_min_age_s: Count
    hsts_include_subdomains: Flag


@dataclass(frozen=True, slots=True, kw_only=True)
class Headers(Closed):
    """Headers of every answer, by lower-case name.

    required: parts that must all occur in the value. unversioned: headers that must not show a version.
    """

    required: Mapping[HeaderName, tuple[Text, ...]]
    unversioned: tuple[HeaderName, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Logging(Closed):
    """The log. fields: what each request's line holds.

    request_id: pattern of a caller's request id that is kept; any other is replaced.
    A logged duration may differ from the client's by the larger of duration_tolerance_ms and
    duration_tolerance_share of the client's.
    cost_share: the share of the CPU time of a request that logging may take.
    """

    fields: tuple[Text, ...]
    request_id: Text
    duration_tolerance_ms: Milliseconds
    duration_tolerance_share: Share
    slow_ms: Milliseconds
    cost_share: Share

    def __post_init__(self) -> None:
        try:
            re.compile(self.request_id)
        except re.error as cause:
            raise ValueError(f"request_id is not a regular expression: {cause}") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Health(Closed):
    """Health. interval_s: a dependency's loss or return shows in readiness within it.

    live_budget_s, ready_budget_s: the longest a probe's answer may take, also while a dependency hangs.
    startup_budget_s: from the start until ready.
    """

    interval_s: Seconds
    live_budget_s: Seconds
    ready_budget_s: Seconds
    startup_budget_s: Seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Topology(Closed):
    """Replicas behind an edge, and who may speak to whom.

    published: tiers that may publish a port, on this machine's loopback. outside: tiers with a route out.
    flows: "FROM TO", who opens connections to whom; tiers that none joins do not reach one another at all.
    imbalance: how far a replica's share of the requests may be from an equal one, as a part of it.
    out_within_s, in_within_s: from the loss or the return of a replica until the edge acts on it.
    stale_s: for how long after a write a replica may serve the old value.
    scaling_share: N replicas serve at least this part of N times what one does.
    """

    replicas: Count
    published: tuple[Tier, ...]
    outside: tuple[Tier, ...]
    flows: tuple[Flow, ...]
    imbalance: Share
    out_within_s: Seconds
    in_within_s: Seconds
    stale_s: Seconds
    scaling_share: Share


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources(Closed):
    """What one replica may use. replaced_within_s: once killed for memory, it serves again within it."""

    cpus: Annotated[float, Field(strict=True, gt=0)]
    memory_bytes: Bytes
    replaced_within_s: Seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Startup(Closed):
    """Starts that must be refused, by the name of the secret.

    missing: without it. weak: with each of these values. from_environment: given by the environment.
    refused_within_s: the refusal comes within it.
    """

    missing: tuple[Text, ...]
    weak: Mapping[str, tuple[str, ...]]
    from_environment: tuple[Text, ...]
    refused_within_s: Seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Inherited(Closed):
    """Controls that need no run of their own where another profile shows them in the same run.

    source: that profile. premise: the control that shows both to be the same by construction: where it does
    not pass, nothing is inherited. controls: globs. Nothing is, where the two policies differ in more than
    `environment`, `cors`, `gate` and this section.
    """

    source: Profile
    premise: Text
    controls: tuple[Text, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate(Closed):
    """required: globs of the controls that must be `pass` (or validly waived) for the gate to open."""

    required: Annotated[tuple[Text, ...], Field(min_length=1)]
