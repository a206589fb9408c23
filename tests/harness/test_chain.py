"""One line of a journal: what is written is read back, and every change of it is found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import chain
from harness.chain import ORIGIN, Flaw, Line

TEXT = st.text('aZ "\\/\n\x00\x7fé\u2028\U0001f600', max_size=8)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=8,
)


def written(*payloads: Any, previous: str = ORIGIN) -> bytes:
    lines = []
    for n, payload in enumerate(payloads):
        line, previous = chain.encode(previous, n, "event", payload)
        lines.append(line)
    return b"".join(lines)


def flaws(data: bytes, previous: str = ORIGIN) -> list[Flaw]:
    return [item for item in chain.decode(data, previous) if isinstance(item, Flaw)]


def payloads(data: bytes) -> list[Any]:
    return [item.payload for item in chain.decode(data, ORIGIN) if isinstance(item, Line)]


THREE = written({"a": 1}, {"b": "zwei"}, {"c": [3]})


@given(st.lists(JSON, max_size=4))
def test_what_is_written_is_read_back(given_payloads: list[Any]) -> None:
    data = written(*given_payloads)

    assert payloads(data) == given_payloads
    assert flaws(data) == []


@given(st.data())
def test_every_changed_byte_is_found(data: st.DataObject) -> None:
    position = data.draw(st.integers(0, len(THREE) - 1))
    changed = bytearray(THREE)
    changed[position] = data.draw(st.integers(0, 255).filter(lambda byte: byte != THREE[position]))

    assert flaws(bytes(changed))


@given(st.integers(0, len(THREE)))
def test_a_cut_keeps_whole_lines_and_is_called_a_cut(length: int) -> None:
    data = THREE[:length]
    whole = data.count(b"\n")

    assert payloads(data) == [{"a": 1}, {"b": "zwei"}, {"c": [3]}][:whole]
    cut = Flaw(what=f"line {whole + 1} is cut off", cut=True)
    assert flaws(data) == ([] if data.endswith(b"\n") or not data else [cut])


@pytest.mark.parametrize(
    "rearrange",
    [
        pytest.param(lambda one, two, three: [two, three], id="the first removed"),
        pytest.param(lambda one, two, three: [one, three], id="one removed between"),
        pytest.param(lambda one, two, three: [two, one, three], id="two exchanged"),
        pytest.param(lambda one, two, three: [one, one, two, three], id="one doubled"),
        pytest.param(lambda one, two, three: [one, b"\n", two, three], id="an empty line put in"),
    ],
)
def test_lines_removed_exchanged_or_put_in_are_found(rearrange: Callable[..., list[bytes]]) -> None:
    lines = THREE.splitlines(keepends=True)

    found = flaws(b"".join(rearrange(*lines)))
    assert found
    assert not any(flaw.cut for flaw in found), "somebody did it, no writer was stopped"


def test_one_edit_is_one_flaw_and_names_its_line() -> None:
    changed = THREE.replace(b"zwei", b"drei")

    (flaw,) = flaws(changed)
    assert flaw == Flaw(what="line 2 was edited: it does not match its hash", cut=False)
    assert payloads(changed) == [{"a": 1}, {"b": "drei"}, {"c": [3]}]


def test_a_record_without_a_payload_is_no_record() -> None:
    line = THREE.splitlines()[0].replace(b'"payload"', b'"payroll"')

    (flaw,) = flaws(line + b"\n")
    assert "not a record" in flaw.what


def test_a_segment_fits_only_its_own_journal_and_its_own_name() -> None:
    link = chain.first_link("head of one run", "production-1")
    data = written({"a": 1}, previous=link)

    assert flaws(data, link) == []
    assert flaws(data, chain.first_link("head of another", "production-1"))
    assert flaws(data, chain.first_link("head of one run", "production-2"))


@dataclass(frozen=True)
class _Seen:
    name: str
    size: int


@pytest.mark.parametrize(
    ("payload", "carried"),
    [
        ({"text": "half \ud83d of a pair"}, {"text": "half \\ud83d of a pair"}),
        ({"big": 2**64, "small": -(2**63)}, {"big": str(2**64), "small": -(2**63)}),
        (_Seen("\udcff", 2**70), {"name": "\\udcff", "size": str(2**70)}),
        (
            [Path("/tmp/\udce4"), {"\ud800"}, (True, None, 1.5)],
            ["/tmp/\\udce4", ["\\ud800"], [True, None, 1.5]],
        ),
        ({"set": {"b", "a"}, "map": MappingProxyType({"k": "v"})}, {"set": ["a", "b"], "map": {"k": "v"}}),
        ({"path": Path("/tmp/x")}, {"path": "/tmp/x"}),
    ],
)
def test_what_json_cannot_carry_is_written_as_text(payload: Any, carried: Any) -> None:
    data = written(payload)

    assert payloads(data) == [carried]
    assert flaws(data) == []
