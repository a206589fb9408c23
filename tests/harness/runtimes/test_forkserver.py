"""A fork server and its children: they are what a started program would be."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness import places
from harness.errors import ProbeFailed
from harness.runtimes.forkserver import CannotFork, Forked, ForkServer, modules_of
from harness.runtimes.program import Program, Started, start

LOOKS = places.PROJECT / "tests" / "targets" / "looks"
WITHIN_S = 60.0


def _environment(home: Path) -> dict[str, str]:
    (home / "tmp").mkdir(parents=True, exist_ok=True)
    return {
        "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
        "HOME": str(home),
        "TMPDIR": str(home / "tmp"),
        "LANG": "C.UTF-8",
        "PYTHONUNBUFFERED": "1",
    }


def _server(home: Path, modules: tuple[str, ...] = (), code: Path | None = None) -> ForkServer:
    extra = {"PYTHONPATH": str(code)} if code else {}
    return ForkServer(sys.executable, modules, _environment(home) | extra, home)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("the-servers-own")


@pytest.fixture(scope="module")
def server(home: Path) -> Iterator[ForkServer]:
    """With all that the reference loads."""
    modules = modules_of(places.PACKAGE, sys.executable, places.REQUIREMENTS)
    made = _server(home, modules)
    yield made
    made.close()


@pytest.fixture
def program(tmp_path: Path) -> Program:
    own = tmp_path / "own"
    return Program(
        argv=(sys.executable, "-m", "looks", "return"),
        environment=_environment(own) | {"PYTHONPATH": str(LOOKS), "SECRET": "s3cr3t", "NAME": "a=b"},
        python=sys.executable,
        directory=own,
        code=LOOKS,
        port=0,
        redirect_port=None,
    )


def _log(program: Program) -> Path:
    return program.directory / "server.log"


def _started(how: Callable[..., Started], program: Program) -> Started:
    with _log(program).open("wb") as log:
        return how(program, log)


def _run(how: Callable[..., Started], program: Program, *arguments: str) -> tuple[int, dict[str, Any], str]:
    """Return the exit status, what was seen, and what else was printed."""
    asked = replace(program, argv=(*program.argv[:3], *arguments))
    status = _started(how, asked).wait(WITHIN_S)
    first, _, rest = _log(program).read_text(encoding="utf-8").partition("\n")
    return status, json.loads(first), rest


@pytest.mark.parametrize(
    ("end", "status"),
    [
        ("return", 0),
        ("fail", 1),
        ("say", 1),
        ("status", 7),
        ("interrupt", -signal.SIGINT),
        ("die", -signal.SIGKILL),
    ],
)
def test_a_child_sees_ends_and_prints_what_a_program_does(
    server: ForkServer, program: Program, end: str, status: int
) -> None:
    began = _run(start, program, end)
    forked = _run(server.start, program, end)

    assert forked == began
    assert forked[0] == status
    assert forked[1]["environment"] == [[name, value] for name, value in program.environment.items()]


def test_nothing_of_the_server_is_left_in_a_child(server: ForkServer, program: Program, home: Path) -> None:
    _, seen, _ = _run(server.start, program, "return", str(home))

    assert seen["left"] == []


def test_each_child_draws_numbers_of_its_own(server: ForkServer, program: Program) -> None:
    asked = replace(program, argv=(*program.argv[:3], "draw"))
    drawn = []
    for _ in range(2):
        assert _started(server.start, asked).wait(WITHIN_S) == 0
        drawn += _log(program).read_text(encoding="utf-8").split()

    assert len(set(drawn)) == 6


@pytest.fixture
def staying(server: ForkServer, program: Program) -> Iterator[Forked]:
    """A child that runs until it is told to end."""
    child = _started(server.start, replace(program, argv=(*program.argv[:3], "stay")))
    assert isinstance(child, Forked)
    yield child
    child.send_signal(signal.SIGKILL)
    child.wait(WITHIN_S)


def test_a_child_runs_until_it_is_told_to_end(staying: Forked) -> None:
    assert staying.poll() is None
    with pytest.raises(subprocess.TimeoutExpired):
        staying.wait(0.01)

    staying.send_signal(signal.SIGTERM)

    assert staying.wait(WITHIN_S) == -signal.SIGTERM
    assert staying.poll() == -signal.SIGTERM
    staying.send_signal(signal.SIGTERM)  # nobody is left to get it


def test_its_pid_is_kept_until_its_end_is_known(staying: Forked) -> None:
    os.kill(staying.pid, signal.SIGTERM)
    stat = Path(f"/proc/{staying.pid}/stat")
    deadline = time.monotonic() + WITHIN_S
    while stat.read_text().rpartition(")")[2].split()[0] != "Z":
        assert time.monotonic() < deadline

    assert staying.wait(WITHIN_S) == -signal.SIGTERM
    assert not stat.exists()


@pytest.mark.parametrize(
    ("argv", "environment", "reason"),
    [
        (("/usr/bin/python3", "-m", "looks", "return"), {}, "not started by"),
        ((sys.executable, "-X", "dev", "-m", "looks"), {}, "not started by"),
        ((sys.executable, "-m", "-c"), {}, "not started by"),
        ((sys.executable, "-m", "looks", "return"), {"PYTHONOPTIMIZE": "1"}, "PYTHONOPTIMIZE is read"),
        ((sys.executable, "-m", "looks", "return"), {"LANG": "C"}, "LANG is read"),
        ((sys.executable, "-m", "looks", "return"), {"PYDANTIC_DISABLE_PLUGINS": "1"}, "PYDANTIC_DISABLE"),
    ],
)
def test_what_would_not_be_the_same_is_not_forked(
    server: ForkServer, program: Program, argv: tuple[str, ...], environment: dict[str, str], reason: str
) -> None:
    asked = replace(program, argv=argv, environment={**program.environment, **environment})

    with pytest.raises(CannotFork, match=reason):
        _started(server.start, asked)


def test_a_child_that_cannot_begin_says_why(server: ForkServer, program: Program, tmp_path: Path) -> None:
    asked = replace(program, directory=tmp_path / "nowhere")

    with (tmp_path / "log").open("wb") as log, pytest.raises(CannotFork, match="nowhere"):
        server.start(asked, log)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (
            "import threading, time\nthreading.Thread(target=time.sleep, args=(99,), daemon=True).start()",
            "threads",
        ),
        ("import asyncio\nloop = asyncio.new_event_loop()", "open files"),
        ("print('hello')", "what was printed"),
        ("import os\nos.environ['MODE'] = 'x'", "the environment"),
        ("import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)", "signal handlers"),
        ("import sys\nsys.path.insert(0, '/nowhere')", "the search path"),
        ("import os\nall = dict(os.environ)", "reads the whole environment"),
        ("1 / 0", "ZeroDivisionError"),
    ],
)
def test_a_module_that_does_more_than_load_is_not_held(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "busy.py").write_text(text, encoding="utf-8")

    with pytest.raises(CannotFork, match=reason):
        _server(tmp_path / "home", ("busy",), code=tmp_path)


def test_what_a_module_looks_up_must_be_the_same(tmp_path: Path, program: Program) -> None:
    (tmp_path / "curious.py").write_text("import os\nFAST = os.environ.get('FAST')", encoding="utf-8")
    server = _server(tmp_path / "home", ("curious", "no_such_module"), code=tmp_path)
    try:
        assert _run(server.start, program, "return")[0] == 0
        with pytest.raises(CannotFork, match="FAST is read"):
            _started(server.start, replace(program, environment={**program.environment, "FAST": "1"}))
    finally:
        server.close()


@pytest.fixture
def mortal(tmp_path: Path) -> Iterator[ForkServer]:
    """A server of the test's own."""
    made = _server(tmp_path / "home")
    yield made
    made.close()


def test_children_outlive_their_server(mortal: ForkServer, program: Program) -> None:
    child = _started(mortal.start, replace(program, argv=(*program.argv[:3], "stay")))

    mortal.close()
    mortal.close()

    os.killpg(child.pid, signal.SIGKILL)
    with pytest.raises(ProbeFailed, match="its fork server has ended"):
        child.wait(WITHIN_S)


def test_a_server_that_was_killed_forks_no_more(mortal: ForkServer, program: Program) -> None:
    mortal._process.kill()
    mortal._process.wait()

    with pytest.raises(CannotFork, match="does not answer"):
        _started(mortal.start, program)


def test_a_server_ends_with_the_harness(mortal: ForkServer) -> None:
    mortal._control.close()

    assert mortal._process.wait(WITHIN_S) == 0


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small package, which loads two modules; what is kept of it goes to a folder of the test's own."""
    monkeypatch.setattr(places, "BUILD", tmp_path / "build")
    folder = tmp_path / "small"
    (folder / "deep").mkdir(parents=True)
    (folder / "requirements.txt").touch()
    (folder / "__init__.py").touch()
    (folder / "deep" / "__init__.py").write_text("import colorsys\nprint('tabnanny')", encoding="utf-8")
    (folder / "lazy.py").write_text("import nobody_has_this", encoding="utf-8")
    (folder / "__main__.py").write_text("import antigravity", encoding="utf-8")
    return folder


def test_the_modules_are_those_that_the_package_loads(package: Path) -> None:
    names = modules_of(package, sys.executable, package / "requirements.txt")

    assert "colorsys" in names
    assert not {"small", "small.deep", "__main__", "antigravity", "tabnanny"} & {*names}


def test_they_are_found_once_and_anew_when_something_changed(package: Path) -> None:
    requirements = package / "requirements.txt"
    first = modules_of(package, sys.executable, requirements)
    kept = places.BUILD / "preload" / "small.json"
    kept.write_text(kept.read_text().replace("colorsys", "kept"))

    assert "kept" in modules_of(package, sys.executable, requirements)
    requirements.write_text("more")
    assert modules_of(package, sys.executable, requirements) == first
    (package / "lazy.py").write_text("import colorsys\nimport chunk", encoding="utf-8")
    assert "chunk" in modules_of(package, sys.executable, requirements)


def test_a_package_that_cannot_be_loaded_is_named(package: Path) -> None:
    (package / "__init__.py").write_text("1 / 0", encoding="utf-8")

    with pytest.raises(CannotFork, match="modules of small cannot be listed: ZeroDivisionError"):
        modules_of(package, sys.executable, package / "requirements.txt")
    with pytest.raises(CannotFork, match="no-python"):
        modules_of(package, "/no-python", package / "requirements.txt")
