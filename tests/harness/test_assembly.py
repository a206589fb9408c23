"""Where the parts are put together: what is refused at once, and what the head of a journal says."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness import assembly, places
from harness.assembly import Assembly, environment
from harness.declare import Declaration
from harness.defects import setting
from harness.errors import AdvisoriesError, ContractError, PolicyError, UserError, WaiverError
from harness.ledger import audit, loading
from harness.ledger.audit import Audit
from harness.ledger.loading import Proofs
from harness.options import Options
from harness.planning import Case, Need, Refusal
from harness.records import Stale
from harness.target import Source
from tests.harness import make

CONTRACT = places.CONTRACT
URL = {"target": "https://127.0.0.1:8443", "contract": CONTRACT}
INTRUSIVE = Declaration(control=make.CONTROL, broken_by=(setting(X=1),), intrusive=True)
PRODUCTION = Case(profile="production")


def assembled(**options: Any) -> Assembly:
    return Assembly(Options(**options))


class TestRefused:
    @pytest.mark.parametrize(
        ("options", "error"),
        [
            ({"profiles": ("prod",)}, UserError),
            ({"controls": ("nothing.*",)}, UserError),
            ({"target": "nothing"}, ContractError),
            ({"policy": Path("/nowhere.toml")}, PolicyError),
            ({"waivers": Path("/nowhere.toml")}, WaiverError),
            ({"advisories": Path("/nowhere.tar")}, AdvisoriesError),
        ],
    )
    def test_a_users_mistake_before_anything_starts(
        self, options: dict[str, Any], error: type[UserError]
    ) -> None:
        with pytest.raises(error) as refused:
            assembled(**options)
        assert refused.value.remedy

    def test_a_snapshot_of_advisories_may_be_the_policys_and_the_option_goes_before(
        self, tmp_path: Path
    ) -> None:
        policy = tmp_path / "policy.toml"
        policy.write_text('extends = "production"\n[scans]\nadvisories = "/nowhere.tar"\n')

        with pytest.raises(AdvisoriesError, match=r"/nowhere\.tar"):
            assembled(policy=policy)
        with pytest.raises(AdvisoriesError, match=r"/other\.tar"):
            assembled(policy=policy, advisories=Path("/other.tar"))
        assert assembled(policy=policy, profiles=("testing",)).advisories("testing") is None

    @pytest.mark.parametrize("profiles", [(), ("testing", "production")])
    def test_a_server_that_is_up_is_judged_in_one_profile(self, profiles: tuple[str, ...]) -> None:
        with pytest.raises(UserError, match="in which profile"):
            assembled(**URL, profiles=profiles)

    def test_in_that_one_it_is_accepted(self) -> None:
        assert assembled(**URL, profiles=("production",)).runtimes == ("external",)


class TestRuntimes:
    def test_the_one_asked_for_is_the_only_one(self) -> None:
        assert assembled(runtime="process").runtimes == ("process",)
        assert assembled(runtime="process", selftest=True).runtimes == ("process",)

    def test_the_self_test_takes_the_cheapest_that_can(self) -> None:
        assert assembled(selftest=True).runtimes == ("process", "containers")

    def test_otherwise_what_this_machine_has(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(assembly, "detect", lambda _: "containers")

        assert assembled().runtimes == ("containers",)


class TestNeed:
    def test_anothers_server_is_not_flooded_without_leave(self) -> None:
        refused = assembled(**URL, profiles=("production",)).need(INTRUSIVE, PRODUCTION)

        assert isinstance(refused, Refusal)
        assert "--intrusive" in refused.reason

    def test_with_leave_it_is(self) -> None:
        allowed = assembled(**URL, profiles=("production",), intrusive=True)

        assert isinstance(allowed.need(INTRUSIVE, PRODUCTION), Need)

    def test_what_is_gentle_needs_none(self) -> None:
        gentle = replace(INTRUSIVE, intrusive=False)

        assert isinstance(assembled(**URL, profiles=("production",)).need(gentle, PRODUCTION), Need)

    def test_ones_own_deployment_needs_none(self) -> None:
        assert isinstance(assembled(runtime="process").need(INTRUSIVE, PRODUCTION), Need)


class TestHead:
    @pytest.fixture(autouse=True)
    def _no_proofs(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setattr(places, "BUILD", tmp_path / "build")
        monkeypatch.setattr(loading, "load", lambda root: Proofs())

    def test_it_says_what_is_run_on_what(self) -> None:
        head = assembled(profiles=("production",), runtime="process", controls=("middleware.*",)).head("id")

        assert (head.run_id, head.kind, head.profiles) == ("id", "verify", ("production",))
        assert (head.runtime, head.target, head.controls) == ("process", "reference", ("middleware.*",))
        assert list(head.policy) == ["production"]
        policy: Any = head.policy["production"]
        assert make.CONTROL in policy["required"]
        assert len(policy["sha256"]) == 64

    def test_without_a_ledger_it_says_so(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(loading, "load", lambda root: Proofs(note="no proofs: run it"))

        head = assembled(runtime="process").head("id")

        assert (head.proofs, head.stale) == ((), ())
        assert head.environment["proofs"] == "no proofs: run it"
        assert "audit" not in head.environment

    def test_it_carries_the_proofs_that_hold_and_why_others_do_not(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        stale = Stale(check=make.CHECK, defect_key="other", why="a changed")
        kept = Proofs(proofs=(make.proof(),), stale=(stale,), note="1 proof is stale")
        monkeypatch.setattr(loading, "load", lambda root: kept)

        head = assembled(runtime="process").head("id")

        assert (head.proofs, head.stale) == ((make.proof(),), (stale,))
        assert head.environment["proofs"] == "1 proof is stale"

    def test_it_carries_the_last_audit_and_what_disagreed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        kept = Proofs(proofs=(make.proof(),), disagreement="the ledger disagrees with x")
        monkeypatch.setattr(loading, "load", lambda root: kept)
        audit.begin(places.BUILD, Audit(seed=7, sample=((make.CHECK, make.KEY),)))

        told: Any = assembled(runtime="process").head("id").environment["audit"]

        assert (told["finished"], told["seed"]) == (False, 7)
        assert told["disagrees"] == "the ledger disagrees with x"

    def test_a_self_test_asks_for_none_and_other_checks_have_none(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setattr(loading, "load", lambda root: Proofs(proofs=(make.proof(),)))

        rehearsal = assembled(runtime="process", selftest=True).head("id")
        others = assembled(runtime="process", suites=tmp_path / "suites").head("id")

        assert (rehearsal.kind, rehearsal.proofs) == ("selftest", ())
        assert others.proofs == ()
        assert "the project's own checks" in str(others.environment["proofs"])
        assert assembled(runtime="process", suites=places.SUITES).head("id").proofs == (make.proof(),)

    def test_it_carries_the_waivers_that_were_given(self, tmp_path: Path) -> None:
        file = tmp_path / "own.toml"
        file.write_text(
            f'[[waiver]]\ncontrol = "{make.CONTROL}"\nprofile = "production"\n'
            'fingerprint = "0123456789abcdef"\nowner = "me"\nreason = "until the next release"\n'
            "expires = 2027-01-31T00:00:00Z\n"
        )

        (waiver,) = assembled(waivers=file).head("id").waivers

        assert waiver["expires"] == "2027-01-31T00:00:00Z"

    def test_waivers_lie_beside_the_suites_where_none_were_named(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(places, "PROJECT", tmp_path)

        assert assembled().waivers == ()
        (tmp_path / "waivers.toml").write_text("[[waivr]]\n")
        with pytest.raises(WaiverError, match="waivr"):
            assembled()


class TestEnvironment:
    def test_a_checkout_has_a_revision_and_says_whether_it_was_changed(self, tmp_path: Path) -> None:
        def git(*words: str) -> None:
            identity = ("-c", "user.name=x", "-c", "user.email=x@example.org")
            subprocess.run(["git", *identity, *words], cwd=tmp_path, check=True, capture_output=True)

        git("init")
        (tmp_path / "file").write_text("one")
        git("add", "file")
        git("commit", "-m", "one")
        assert len(str(environment(tmp_path)["revision"])) == 40
        assert environment(tmp_path)["changed"] is False

        (tmp_path / "file").write_text("two")

        assert environment(tmp_path)["changed"] is True

    def test_elsewhere_it_is_unknown(self, tmp_path: Path) -> None:
        assert environment(tmp_path)["revision"] == "unknown"

    def test_without_git_too(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PATH", str(tmp_path))

        assert environment(places.PROJECT)["revision"] == "unknown"

    def test_tools_that_are_not_installed_are_called_so(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(assembly, "_TOLD", ("pytest", "no-such-distribution"))

        versions: Any = environment(tmp_path)["versions"]

        assert versions["no-such-distribution"] == "not installed"
        assert versions["pytest"] == pytest.__version__


def test_a_source_folder_is_a_target(tmp_path: Path) -> None:
    (tmp_path / "contract.toml").write_text(CONTRACT.read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "requirements.txt").touch()

    assert isinstance(assembled(target=f"source:{tmp_path}").target, Source)
