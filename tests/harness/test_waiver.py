"""Waivers: owned, reasoned, expiring in UTC, and re-opened when the failure changes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import WaiverError
from harness.verdict import Verdict
from harness.waiver import Waiver, fingerprint, read_waivers, revive_waivers
from tests.harness import make

FAILED = make.finding(Verdict.FAIL, "the origin https://evil.example was granted")
EXPIRY = datetime(2027, 1, 31, tzinfo=UTC)
GOOD = f"""
[[waiver]]
control = "{make.CONTROL}"
profile = "production"
fingerprint = "{FAILED.fingerprint}"
owner = "the owner"
reason = "accepted until the next release"
expires = 2027-01-31T00:00:00Z
"""


def waiver(**given: object) -> Waiver:
    (revived,) = revive_waivers([make.waiver_record(FAILED, **given)])
    return revived


def read(folder: Path, text: str) -> tuple[Waiver, ...]:
    file = folder / "waivers.toml"
    file.write_text(text, encoding="utf-8")
    return read_waivers(file, make.catalogue())


def looks(message: str, **given: str) -> str:
    usual = {"control": make.CONTROL, "check": make.CHECK, "profile": "production"}
    return fingerprint(**{**usual, **given}, message=message)


class TestExpiry:
    def test_it_holds_up_to_the_moment_and_not_at_it(self) -> None:
        assert waiver().active(EXPIRY - timedelta(microseconds=1))
        assert not waiver().active(EXPIRY)
        assert not waiver().active(EXPIRY + timedelta(days=1))

    @given(st.integers(-14, 14))
    def test_the_zone_of_the_asking_machine_does_not_matter(self, hours: int) -> None:
        here = timezone(timedelta(hours=hours))

        assert waiver().active((EXPIRY - timedelta(seconds=1)).astimezone(here))
        assert not waiver().active(EXPIRY.astimezone(here))

    def test_the_days_left_are_whole_ones(self) -> None:
        assert waiver().days_left(EXPIRY - timedelta(days=2, hours=23)) == 2
        assert waiver().days_left(EXPIRY - timedelta(hours=1)) == 0
        assert waiver().days_left(EXPIRY + timedelta(hours=1)) == -1


class TestWhatItAccepts:
    def test_the_finding_it_was_written_for(self) -> None:
        assert waiver().accepts(FAILED)

    @pytest.mark.parametrize(
        "change",
        [{"control": make.OTHER}, {"profile": "staging"}, {"fingerprint": "0" * 16}],
        ids=["another control", "another profile", "another failure"],
    )
    def test_no_other(self, change: dict[str, str]) -> None:
        assert not waiver().accepts(replace(FAILED, **change))

    @pytest.mark.parametrize("verdict", list(Verdict))
    def test_no_error_is_ever_accepted(self, verdict: Verdict) -> None:
        accepted = waiver().accepts(replace(FAILED, verdict=verdict))

        assert accepted is (verdict in {Verdict.FAIL, Verdict.NOT_VERIFIED})


class TestFingerprint:
    @pytest.mark.parametrize(
        ("one", "other"),
        [
            ("port 49153 is open", "port 50001 is open"),
            ("it took 0.125 s", "it took 12 s"),
            ("id 3f2b8c1e-77aa-4f0e-9d1b-0123456789ab", "id 00000000-77aa-4f0e-9d1b-ffffffffffff"),
            ("object at 0x7ff13d3dbb10", "object at 0x7FF13D3DBB99"),
            ("a line\n  and another", "a line and another"),
        ],
    )
    def test_it_is_the_same_over_ports_times_builds_and_layout(self, one: str, other: str) -> None:
        assert looks(one) == looks(other)

    @given(st.integers(0, 2**32), st.integers(0, 2**32))
    def test_no_number_changes_it(self, one: int, other: int) -> None:
        assert looks(f"after {one} requests") == looks(f"after {other} requests")

    @pytest.mark.parametrize(
        "other",
        [
            looks("the origin https://other.example was granted"),
            looks(FAILED.message, control=make.OTHER),
            looks(FAILED.message, check="suites/test_cors.py::test_other"),
            looks(FAILED.message, profile="staging"),
        ],
        ids=["message", "control", "check", "profile"],
    )
    def test_everything_else_does(self, other: str) -> None:
        assert looks(FAILED.message) != other

    @pytest.mark.parametrize(
        "message", ["it answered {}", "POST /x answers {}: no", "the server's status {}"]
    )
    def test_another_status_is_another_failure(self, message: str) -> None:
        assert len({looks(message.format(status)) for status in (200, 401, 403, 500)}) == 4
        assert looks(message.format(200) + " after 12 ms") == looks(message.format(200) + " after 340 ms")

    @pytest.mark.parametrize(
        ("one", "other"), [("with 120 requests", "with 4500 requests"), ("got 99 of 200", "got 98 of 180")]
    )
    def test_a_count_is_no_status(self, one: str, other: str) -> None:
        assert looks(one) == looks(other)

    def test_words_of_hexadecimal_letters_are_words(self) -> None:
        assert looks("the facade is decade old") != looks("the decade is facade old")

    def test_half_a_character_has_one_too(self) -> None:
        assert len(looks("half \ud83d")) == 16


class TestFile:
    def test_a_good_one_is_read(self, tmp_path: Path) -> None:
        assert read(tmp_path, GOOD) == (waiver(),)

    def test_an_empty_one_waives_nothing(self, tmp_path: Path) -> None:
        assert read(tmp_path, "") == ()

    @pytest.mark.parametrize(
        ("old", "new", "told"),
        [
            ('owner = "the owner"\n', "", "waiver.0.owner: missing"),
            ('owner = "the owner"', 'owner = ""', "waiver.0.owner"),
            ("accepted until the next release", "later", "waiver.0.reason"),
            ("expires = 2027-01-31T00:00:00Z", "", "waiver.0.expires: missing"),
            ("2027-01-31T00:00:00Z", "2027-01-31T00:00:00", "waiver.0.expires"),
            ("2027-01-31T00:00:00Z", "2027-01-31", "waiver.0.expires"),
            ("2027-01-31T00:00:00Z", "2027-01-31T00:00:00+02:00", "waiver.0.expires: not in UTC"),
            ("owner =", "ownr =", 'did you mean "owner"?'),
            ('"production"', '"prod"', "waiver.0.profile"),
            (FAILED.fingerprint, "abc", "waiver.0.fingerprint"),
            (make.CONTROL, "middleware.cors.origin", 'no control is called "middleware.cors.origin"'),
            ("[[waiver]]", "[[waivers]]", "waivers: unknown key"),
        ],
    )
    def test_a_wrong_key_is_named_with_the_file(self, tmp_path: Path, old: str, new: str, told: str) -> None:
        with pytest.raises(WaiverError) as refused:
            read(tmp_path, GOOD.replace(old, new))

        assert told in refused.value.what
        assert "waivers.toml" in refused.value.what
        assert refused.value.remedy


def test_a_journal_carries_it_and_gives_it_back() -> None:
    assert revive_waivers([waiver().record()]) == (waiver(),)


def test_a_journal_whose_waivers_were_tampered_with_is_refused() -> None:
    with pytest.raises(WaiverError, match="the journal's waivers"):
        revive_waivers([make.waiver_record(FAILED, expires="never")])
