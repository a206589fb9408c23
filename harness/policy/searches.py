"""The sections on looking for what nobody has thought of: scans, and fuzzing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from harness.policy.values import Count, Seconds, Text
from harness.tomlfile import Closed


@dataclass(frozen=True, slots=True, kw_only=True)
class Scans(Closed):
    """Scans of code, packages and secrets.

    least_severity: findings in the code from it on are put right, or triaged; vulnerabilities count all.
    advisories_max_age_days: older advisories say nothing of a package that they do not name.
    advisories: a snapshot to be used instead of asking online, as --advisories gives one; "" for none.
    own: the project's own packages: no lock names them, and no advisory is about them.
    forbidden_licences: parts of a licence's name, as SPDX or the classifiers of PyPI have it.
    """

    least_severity: Literal["low", "medium", "high", "critical"]
    advisories_max_age_days: Count
    own: tuple[Text, ...]
    forbidden_licences: tuple[Text, ...]
    advisories: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fuzz(Closed):
    """Requests that nobody would send. budget_s: for how long they are sent when a profile is verified.

    cases: below so many of an operation, nothing was tried of it.
    successes: below so many authenticated 2xx of an operation, nothing was tried behind its door.
    """

    budget_s: Seconds
    cases: Count
    successes: Count
