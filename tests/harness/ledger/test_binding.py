"""A change anywhere in the project makes exactly those proofs stale that depend on it."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from harness.ledger.binding import Bindings
from harness.ledger.entries import Entry
from harness.ledger.holding import weigh
from harness.ledger.store import Ledger
from tests.harness.ledger.conftest import changed, entry

RUNTIMES = ("process", "containers")
Expected = Callable[
    [str, str], bool
]  # by the source of a suite, all that it imports included, and the runtime


@pytest.fixture(scope="module")
def ledger(copy: Path) -> Ledger:
    """A ledger with two proofs of every suite, one on each runtime, bound to the project as it is."""
    bindings = Bindings(copy)
    entries: dict[tuple[str, str], Entry] = {}
    for path in sorted((copy / "suites").rglob("test_*.py")):
        check = f"{path.relative_to(copy)}::test"
        for runtime in RUNTIMES:
            binding = bindings.of(check, runtime)
            entries[check, runtime] = entry(check=check, defect_key=runtime, runtime=runtime, binding=binding)
    return Ledger(entries=entries, files=bindings.tree.files)


def source_of(root: Path, path: Path) -> str:
    """A suite's source, and those of the suites' modules that it imports, found by another means."""
    seen: dict[Path, str] = {}
    left = [path]
    while left:
        file = left.pop()
        if file in seen or not file.is_file():
            continue
        seen[file] = file.read_text()
        names = re.findall(r"^from (suites[\w.]*) import", seen[file], re.MULTILINE)
        left += [root / f"{name.replace('.', '/')}.py" for name in names]
    return "".join(f"# {file.relative_to(root)}\n{text}" for file, text in seen.items())


def everything(source: str, runtime: str) -> bool:
    return True


def with_images(source: str, runtime: str) -> bool:
    return runtime == "containers"


def of(*patterns: str) -> Expected:
    """Where the source has one of these; a name in quotes counts too, since `getattr` may be given it."""
    return lambda source, runtime: any(re.search(pattern, source) for pattern in patterns)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("suites/middleware/test_cors_origins.py", of("# suites/middleware/test_cors_origins.py")),
        ("suites/releases.py", of("# suites/releases.py")),
        ("harness/probes/tls.py", of(r"\.tls\.\w", '"tls"')),
        ("harness/releases/judging.py", of(r"\.rollout\b")),
        ("harness/fuzz/child.py", of(r"\.fuzz\b")),
        ("harness/load/generator/arrivals.py", of(r"site\.load\b")),
        ("scenarios/steady.py", of(r"site\.load\b")),
        ("harness/probes/ratelimit.py", of(r"harness\.probes\.ratelimit")),
        ("harness/planning.py", everything),
        ("harness/policy/production.toml", everything),
        ("harness/probes/inside/rights.py", everything),
        ("panotti/settings.py", everything),
        ("panotti/new.py", everything),
        ("deploy/contract.toml", everything),
        ("deploy/profiles/staging.toml", everything),
        ("requirements/server.txt", everything),
        ("conftest.py", everything),
        ("deploy/Dockerfile", with_images),
        ("deploy/images/redis/Dockerfile", with_images),
        ("deploy/images/another/Dockerfile", with_images),
        ("triage.toml", of(r"\.scans\b", r"\.packages\b")),
        ("harness/scans/data/README.md", of(r"\.scans\b", r"\.packages\b")),
        ("reports/as_markdown.py", of(r"\.scans\b")),
    ],
)
def test_exactly_the_proofs_that_depend_on_a_file_are_stale(
    copy: Path, ledger: Ledger, path: str, expected: Expected
) -> None:
    (copy / path).parent.mkdir(parents=True, exist_ok=True)
    with changed(copy / path, new=b"\n# changed\n"):
        account = weigh(ledger, Bindings(copy))

    sources = {check: source_of(copy, copy / check.partition("::")[0]) for check, _ in ledger.entries}
    assert {key for key in ledger.entries if expected(sources[key[0]], key[1])} == account.stale.keys()
    assert set(account.stale.values()) <= {f"{path} changed"}


NOTHING = (
    *(
        "harness/cli/verifying.py",
        "harness/commands/verify.py",
        "harness/summary.py",
        "harness/ledger/store.py",
    ),
    *(
        "deploy/packages.sh",
        "suites/costs.lock",
        "bench/__init__.py",
        "tests/new.py",
        "README.md",
        "Makefile",
    ),
)


def test_what_decides_no_trial_makes_none_stale(copy: Path, ledger: Ledger) -> None:
    with ExitStack() as stack:
        for path in NOTHING:
            (copy / path).parent.mkdir(parents=True, exist_ok=True)
            stack.enter_context(changed(copy / path, new=b"\n# changed\n"))
        account = weigh(ledger, Bindings(copy))

    assert account.stale == {}


@pytest.mark.parametrize(
    ("old", "new", "stale"),
    [
        (b"xfail_strict = true", b"xfail_strict = false", True),
        (b'"orjson==3.13.0",\n  "packaging', b'"orjson==3.13.1",\n  "packaging', False),
    ],
)
def test_of_pyproject_pytests_configuration_counts(
    copy: Path, ledger: Ledger, old: bytes, new: bytes, stale: bool
) -> None:
    with changed(copy / "pyproject.toml", old, new):
        account = weigh(ledger, Bindings(copy))

    assert len(account.stale) == (len(ledger.entries) if stale else 0)


def test_without_a_change_all_hold(copy: Path, ledger: Ledger) -> None:
    assert weigh(ledger, Bindings(copy)).held == ledger.entries
    assert len(ledger.entries) > 100


def test_an_unknown_check_is_bound_to_nothing(copy: Path) -> None:
    assert Bindings(copy).of("suites/test_gone.py::test", "process") == {}
