"""How a check declares itself, and how the journal remembers it."""

from __future__ import annotations

import pytest

from harness import control, not_applicable, not_verified
from harness.declare import declaration_of
from harness.declared import base_of, declared_in
from harness.defects import (
    CLEAN,
    Variation,
    blinding,
    certificate,
    container,
    defect,
    edit,
    remade,
    rollout,
    scanner,
    secret,
    setting,
)
from harness.outcome import NotApplicable, NotVerified, floor
from harness.records import Event
from tests.harness import make

ANY = setting(CORS_ORIGINS="*")


def test_a_check_stays_the_function_it_was_and_carries_what_was_declared() -> None:
    @control(make.CONTROL, broken_by=ANY, fresh=True, profiles=("staging",), intrusive=True)
    def check() -> str:
        return "ran"

    declaration = declaration_of(check)

    assert check() == "ran"
    assert declaration is not None
    assert declaration.control == make.CONTROL
    assert declaration.broken_by == (ANY,)
    assert (declaration.setup, declaration.fresh, declaration.intrusive) == (CLEAN, True, True)
    assert declaration.proof_profile == "staging"


def test_a_plain_function_declares_nothing() -> None:
    assert declaration_of(test_a_plain_function_declares_nothing) is None
    assert declaration_of(None) is None


def test_no_check_goes_with_defects_alone_that_blind_it() -> None:
    blind = scanner("no data", "pip-audit", "blind")
    with pytest.raises(ValueError, match="at least one defect"):
        control(make.CONTROL, broken_by=(blind, blinding(ANY)))
    assert control(make.CONTROL, broken_by=(blind, ANY))


def test_what_blinds_stays_so_when_defects_are_put_together() -> None:
    blind = scanner("no data", "pip-audit", "blind")

    assert not ANY.blinds
    assert (ANY + blind).blinds
    assert (blind + ANY).blinds
    assert defect("both", ANY, blind).blinds
    assert blinding(ANY).key == ANY.key


def test_no_check_goes_without_a_counterexample() -> None:
    with pytest.raises(ValueError, match="at least one defect"):
        control(make.CONTROL, broken_by=())


def test_no_check_is_kept_from_a_runtime_without_a_reason() -> None:
    with pytest.raises(ValueError, match="why_not"):
        control(make.CONTROL, broken_by=ANY, runtimes=("containers",))


class TestJournal:
    def test_a_declaration_comes_back_the_same(self) -> None:
        check = make.declared(
            cases=2, profiles=("staging",), defects=(("k", "t"), ("l", "u")), blinding=("l",)
        )

        assert declared_in([check.event(make.STARTED)]) == (check,)

    def test_several_writers_may_say_the_same(self) -> None:
        check, other = make.declared(), make.declared(check="x::y")
        events = [check.event("1"), Event(name="deployment.ready"), other.event("1"), check.event("2")]

        assert declared_in(events) == (check, other)

    def test_it_knows_where_it_applies(self) -> None:
        assert make.declared().applies_in("testing")
        assert make.declared(profiles=("testing",)).applies_in("testing")
        assert not make.declared(profiles=("staging",)).applies_in("testing")

    def test_parameters_do_not_make_another_check(self) -> None:
        assert base_of("suites/a.py::test_b[production-x]") == "suites/a.py::test_b"
        assert base_of("suites/a.py::test_b") == "suites/a.py::test_b"


class TestVariation:
    def test_its_key_is_of_what_is_changed_not_of_its_title(self) -> None:
        assert ANY.key == setting(title="another", CORS_ORIGINS="*").key
        assert len({v.key for v in (ANY, setting(CORS_ORIGINS="null"), setting(CORS_ORIGINS=None))}) == 3

    def test_a_title_is_made_where_none_was_given(self) -> None:
        assert ANY.title == "CORS_ORIGINS=*"
        assert secret("token_key", None).title == "secret token_key missing"
        assert secret("token_key", "x").title == "secret token_key replaced"
        assert certificate("expired").title == "expired certificate"

    def test_two_together_have_both_titles_and_all_changes(self) -> None:
        both = setting(title="one", X=1) + setting(title="two", Y=2)

        assert both.title == "one; two"
        assert both.changes == (*setting(X=1).changes, *setting(Y=2).changes)
        assert CLEAN + ANY == ANY

    def test_only_what_changes_a_container_needs_containers(self) -> None:
        assert container("root", user="0").needs_containers
        assert not ANY.needs_containers
        assert not certificate("expired").needs_containers

    def test_what_is_planted_is_told_from_what_a_deployment_is_brought_up_with(self) -> None:
        edge = edit("", "deploy/haproxy.cfg", "b", "c")
        releases = defect("", rollout("", "abrupt"), remade("", "1.1.0", edit("", "panotti/a.py", "b", "c")))
        every = defect("every", ANY, edge, releases)

        assert every.brought_up == Variation(title="every", changes=ANY.changes)
        assert every.planted.changes == (*edge.changes, *releases.changes)
        assert every.of_edge.changes == edge.changes
        assert every.of_deployment.changes == (*ANY.changes, *edge.changes)
        assert (ANY.brought_up, ANY.planted, ANY.of_edge) == (ANY, CLEAN, CLEAN)


class TestOutcome:
    def test_three_calls_end_a_check(self) -> None:
        with pytest.raises(NotVerified, match="noise"):
            not_verified("noise")
        with pytest.raises(NotApplicable, match="no users"):
            not_applicable("no users")
        with pytest.raises(NotVerified, match="no request came through"):
            floor(0, "no request came through")

    def test_above_the_floor_a_check_goes_on(self) -> None:
        floor([1], "nothing was seen")
