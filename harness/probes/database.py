"""What the server really stored: its SQLite tables and files, read where it runs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from harness.evidence import record
from harness.probes.inside import run_inside
from harness.records import Json, Observation
from harness.runtimes import Deployment

FILE = "panotti.db"  # CONTRACT: the state is a SQLite file data/panotti.db by default
_SHOWN = 5


class DatabaseProbe:
    """Reads the database of one deployment. Raises NotVerified where it, or the way to it, does not exist."""

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment

    def rows(self, sql: str, *parameters: str | float | None) -> list[Mapping[str, Any]]:
        """Return the rows of a query, read-only; bytes as hexadecimal text."""
        file = f"{self._deployment.path('data')}/{FILE}"
        answer = json.loads(run_inside(self._deployment, "read_sqlite", file, sql, json.dumps(parameters)))
        found: list[Mapping[str, Any]] = [
            dict(zip(answer["columns"], row, strict=True)) for row in answer["rows"]
        ]
        shown: list[Json] = [dict(row) for row in found[:_SHOWN]]
        record(Observation(subject=f"{len(found)} rows: {sql}", data={"rows": shown}))
        return found

    def count(self, table: str) -> int:
        """Return how many rows `table` has."""
        (row,) = self.rows(f'SELECT count(*) AS n FROM "{table}"')  # noqa: S608 - a table's name, by the check
        return int(row["n"])

    def tables(self) -> set[str]:
        """Return the names of the tables."""
        return {str(row["name"]) for row in self.rows("SELECT name FROM sqlite_master WHERE type = 'table'")}

    def files_with(self, *needles: str | bytes) -> list[str]:
        """Return the files of the data directory whose raw bytes hold any of `needles`, write-ahead log
        included."""
        raw = [needle.encode() if isinstance(needle, str) else needle for needle in needles]
        answer = _search(self._deployment, raw)
        files = sorted({str(file) for file, _ in answer["found"]})
        shown: list[Json] = [*files]
        record(
            Observation(
                subject=f"{len(raw)} values searched for in {answer['searched']} files",
                data={"found_in": shown},
            )
        )
        return files


def _search(deployment: Deployment, needles: Sequence[bytes]) -> Any:
    listing = "\n".join(needle.hex() for needle in needles)
    return json.loads(run_inside(deployment, "search_bytes", deployment.path("data"), stdin=listing))
