"""Which deployment a case needs, which cases share one, and in which order they come."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.declare import Declaration
from harness.defects import CLEAN, Variation, container, defect, edit, rollout, setting
from harness.planning import (
    CHEAPEST_FIRST,
    Case,
    Need,
    Refusal,
    cases,
    grouped,
    need,
    twin,
    upcoming,
    variation_for,
)
from harness.runtimes import IMAGE, RuntimeName, Specification
from tests.harness import make

ANY = setting(title="any origin", CORS_ORIGINS="*")
ROOT = container("runs as root", user="0")
STAGED = Variation(title="lax in staging", changes=setting(X="1").changes, profile="staging")
PRODUCTION = Case(profile="production")


def declaration(**given_fields: object) -> Declaration:
    return Declaration(**{"control": make.CONTROL, "broken_by": (ANY,), **given_fields})  # type: ignore[arg-type]


def needed(
    case: Case = PRODUCTION, runtimes: Sequence[RuntimeName] = ("process",), **given_fields: object
) -> Need:
    found = need(declaration(**given_fields), case, runtimes)
    assert isinstance(found, Need)
    return found


def refused(
    case: Case = PRODUCTION, runtimes: Sequence[RuntimeName] = ("process",), **given_fields: object
) -> str:
    found = need(declaration(**given_fields), case, runtimes)
    assert isinstance(found, Refusal)
    return found.reason


class TestCases:
    def test_a_check_is_tried_in_the_profiles_asked_for_where_it_means_something(self) -> None:
        asked = ("testing", "staging", "production")

        assert cases(declaration(), asked, selftest=False) == tuple(Case(profile=p) for p in asked)
        assert cases(declaration(profiles=("production", "staging")), asked, selftest=False) == (
            Case(profile="staging"),
            Case(profile="production"),
        )
        assert cases(declaration(profiles=("development",)), asked, selftest=False) == ()

    def test_the_self_test_tries_a_clean_twin_and_each_defect_in_one_profile(self) -> None:
        tried = cases(declaration(broken_by=(ANY, ROOT)), ("testing",), selftest=True)

        assert all(case.selftest for case in tried)
        assert [(case.profile, case.defect) for case in tried] == [
            ("production", None),
            ("production", ANY),
            ("production", ROOT),
        ]

    @pytest.mark.parametrize(
        ("given_fields", "profile"),
        [
            ({}, "production"),
            ({"profiles": ("staging", "production")}, "staging"),
            ({"prove_in": "testing", "profiles": ("staging",)}, "testing"),
        ],
    )
    def test_the_profile_of_the_proof(self, given_fields: dict[str, object], profile: str) -> None:
        assert declaration(**given_fields).proof_profile == profile

    def test_an_id_names_profile_and_defect(self) -> None:
        assert PRODUCTION.id == "production"
        assert Case(profile="production", selftest=True).id == "production-clean"
        assert (
            Case(profile="production", defect=ANY, selftest=True).id == f"production-any-origin-{ANY.key[:6]}"
        )

    @given(st.text("aZ9 -[]:/é", max_size=60), st.text("01"))
    def test_an_id_is_plain_and_tells_defects_apart(self, one: str, other: str) -> None:
        ids = {
            Case(profile="production", defect=setting(title=one or "x", X=value), selftest=True).id
            for value in (one, other)
        }

        assert all(found.isascii() and "[" not in found and "::" not in found for found in ids)
        assert len(ids) == len({one, other})


class TestNeed:
    def test_checks_without_changes_share_their_profiles_deployment(self) -> None:
        one, other = needed(), needed(control=make.OTHER)

        assert one == other
        assert one.shared
        assert one.specification == Specification(profile="production")

    def test_the_same_change_is_the_same_deployment_whatever_its_title(self) -> None:
        renamed = setting(title="wildcard", CORS_ORIGINS="*")
        one, other = needed(setup=ANY), needed(setup=renamed)

        assert one.key == other.key
        assert one.group == other.group
        assert not one.shared

    def test_another_profile_or_runtime_is_another_deployment(self) -> None:
        keys = {
            needed().key,
            needed(Case(profile="staging")).key,
            needed(runtimes=("containers",)).key,
            needed(setup=ANY).key,
        }

        assert len(keys) == 4

    def test_checks_that_dirty_it_share_it_with_the_others(self) -> None:
        own = needed(fresh=True)

        assert own.fresh
        assert own.key == needed().key
        assert not needed().fresh
        assert own == needed(fresh=True, control=make.OTHER)
        assert own != needed(fresh=True, setup=ANY)
        assert not needed(fresh=True, runtimes=("external",)).fresh, "what is up already cannot be renewed"

    def test_a_group_of_checks_has_a_deployment_that_no_other_shares(self) -> None:
        one, other = needed(group="releases"), needed(group="releases", control=make.OTHER)

        assert one == other
        assert not one.shared
        assert one != needed(group="others")
        assert needed(group="releases", runtimes=("external",)).shared

    def test_checks_of_the_image_alone_share_what_no_other_check_has(self) -> None:
        one, other = needed(image=True), needed(image=True, control=make.OTHER)

        assert one == other
        assert one.specification.instance == IMAGE
        assert not one.shared
        assert not one.fresh

    def test_a_defect_is_planted_on_top_of_the_setup(self) -> None:
        found = needed(Case(profile="production", defect=ANY, selftest=True), setup=setting(WORKERS=2))

        assert found.specification.variation.changes == (*setting(WORKERS=2).changes, *ANY.changes)

    def test_a_defect_of_releases_needs_no_deployment_of_its_own(self) -> None:
        abrupt = rollout("abrupt", "abrupt")
        clean = needed(runtimes=("containers",))

        found = needed(Case(profile="production", defect=abrupt, selftest=True), runtimes=("containers",))
        both = needed(
            Case(profile="production", defect=defect("", ANY, abrupt), selftest=True),
            runtimes=("containers",),
        )

        assert (found.key, found.group, found.shared) == (clean.key, clean.group, True)
        assert (clean.planted, found.planted) == (CLEAN, abrupt)
        assert both.specification.variation.changes == ANY.changes
        assert both.planted.changes == abrupt.changes

    def test_a_defect_of_the_edge_is_planted_in_the_deployment_of_the_setup(self) -> None:
        first = edit("the first takes all", "deploy/haproxy.cfg", "roundrobin", "first")
        both = defect("", first, rollout("", "abrupt"))
        clean, one, other = (
            needed(
                Case(profile="production", defect=planted, selftest=True), setup=ANY, runtimes=CHEAPEST_FIRST
            )
            for planted in (ROOT, defect("", ROOT, first), defect("", ROOT, both))
        )

        assert clean.key == one.key == other.key
        assert clean.specification.variation.changes == (*ANY.changes, *ROOT.changes)
        assert (one.planted.changes, other.planted.changes) == (first.changes, both.changes)

    def test_the_first_runtime_that_can_show_it_is_taken(self) -> None:
        planted = Case(profile="production", defect=ROOT, selftest=True)

        assert needed(runtimes=CHEAPEST_FIRST).runtime == "process"
        assert needed(planted, runtimes=CHEAPEST_FIRST).runtime == "containers"
        assert (
            needed(runtimes=CHEAPEST_FIRST, setup=edit("old base", "deploy/Dockerfile", "a", "b")).runtime
            == "containers"
        )

    def test_where_none_can_the_reason_is_said(self) -> None:
        only = declaration(runtimes=("containers",), why_not="no container to look at")

        assert need(only, PRODUCTION, ("process",)) == Refusal(reason="no container to look at")
        assert "cannot bring up a deployment with: runs as root" in refused(setup=ROOT)
        assert "cannot be changed: any origin" in refused(runtimes=("external",), setup=ANY)


class TestTwin:
    def test_it_has_the_setup_but_not_the_defect(self) -> None:
        found = twin(
            declaration(setup=setting(WORKERS=2)),
            Case(profile="production", defect=ANY, selftest=True),
            "staging",
            "process",
        )

        assert found.specification == Specification(profile="staging", variation=setting(WORKERS=2))

    def test_a_defect_of_that_profile_is_planted_there_alone(self) -> None:
        case = Case(profile="production", defect=STAGED, selftest=True)

        assert twin(declaration(), case, "staging", "process").specification.variation.changes
        assert needed(case).specification.variation == CLEAN


def test_a_variation_holds_what_changes_this_profile() -> None:
    assert variation_for("production", ()) == CLEAN
    assert variation_for("production", (CLEAN, STAGED)) == CLEAN
    assert variation_for("production", (ANY, CLEAN, ROOT, STAGED)) == Variation(
        title="any origin; runs as root", changes=(*ANY.changes, *ROOT.changes)
    )
    assert variation_for("staging", (STAGED,)).changes == STAGED.changes


KEYS = st.lists(st.none() | st.tuples(st.sampled_from("abcd")), max_size=20)


@given(KEYS)
def test_equal_keys_are_neighbours_in_order_of_first_appearance(keys: list[tuple[str, ...] | None]) -> None:
    order = grouped(keys)
    arranged = [keys[position] for position in order]

    assert sorted(order) == list(range(len(keys)))
    seen = list(dict.fromkeys(arranged))
    assert seen == [*([None] if None in keys else []), *dict.fromkeys(k for k in keys if k is not None)]
    assert [key for key in arranged if key is not None] == [
        key for key in seen if key is not None for _ in range(keys.count(key))
    ]
    assert all(one < two for one, two in pairwise(order) if keys[one] == keys[two])


@given(st.lists(st.tuples(st.sampled_from("abcd")), max_size=12), st.integers(0, 5))
def test_what_comes_next_is_named_once_and_not_all_of_it(keys: list[tuple[str, ...]], limit: int) -> None:
    assert list(upcoming(iter(keys), limit)) == list(dict.fromkeys(keys))[:limit]


def test_a_defect_of_several_changes_has_one_title() -> None:
    both = defect("open wide", ANY, ROOT)

    assert both.title == "open wide"
    assert both.changes == (*ANY.changes, *ROOT.changes)
    assert both.needs_containers
