"""What the server really stored: in SQLite, read where it runs, or in PostgreSQL beside it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from harness.evidence import record
from harness.probes.inside import run_inside
from harness.probes.stores import database_part, query, search
from harness.records import Json, Observation
from harness.runtimes import Deployment

FILE = "panotti.db"  # CONTRACT: the state is a SQLite file data/panotti.db by default
_SHOWN = 5
_SQLITE_TABLES = "SELECT name FROM sqlite_master WHERE type = 'table'"
_POSTGRES_TABLES = "SELECT table_name AS name FROM information_schema.tables WHERE table_schema = 'public'"


class DatabaseProbe:
    """Reads the database of one deployment. Raises NotVerified where it, or the way to it, does not exist."""

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment

    def rows(self, sql: str, *parameters: str | float | None) -> list[Mapping[str, Any]]:
        """Return the rows of a query, read-only; bytes as hexadecimal text. `?` stands for each parameter."""
        part = database_part(self._deployment)
        found = self._sqlite(sql, parameters) if part is None else query(part, sql, parameters)
        shown: list[Json] = [dict(row) for row in found[:_SHOWN]]
        record(Observation(subject=f"{len(found)} rows: {sql}", data={"rows": shown}))
        return found

    def _sqlite(self, sql: str, parameters: Sequence[str | float | None]) -> list[Mapping[str, Any]]:
        file = f"{self._deployment.path('data')}/{FILE}"
        answer = json.loads(run_inside(self._deployment, "read_sqlite", file, sql, json.dumps(parameters)))
        return [dict(zip(answer["columns"], row, strict=True)) for row in answer["rows"]]

    def count(self, table: str) -> int:
        """Return how many rows `table` has."""
        (row,) = self.rows(f'SELECT count(*) AS n FROM "{table}"')  # noqa: S608 - a table's name, by the check
        return int(row["n"])

    def tables(self) -> set[str]:
        """Return the names of the tables."""
        sqlite = database_part(self._deployment) is None
        return {str(row["name"]) for row in self.rows(_SQLITE_TABLES if sqlite else _POSTGRES_TABLES)}

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
    if deployment.stores():
        found, searched = search(deployment, needles)
        return {"found": found, "searched": searched}
    listing = "\n".join(needle.hex() for needle in needles)
    return json.loads(run_inside(deployment, "search_bytes", deployment.path("data"), stdin=listing))
