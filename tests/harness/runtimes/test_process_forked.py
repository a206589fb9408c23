"""The reference forked, and the reference started as a program of its own: nobody can tell them apart."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.defects import CLEAN, Variation, added, edit, secret
from harness.probes.inside import run_inside
from harness.records import Event
from harness.runtimes import Deployment, Specification, StartFailure, process
from harness.runtimes.process import NO_FORK, ProcessRuntime
from harness.target import Source, parse_target
from harness.watchdog import RUN_VARIABLE
from harness.workspace import Workspace
from tests.harness.runtimes.asking import ask

WAYS = ("forked", "program")
PRODUCTION = Specification(profile="production")


@pytest.fixture(scope="module")
def told() -> list[Event]:
    return []


@pytest.fixture(scope="module")
def reference(workspace: Workspace, told: list[Event]) -> Iterator[ProcessRuntime]:
    made = ProcessRuntime(parse_target("reference"), workspace, told.append)
    yield made
    made.close()


def _alike(text: str, deployment: Deployment | None = None) -> str:
    """A text without what differs from one start to the next in any case."""
    if deployment is not None:
        text = text.replace(deployment.base_url.rpartition(":")[2], "PORT")
        text = text.replace((deployment.plain_url or "").rpartition(":")[2] or "?", "PLAIN")
    text = re.sub(r"/[^ \"\0]*/deployment-\d+-\d+", "HOME", text)
    return re.sub(r'"(ts|request_id|pid|worker|duration_ms)":[^,}]+', r'"\1":…', text)


class Way:
    """Starts the reference in one of the two ways."""

    def __init__(self, name: str, runtime: ProcessRuntime, monkeypatch: pytest.MonkeyPatch) -> None:
        self.name = name
        self._runtime = runtime
        self._monkeypatch = monkeypatch

    def start(self, variation: Variation = CLEAN) -> Deployment:
        with self._monkeypatch.context() as patch:
            if self.name == "program":
                patch.setenv(NO_FORK, "1")
            return self._runtime.start(replace(PRODUCTION, variation=variation))

    def try_start(self, variation: Variation) -> StartFailure | None:
        with self._monkeypatch.context() as patch:
            if self.name == "program":
                patch.setenv(NO_FORK, "1")
            return self._runtime.try_start(replace(PRODUCTION, variation=variation), timeout_s=60)


@pytest.fixture
def ways(reference: ProcessRuntime, monkeypatch: pytest.MonkeyPatch) -> list[Way]:
    return [Way(name, reference, monkeypatch) for name in WAYS]


def _processes(deployment: Deployment) -> list[dict[str, Any]]:
    """What can be seen from outside of the processes of a server, its main one first."""
    found: list[dict[str, Any]] = []
    for pid, arguments, environment, writes in json.loads(run_inside(deployment, "list_processes")):
        own = Path(f"/proc/{pid}")
        found.append(
            {
                "main": os.getsid(pid) == pid,
                "group": os.getpgid(pid) == os.getsid(pid),
                "arguments": bytes.fromhex(arguments).decode(),
                "environment": sorted(_alike(bytes.fromhex(environment).decode(), deployment).split("\0")),
                "writes": [_alike(path) for path in writes],
                "name": (own / "comm").read_text(),
                "program": str((own / "exe").readlink()),
                "limits": (own / "limits").read_text(),
                "outputs": [_alike(str((own / "fd" / str(number)).readlink())) for number in range(3)],
                "directory": _alike(str((own / "cwd").readlink())),
            }
        )
    return sorted(found, key=lambda one: not one["main"])


def _listed(deployment: Deployment) -> list[int]:
    return [pid for pid, *_ in json.loads(run_inside(deployment, "list_processes"))]


def _parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def _described(deployment: Deployment) -> str:
    return _alike(
        deployment.execute(["python", "-m", "panotti", "describe"], timeout_s=60).stdout, deployment
    )


def _up(way: Way) -> dict[str, Any]:
    """One that was up, and then told to end."""
    deployment = way.start()
    seen = {
        "ready": ask(deployment.base_url, deployment.ca_file, "/health/ready"),
        "refused": _alike(json.dumps(ask(deployment.base_url, deployment.ca_file, "/version"))),
        "processes": _processes(deployment),
        "described": _described(deployment),
    }
    deployment.terminate()
    seen["status"] = deployment.wait_exit(30)
    deployment.stop()
    # How often it was asked before it was ready is chance, and which worker ends first.
    lines = _alike(deployment.logs(), deployment).splitlines()
    return seen | {"log": sorted({*lines})}


def test_both_are_seen_serve_and_end_alike(ways: list[Way], told: list[Event]) -> None:
    forked, program = (_up(way) for way in ways)

    assert forked == program
    assert forked["status"] == 0
    assert len(forked["processes"]) > 1
    assert [event.detail["start"] for event in told[-2:]] == [*WAYS]


@pytest.mark.parametrize(
    "variation",
    [
        secret("api_key", None),
        edit("it fails", "panotti/supervisor.py", "    app = build_app", "    1 / 0\n    app = build_app"),
        edit(
            "it aborts",
            "panotti/supervisor.py",
            "    app = build",
            "    import os; os.abort()\n    app = build",
        ),
    ],
    ids=lambda variation: variation.title,
)
def test_both_fail_alike(ways: list[Way], variation: Variation) -> None:
    forked, program = (way.try_start(variation) for way in ways)

    assert forked is not None
    assert program is not None
    assert forked.status == program.status not in {0, None}
    assert _alike(forked.output) == _alike(program.output)


def test_an_edit_is_loaded_in_a_child_too(ways: list[Way], told: list[Event]) -> None:
    shouts = edit("shout", "panotti/__main__.py", "from panotti", "print('patched')\nfrom panotti")

    deployment = ways[0].start(shouts)

    assert deployment.logs().startswith("patched\n")
    assert told[-1].detail["start"] == "forked"
    deployment.stop()


def test_a_program_put_in_its_place_has_the_given_environment(ways: list[Way]) -> None:
    again = edit(
        "it starts again",
        "panotti/__main__.py",
        '    app(prog_name="panotti")\n',
        "    import os, sys\n"
        '    if "AGAIN" not in os.environ:\n'
        '        os.execve(sys.executable, sys.orig_argv, {**os.environ, "AGAIN": "yes"})\n'
        '    app(prog_name="panotti")\n',
    )
    found = []
    for way in ways:
        deployment = way.start(again)
        found.append(_processes(deployment))
        deployment.stop()

    assert found[0] == found[1]
    assert "AGAIN=yes" in found[0][0]["environment"]


@pytest.mark.parametrize("path", ["colorsys.py", "h11-9.9.dist-info/METADATA"])
def test_what_may_change_a_dependency_is_a_program_of_its_own(
    ways: list[Way], told: list[Event], path: str
) -> None:
    deployment = ways[0].start(added("a file more", path, "Name: h11\nVersion: 9.9\n" if "-" in path else ""))

    assert told[-1].detail["start"] == "program"
    assert told[-1].detail["because"] == f"{path} would be found before the modules that are loaded"
    deployment.stop()


def test_a_target_of_ones_own_is_a_program_of_its_own(small: Source, workspace: Workspace) -> None:
    told: list[Event] = []
    runtime = ProcessRuntime(small, workspace, told.append)

    runtime.start(Specification(profile="testing"))

    assert told[-1].detail["because"] == "what a target of one's own loads is not known"
    runtime.close()


def test_where_no_server_can_fork_the_reason_is_told_and_all_are_programs(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Event] = []
    monkeypatch.setattr(process, "modules_of", lambda *_: ("this",))
    runtime = ProcessRuntime(parse_target("reference"), workspace, told.append)

    for instance in ("one", "other"):
        runtime.start(Specification(profile="testing", instance=instance))

    because = [str(event.detail["because"]) for event in told]
    assert because == ["loading its packages changed what was printed"] * 2
    runtime.close()


def test_all_that_is_forked_carries_the_run(ways: list[Way], workspace: Workspace) -> None:
    deployment = ways[0].start()
    mark = f"{RUN_VARIABLE}={workspace.run_id}"

    assert all(mark in one["environment"] for one in _processes(deployment))
    server = Path(f"/proc/{_parent(os.getsid(_listed(deployment)[0]))}")
    assert mark in (server / "environ").read_text().split("\0")
    deployment.stop()
