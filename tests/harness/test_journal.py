"""The journal: what was written is read back, and what is missing, cut off or edited is found and named."""

from __future__ import annotations

import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness import chain, journal
from harness.errors import JournalError
from harness.journal import JournalFull, JournalView, Writer
from harness.records import Event, Finding
from harness.verdict import Verdict
from tests.harness import make

FINDINGS = (make.finding(), make.finding(Verdict.FAIL, check=f"{make.CHECK}[b]"))
EVENT = Event(name="deployment.ready", profile="production", seconds=1.5, detail={"port": 1}, at=make.STARTED)


def complete(directory: Path) -> Path:
    """A journal of two writers, both ended."""
    owner = journal.create(directory, make.run())
    child = journal.join(directory, "production-7")
    child.write(EVENT)
    for finding in FINDINGS:
        child.write(finding)
    child.end()
    owner.write(make.proof())
    owner.end()
    return directory


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    return complete(tmp_path / "j")


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return complete(tmp_path_factory.mktemp("pristine") / "j")


@pytest.fixture(scope="module")
def copies(pristine: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Names of directories that are not there yet, for examples of one test."""
    folder = tmp_path_factory.mktemp("copies")
    return (folder / str(number) for number in count())


def copy(pristine: Path, directory: Path, **changed: bytes | None) -> Path:
    """A copy in which some files have other content, or (None) are missing; `_` stands for `-`."""
    contents = {path.name: path.read_bytes() for path in pristine.iterdir()}
    contents |= {f"{stem.replace('_', '-')}.jsonl": data for stem, data in changed.items()}  # type: ignore[misc]
    directory.mkdir()
    for name, data in contents.items():
        if data is not None:
            (directory / name).write_bytes(data)
    return directory


@contextmanager
def disk_of(size: int) -> Iterator[None]:
    """No file of this process grows beyond `size` bytes inside the block."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def only_problem(view: JournalView) -> str:
    (problem,) = view.problems
    assert not view.complete
    return problem


def test_what_was_written_is_read_back(whole: Path) -> None:
    view = journal.read(whole)
    assert view == JournalView(
        path=whole,
        run=replace(make.run(), signer=view.run.signer),
        findings=FINDINGS,
        events=(EVENT,),
        proofs=(make.proof(),),
        complete=True,
        problems=(),
    )


def test_proofs_of_the_head_come_first(tmp_path: Path) -> None:
    kept, made = make.proof(check="kept"), make.proof(check="made")
    with_proof = journal.create(tmp_path / "j", make.run(proofs=(kept,)))
    with_proof.write(made)
    with_proof.end()

    assert journal.read(tmp_path / "j").proofs == (kept, made)


def test_a_record_is_on_disk_before_its_writer_goes_on(tmp_path: Path) -> None:
    writer = journal.create(tmp_path / "j", make.run())
    writer.write(FINDINGS[0])

    assert journal.read(tmp_path / "j").findings == FINDINGS[:1]
    writer.end()


class TestCutOff:
    @settings(max_examples=150)
    @given(data=st.data())
    def test_a_segment_cut_anywhere_is_incomplete_and_keeps_what_was_whole(
        self, pristine: Path, copies: Iterator[Path], data: st.DataObject
    ) -> None:
        content = (pristine / "production-7.jsonl").read_bytes()
        length = data.draw(st.integers(0, len(content) - 1))

        view = journal.read(copy(pristine, next(copies), production_7=content[:length]))

        assert not view.complete
        assert all(problem.startswith("production-7.jsonl: ") for problem in view.problems)
        assert view.findings == FINDINGS[: max(0, content[:length].count(b"\n") - 1)]

    @settings(max_examples=100)
    @given(data=st.data())
    def test_so_is_the_owners(self, pristine: Path, copies: Iterator[Path], data: st.DataObject) -> None:
        content = (pristine / "main.jsonl").read_bytes()
        length = data.draw(st.integers(0, len(content) - 1))

        view = journal.read(copy(pristine, next(copies), main=content[:length]))

        assert not view.complete
        assert view.findings == FINDINGS

    def test_a_killed_writer_leaves_what_it_wrote(self, tmp_path: Path) -> None:
        journal.create(tmp_path / "j", make.run()).end()
        written = (
            "import sys, time; from pathlib import Path; from harness.journal import Writer\n"
            "from harness.records import Event\n"
            "writer = Writer(Path(sys.argv[1]), 'child')\n"
            "writer.write(Event(name='seen')); print('written', flush=True); time.sleep(60)"
        )
        child = subprocess.Popen(
            [sys.executable, "-c", written, str(tmp_path / "j")], stdout=subprocess.PIPE, text=True
        )
        assert child.stdout is not None
        assert child.stdout.readline() == "written\n"
        child.send_signal(signal.SIGKILL)
        child.communicate()

        view = journal.read(tmp_path / "j")

        assert [event.name for event in view.events] == ["seen"]
        assert "child.jsonl: it has no end: its writer was stopped" in view.problems[0]

    @pytest.mark.parametrize("length", [0, 1, 100])
    def test_without_its_head_nothing_can_be_decided(self, whole: Path, length: int) -> None:
        head = whole / "run.json"
        head.write_bytes(head.read_bytes()[:length])

        with pytest.raises(JournalError, match=r"run\.json: the head of this journal cannot be read"):
            journal.read(whole)


class TestEdited:
    def test_a_changed_verdict_is_found(self, whole: Path) -> None:
        segment = whole / "production-7.jsonl"
        segment.write_bytes(segment.read_bytes().replace(b'"verdict":"fail"', b'"verdict":"pass"'))

        problem = only_problem(journal.read(whole))

        assert problem == "production-7.jsonl: line 3 was edited: it does not match its hash"

    def test_a_changed_head_is_found(self, whole: Path) -> None:
        head = whole / "run.json"
        head.write_bytes(head.read_bytes().replace(b'"target":"reference"', b'"target":"other"'))

        assert "run.json: line 1 was edited" in journal.read(whole).problems[0]

    def test_a_segment_forged_whole_does_not_match_the_seal(self, whole: Path) -> None:
        segment = whole / "production-7.jsonl"
        segment.unlink()
        forger = Writer(whole, "production-7")
        forger.write(FINDINGS[0])
        forger.end()

        problem = only_problem(journal.read(whole))

        assert "production-7.jsonl: it was edited after the run ended" in problem

    @pytest.mark.parametrize("name", ["production-7", "main"])
    def test_a_missing_segment_is_named(self, whole: Path, name: str) -> None:
        (whole / f"{name}.jsonl").unlink()

        assert only_problem(journal.read(whole)) == f"{name}.jsonl: this segment is missing"

    def test_a_segment_added_later_is_named(self, whole: Path) -> None:
        late = Writer(whole, "late")
        late.write(FINDINGS[0])
        late.end()

        assert only_problem(journal.read(whole)) == "late.jsonl: this segment was added after the run ended"

    def test_a_segment_of_another_run_does_not_fit(self, whole: Path, tmp_path: Path) -> None:
        other = journal.create(tmp_path / "other", make.run(run_id="20261125T000000-000000"))
        foreign = journal.join(tmp_path / "other", "production-7")
        for record in (EVENT, *FINDINGS):
            foreign.write(record)
        foreign.end()
        other.end()
        (whole / "production-7.jsonl").write_bytes((tmp_path / "other/production-7.jsonl").read_bytes())

        assert "production-7.jsonl: line 1 was edited" in journal.read(whole).problems[0]

    def test_a_record_that_is_none_is_named_though_its_chain_fits(self, tmp_path: Path) -> None:
        journal.create(tmp_path, make.run())
        head = journal._head_hash(tmp_path)
        link = chain.first_link(head, "odd")
        first, link = chain.encode(link, 0, "finding", {"verdict": "marvellous"})
        second, link = chain.encode(link, 1, "remark", "of a later version")
        end, _ = chain.encode(link, 2, "end", {"finding": 2})
        (tmp_path / "odd.jsonl").write_bytes(first + second + end)

        problems = [problem for problem in journal.read(tmp_path).problems if problem.startswith("odd")]

        assert len(problems) == 2
        assert "record 0 was edited: not a finding" in problems[0]
        assert "its end counts other records than it holds" in problems[1]

    def test_the_head_may_be_signed_by_nothing_but_a_run(self, whole: Path) -> None:
        line, _ = chain.encode(chain.ORIGIN, 0, "run", {"run_id": "x"})
        (whole / "run.json").write_bytes(line)

        with pytest.raises(JournalError, match="head of this journal cannot be read"):
            journal.read(whole)


class TestBeginning:
    def test_a_journal_is_never_overwritten(self, whole: Path) -> None:
        with pytest.raises(JournalError, match="holds a journal already"):
            journal.create(whole, make.run())

        assert journal.read(whole).complete

    def test_a_finished_one_takes_no_more(self, whole: Path) -> None:
        with pytest.raises(JournalError, match="holds a finished journal"):
            journal.join(whole, "late")

    def test_there_must_be_one_to_join_and_to_read(self, tmp_path: Path) -> None:
        with pytest.raises(JournalError):
            journal.join(tmp_path, "child")
        with pytest.raises(JournalError, match="no journal here"):
            journal.read(tmp_path)

    def test_an_empty_head_cannot_be_joined(self, tmp_path: Path) -> None:
        (tmp_path / "run.json").touch()

        with pytest.raises(JournalError, match="no journal here to join"):
            journal.join(tmp_path, "child")

    def test_a_segment_is_never_shared(self, whole: Path) -> None:
        with pytest.raises(JournalFull, match=r"production-7\.jsonl"):
            Writer(whole, "production-7")

    def test_a_place_that_cannot_be_written_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()

        with pytest.raises(JournalFull, match=r"run\.json: cannot be written"):
            journal.create(tmp_path / "file" / "j", make.run())

    def test_what_cannot_be_read_is_a_users_mistake(self, whole: Path) -> None:
        (whole / "odd.jsonl").mkdir()

        with pytest.raises(JournalError, match=r"odd\.jsonl"):
            journal.read(whole)


class TestFullDisk:
    def test_what_was_written_before_stays_readable(self, tmp_path: Path) -> None:
        writer = journal.create(tmp_path / "j", make.run())
        writer.write(FINDINGS[0])
        full_soon = writer.path.stat().st_size + 40

        with disk_of(full_soon), pytest.raises(JournalFull, match="cannot be written") as refused:
            writer.write(FINDINGS[1])

        assert f"harness report {tmp_path / 'j'}" in refused.value.remedy
        view = journal.read(tmp_path / "j")
        assert view.findings == FINDINGS[:1]
        assert "cut off" not in only_problem(view), "half a line would read as a crash"

    def test_a_segment_that_was_full_stays_closed(self, tmp_path: Path) -> None:
        writer = journal.create(tmp_path / "j", make.run())
        with disk_of(0), pytest.raises(JournalFull):
            writer.write(FINDINGS[0])

        with pytest.raises(JournalFull, match="this segment is closed"):
            writer.write(FINDINGS[0])
        writer.end()
        assert not journal.read(tmp_path / "j").complete, "it looks finished though a finding is missing"

    def test_a_full_disk_at_the_beginning_is_said(self, tmp_path: Path) -> None:
        with disk_of(10), pytest.raises(JournalFull, match=r"run\.json"):
            journal.create(tmp_path / "j", make.run())

    def test_a_full_disk_at_the_end_leaves_it_unsealed(self, tmp_path: Path) -> None:
        writer = journal.create(tmp_path / "j", make.run())
        writer.write(FINDINGS[0])
        with disk_of(writer.path.stat().st_size), pytest.raises(JournalFull):
            writer.end()

        assert not journal.read(tmp_path / "j").complete


def test_threads_may_share_a_writer(tmp_path: Path) -> None:
    writer = journal.create(tmp_path / "j", make.run())
    findings = [make.finding(check=f"{make.CHECK}[{number}]") for number in range(60)]
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(writer.write, findings))
    writer.end()

    view = journal.read(tmp_path / "j")

    assert view.complete, view.problems
    assert {found.check for found in view.findings} == {finding.check for finding in findings}


def test_ending_twice_is_ending_once(tmp_path: Path) -> None:
    writer = journal.create(tmp_path / "j", make.run())
    writer.end()
    writer.end()

    assert journal.read(tmp_path / "j").complete


def test_the_time_is_in_utc() -> None:
    moment = datetime.fromisoformat(journal.now())

    assert journal.now().endswith("Z")
    assert moment.utcoffset() == datetime.fromisoformat(make.STARTED).utcoffset()


def test_findings_keep_the_order_in_which_they_were_written(tmp_path: Path) -> None:
    writer = journal.create(tmp_path / "j", make.run())
    for number in range(12):
        writer.write(make.finding(check=str(number)))
    writer.end()

    read: tuple[Finding, ...] = journal.read(tmp_path / "j").findings
    assert [finding.check for finding in read] == [str(number) for number in range(12)]
