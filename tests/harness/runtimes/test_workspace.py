"""The workspace and its watchdog: a clean end, a joined one, and a harness that is killed."""

from __future__ import annotations

import io
import itertools
import os
import select
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from harness import watchdog, workspace
from harness.errors import RuntimeUnavailable
from harness.runtimes.engine import docker_answers
from harness.workspace import DIRECTORY_VARIABLE, Workspace, discard

KILLED = """
import subprocess, sys
from harness.workspace import Workspace

workspace = Workspace.open()
(workspace.folder("secrets") / "key").write_text("secret")
child = subprocess.Popen(["sleep", "600"], start_new_session=True)
if "docker" in sys.argv:
    from harness.runtimes.engine import Engine, Request
    engine = Engine(workspace.run_id)
    network = engine.network()
    engine.run(Request(image=sys.argv[2], command=("sleep", "600"), options={"init": True}), network)
print(workspace.run_id, workspace.root, child.pid, workspace._guard.pid, flush=True)
sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def _no_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(watchdog.RUN_VARIABLE, raising=False)
    monkeypatch.delenv(DIRECTORY_VARIABLE, raising=False)


def test_a_run_leaves_nothing() -> None:
    with Workspace.open() as run:
        folder = run.folder("secrets")
        assert stat.S_IMODE(run.root.stat().st_mode) == stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert os.environ[watchdog.RUN_VARIABLE] == run.run_id
        guard = run._guard

    assert not run.root.exists()
    assert watchdog.RUN_VARIABLE not in os.environ
    assert guard is not None
    assert guard.returncode == 0


def test_what_a_killed_part_of_the_run_has_left_is_removed_at_its_end() -> None:
    with Workspace.open():
        left = subprocess.Popen(["sleep", "600"], start_new_session=True)

    assert left.wait(5) == -signal.SIGKILL


def test_a_child_joins_and_leaves_the_run_to_its_owner() -> None:
    with Workspace.open() as run:
        with Workspace.open() as joined:
            assert (joined.run_id, joined.root) == (run.run_id, run.root)
            assert run.owner
            assert not joined.owner

        assert run.root.exists()


def test_closing_twice_is_closing_once() -> None:
    run = Workspace.open()
    closed: list[str] = []
    run.on_close(lambda: closed.append("first"))
    run.on_close(lambda: closed.append("second"))

    run.close()
    run.close()

    assert closed == ["second", "first"]


def test_a_closer_that_fails_leaves_the_rest_to_the_watchdog() -> None:
    run = Workspace.open()
    child = subprocess.Popen(["sleep", "600"], start_new_session=True)
    run.on_close(lambda: [][0])

    with pytest.raises(IndexError):
        run.close()

    assert child.wait(5) == -signal.SIGKILL
    assert not run.root.exists()


def test_what_was_left_up_is_removed_by_its_run_id() -> None:
    run = Workspace.open()
    child = subprocess.Popen(["sleep", "600"], start_new_session=True)

    run.detach()
    assert run.root.exists()
    assert child.poll() is None
    discard(run.run_id)

    assert child.wait(5) == -signal.SIGKILL
    assert not run.root.exists()


def test_a_directory_that_cannot_be_made_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(workspace.tempfile, "gettempdir", lambda: str(tmp_path / "none"))

    with pytest.raises(RuntimeUnavailable, match="cannot be made"):
        Workspace.open()


def test_a_watchdog_that_does_not_start_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workspace.watchdog, "__file__", "/nowhere/watchdog.py")

    with pytest.raises(RuntimeUnavailable, match="watchdog did not start"):
        Workspace.open()


def test_a_killed_harness_leaves_neither_process_nor_secret() -> None:
    run_id, root, child, guard = _killed()

    _wait_for_end(guard)
    assert not root.exists()
    assert not Path(f"/proc/{child}").exists()
    assert _processes(run_id) == []


@pytest.mark.skipif(not docker_answers(), reason="Docker does not answer")
def test_a_killed_harness_leaves_no_container_and_no_network(small_image: str) -> None:
    run_id, root, _, guard = _killed("docker", small_image)
    assert _labelled(run_id)

    _wait_for_end(guard)
    assert _labelled(run_id) == []
    assert not root.exists()


def test_the_watchdog_takes_a_daemon_that_is_not_there_for_nothing_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for host in (f"unix://{tmp_path}/none.sock", "ssh://host", "tcp://127.0.0.1:1"):
        monkeypatch.setenv("DOCKER_HOST", host)

        assert watchdog.remove_docker_objects("none") == 0


def test_what_shares_a_network_is_removed_one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    networks = {"edge": ["public", "shared"], "app": ["shared", "data"], "store": ["data"], "other": ["own"]}
    listed = [_in(name, found) for name, found in networks.items()]
    leaving: set[str] = set()
    met: list[set[str]] = []
    together = threading.Barrier(2, timeout=10)

    def ask(method: str, path: str) -> list[dict[str, Any]]:
        if method == "GET":
            return listed if path.startswith("/containers") else []
        name = path.removeprefix("/containers/").partition("?")[0]
        leaving.add(name)
        met.append({*leaving})
        if name in {"edge", "other"}:
            together.wait()  # what shares no network does not wait for another's end
        leaving.remove(name)
        return []

    monkeypatch.setattr(watchdog, "_asker", lambda: ask)

    assert watchdog.remove_docker_objects("a-run") == len(networks)
    assert {name for found in met for name in found} == set(networks)
    assert all(len(found - {"other"}) <= 1 for found in met)


@pytest.mark.parametrize("order", [*itertools.permutations(range(3))])
def test_neighbours_are_found_in_whatever_order_they_are_listed(order: tuple[int, ...]) -> None:
    names = [["public", "shared"], ["shared", "data"], ["data"]]
    chain = [_in(n, names[n]) for n in order]
    alone = [_in(3, ["own"]), {"Name": "a volume"}, {"Name": "b"}]

    groups = watchdog.neighbours([*chain, *alone])

    assert sorted(map(len, groups)) == [1, 1, 1, 3]
    assert {one["Id"] for one in max(groups, key=len)} == {*order}


@pytest.mark.parametrize(("word", "left"), [("goodbye\n", True), ("", False), ("nonsense", False)])
def test_only_the_goodbye_word_dismisses_the_watchdog(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, word: str, left: bool
) -> None:
    monkeypatch.setattr(watchdog.sys, "stdin", io.StringIO(word))
    monkeypatch.setattr(watchdog.signal, "signal", lambda *_: None)
    monkeypatch.setattr(watchdog, "_QUIET_S", 0.0)
    (tmp_path / "run").mkdir()

    watchdog.main("no-such-run", str(tmp_path / "run"))

    assert (tmp_path / "run").exists() is left


def test_a_sweep_that_always_finds_something_ends_in_time(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(watchdog, "_LIMIT_S", 0.0)
    monkeypatch.setattr(watchdog, "kill_processes", lambda _: 1)

    watchdog.sweep("no-such-run", tmp_path / "none")

    assert not (tmp_path / "none").exists()


def _in(name: object, networks: list[str]) -> dict[str, Any]:
    """Return a container of some networks, as Docker lists it."""
    return {"Id": name, "NetworkSettings": {"Networks": {network: {} for network in networks}}}


def _killed(*arguments: str) -> tuple[str, Path, int, int]:
    """Run a harness that starts things, kill it, and return what it had."""
    harness = subprocess.Popen(
        [sys.executable, "-c", KILLED, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert harness.stdout is not None
    run_id, root, child, guard = harness.stdout.readline().split()
    harness.kill()
    harness.communicate()
    return run_id, Path(root), int(child), int(guard)


def _wait_for_end(pid: int) -> None:
    """Wait until a process that is not a child has ended; the watchdog promises 15 s."""
    handle = os.pidfd_open(pid)
    try:
        ended, _, _ = select.select([handle], [], [], 15)
    finally:
        os.close(handle)
    assert ended, "the watchdog still runs after 15 s"


def _processes(run_id: str) -> list[int]:
    mark = f"{watchdog.RUN_VARIABLE}={run_id}".encode()
    return [pid for pid in watchdog._pids() if mark in watchdog._environment(pid)]


def _labelled(run_id: str) -> list[str]:
    found = []
    for kind in ("container", "network", "volume"):
        every = ["--all"] if kind == "container" else []
        filters = ["--filter", f"label={watchdog.RUN_LABEL}={run_id}"]
        done = subprocess.run(
            ["docker", kind, "ls", "--quiet", *every, *filters], capture_output=True, text=True, check=True
        )
        found += done.stdout.split()
    return found
