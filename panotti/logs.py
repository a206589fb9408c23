"""Structured log: one JSON object a line on stdout, without secrets, never interleaved."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import traceback
from collections.abc import MutableMapping
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson
import structlog

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
log: structlog.typing.FilteringBoundLogger = structlog.get_logger()

# POSIX promises that writes to a pipe do not interleave up to PIPE_BUF, which is 4096 on Linux.
LINE_LIMIT = 4096
REDACTED = "[redacted]"

_SENSITIVE_NAME = re.compile(
    r"authorization|cookie|passw|secret|token|api_?key|x-api-key|csrf|^body$", re.IGNORECASE
)
_SENSITIVE_TEXT = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?-----END [A-Z ]*PRIVATE KEY-----"
    r"|\beyJ[\w-]+\.[\w-]+\.[\w-]*"
    r"|\$argon2\w+\$\S+"
    r"|\b[0-9a-f]{32,}\b"
    r"|(?<![\w/.-])(?=[\w-]*\d)(?=[\w-]*[A-Z])(?=[\w-]*[a-z])[\w-]{32,}",
    re.DOTALL,
)
_OWN_FIELDS = frozenset({"ts", "level", "event", "request_id"})
# uvicorn repeats what the errors middleware has logged with its traceback.
_REPEATED = ("Exception in ASGI application", "ASGI callable returned")


def configure(level: str) -> None:
    """Send this package's and the libraries' logs to stdout, from `level` (a name such as "INFO") up."""
    number = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[_add_request_id, _add_exception, _redact, _render],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=lambda *_: _LineLogger(),
        cache_logger_on_first_use=True,
    )
    _requests.least = number
    logging.basicConfig(handlers=[_LibraryHandler()], level=max(number, logging.WARNING), force=True)


def write_request(level: int, **fields: Any) -> None:
    """Write the `request` line, past structlog's chain because every request pays for it.

    Its fields must be such that they cannot carry a secret, because nothing is redacted.
    """
    if level >= _requests.least:
        name = logging.getLevelName(level).lower()
        _LineLogger().msg(_line({"ts": _now(), "level": name, "event": "request", **fields}))


@dataclass(slots=True)
class _Requests:
    least: int = logging.INFO


_requests = _Requests()


def redact(text: str) -> str:
    """`text` without anything that has the shape of a key, a token, a password hash or a digest."""
    return _SENSITIVE_TEXT.sub(REDACTED, text)


class _LineLogger:
    """Writes each line with one system call, because several worker processes share stdout."""

    def msg(self, line: bytes) -> None:
        # A reader of the log that went away must not fail a request.
        with contextlib.suppress(OSError):
            os.write(1, line)

    log = debug = info = warn = warning = error = critical = exception = fatal = failure = err = msg


class _LibraryHandler(logging.Handler):
    """Carries the standard library's log records (uvicorn, SQLAlchemy, Alembic) into the same lines."""

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        if message.startswith(_REPEATED):
            return
        level = record.levelname.lower() if record.levelno in _LEVELS else "info"
        getattr(log, level)("library", logger=record.name, message=message, exc_info=record.exc_info)


_LEVELS = frozenset({logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR, logging.CRITICAL})


def _add_request_id(_logger: Any, level: str, fields: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    fields.setdefault("request_id", request_id.get())
    fields["level"] = "error" if level == "exception" else level
    return fields


def _add_exception(_logger: Any, _level: str, fields: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    info = fields.pop("exc_info", None)
    exception = info[1] if isinstance(info, tuple) else info
    if isinstance(exception, BaseException):
        fields["exception"] = type(exception).__qualname__
        fields["traceback"] = "".join(traceback.format_exception(exception))
    return fields


def _redact(_logger: Any, _level: str, fields: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for name, value in fields.items():
        if name in _OWN_FIELDS:
            continue
        if _SENSITIVE_NAME.search(name):
            fields[name] = REDACTED
        elif isinstance(value, str):
            fields[name] = redact(value)
    return fields


def _render(_logger: Any, _level: str, fields: MutableMapping[str, Any]) -> bytes:
    head = {"ts": _now(), "level": fields["level"], "event": fields["event"]}
    while len(line := _line({**head, **fields})) > LINE_LIMIT:
        _shorten(fields)
    return line


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")[:-6] + "Z"


def _line(fields: dict[str, Any]) -> bytes:
    return orjson.dumps(fields, default=str, option=orjson.OPT_APPEND_NEWLINE)


def _shorten(fields: MutableMapping[str, Any]) -> None:
    """Halve the longest text from its front: of a traceback the innermost frames are at the end."""
    longest = max(fields, key=lambda name: len(str(fields[name])))
    text = str(fields[longest])
    fields[longest] = "[...] " + text[len(text) // 2 + 6 :]
