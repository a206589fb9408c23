"""Structured log: one JSON object a line on stdout, without secrets, never interleaved."""

from __future__ import annotations

import logging
import os
import re
import traceback
from contextvars import ContextVar
from dataclasses import dataclass
from time import gmtime, strftime, time_ns
from typing import Any

import orjson

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)

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
_LEVELS = (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR, logging.CRITICAL)
_NAMES = {level: logging.getLevelName(level).lower() for level in _LEVELS}
# uvicorn repeats what the errors middleware has logged with its traceback.
_REPEATED = ("Exception in ASGI application", "ASGI callable returned")


@dataclass(slots=True)
class _Output:
    """`least`: the level from which a line is written. The rest is the second of the last line, as text."""

    least: int = logging.INFO
    second: int = -1
    second_text: str = ""


_output = _Output()


class Log:
    """Events with fields. `exc_info`, an exception, becomes its class and its traceback."""

    def debug(self, event: str, **fields: Any) -> None:
        self.log(logging.DEBUG, event, fields)

    def info(self, event: str, **fields: Any) -> None:
        self.log(logging.INFO, event, fields)

    def warning(self, event: str, **fields: Any) -> None:
        self.log(logging.WARNING, event, fields)

    def error(self, event: str, **fields: Any) -> None:
        self.log(logging.ERROR, event, fields)

    def log(self, level: int, event: str, fields: dict[str, Any]) -> None:
        """Writes a line of at most LINE_LIMIT bytes. Fields whose name or text is a secret's are hidden."""
        if level < _output.least:
            return
        shown = _redacted(_with_exception(fields))
        head = {"ts": _now(), "level": _NAMES[level], "event": event, "request_id": request_id.get()}
        while len(line := _line({**head, **shown})) > LINE_LIMIT:
            _shorten(shown)
        _write(line)


log = Log()


def configure(level: str) -> None:
    """Sends this package's and the libraries' logs to stdout, from `level` (a name such as "INFO") up."""
    _output.least = logging.getLevelNamesMapping()[level.upper()]
    logging.basicConfig(handlers=[_LibraryHandler()], level=max(_output.least, logging.WARNING), force=True)


def write_request(level: int, **fields: Any) -> None:
    """Writes the `request` line, without looking for secrets because every request pays for it.

    Its fields must be such that they cannot carry one.
    """
    if level >= _output.least:
        name = _NAMES[level]
        _write(_line({"ts": _now(), "level": name, "event": "request", **fields}))


def redact(text: str) -> str:
    """`text` without anything that has the shape of a key, a token, a password hash or a digest."""
    return _SENSITIVE_TEXT.sub(REDACTED, text)


class _LibraryHandler(logging.Handler):
    """Carries the standard library's log records (uvicorn, SQLAlchemy, Alembic) into the same lines."""

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        if message.startswith(_REPEATED):
            return
        level = record.levelno if record.levelno in _NAMES else logging.INFO
        exception = record.exc_info[1] if record.exc_info else None
        log.log(level, "library", {"logger": record.name, "message": message, "exc_info": exception})


def _with_exception(fields: dict[str, Any]) -> dict[str, Any]:
    exception = fields.pop("exc_info", None)
    if isinstance(exception, BaseException):
        fields["exception"] = type(exception).__qualname__
        fields["traceback"] = "".join(traceback.format_exception(exception))
    return fields


def _redacted(fields: dict[str, Any]) -> dict[str, Any]:
    for name, value in fields.items():
        if _SENSITIVE_NAME.search(name):
            fields[name] = REDACTED
        elif isinstance(value, str):
            fields[name] = redact(value)
    return fields


def _now() -> str:
    """RFC 3339 in UTC; the many lines of one second share the text of it."""
    moment = time_ns() // 1000
    second, microseconds = divmod(moment, 1_000_000)
    if second != _output.second:
        _output.second, _output.second_text = second, strftime("%Y-%m-%dT%H:%M:%S", gmtime(second))
    return f"{_output.second_text}.{microseconds:06d}Z"


def _line(fields: dict[str, Any]) -> bytes:
    return orjson.dumps(fields, default=str, option=orjson.OPT_APPEND_NEWLINE)


def _write(line: bytes) -> None:
    # One system call a line, because several processes share stdout. That nobody reads it any more must not
    # fail a request.
    try:  # noqa: SIM105  suppress() costs as much as the write itself
        os.write(1, line)
    except OSError:
        pass


def _shorten(fields: dict[str, Any]) -> None:
    """Halve the longest text from its front: of a traceback the innermost frames are at the end."""
    longest = max(fields, key=lambda name: len(str(fields[name])))
    text = str(fields[longest])
    fields[longest] = "[...] " + text[len(text) // 2 + 6 :]
