"""Text from a target is shown as it is, and means nothing."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.records import Observation
from reports.text import json_bytes, markdown, one_line, printable

ANY_TEXT = st.text(st.characters(categories=None))  # lone surrogates included


def test_control_characters_and_lone_surrogates_become_escapes() -> None:
    assert printable("a\x00b\x1b[31m\ud800") == r"a\x00b\x1b[31m\ud800"


def test_direction_overrides_become_visible() -> None:
    assert printable("\u202egnp.exe") == r"\u202egnp.exe"


def test_tabs_newlines_and_real_characters_stay() -> None:
    assert printable("a\tb\nü\U0001f600") == "a\tb\nü\U0001f600"


@given(ANY_TEXT)
def test_printable_text_is_always_utf_8(text: str) -> None:
    assert printable(printable(text).encode().decode()) == printable(text)


def test_one_line_cuts_with_an_ellipsis() -> None:
    assert one_line("a\nb   c" * 10, 8) == "a b ca…"


@pytest.mark.parametrize(
    "text", ["@everyone", "# head", "a|b", "`x`", "<b>", "[a](b)", "$x$", "https://evil.example"]
)
def test_markdown_keeps_no_character_with_a_meaning(text: str) -> None:
    escaped = markdown(text)

    assert not set(escaped) & set("@|`<>[]()$*_")
    assert "://" not in escaped
    assert not escaped.startswith("# ")


@given(st.dictionaries(ANY_TEXT, st.one_of(ANY_TEXT, st.integers(), st.booleans(), st.none())))
def test_any_evidence_becomes_json(data: dict[str, object]) -> None:
    record = Observation(subject="anything", data=data)  # type: ignore[arg-type]

    assert orjson.loads(json_bytes(record))["subject"] == "anything"


def test_an_object_that_is_no_record_is_refused() -> None:
    with pytest.raises(TypeError):
        json_bytes({"a": object()})
