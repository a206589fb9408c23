"""Failures that are kept: the next campaign on the same target begins with them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import orjson

from harness import places
from harness.errors import UserError
from harness.fuzz.message import Message
from harness.fuzz.records import Failure
from harness.redaction import VAULT
from harness.tomlfile import Closed, nearest, to_record

KEPT = places.BUILD / "fuzz"
_REMEDY = "Remove the file: the next campaign goes without it."


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept(Closed):
    """A failure, where it was seen, and the seed of the campaign that found it."""

    failure: Failure
    target: str
    profile: str
    seed: int


class Corpus:
    """The failures of this checkout, a file each. They hold no secrets."""

    def __init__(self, directory: Path = KEPT) -> None:
        self._directory = directory

    def of(self, target: str) -> tuple[Kept, ...]:
        """Return what was kept of a target. Raises `UserError` for a file that cannot be read."""
        found = (self._read(path) for path in sorted(self._directory.glob("*.json")))
        return tuple(kept for kept in found if kept.target == target)

    def get(self, failure: str) -> Kept:
        """Return a failure by its id. Raises `UserError`."""
        path = self._directory / f"{failure}.json"
        known = [other.stem for other in self._directory.glob("*.json")]
        if path.stem not in known:
            raise UserError(
                f'there is no failure "{failure}" in {self._directory}',
                remedy=nearest(failure, known) if known else "Run `harness fuzz`: it keeps what it finds.",
            )
        return self._read(path)

    def keep(self, failures: Iterable[Failure], *, target: str, profile: str, seed: int) -> None:
        """Write failures down; one that was known gets its newest request."""
        for failure in failures:
            self._directory.mkdir(parents=True, exist_ok=True)
            kept = Kept(failure=without_secrets(failure), target=target, profile=profile, seed=seed)
            (self._directory / f"{failure.id}.json").write_bytes(
                orjson.dumps(kept, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
            )

    @staticmethod
    def _read(path: Path) -> Kept:
        try:
            tables = orjson.loads(path.read_bytes())
        except (OSError, orjson.JSONDecodeError) as cause:
            raise UserError(f"{path}: {cause}", remedy=_REMEDY) from None
        return to_record(Kept, tables, source=path, remedy=_REMEDY)


def without_secrets(failure: Failure) -> Failure:
    """Return a failure whose request shows no secret that this process knows."""
    sent = failure.message
    clean: Message = replace(
        sent,
        target=VAULT.url(sent.target),
        fields=tuple((name, VAULT.header(name, value)) for name, value in sent.fields),
        body=VAULT.body(sent.body),
    )
    return replace(failure, message=clean)
