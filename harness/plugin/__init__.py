"""The pytest plugin: options, collection, the `site` fixture, verdicts, exit status. Only it uses pytest.

It wakes up when the `suites` folder below pytest's root directory is among what is collected.
PYTEST_DONT_REWRITE: it may be imported before pytest gets to it, and its asserts are no checks.
"""

from __future__ import annotations

import contextlib
import inspect
import signal
from collections.abc import Generator, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from harness import collection, planning
from harness.assembly import Assembly
from harness.declare import declaration_of
from harness.errors import HarnessError, UserError
from harness.evidence import recording
from harness.journal import JournalFull, now
from harness.outcome import TooSlow
from harness.planning import Case
from harness.plugin.arguments import options_of
from harness.plugin.arguments import pytest_addoption as pytest_addoption
from harness.plugin.choosing import TRIAL, chosen, leave_plan
from harness.plugin.distribution import distribute, first_worker, is_controller, worker_input
from harness.plugin.items import collects_suites, in_suites, is_check, is_whole, trial_of
from harness.plugin.scheduling import PLAN, PoolScheduling
from harness.plugin.showing import pytest_report_teststatus as pytest_report_teststatus
from harness.plugin.showing import show, show_spared
from harness.records import INTERRUPTED, Event
from harness.retrying import retry
from harness.session import Session, segment_name
from harness.summary import Outcome, conclude
from harness.target import Address

if TYPE_CHECKING:
    from harness.site import Site

ASSEMBLY = pytest.StashKey[Assembly]()
SESSION = pytest.StashKey[Session]()
OUTCOME = pytest.StashKey[Outcome]()
TROUBLE = pytest.StashKey[str]()
PREVIOUS_HANDLER = pytest.StashKey[Any]()
DECIDED = {pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.NO_TESTS_COLLECTED}


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Read everything that the run was given, and say at once what is wrong with it."""
    if not collects_suites(config):
        return
    whole = worker_input(config).get("whole", is_whole(config))
    with _told():
        config.stash[ASSEMBLY] = Assembly(options_of(config, whole=whole))
    alone = isinstance(config.stash[ASSEMBLY].target, Address)  # its quotas are one process's to keep
    distribute(config, whole=whole and not alone)


def pytest_sessionstart(session: pytest.Session) -> None:
    """Open this process's share of the run."""
    config = session.config
    if ASSEMBLY not in config.stash or config.getoption("collectonly"):
        return
    config.stash[PREVIOUS_HANDLER] = signal.signal(signal.SIGINT, _interrupt_once)
    assembly = config.stash[ASSEMBLY]
    worker = worker_input(config)
    given = worker.get("journal") or config.getoption("journal")
    with _told():
        run = config.stash[SESSION] = Session(
            assembly,
            directory=Path(given).absolute() if given else None,
            segment=segment_name(assembly.profiles, worker.get("workerid", "")),
        )
        run.open()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker which journal it joins."""
    if SESSION in node.config.stash:
        node.workerinput["journal"] = str(node.config.stash[SESSION].directory)
        node.workerinput["whole"] = node.config.stash[ASSEMBLY].options.whole


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> PoolScheduling | None:
    """Give each worker what its deployments and the machine are fit for."""
    del log
    if SESSION not in config.stash or config.getoption("dist") == "each":
        return None
    return PoolScheduling(config.stash[SESSION].workspace.root / PLAN, len(config.getoption("tx")))


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take over from a worker what it could not clear away."""
    if trouble := getattr(node, "workeroutput", {}).get("trouble"):
        node.config.stash[TROUBLE] = trouble


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Try each check in its profiles, or in the self-test with its defects."""
    assembly = metafunc.config.stash.get(ASSEMBLY, None)
    if assembly is None or not in_suites(metafunc.config, metafunc.definition.path):
        return
    function = metafunc.function
    try:
        declaration = collection.accept(
            metafunc.definition.nodeid, function.__doc__, declaration_of(function), assembly.catalogue
        )
    except UserError as error:
        raise pytest.Collector.CollectError(str(error)) from None
    if "profile" not in metafunc.fixturenames:
        raise pytest.Collector.CollectError(f"{metafunc.definition.nodeid}: a check takes `site`")
    options = assembly.options
    cases = planning.cases(declaration, assembly.profiles, selftest=options.selftest)
    cases = cases or (Case(profile=declaration.proof_profile),)  # deselected later: pytest knows no empty set
    metafunc.parametrize("profile", cases, indirect=True, ids=[case.id for case in cases])


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Make trials of the items, put those on one deployment side by side, and drop what was not asked for.

    First of all, so that the journal knows of checks that -k then deselects.
    """
    assembly = config.stash.get(ASSEMBLY, None)
    if assembly is None:
        return
    others = [item for item in items if not is_check(item)]
    checks = [item for item in items if is_check(item)]
    for item in checks:
        item.stash[TRIAL] = trial_of(item, assembly)
    trials = [item.stash[TRIAL] for item in checks]
    run = config.stash.get(SESSION, None) if first_worker(config) else None
    if run is not None:
        run.declare(collection.declared(trials))
    kept, dropped = chosen(checks, assembly, run)
    items[:] = [*others, *kept]
    if dropped:
        config.hook.pytest_deselected(items=dropped)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """Plan the deployments of what is left after every selection, before xdist tells of the collection."""
    run = session.config.stash.get(SESSION, None)
    if run is not None and not is_controller(session.config):
        trials = {i.nodeid: i.stash[TRIAL] for i in session.items if TRIAL in i.stash}
        run.plan(trials, announce=first_worker(session.config))
        if first_worker(session.config) and hasattr(session.config, "workerinput"):
            leave_plan(run, session.items)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(
    item: pytest.Item, nextitem: pytest.Item | None
) -> Generator[None, object, object]:
    """Record a check's evidence; start ahead what comes next; stop what was needed last."""
    trial = item.stash.get(TRIAL, None)
    if trial is None:
        return (yield)
    run = item.config.stash[SESSION]
    trial.begin()
    following = [nextitem.nodeid] if nextitem else []
    # A worker of xdist knows of its own items only the next one.
    run.deployments.look_ahead(following if hasattr(item.config, "workerinput") else None, after=item.nodeid)
    try:
        with run.turn(), recording(trial.recorder):
            return (yield)
    finally:
        run.settle(item.nodeid)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Rule out what policy, runtime or missing leave rule out."""
    if TRIAL in item.stash:
        item.config.stash[SESSION].admit(item.stash[TRIAL])


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """Try a check that was too slow for a verdict again, with the machine to itself."""
    if TRIAL not in pyfuncitem.stash:
        return (yield)
    try:
        return (yield)
    except TooSlow as first:
        given = inspect.signature(pyfuncitem.function).parameters
        attempt = partial(pyfuncitem.obj, **{name: pyfuncitem.funcargs[name] for name in given})
        retry(first, attempt, pyfuncitem.config.stash[SESSION].again)
        return True


@pytest.fixture
def profile(request: pytest.FixtureRequest) -> str:
    """The profile that a check is tried in."""
    case: Case = request.param
    return case.profile


@pytest.fixture
def site(request: pytest.FixtureRequest, profile: str) -> Site:
    """The deployment under test, with everything to look at it by."""
    del profile
    run: Session = request.config.stash[SESSION]
    return run.site(request.node.stash[TRIAL])


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn what a phase came to into a verdict, and write the finding after the last one."""
    report = yield
    trial = item.stash.get(TRIAL, None)
    if trial is None:
        return report
    error = call.excinfo.value if call.excinfo else None
    verdict = trial.take(call.when, error, call.duration)
    if verdict is not None:
        show(report, trial, verdict)
    elif trial.spared and call.when == "call":
        show_spared(report, trial)
    if call.when == "teardown":
        try:
            item.config.stash[SESSION].finish(trial)
        except JournalFull as full:
            item.session.shouldstop = str(full)
    return report


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> Generator[None, object, object]:
    """Stop what is up, end the journal, and decide the exit status from it."""
    result = yield
    config = session.config
    run = config.stash.get(SESSION, None)
    if run is None:
        return result
    if exitstatus == pytest.ExitCode.INTERRUPTED:
        run.tell(Event(name=INTERRUPTED, at=now()))
    try:
        run.close()
    except HarnessError as error:
        config.stash[TROUBLE] = str(error)
        getattr(config, "workeroutput", {})["trouble"] = str(error)
    signal.signal(signal.SIGINT, config.stash[PREVIOUS_HANDLER])
    if not hasattr(config, "workerinput"):
        with _told():
            outcome = config.stash[OUTCOME] = conclude(run)
    if OUTCOME in config.stash:
        decided = exitstatus in DECIDED and TROUBLE not in config.stash
        session.exitstatus = outcome.status if decided else 2
    return result


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Print the table: control groups by profiles, where the time went, and where the journal is."""
    if OUTCOME in config.stash:
        terminalreporter.write_line("")
        width, colour = terminalreporter._tw.fullwidth, terminalreporter.hasmarkup  # noqa: SLF001
        terminalreporter.write_line(config.stash[OUTCOME].text(width=width, colour=colour))
    if TROUBLE in config.stash:
        terminalreporter.write_line(f"error while clearing away: {config.stash[TROUBLE]}")


def _interrupt_once(number: int, frame: object) -> None:
    """End the run at the first Ctrl-C; another one must not interrupt the clearing away."""
    del number, frame
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise KeyboardInterrupt


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """End the run with one message and status 2 for what the user can put right."""
    try:
        yield
    except HarnessError as error:
        pytest.exit(str(error), returncode=2)
