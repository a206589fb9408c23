"""The plugin, by running pytest on little projects."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from fnmatch import fnmatch

import pytest

from harness import journal, retrying
from harness.declared import declared_in
from harness.defects import CLEAN, setting
from harness.disturbance import Watched
from harness.journal import JournalView
from harness.options import write_due
from harness.plugin.distribution import WORKERS
from harness.records import Finding, Observation
from harness.verdict import Verdict
from harness.workspace import directory_of

AddSuite = Callable[[str, str], None]
HEAD = """
import pytest
from harness.declare import control
from harness.defects import Variation, setting, container
from harness.outcome import Absent, in_time, not_applicable, not_verified, prompt
from harness.runtimes import CannotShow
"""


def check(body: str, *, name: str = "test_it", **declaration: str) -> str:
    given = {"broken_by": 'setting(ANY_ORIGIN="1")', **declaration}
    arguments = ", ".join(f"{key}={value}" for key, value in given.items())
    return f'''
@control("middleware.cors.methods", {arguments})
def {name}(site):
    """A claim."""
    {body}
'''


def verify(project: pytest.Pytester, *args: str) -> tuple[pytest.RunResult, JournalView]:
    """Run the project's suites, in this process where nothing else is asked for."""
    where = args if "-n" in args else (*args, "-n", "0")
    result = project.runpytest_inprocess("suites", "--journal", "j", *where)
    return result, journal.read(project.path / "j")


def one(project: pytest.Pytester, add_suite: AddSuite, body: str, **declaration: str) -> Finding:
    add_suite("test_one", HEAD + check(body, **declaration))
    _, view = verify(project, "--profile", "production", "-k", "test_it")
    (finding,) = view.findings
    return finding


def test_a_check_that_holds_exits_with_0_and_leaves_a_complete_journal(project: pytest.Pytester) -> None:
    result, view = verify(project, "--profile", "production")

    assert result.ret == 0
    assert view.complete
    (finding,) = view.findings
    assert finding.verdict is Verdict.PASS
    assert finding.control == "middleware.cors.origins"
    assert finding.check == "suites/test_cors.py::test_unlisted_origin_gets_no_grant[production]"
    assert finding.claim == "A page on a foreign origin gets no grant."
    assert finding.source == "suites/test_cors.py:5"
    assert finding.evidence_total == 1
    assert finding.again == f"pytest '{finding.check}'"
    assert finding.timing.wall_s > 0


def test_without_a_profile_every_profile_is_verified(project: pytest.Pytester) -> None:
    _, view = verify(project)

    assert {f.profile for f in view.findings} == {"development", "testing", "staging", "production"}


@pytest.mark.parametrize(
    ("body", "verdict", "message"),
    [
        ("assert site.see('x') == 'y', 'no y'", Verdict.FAIL, "no y"),
        (
            "raise Absent('the contract names no capability')",
            Verdict.FAIL,
            "the contract names no capability",
        ),
        ("raise ValueError('odd')", Verdict.ERROR, "ValueError: odd"),
        ("not_verified('too noisy')", Verdict.NOT_VERIFIED, "too noisy"),
        ("not_applicable('no users here')", Verdict.NOT_APPLICABLE, "no users here"),
        ("raise CannotShow('no container')", Verdict.NOT_VERIFIED, "no container"),
        ("pytest.skip('later')", Verdict.NOT_VERIFIED, "skipped: later"),
        ("pass", Verdict.NOT_VERIFIED, "no evidence was taken"),
        ("site.see('x')", Verdict.PASS, ""),
    ],
)
def test_each_end_of_a_check_is_its_verdict(
    project: pytest.Pytester, add_suite: AddSuite, body: str, verdict: Verdict, message: str
) -> None:
    finding = one(project, add_suite, body)

    assert finding.verdict is verdict
    assert finding.message.startswith(message)


@pytest.fixture
def calm(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine on which nothing else is at work, whatever runs beside the tests."""
    monkeypatch.setattr(retrying, "watch", lambda: nullcontext(Watched()))


@pytest.mark.usefixtures("calm")
@pytest.mark.parametrize(
    ("body", "verdict", "tries"),
    [
        ("in_time(len(tries) > 1, 'the window was over')", Verdict.PASS, 2),
        ("in_time(False, 'the window was over')", Verdict.NOT_VERIFIED, 2),
        ("prompt(len(tries) > 1, 'it took 9 s')", Verdict.PASS, 2),
        ("prompt(False, 'it took 9 s')", Verdict.FAIL, 2),
        ("prompt(True, ''); assert site.see('x')", Verdict.FAIL, 1),
    ],
)
def test_a_check_that_was_too_slow_for_a_verdict_is_tried_again_alone(
    project: pytest.Pytester, add_suite: AddSuite, body: str, verdict: Verdict, tries: int
) -> None:
    finding = one(
        project,
        add_suite,
        f"site.see('x'); tries = site.__dict__.setdefault('tries', []); tries += [1]; {body}",
    )

    assert finding.verdict is verdict
    told = [one.data for one in finding.evidence if isinstance(one, Observation) and "try 1" in one.data]
    assert len(told) == tries - 1
    assert all("try 2, alone" in one for one in told)


def test_an_expected_failure_is_still_a_failure(project: pytest.Pytester, add_suite: AddSuite) -> None:
    add_suite("test_one", HEAD + "@pytest.mark.xfail" + check("assert site.see('x')"))

    result, view = verify(project, "--profile", "production", "-k", "test_it")

    assert [f.verdict for f in view.findings] == [Verdict.FAIL]
    assert result.ret == 1


def test_a_deployment_that_does_not_start_is_an_error_with_its_last_lines(
    project: pytest.Pytester, add_suite: AddSuite
) -> None:
    finding = one(project, add_suite, "site.see('x')", setup='setting(BROKEN="1")')

    assert finding.verdict is Verdict.ERROR
    assert "| boom" in finding.message


def test_a_runtime_that_cannot_show_it_gives_not_verified_with_the_declared_reason(
    project: pytest.Pytester, add_suite: AddSuite
) -> None:
    finding = one(
        project, add_suite, "site.see('x')", runtimes='("containers",)', why_not='"there is no container"'
    )

    assert (finding.verdict, finding.message) == (Verdict.NOT_VERIFIED, "there is no container")
    assert not (project.path / "runtime.log").exists(), "a deployment was started for nothing"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("assert not site.see('x'), 'x'", 0),
        ("assert site.see('x')", 1),
        ("not_verified('noise')", 2),
        ("1 / 0", 2),
    ],
)
def test_the_exit_status_closes_a_gate(
    project: pytest.Pytester, add_suite: AddSuite, body: str, status: int
) -> None:
    add_suite("test_one", HEAD + check(body))

    result, _ = verify(project, "--profile", "production", "-k", "test_it")

    assert result.ret == status


def test_nothing_run_is_not_open(project: pytest.Pytester) -> None:
    result, view = verify(project, "--profile", "production", "-k", "nothing_is_called_this")

    assert result.ret == 2
    assert not view.findings


def test_the_first_failure_ends_a_run_with_x(project: pytest.Pytester, add_suite: AddSuite) -> None:
    add_suite(
        "test_a", HEAD + check("assert site.see('x')", name="test_a") + check("site.see('x')", name="test_b")
    )

    result, view = verify(project, "--profile", "production", "-x")

    assert result.ret == 1
    assert sum(f.verdict is Verdict.FAIL for f in view.findings) == 1
    assert len(view.findings) < 3


def test_controls_select_by_glob_and_the_journal_still_knows_the_others(
    project: pytest.Pytester, add_suite: AddSuite
) -> None:
    add_suite("test_one", HEAD + check("site.see('x')"))

    _, view = verify(project, "--profile", "production", "--controls", "middleware.cors.m*")

    assert [f.control for f in view.findings] == ["middleware.cors.methods"]
    assert {e.detail["control"] for e in view.events if e.name == "check.declared"} == {
        "middleware.cors.methods",
        "middleware.cors.origins",
    }


def test_a_check_for_other_profiles_is_not_collected(project: pytest.Pytester, add_suite: AddSuite) -> None:
    add_suite("test_one", HEAD + check("site.see('x')", profiles='("staging",)'))

    _, view = verify(project, "--profile", "production")

    assert [f.control for f in view.findings] == ["middleware.cors.origins"]


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("def test_it(site):\n    '''A claim.'''\n", "*a check without a control*"),
        (
            HEAD + check("pass").replace("cors.methods", "cors.method"),
            '*no control matches "middleware.cors.method"*',
        ),
        (HEAD + check("pass").replace('"""A claim."""', ""), "*a check without a claim*"),
        (HEAD + check("pass").replace("(site)", "()"), "*a check takes `site`*"),
    ],
)
def test_a_check_that_is_not_declared_properly_is_a_collection_error(
    project: pytest.Pytester, add_suite: AddSuite, source: str, told: str
) -> None:
    add_suite("test_one", source)

    result, _ = verify(project, "--profile", "production")

    assert result.ret == 2
    result.stdout.fnmatch_lines([told])
    result.stdout.no_fnmatch_line("*Traceback*")


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (["--profile", "produktion"], '*no profile "produktion"*did you mean "production"*'),
        (["--runtime", "process-es"], '*no runtime "process-es"*'),
        (["--controls", "middleware.corse.*"], '*no control matches "middleware.corse.*"*'),
        (["--target", "nothing"], '*"nothing" is not a target*'),
        (["--contract", "absent.toml"], "*absent.toml*"),
        (["--waivers", "absent.toml"], "*absent.toml*"),
    ],
)
def test_a_users_mistake_is_one_message_and_status_2(
    project: pytest.Pytester, capfd: pytest.CaptureFixture[str], args: list[str], told: str
) -> None:
    # Not through pytester, which expects a run to come as far as its session.
    status = pytest.main([str(project.path / "suites"), "--journal", "j", *args])

    text = " ".join("".join(capfd.readouterr()).split())
    assert status == 2
    assert fnmatch(text, told)
    assert "Traceback" not in text


def test_a_finished_journal_is_neither_overwritten_nor_added_to(project: pytest.Pytester) -> None:
    verify(project, "--profile", "production")

    result, view = verify(project, "--profile", "staging")

    assert result.ret == 2
    result.stderr.fnmatch_lines(["*j: holds a finished journal*"])
    assert {f.profile for f in view.findings} == {"production"}
    assert view.complete


def test_checks_on_one_deployment_are_neighbours_and_it_is_stopped_after_the_last(
    project: pytest.Pytester, add_suite: AddSuite
) -> None:
    varied = 'setting(X="1")'
    add_suite(
        "test_a",
        HEAD
        + check("site.see('x')", name="test_1", setup=varied)
        + check("site.see('x')", name="test_2")
        + check("site.see('x')", name="test_3", setup=varied)
        + check("site.see('x')", name="test_4", fresh="True"),
    )

    _, view = verify(project, "--profile", "production")

    order = [f.check.partition("::")[2].partition("[")[0] for f in view.findings]
    assert order == ["test_2", "test_unlisted_origin_gets_no_grant", "test_4", "test_1", "test_3"]
    log = (project.path / "runtime.log").read_text().splitlines()
    starts = [line.split()[2] for line in log if line.startswith("start")]
    stops = [line.split()[2] for line in log if line.startswith("stop")]
    assert len(starts) == len(set(starts)) == 2
    assert sorted(starts) == sorted(stops)
    assert f"production/{CLEAN.key}/shared" in starts


def workers_of(project: pytest.Pytester, *args: str) -> set[str]:
    project.runpytest_inprocess("suites", "--profile", "production", "--journal", "j", *args)
    return {segment.name.split("-")[1] for segment in (project.path / "j").glob("production-gw*")}


@pytest.mark.parametrize(
    ("arguments", "workers"),
    [
        ((), {f"gw{n}" for n in range(WORKERS)}),
        (("-k", "test_1"), set()),
        (("-x",), set()),
        (("-n", "0"), set()),
    ],
)
def test_a_whole_profile_is_spread_over_workers_and_a_selection_is_not(
    project: pytest.Pytester, add_suite: AddSuite, arguments: tuple[str, ...], workers: set[str]
) -> None:
    add_suite("test_a", HEAD + "".join(check("site.see('x')", name=f"test_{n}") for n in range(6)))

    assert workers_of(project, *arguments) == workers
    view = journal.read(project.path / "j")
    assert view.complete
    assert {f.verdict for f in view.findings} == {Verdict.PASS}


def test_workers_share_no_deployment_and_leave_one_journal(
    project: pytest.Pytester, add_suite: AddSuite
) -> None:
    checks = "".join(
        check("site.see('x')", name=f"test_{n}", setup=f'setting(X="{n % 3}")') for n in range(9)
    )
    add_suite("test_many", HEAD + checks)

    result = project.runpytest_subprocess("suites", "--profile", "production", "--journal", "j", "-n", "2")

    view = journal.read(project.path / "j")
    assert result.ret == 0, result.stdout.str()
    assert view.complete, view.problems
    assert len(view.findings) == 10
    starts = [
        line.split()[2] for line in (project.path / "runtime.log").read_text().splitlines() if "start" in line
    ]
    assert len(starts) == len(set(starts)) == 4


def test_an_end_table_names_groups_profiles_times_and_the_journal(project: pytest.Pytester) -> None:
    result, _ = verify(project, "--profile", "production", "--profile", "staging")

    result.stdout.fnmatch_lines(
        ["*group*staging*production*", "*middleware.cors*1 pass*1 pass*", "Time: *deployments*", "Journal: j"]
    )


def test_a_pure_unit_test_run_is_left_alone(project: pytest.Pytester) -> None:
    (project.path / "tests").mkdir()
    (project.path / "tests" / "test_unit.py").write_text("def test_x(): pass\n")

    result = project.runpytest_inprocess("tests")

    assert result.ret == 0
    result.stdout.no_fnmatch_line("*Journal*")


def test_collecting_only_starts_and_writes_nothing(project: pytest.Pytester) -> None:
    result = project.runpytest_inprocess("suites", "--collect-only", "--journal", "j")

    assert result.ret == 0
    assert not (project.path / "j").exists()
    assert not (project.path / "runtime.log").exists()


class TestSelftest:
    def test_only_what_is_due_is_tried_with_its_clean_twin(
        self, project: pytest.Pytester, add_suite: AddSuite
    ) -> None:
        add_suite(
            "test_one",
            HEAD + check("assert site.see('X') is None", broken_by='(setting(X="1"), setting(X="2"))'),
        )
        due = setting(X="2").key
        write_due(project.path / "due", [("suites/test_one.py::test_it", due)])

        result, view = verify(project, "--selftest", "--due", "due")

        assert result.ret == 0, result.stdout.str()
        assert {(f.control, f.defect_key) for f in view.findings} == {
            ("middleware.cors.methods", ""),
            ("middleware.cors.methods", due),
        }
        assert len(declared_in(view.events)) == 2

    def test_a_defect_that_is_caught_passes_and_is_a_proof(self, project: pytest.Pytester) -> None:
        result, view = verify(project, "--selftest")

        assert result.ret == 0
        result.assert_outcomes(passed=1)
        result.stdout.fnmatch_lines(
            ["*middleware.cors.origins*ANY_ORIGIN=1*caught*pass*", "1 defects: 1 caught*"]
        )
        assert {(f.defect, f.verdict) for f in view.findings} == {
            ("", Verdict.PASS),
            ("ANY_ORIGIN=1", Verdict.FAIL),
        }

    def test_a_missed_defect_closes(self, project: pytest.Pytester, add_suite: AddSuite) -> None:
        add_suite("test_one", HEAD + check("site.see('x')"))

        result, _ = verify(project, "--selftest")

        assert result.ret == 1
        result.stdout.fnmatch_lines(["*middleware.cors.methods*missed*pass*"])

    def test_a_false_alarm_on_the_clean_twin_closes(
        self, project: pytest.Pytester, add_suite: AddSuite
    ) -> None:
        add_suite("test_one", HEAD + check("assert site.see('x')"))

        result, _ = verify(project, "--selftest")

        assert result.ret == 1
        result.stdout.fnmatch_lines(["*middleware.cors.methods*caught*did not pass*"])

    def test_a_defect_that_breaks_the_check_is_an_error_not_a_catch(
        self, project: pytest.Pytester, add_suite: AddSuite
    ) -> None:
        add_suite("test_one", HEAD + check("site.see('x')", broken_by='setting(BROKEN="1")'))

        result, _ = verify(project, "--selftest")

        assert result.ret == 2
        result.stdout.fnmatch_lines(["*middleware.cors.methods*error*pass*"])

    def test_a_defect_of_another_profile_is_planted_in_the_twin(
        self, project: pytest.Pytester, add_suite: AddSuite
    ) -> None:
        body = "assert site.twin('staging').see('X') is None"
        missing = 'Variation(title="missing in staging", changes=setting(X="1").changes, profile="staging")'
        add_suite("test_one", HEAD + check(body, broken_by=missing))

        result, _ = verify(project, "--selftest")

        assert result.ret == 0, result.stdout.str()

    def test_the_cheapest_runtime_that_can_plant_it_is_taken(
        self, project: pytest.Pytester, add_suite: AddSuite
    ) -> None:
        add_suite("test_one", HEAD + check("site.see('x')", broken_by='container("root", user="0")'))

        _, view = verify(project, "--selftest")

        assert {(f.defect, f.runtime) for f in view.findings if f.control == "middleware.cors.methods"} == {
            ("", "process"),
            ("root", "containers"),
        }


def test_nothing_of_the_run_stays_behind(project: pytest.Pytester) -> None:
    _, view = verify(project, "--profile", "production")

    assert not directory_of(view.run.run_id).exists()
