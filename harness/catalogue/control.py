"""One control of the catalogue."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from harness.profiles import PROFILES, Profile
from harness.tomlfile import Closed

Severity = Literal["critical", "high", "medium", "low"]


def _on_one_line(text: object) -> object:
    """Files wrap their lines for the reader; a record holds running text."""
    return " ".join(text.split()) if isinstance(text, str) else text


Sentence = Annotated[str, BeforeValidator(_on_one_line), Field(min_length=12)]
ControlId = Annotated[str, Field(pattern=r"^[a-z]+\.[a-z]+\.[a-z]+(-[a-z]+)*$")]
Reference = Annotated[
    str,
    Field(pattern=r"^(API([1-9]|10):2023|v5\.0\.0-\d+\.\d+\.\d+|CWE-\d+|CIS-Docker-\d+\.\d+|RFC \d+)$"),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Control(Closed):
    """One requirement, and what a report says about it.

    id: `area.group.control`.
    title: the requirement as a short claim.
    requirement: the requirement in full; figures in it are the production defaults of the policy.
    profiles: where it applies by nature; a policy may take more away, with a reason.
    references: OWASP API Security Top 10 2023 (`API1:2023`), OWASP ASVS 5.0 (`v5.0.0-3.4.2`), CWE, CIS Docker
        Benchmark 1.6 (`CIS-Docker-4.1`), RFC.
    remedy: how the owner of a server or a deployment puts it right.
    """

    id: ControlId
    title: Sentence
    requirement: Sentence
    severity: Severity
    profiles: Annotated[tuple[Profile, ...], Field(min_length=1)] = PROFILES
    references: tuple[Reference, ...] = ()
    remedy: Sentence

    @property
    def area(self) -> str:
        """The first part of the id: `middleware`."""
        return self.id.split(".")[0]

    @property
    def group(self) -> str:
        """The first two parts of the id: `middleware.cors`."""
        return self.id.rpartition(".")[0]
