"""How unpredictable are identifiers, as far as a sample of them shows?"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

_SIGMAS = 4.0


def unpredictable_bits(values: Sequence[str]) -> float:
    """Return an estimate of the unpredictable bits of identifiers, from at least eight of them.

    Each position counts by itself: in full (the logarithm of the alphabet) where it cannot be told from a
    uniform choice, else by its entropy in the sample. This finds ids that are short, constant in parts,
    counted or made of the time; it cannot find a counter behind a hash. Raises ValueError with fewer.
    """
    if len(values) < 8:
        raise ValueError(f"{len(values)} values are too few: at least 8 are needed")
    positions = [Counter(column) for column in zip(*values, strict=False)]
    alphabet = len({character for position in positions if len(position) > 1 for character in position})
    return sum(_bits(position, alphabet, len(values)) for position in positions)


def _bits(position: Counter[str], alphabet: int, drawn: int) -> float:
    if len(position) == 1:
        return 0.0
    if len(position) >= _fewest(alphabet, drawn):
        return math.log2(alphabet)
    return -sum(count / drawn * math.log2(count / drawn) for count in position.values())


def _fewest(alphabet: int, drawn: int) -> float:
    """The least number of different characters that `drawn` uniform ones show, but for rare chance."""
    missed = (1 - 1 / alphabet) ** drawn
    both = (1 - 2 / alphabet) ** drawn if alphabet > 2 else 0.0
    variance = alphabet * missed + alphabet * (alphabet - 1) * both - (alphabet * missed) ** 2
    return alphabet * (1 - missed) - _SIGMAS * math.sqrt(max(variance, 0.0))
