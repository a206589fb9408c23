"""The ledger's file: read as it was written, replaced as a whole, and void where somebody touched it."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from harness.errors import UserError
from harness.ledger.entries import HEAD, Void, encode
from harness.ledger.store import NAME, Ledger, read, write
from tests.harness import make
from tests.harness.ledger.conftest import entry

VOID = Void(proof=f"{make.CHECK}#{make.KEY}", why="it was missed", seed=7, at=make.STARTED)


def ledger(*keys: str, **given: object) -> Ledger:
    entries = {(make.CHECK, key): entry(defect_key=key) for key in keys}
    return Ledger(entries=entries, files={"suites/test_cors.py": "abc"}, **given)  # type: ignore[arg-type]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "suites").mkdir()
    return tmp_path


def problems(root: Path, content: bytes) -> tuple[str, ...]:
    (root / NAME).write_bytes(content)
    return read(root).problems


def test_what_is_written_is_read(root: Path) -> None:
    kept = ledger("a", "b", void=VOID)

    path = write(root, kept)

    assert path == root / "suites" / "proofs.lock"
    assert read(root) == kept
    assert path.stat().st_mode & 0o777 == 0o644


def test_without_a_file_there_is_none(root: Path) -> None:
    assert read(root) == Ledger(there=False)


def test_lines_stand_in_one_order_whatever_the_order_they_came_in(root: Path) -> None:
    first = write(root, ledger("b", "a", "c")).read_bytes()
    second = write(root, ledger("c", "b", "a")).read_bytes()

    assert first == second
    assert [line[2:8] for line in first.splitlines()] == [b"ledger", *[b'proof"'] * 3, b'file":']


def test_a_change_of_one_proof_is_a_change_of_one_line(root: Path) -> None:
    before = write(root, ledger("a", "b", "c")).read_bytes().splitlines()
    changed = ledger("a", "b", "c")
    entries = {**changed.entries, (make.CHECK, "b"): entry(defect_key="b", seconds=9)}
    after = write(root, Ledger(entries=entries, files=changed.files)).read_bytes().splitlines()

    assert [one == other for one, other in zip(before, after, strict=True)] == [True, True, False, True, True]


def test_a_file_that_is_cut_off_within_a_line_is_a_problem_of_that_line(root: Path) -> None:
    content = write(root, ledger("a", "b")).read_bytes()
    ends = [at for at, byte in enumerate(content) if byte == ord("\n")]
    whole = {0, *ends, *(at + 1 for at in ends)}

    for at in range(len(content)):
        if at not in whole:
            found = problems(root, content[:at])
            assert found == (
                f"{NAME}, line {content[:at].count(10) + 1}: it is cut off, or no line of a ledger",
            )


def test_what_is_cut_off_between_lines_is_only_not_there(root: Path) -> None:
    lines = write(root, ledger("a", "b")).read_bytes().splitlines(keepends=True)

    assert problems(root, b"".join(lines[:2])) == ()
    assert [*read(root).entries] == [(make.CHECK, "a")]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "line 1: it is cut off"),
        (encode({"ledger": 2}), "line 1: it is of format 2, 1 is known here"),
        (encode({"file": "a", "digest": "b"}), "line 1: the head does not stand first"),
        (encode(HEAD) * 2, "line 2: the head does not stand first"),
        (
            encode(HEAD) + encode(entry().payload()) * 2,
            "line 3: an earlier line has a proof of the same defect",
        ),
        (encode(HEAD) + encode({"what": 1}), "line 2: it is of no known kind"),
        (encode(HEAD) + b"<<<<<<< HEAD\n" + encode(entry().payload()), "line 2: it is cut off, or no line"),
        (encode(HEAD) + encode(entry().payload()).replace(b"true", b"True"), "line 2: it was edited"),
        (
            encode(HEAD) + encode(entry(outcome="missed").payload()).replace(b"missed", b"caught"),
            "it was edited",
        ),
    ],
)
def test_what_nobody_wrote_so_is_named_by_its_line(root: Path, content: bytes, problem: str) -> None:
    (found,) = problems(root, content)

    assert found.startswith(f"{NAME}, line ")
    assert problem in found


def test_the_other_lines_are_read_all_the_same(root: Path) -> None:
    content = write(root, ledger("a", "b")).read_bytes()

    (root / NAME).write_bytes(content.replace(b'"clean":true', b'"clean":false', 1))

    assert [*read(root).entries] == [(make.CHECK, "b")]
    assert len(read(root).problems) == 1


def test_readers_see_one_whole_ledger_or_the_other_while_it_is_replaced(root: Path) -> None:
    one, other = ledger(*"abc"), ledger(*"defghijkl", void=VOID)
    write(root, one)
    seen: list[Ledger] = []
    over = threading.Event()

    def reader() -> None:
        while not over.is_set():
            seen.append(read(root))

    readers = [threading.Thread(target=reader) for _ in range(3)]
    for thread in readers:
        thread.start()
    while len(seen) < 100:
        write(root, other)
        write(root, one)
    over.set()
    for thread in readers:
        thread.join()

    assert all(ledger in (one, other) for ledger in seen)
    assert [*(root / "suites").iterdir()] == [root / NAME]


def test_a_folder_that_cannot_be_written_is_a_users_mistake(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"suites/proofs\.lock"):
        write(tmp_path, ledger("a"))


def test_a_file_that_cannot_be_read_is_a_problem(root: Path) -> None:
    (root / NAME).mkdir()

    assert read(root).problems == (f"{NAME}: Is a directory",)
