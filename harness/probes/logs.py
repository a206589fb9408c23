"""What the server printed: text, structured records, and waiting for a line that must come."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

import orjson

from harness.evidence import record, waiting_for_target
from harness.records import Json, Observation
from harness.runtimes import Deployment

LogRecord = Mapping[str, Any]
_SHOWN: Final = 5  # records kept as evidence
_EVERY_S: Final = 0.02


class LogProbe:
    """Reads the log of one deployment. A mark limits what is read to what came after it."""

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment

    def mark(self) -> int:
        """Return the place where the log ends now."""
        return len(self._deployment.logs())

    def text(self, *, since: int = 0) -> str:
        """Return everything printed, secrets included: search in it, do not show it."""
        text = self._deployment.logs()[since:]
        record(Observation(subject="log", data={"lines": text.count("\n"), "characters": len(text)}))
        return text

    def records(self, *, since: int = 0, **fields: object) -> list[LogRecord]:
        """Return the structured lines whose `fields` have these values: `records(event="request")`."""
        found = _matching(self._deployment.logs()[since:], None, fields)
        _record(found, fields)
        return found

    def stray(self, *, since: int = 0) -> list[str]:
        """Return the lines that are not structured."""
        lines = _lines(self._deployment.logs()[since:])
        found = [line for line in lines if line.strip() and _parse(line) is None]
        shown: list[Json] = [*found[:_SHOWN]]
        record(
            Observation(
                subject=f"{len(found)} of {len(lines)} log lines are unstructured", data={"lines": shown}
            )
        )
        return found

    def wait_for(
        self,
        predicate: Callable[[LogRecord], bool] | None = None,
        *,
        since: int = 0,
        count: int = 1,
        timeout_s: float = 5.0,
        **fields: object,
    ) -> list[LogRecord]:
        """Wait for `count` structured lines that match; return those that came, fewer if `timeout_s` was
        over."""
        deadline = time.monotonic() + timeout_s
        with waiting_for_target():
            found = _matching(self._deployment.logs()[since:], predicate, fields)
            while len(found) < count and time.monotonic() < deadline:
                time.sleep(_EVERY_S)
                found = _matching(self._deployment.logs()[since:], predicate, fields)
        _record(found, fields)
        return found

    def requests(
        self, request_ids: Collection[str], *, since: int = 0, timeout_s: float = 5.0
    ) -> dict[str, list[LogRecord]]:
        """Wait for the `request` line of each of these requests; return the lines of each, none where none
        came.

        What came late beside the first line of a request is among them: the log is read once more after
        the last.
        """
        wanted = dict.fromkeys(request_ids)

        def found() -> dict[str, list[LogRecord]]:
            lines: dict[str, list[LogRecord]] = {request_id: [] for request_id in wanted}
            for line in _matching(self._deployment.logs()[since:], None, {"event": "request"}):
                lines.get(str(line.get("request_id")), []).append(line)
            return lines

        deadline = time.monotonic() + timeout_s
        with waiting_for_target():
            while not all(found().values()) and time.monotonic() < deadline:
                time.sleep(_EVERY_S)
            time.sleep(_EVERY_S)
            lines = found()
        _record([line for each in lines.values() for line in each], {"event": "request"})
        return lines


def _matching(
    text: str, predicate: Callable[[LogRecord], bool] | None, fields: Mapping[str, object]
) -> list[LogRecord]:
    parsed = (_parse(line) for line in _lines(text))
    return [
        line
        for line in parsed
        if line is not None
        and all(line.get(name) == value for name, value in fields.items())
        and (predicate is None or predicate(line))
    ]


def _lines(text: str) -> list[str]:
    """A log's lines end at line feeds alone; str.splitlines would also cut at U+2028 within a JSON string."""
    return text.removesuffix("\n").split("\n")


def _parse(line: str) -> LogRecord | None:
    if not line.startswith("{"):
        return None
    try:
        parsed = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    return parsed if isinstance(parsed, dict) else None


def _record(found: list[LogRecord], fields: Mapping[str, object]) -> None:
    wanted = ", ".join(f"{name}={value}" for name, value in fields.items()) or "all"
    shown: list[Json] = [dict(line) for line in found[-_SHOWN:]]
    record(Observation(subject=f"{len(found)} log records ({wanted})", data={"last": shown}))
