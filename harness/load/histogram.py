"""Latencies in buckets of a thousandth of their value. The only importer of hdrhistogram.

Locust's own buckets are up to 5 % wrong above 100 ms and hold nothing under half a millisecond.
"""

from __future__ import annotations

from math import ceil
from typing import Final, Self

from hdrh.histogram import HdrHistogram

_PER_MS: Final = 1000  # kept in microseconds
_TOP: Final = 600_000_000  # ten minutes; what is longer counts as that
_DIGITS: Final = 3
_ROUNDING: Final = 1e-9


class Histogram:
    """Durations in milliseconds. Not safe to use from several threads."""

    def __init__(self, text: str = "") -> None:
        """text: what `encoded` returned. Raises ValueError for any other text."""
        self._counts = HdrHistogram(1, _TOP, _DIGITS)
        if text:
            try:
                self._counts = HdrHistogram.decode(text.encode("ascii"))
            except Exception as cause:
                # The library raises what its parser, zlib and base64 raise.
                raise ValueError(f"not a histogram: {cause}") from None

    @property
    def count(self) -> int:
        """How many durations it holds."""
        return int(self._counts.get_total_count())

    @property
    def max_ms(self) -> float:
        return float(self._counts.get_max_value()) / _PER_MS if self.count else 0.0

    def record(self, milliseconds: float) -> None:
        """Take one duration; less than nothing, by clocks that differ, is nothing."""
        self._counts.record_value(min(max(round(milliseconds * _PER_MS), 0), _TOP))

    def percentile(self, share: float) -> float:
        """Return the milliseconds within which `share` (0 to 1) of the durations lie, 0 without any."""
        if not self.count:
            return 0.0
        # The library rounds the rank to the nearest one: of eleven, its p95 would be the tenth.
        rank = max(ceil(share * self.count - _ROUNDING), 1)
        return float(self._counts.get_value_at_percentile(100 * rank / self.count)) / _PER_MS

    def over(self, milliseconds: float) -> int:
        """Return how many durations are longer, to a thousandth of it."""
        counts, bound = self._counts, round(milliseconds * _PER_MS)
        return sum(
            int(bucket.count_at_value_iterated_to)
            for bucket in counts.get_recorded_iterator()
            if counts.get_lowest_equivalent_value(bucket.value_iterated_to) > bound
        )

    def add(self, other: Self) -> None:
        """Take every duration of another one."""
        self._counts.add(other._counts)

    def encoded(self) -> str:
        """Return it as text: compressed, in base 64."""
        return str(self._counts.encode().decode("ascii"))
