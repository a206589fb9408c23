"""The four named environments, in the order in which reports show them."""

from __future__ import annotations

from typing import Literal, get_args

Profile = Literal["development", "testing", "staging", "production"]
PROFILES: tuple[Profile, ...] = get_args(Profile)
