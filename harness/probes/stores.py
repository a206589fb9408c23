"""What the containers beside the server keep: their files, searched raw; the database, asked by psql."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from harness.errors import ProbeFailed
from harness.evidence import waiting_for_target
from harness.runtimes import CannotShow, Deployment

if TYPE_CHECKING:
    from harness.runtimes.part import Part

_PSQL: Final = ("psql", "--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1")
_DATABASE: Final = "panotti"
_ASKED_S: Final = 20.0


def database_part(deployment: Deployment) -> Part | None:
    """Return the container of the database; None where the server keeps its database itself."""
    try:
        return deployment.parts("database")[0]
    except CannotShow:
        return None


def query(part: Part, sql: str, parameters: Sequence[str | float | None]) -> list[Mapping[str, Any]]:
    """Return the rows of a query, `?` for each parameter. Raises ProbeFailed with the database's words."""
    names = [f"p{number}" for number in range(len(parameters))]
    for name, value in zip(names, parameters, strict=True):
        sql = sql.replace("?", "NULL" if value is None else f":'{name}'", 1)
    given = [
        f"--set={name}={value}" for name, value in zip(names, parameters, strict=True) if value is not None
    ]
    wrapped = f"SELECT coalesce(json_agg(found), '[]') FROM ({sql}) AS found;\n"  # noqa: S608 - the query is the check's
    with waiting_for_target():
        done = part.execute(
            (*_PSQL, f"--dbname={_DATABASE}", "--username=postgres", *given),
            stdin=wrapped,
            timeout_s=_ASKED_S,
        )
    if done.status != 0:
        raise ProbeFailed(f"the database refused {sql[:80]}: {done.stderr.strip()[-200:]}")
    found: list[Mapping[str, Any]] = [
        {column: _plain(value) for column, value in row.items()} for row in json.loads(done.stdout)
    ]
    return found


def search(deployment: Deployment, needles: Sequence[bytes]) -> tuple[list[tuple[str, int]], int]:
    """Return where raw bytes of the stores' volumes hold a needle, as file and number of the needle.

    The second part is how many files were searched: none where the server keeps its data itself.
    """
    found, searched = [], 0
    with waiting_for_target():
        for part in deployment.stores():
            for path, content in part.stored():
                searched += 1
                held = (number for number, needle in enumerate(needles) if needle in content)
                found += [(f"{part.service}:{path}", number) for number in held]
    return found, searched


def _plain(value: object) -> object:
    """Bytes as hexadecimal text, without PostgreSQL's mark."""
    return value[2:] if isinstance(value, str) and value.startswith("\\x") else value
