"""What the four shipped policies promise."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import replace

import pytest

from harness.catalogue import load
from harness.load.decision import LONGEST, Decision
from harness.load.records import SLICE_S, Slice
from harness.policy import load_policies, load_policy
from harness.profiles import PROFILES

POLICIES = load_policies()
STAGING, PRODUCTION = POLICIES["staging"], POLICIES["production"]
# The list: the job that the gate decides on.
REQUIRED = 29
MIDDLEWARE = 16
REPLICATED = (
    "deployment.containers.networks",
    "deployment.resources.cpu",
    "deployment.resources.memory",
    "scaling.horizontal.*",
    "process.deploy.verification",
    "process.rollback.*",
    "future.deployment.blue-green",
)


def sections(policy):
    tables = dataclasses.asdict(policy)
    return {name: tables[name] for name in tables if name not in ("profile", "source", "not_applicable")}


every_profile = pytest.mark.parametrize("policy", POLICIES.values(), ids=list(POLICIES))


def test_there_is_one_for_each_profile():
    assert [policy.profile for policy in POLICIES.values()] == list(PROFILES)


@every_profile
def test_the_gate_requires_the_29_controls_and_more(policy):
    assert len(policy.required) >= REQUIRED
    assert sum(control.startswith("middleware.") for control in policy.required) == MIDDLEWARE


@every_profile
def test_every_glob_and_excuse_names_a_control(policy):
    catalogue = load()

    for glob in policy.gate.required:
        assert catalogue.match([glob])
    assert set(policy.not_applicable) <= set(catalogue)


@every_profile
def test_only_other_profiles_environments_and_plain_transport_are_excused(policy):
    others = {f"deployment.environments.{name}" for name in PROFILES if name != policy.profile}
    plain = {"middleware.security.tls"} if policy.environment.transport == "plain" else set()
    of_users = {"practice.security.scanning", "process.build.dependencies", "practice.monitoring.performance"}
    of_users |= {control.id for control in load().match(REPLICATED)}

    assert set(policy.not_applicable) - of_users == others | plain
    assert of_users.isdisjoint(policy.not_applicable) == (policy.profile in ("staging", "production"))


@pytest.mark.parametrize(
    ("profile", "transport"),
    [("development", "plain"), ("testing", "plain"), ("staging", "tls"), ("production", "tls")],
)
def test_tls_is_asked_for_in_staging_and_production(profile, transport):
    assert POLICIES[profile].environment.transport == transport


def test_staging_asks_for_all_that_production_asks_for_but_origins():
    staging, production = sections(STAGING), sections(PRODUCTION)

    assert staging.pop("cors") | {"origins": ()} == production.pop("cors") | {"origins": ()}
    compared = {"differences": (), "no_higher": (), "no_wider": ()}
    assert staging.pop("environment") | compared == production.pop("environment")
    assert staging.pop("inherited") is not None
    assert production.pop("inherited") is None
    assert staging == production


def test_staging_inherits_neither_its_premise_nor_what_its_origins_decide():
    assert STAGING.inherits("scaling.horizontal.load-balancing", PRODUCTION)
    assert not STAGING.inherits(STAGING.inherited.premise, PRODUCTION)
    assert not STAGING.inherits("middleware.cors.origins", PRODUCTION)
    assert not STAGING.inherits("scaling.horizontal.load-balancing", POLICIES["testing"])


def test_nothing_is_inherited_from_a_policy_that_asks_for_less():
    laxer = replace(PRODUCTION, topology=replace(PRODUCTION.topology, replicas=1))

    assert not STAGING.inherits("scaling.horizontal.load-balancing", laxer)


def test_staging_declares_the_differences_that_its_policy_has():
    assert set(STAGING.environment.differences) == {"profile", "cors_origins"}


def test_no_profile_shares_an_origin_with_another():
    every = [origin for policy in POLICIES.values() for origin in policy.cors.origins]

    assert len(set(every)) == len(every)


@pytest.mark.parametrize("profile", ["testing", "staging", "production"])
def test_origins_outside_of_development_are_https(profile):
    assert all(origin.startswith("https://") for origin in POLICIES[profile].cors.origins)


def test_developments_origins_are_on_loopback():
    assert POLICIES["development"].cors.origins == ("http://localhost:3000", "http://127.0.0.1:3000")


def test_only_development_serves_documentation_pages():
    assert {name for name, policy in POLICIES.items() if policy.environment.docs == "served"} == {
        "development"
    }
    assert set(POLICIES["development"].roles) - set(PRODUCTION.roles) == {
        "GET /openapi.json",
        "GET /docs",
        "GET /redoc",
    }


@every_profile
def test_the_promised_rate_stays_below_the_quota_that_the_harness_may_use(policy):
    address = policy.rate.address

    assert policy.service_levels.rate * address.window_s < 0.75 * address.quota


@every_profile
def test_the_promise_is_measured_on_enough_requests_of_each_step(policy):
    levels = policy.service_levels
    share = levels.rate * levels.for_s / len(levels.steps)

    assert levels.samples <= 0.8 * share, "a fair share of the plan reaches the floor"


@every_profile
def test_the_promise_tells_a_stall_of_one_request_in_a_hundred_from_chance(policy):
    levels = policy.service_levels
    decision = Decision(levels)
    each = round(levels.rate * SLICE_S / len(levels.steps))
    sent = 0
    for number in range(int(LONGEST * levels.for_s / SLICE_S)):
        found = {}
        for step in levels.steps:
            found[step] = tuple(40.5 if n % 100 == 0 else 5.0 for n in range(sent + 1, sent + each + 1))
            sent += each
        decision.take(Slice(number=number, latencies=found))

    assert levels.tail.most_ms <= 40
    assert [level.name for level in decision.broken()] == [f"all steps: p{100 * (1 - levels.tail.share):g}"]


def test_no_profiles_quota_is_stricter_than_productions():
    for policy in POLICIES.values():
        assert policy.rate.key.quota / policy.rate.key.window_s >= 10
        assert policy.rate.address.quota / policy.rate.address.window_s >= 100


@every_profile
def test_the_session_cookie_is_bound_to_host_scheme_and_site(policy):
    cookie = policy.auth.cookie

    assert (cookie.name_prefix, cookie.path, cookie.same_site) == ("__Host-", "/", "Strict")
    assert cookie.secure
    assert cookie.http_only


@every_profile
def test_administration_and_detail_are_the_administrators_alone(policy):
    guarded = [route for route in policy.roles if "/admin/" in route or route.endswith("/detail")]

    assert len(guarded) == 7
    assert all(policy.roles[route] == ("admin",) for route in guarded)


@every_profile
def test_a_writer_may_post_and_a_reader_may_not(policy):
    assert policy.may("writer", "POST /api/recording-started")
    assert not policy.may("reader", "POST /api/recording-started")
    with pytest.raises(KeyError):
        policy.may("admin", "GET /nowhere")


@every_profile
def test_who_may_do_a_thing_keeps_it_with_a_higher_role(policy):
    for allowed in policy.roles.values():
        assert allowed == policy.auth.roles[policy.auth.roles.index(allowed[0]) :]


@pytest.mark.parametrize("profile", ["staging", "production"])
def test_every_secret_is_refused_missing_weak_and_by_the_environment(profile):
    startup = POLICIES[profile].startup

    assert set(startup.missing) == set(startup.weak) == set(startup.from_environment)
    assert all("" in values for values in startup.weak.values())


def test_a_probe_may_take_longer_than_liveness_but_not_than_the_interval():
    for policy in POLICIES.values():
        assert policy.health.live_budget_s <= policy.health.ready_budget_s <= policy.health.interval_s


def test_the_request_id_pattern_refuses_what_could_forge_a_line():
    pattern = re.compile(PRODUCTION.logging.request_id)

    assert pattern.fullmatch("9f1c2e44-0b7a")
    assert not pattern.fullmatch('x"}\n{"level":"info"')
    assert not pattern.fullmatch("short")


def test_a_digest_depends_on_what_is_said_and_not_on_where():
    assert load_policy("production").sha256 == PRODUCTION.sha256
    assert dataclasses.replace(PRODUCTION, source="elsewhere").sha256 == PRODUCTION.sha256
    assert STAGING.sha256 != PRODUCTION.sha256
