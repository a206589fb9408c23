from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pytest

from harness.errors import PolicyError, UserError
from harness.tomlfile import Closed, nearest, read_toml, to_record


@dataclass(frozen=True, slots=True, kw_only=True)
class Door(Closed):
    width: int
    colour: str = "white"

    def __post_init__(self):
        if self.width < 1:
            raise ValueError("a door has a width")


@dataclass(frozen=True, slots=True, kw_only=True)
class House(Closed):
    doors: tuple[Door, ...] = ()
    rooms: Mapping[str, Door] | None = None
    front: Door | None = None


def refuse(tables):
    with pytest.raises(UserError) as refusal:
        to_record(House, tables, source="house.toml", remedy="Mend it.")
    return refusal.value


def test_tables_become_records():
    house = to_record(House, {"doors": [{"width": 2}]}, source="house.toml", remedy="")

    assert house == House(doors=(Door(width=2),))


def test_every_wrong_key_is_named_in_one_message():
    refusal = refuse({"doors": [{"width": 2, "color": "red"}, {}], "window": 1})

    assert refusal.what.startswith("house.toml:")
    assert 'doors.0.color: unknown key; did you mean "colour"?' in refusal.what
    assert "doors.1.width: missing" in refusal.what
    assert "window: unknown key; known here: doors, front, rooms" in refusal.what
    assert refusal.remedy == "Mend it."


@pytest.mark.parametrize(
    ("tables", "place"),
    [({"rooms": {"hall": {"widht": 1}}}, "rooms.hall.widht"), ({"front": {"widht": 1}}, "front.widht")],
)
def test_a_misspelt_key_is_put_right_below_a_mapping_and_an_option(tables, place):
    assert f"{place}: unknown key" in refuse(tables).what


def test_a_records_own_rule_speaks_in_its_own_words():
    assert "doors.0: a door has a width" in refuse({"doors": [{"width": 0}]}).what


def test_what_is_no_table_at_all_is_named_as_the_file():
    assert "the file: " in refuse([1]).what


def test_a_long_value_is_repeated_only_in_part():
    message = refuse({"doors": [{"width": "x" * 500}]}).what

    assert "…" in message
    assert len(message) < 250


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(PolicyError, match=r"missing\.toml: No such file"):
        read_toml(tmp_path / "missing.toml", error=PolicyError)


def test_a_syntax_error_is_named_with_its_line(tmp_path):
    path = tmp_path / "broken.toml"
    path.write_text("a = 1\nb = = 2\n")

    with pytest.raises(UserError, match=r"broken\.toml: not TOML: .*line 2"):
        read_toml(path)


def test_bytes_that_are_no_text_are_named(tmp_path):
    path = tmp_path / "bytes.toml"
    path.write_bytes(b"a = '\xff'")

    with pytest.raises(UserError, match="not UTF-8"):
        read_toml(path)


def test_a_word_like_no_other_lists_what_is_known():
    assert nearest("zzz", ["beta", "alpha"]) == "known here: alpha, beta"
