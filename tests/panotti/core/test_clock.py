"""The contract's three ways to write a time mean the same moment."""

from __future__ import annotations

import pytest

from panotti import clock


@pytest.mark.parametrize(
    "text",
    [
        "20240127123456",
        "2024-01-27T12:34:56Z",
        "2024-01-27T12:34:56",
        "2024-01-27t12:34:56z",
        "2024-01-27 12:34:56.000000",
        "2024-01-27T14:34:56+02:00",
        "2024-01-27T14:34:56+0200",
        "1706358896",
        "1706358896.0",
    ],
)
def test_every_form_is_read(text: str) -> None:
    assert clock.form(clock.parse(text)) == "2024-01-27T12:34:56.000000Z"


@pytest.mark.parametrize("year", [1, 9, 42, 999, 1000, 9999])
def test_a_year_has_four_digits_so_that_text_order_is_time_order(year: int) -> None:
    assert clock.form(clock.parse(f"{year:04d}0127123456")) == f"{year:04d}-01-27T12:34:56.000000Z"


@pytest.mark.parametrize(
    "text", ["", "now", "2024-01-27", "99999999999999", "999999999999", "-1", "1e9", "٢٠٢٤"]
)
def test_anything_else_is_no_time(text: str) -> None:
    with pytest.raises(ValueError, match="not a time"):
        clock.parse(text)
