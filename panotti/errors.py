"""What can go wrong before a request exists.

PanottiError
├── UnreachableError    a dependency does not answer now; a start waits for it
└── StartError          the process must not start; exit status 2
    ├── ConfigurationError    a setting or a secret is wrong or missing
    └── UnruledRouteError          a route has no rule
"""

from __future__ import annotations

from collections.abc import Sequence


class PanottiError(Exception):
    """Root of the server's own errors."""


class StartError(PanottiError):
    """The server refuses to start. `problems` holds one sentence per offender."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__(f"{self.reason}\n" + "\n".join(f"  - {problem}" for problem in self.problems))

    reason = "refused to start:"


class ConfigurationError(StartError):
    """A setting or a secret is unknown, wrong, weak or missing."""

    reason = "refused to start: the configuration is not valid"


class UnruledRouteError(StartError):
    """A route was registered without saying who may call it."""

    reason = "refused to start: every route needs a rule (panotti.rules.rule)"


class UnreachableError(PanottiError):
    """A dependency does not answer now; it may later."""
