"""What a migration does to the release before it."""

from __future__ import annotations

from enum import StrEnum


class Phase(StrEnum):
    """EXPAND adds what the release before does not mind; CONTRACT removes what only it still uses."""

    EXPAND = "expand"
    CONTRACT = "contract"
