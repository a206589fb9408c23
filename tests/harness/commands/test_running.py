"""Child processes followed: what is read of a growing journal, and what a screen shows of it."""

from __future__ import annotations

import contextlib
import io
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console

from harness import journal
from harness.commands import running
from harness.commands.running import Child, Tail, follow
from harness.records import Event
from harness.session import PLANNED
from harness.verdict import Verdict
from tests.harness import make

DOES_NOTHING = "pass"
# Neither it nor its worker ends at the first interrupt, of which the worker alone tells.
STUBBORN = """
import os, signal, time
signal.signal(signal.SIGINT, lambda *_: os.getpid() == leader or os.write(1, b"heeded\\n"))
leader = os.getpid()
if not os.fork():
    print(os.getpid(), flush=True)
while True:
    time.sleep(60)
"""


def child(folder: Path, label: str, program: str = DOES_NOTHING) -> Child:
    log = folder / f"pytest-{label}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", program],
            stdin=subprocess.DEVNULL,
            stdout=output,
            start_new_session=True,
        )
    return Child(label=label, log=log, process=process)


def first_lines(log: Path, number: int) -> list[str]:
    """Waits until there are so many."""
    deadline = time.monotonic() + 30
    while log.read_text().count("\n") < number:
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.01)
    return log.read_text().splitlines()


def await_end(pid: int) -> None:
    """Waits until the process is gone, or a zombie that nobody has asked about."""
    deadline = time.monotonic() + 30
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        while Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
            assert time.monotonic() < deadline
            time.sleep(0.01)


def text(console: Console) -> str:
    return console.file.getvalue()  # type: ignore[attr-defined,no-any-return]


@pytest.fixture
def segment(tmp_path: Path) -> journal.Writer:
    journal.create(tmp_path / "j", make.run())
    return journal.join(tmp_path / "j", "production-7")


class TestTail:
    def test_what_is_new_is_read_once(self, segment: journal.Writer) -> None:
        tail = Tail(segment.directory)
        segment.write(Event(name="one"))
        first = [(kind, payload["name"]) for kind, payload in tail.records()]
        segment.write(Event(name="two"))

        assert first == [("event", "one")]
        assert [payload["name"] for _, payload in tail.records()] == ["two"]
        assert list(tail.records()) == []

    def test_half_a_line_waits_for_the_rest(self, segment: journal.Writer) -> None:
        segment.write(Event(name="one"))
        whole = segment.path.read_bytes()
        tail = Tail(segment.directory)

        segment.path.write_bytes(whole[:-9])
        assert list(tail.records()) == []
        segment.path.write_bytes(whole)
        assert [payload["name"] for _, payload in tail.records()] == ["one"]

    def test_what_is_no_record_is_left_to_the_reader_of_the_journal(self, segment: journal.Writer) -> None:
        segment.path.write_bytes(b"rubbish\n")
        segment.write(Event(name="one"))

        assert [payload["name"] for _, payload in Tail(segment.directory).records()] == ["one"]

    def test_the_owners_segment_is_not_the_childrens(self, tmp_path: Path) -> None:
        journal.create(tmp_path / "j", make.run()).write(Event(name="one"))

        assert list(Tail(tmp_path / "j").records()) == []


class TestFollow:
    def test_elsewhere_each_finding_that_is_no_pass_is_a_line(
        self, tmp_path: Path, segment: journal.Writer
    ) -> None:
        segment.write(Event(name=PLANNED, profile="production", detail={"items": 3}))
        segment.write(make.finding())
        segment.write(make.finding(Verdict.NOT_APPLICABLE))
        segment.write(make.finding(Verdict.FAIL, "it was [granted]\nat length"))
        segment.write(make.finding(Verdict.ERROR, "odd", profile="staging"))
        console = Console(file=io.StringIO(), width=200)

        profiles = ("testing", "production")
        interrupted = follow(child(tmp_path, "verify"), profiles, segment.directory, console)

        assert interrupted == 0
        assert text(console).splitlines() == [
            "production: middleware.cors.origins: fail: it was [granted]"
        ], "a profile that is not verified is not shown"

    def test_in_the_self_test_a_defect_is_to_fail(self, tmp_path: Path, segment: journal.Writer) -> None:
        planted = {"defect": "any origin", "defect_key": make.KEY}
        segment.write(make.finding(Verdict.FAIL, **planted))
        segment.write(make.finding(**planted))
        console = Console(file=io.StringIO(), width=200)

        follow(child(tmp_path, "selftest"), ("production",), segment.directory, console)

        assert text(console).rstrip() == "production: middleware.cors.origins: any origin: pass:"

    def test_a_terminal_has_a_bar_for_each_profile(self, tmp_path: Path, segment: journal.Writer) -> None:
        segment.write(Event(name=PLANNED, profile="production", detail={"items": 2}))
        segment.write(Event(name="deployment.ready", profile="production"))
        segment.write(make.finding())
        console = Console(file=io.StringIO(), width=80, force_terminal=True)

        follow(child(tmp_path, "verify"), ("production",), segment.directory, console)

        assert "production" in text(console)
        assert "1/2" in text(console)

    def test_the_first_interrupt_is_passed_on_and_the_second_kills_workers_too(
        self, tmp_path: Path, segment: journal.Writer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        stubborn = child(tmp_path, "production", STUBBORN)
        worker = int(first_lines(stubborn.log, 1)[0])
        presses = iter([1, 2])

        def sleep(_: float) -> None:
            if press := next(presses, None):
                first_lines(stubborn.log, press)
                raise KeyboardInterrupt
            stubborn.process.wait(30)

        monkeypatch.setattr(running, "time", SimpleNamespace(sleep=sleep))
        console = Console(file=io.StringIO(), width=200)

        assert follow(stubborn, ("production",), segment.directory, console) == 2
        assert first_lines(stubborn.log, 2)[1] == "heeded"
        assert stubborn.process.returncode == -signal.SIGKILL
        await_end(worker)
        assert "Ctrl-C again" in text(console)


def test_a_childs_last_lines_are_its_tail(tmp_path: Path) -> None:
    one = child(tmp_path, "production")
    one.log.write_text("".join(f"line {number}\n" for number in range(40)))
    one.process.wait(30)

    assert one.tail().splitlines() == [f"line {number}" for number in range(25, 40)]
