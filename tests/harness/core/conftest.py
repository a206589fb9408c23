"""A project of its own for each test: a suites folder, and a runtime without a server."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import harness.plugin  # noqa: F401 - else each run inside a test imports all of it anew
from harness import assembly, session

HERE = Path(__file__).parent
CONFTEST = f"""
import importlib.util, sys
if "fakes" not in sys.modules:
    spec = importlib.util.spec_from_file_location("fakes", {str(HERE / "fakes.py")!r})
    fakes = importlib.util.module_from_spec(spec)
    sys.modules["fakes"] = fakes
    spec.loader.exec_module(fakes)
import fakes
import harness.assembly, harness.session
harness.session.Site = fakes.FakeSite
harness.assembly.runtime_for = lambda name, target, space, progress, **_: fakes.FakeRuntime(name, progress)
harness.assembly.detect = lambda target=None: "process"
"""
CORS = '''
from harness.declare import control
from harness.defects import setting

@control("middleware.cors.origins", broken_by=setting(ANY_ORIGIN="1"))
def test_unlisted_origin_gets_no_grant(site):
    """A page on a foreign origin gets no grant."""
    assert site.see("ANY_ORIGIN") is None
'''


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A checkout with a suites folder and one check of middleware.cors.origins."""
    for module, name in ((assembly, "runtime_for"), (assembly, "detect"), (session, "Site")):
        monkeypatch.setattr(module, name, getattr(module, name))  # given back after a run in this process
    pytester.makeconftest('pytest_plugins = ["harness.plugin"]\n' + CONFTEST)
    pytester.makeini(
        "[pytest]\naddopts = --strict-markers --import-mode=importlib"
        " -p no:hypothesispytest -p no:schemathesis -p no:anyio\n"
    )
    (pytester.path / "suites").mkdir()
    (pytester.path / "suites" / "test_cors.py").write_text(CORS)
    monkeypatch.setenv("FAKE_RUNTIME_LOG", str(pytester.path / "runtime.log"))
    monkeypatch.delenv("HARNESS_RUN_ID", raising=False)
    monkeypatch.delenv("HARNESS_WORKSPACE", raising=False)
    return pytester


@pytest.fixture
def add_suite(project: pytest.Pytester) -> Callable[[str, str], None]:
    """Write a suite file of that name."""

    def write(name: str, source: str) -> None:
        (project.path / "suites" / f"{name}.py").write_text(source)

    return write
