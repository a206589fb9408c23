"""The process that looks at the machine, as it runs."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path

import orjson
import pytest

from harness.disturbance import Following, Moment, watch, watching
from harness.watchdog import RUN_VARIABLE

BUSY = "import time\nend = time.monotonic() + 60\nwhile time.monotonic() < end: pass"


def busy(run_id: str = "") -> subprocess.Popen[bytes]:
    environment = {**os.environ, RUN_VARIABLE: run_id}
    return subprocess.Popen([sys.executable, "-I", "-S", "-c", BUSY], env=environment)


def own(pid: int) -> float:
    """Processor seconds of a process."""
    fields = watching._stat(str(pid))
    return (int(fields[12]) + int(fields[13])) / os.sysconf("SC_CLK_TCK")


def await_work(process: subprocess.Popen[bytes]) -> None:
    while own(process.pid) < 0.3:
        os.sched_yield()


def test_moments_follow_one_another_by_the_clock_that_all_share() -> None:
    began = time.monotonic()
    with watch() as seen:
        process = busy()
        await_work(process)
        process.kill()
        process.wait()
    ended = time.monotonic()

    assert seen.moments
    assert began <= seen.moments[0].began
    assert seen.moments[-1].ended <= ended
    for moment in seen.moments:
        assert moment.began < moment.ended
        assert 0 <= moment.idle <= (os.cpu_count() or 1) + 0.1
        assert moment.late_ms >= 0


@pytest.mark.parametrize(("of_this_run", "told"), [(True, 0.0), (False, 0.3)])
def test_work_of_the_run_is_its_own_and_other_work_is_told(
    monkeypatch: pytest.MonkeyPatch, told: float, *, of_this_run: bool
) -> None:
    monkeypatch.setenv(RUN_VARIABLE, "this-run")
    processes = watching.Processes("this-run")
    process = busy("this-run" if of_this_run else "another-run")
    try:
        await_work(process)
        found = {key: ticks for key, (_, ticks) in processes._ticks().items() if key[0] == str(process.pid)}
        ((key, _),) = found.items()
        assert processes._is_own(key, "python") is of_this_run
        assert sum(processes.busy().values()) >= told
    finally:
        process.kill()
        process.wait()


def test_this_process_and_what_it_was_started_by_belong_to_the_run() -> None:
    processes = watching.Processes("none")

    assert {str(os.getpid()), str(os.getppid())} <= processes._ancestors


def test_a_process_that_has_ended_has_no_fields() -> None:
    process = busy()
    process.kill()
    process.wait()

    assert watching._stat(str(process.pid)) == []
    assert watching._read(f"/proc/{process.pid}/environ") == b""


def test_docker_that_does_not_answer_has_no_containers_of_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "_SOCKET", "/nowhere/docker.sock")

    assert watching._containers("this-run") == []


def test_processors_tell_what_passed() -> None:
    processors = watching.Processors()
    process = busy()
    await_work(process)
    process.kill()
    process.wait()

    idle, stolen, throttled = processors.passed()

    assert idle >= 0
    assert stolen >= 0
    assert throttled >= 0


def test_moments_can_be_followed_while_they_are_written(tmp_path: Path) -> None:
    moment = Moment(began=1.0, ended=1.5, late_ms=1.0, idle=1.0, stolen=0.0, throttled=0.0, others={"a": 1.0})
    line = orjson.dumps(asdict(moment)) + b"\n"
    file = tmp_path / "moments"
    file.write_bytes(line[:40])
    following = Following(str(file))
    assert following.new() == []
    file.write_bytes(line + line + line[:20])

    assert following.new() == [moment, moment]
    assert following.new() == []
    file.write_bytes(line * 3)
    assert following.new() == [moment]
