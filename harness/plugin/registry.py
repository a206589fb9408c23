"""Which checks exist: what pytest collects is the registry."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.declare import Declaration, declaration_of
from harness.declared import base_of
from harness.errors import UserError

# Nothing is run, so no assert is to be rewritten; the program that asks has imported this package already.
_QUIET = (
    "--collect-only",
    "--assert=plain",
    "-p",
    "no:terminal",
    "-p",
    "no:cacheprovider",
    "-p",
    "no:hypothesispytest",
    "-p",
    "no:schemathesis",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One check: its node id without parameters, and what it declares."""

    check: str
    declaration: Declaration


def listed(suites: Path) -> tuple[Listed, ...]:
    """Return every check below `suites`. Raises `UserError` when they cannot be collected."""
    taker = _Taker()
    # The whole suites, of which nothing is left out for its cost.
    arguments = [str(suites), "--rootdir", str(suites.parent), "-p", "harness.plugin", "--depth", "full"]
    arguments += _QUIET
    status = pytest.main(arguments, plugins=[taker])
    if status not in {pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED}:
        raise UserError(
            f"{suites}: the checks cannot be collected", remedy=f"pytest {suites} --collect-only says why."
        )
    return tuple(taker.checks())


class _Taker:
    """Keeps what was collected."""

    def __init__(self) -> None:
        self.items: list[pytest.Item] = []

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self.items = session.items

    def checks(self) -> Iterator[Listed]:
        seen: set[str] = set()
        for item in self.items:
            declaration = declaration_of(getattr(item, "function", None))
            name = base_of(item.nodeid)
            if declaration is not None and name not in seen:
                seen.add(name)
                yield Listed(check=name, declaration=declaration)
