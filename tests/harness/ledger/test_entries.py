"""The lines of the ledger: what is written is read, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.ledger.entries import BrokenLine, Void, brief, decode, encode, entry_of, key_of, name_of, void_of
from harness.plugin.registry import listed
from harness.scans.secrets import Text, scan_secrets
from tests.harness import make
from tests.harness.ledger.conftest import entry

# In two parts each, so that this file holds nothing that looks like a secret.
SECRETS = (
    "password: hunter2 was logged",
    "api_key = 'a1b2c3d4" + "e5f6a7b8c9d0'",
    "the log has AKIA" + "Z7QX2M4LV6TB3WNC of 203.0.113.9",
    "-----BEGIN EC PRIVATE" + " KEY----- in layer 3",
    "eyJhbGciOiJIUzI1NiJ9" + ".eyJzdWIiOiIxMjM0NTY3ODkwIn0" + ".dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U",
    "https://user:pa55" + "word@example.test/",
)


def test_what_is_written_is_read() -> None:
    kept = entry(message="an origin was granted")

    assert entry_of(decode(encode(kept.payload()).removesuffix(b"\n"))) == kept


@given(st.text(), st.text(min_size=1))
def test_any_message_and_title_can_be_written(message: str, title: str) -> None:
    title = title.encode("utf-8", "replace").decode()
    line = encode(entry(message=message, defect=title).payload())

    assert line.count(b"\n") == 1
    assert entry_of(decode(line[:-1])).proof == make.proof(message=brief(message), defect=title)


@given(st.data())
def test_a_line_that_was_edited_or_cut_off_is_none(data: st.DataObject) -> None:
    line = encode(entry().payload())[:-1]
    at = data.draw(st.integers(0, len(line) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda value: value != line[at]))

    for broken in (line[:at], line[:at] + bytes([byte]) + line[at + 1 :], line[:at] + line[at + 1 :]):
        with pytest.raises(BrokenLine):
            decode(broken)


@pytest.mark.parametrize("line", [b"", b"{}", b"<<<<<<< HEAD", b'{"proof":"x","sum":"aaaaaaaaaaaa"}'])
def test_what_is_no_line_is_refused(line: bytes) -> None:
    with pytest.raises(BrokenLine):
        decode(line)


@pytest.mark.parametrize("lacking", ["control", "outcome", "seconds", "binding", "proof"])
def test_a_proof_that_lacks_something_is_refused(lacking: str) -> None:
    payload = {name: value for name, value in entry().payload().items() if name != lacking}

    with pytest.raises(BrokenLine, match="no proof"):
        entry_of(payload)


def test_a_disagreement_is_written_and_read() -> None:
    void = Void(proof="suites/test_cors.py::test#0123456789ab", why="it was missed", seed=7, at=make.STARTED)

    assert void_of(decode(encode(void.payload())[:-1])) == void
    assert (
        void.text
        == "the ledger disagrees with suites/test_cors.py::test#0123456789ab: it was missed (seed 7)"
    )
    with pytest.raises(BrokenLine, match="no disagreement"):
        void_of({"void": "x"})


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_characters="#\n")), st.text("0123456789abcdef"))
def test_a_name_stands_for_one_defect_of_one_check(check: str, key: str) -> None:
    assert key_of(name_of((check, key))) == (check, key)


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("p99 is 95.4 ms, 60 are allowed\nassert 95.4 < 60", "p99 is 95.4 ms, 60 are allowed"),
        ("assert 403 == 200", "assert 403 200"),
        ("wrote /tmp/run-8a/x and /api/recordings", "wrote … and /api/recordings"),
        ("id 0f3a9c1122 of 127.0.0.1", "id … of …"),
        ("x " * 200, ("x " * 80).strip()),
        ("", ""),
    ],
)
def test_a_message_is_cut_to_what_is_the_same_everywhere(message: str, shown: str) -> None:
    assert brief(message) == shown


def test_no_line_looks_like_a_secret_to_the_scan_of_the_source(tmp_path: Path) -> None:
    """Every declared defect by its own title and key, with messages that hold secrets."""
    suites = Path(__file__).parents[3] / "suites"
    entries = [
        entry(
            control=check.declaration.control,
            check=check.check,
            defect=defect.title,
            defect_key=defect.key,
            message=SECRETS[number % len(SECRETS)],
            binding={"harness": "6j4xijjnygsl", "suite": "jtftqi345xz2"},
        )
        for number, check in enumerate(listed(suites))
        for defect in check.declaration.broken_by
    ]
    file = tmp_path / "proofs.lock"
    file.write_bytes(b"".join(encode(one.payload()) for one in entries))

    scan = scan_secrets([Text(place=file.name, file=file)], tmp_path, own={})

    assert len(entries) > 400
    assert [(hit.line, hit.text) for hit in scan.hits] == []
    assert not scan.missed
