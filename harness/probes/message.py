"""HTTP/1.1 messages as bytes: written exactly as told, read as far as they have come (RFC 9112)."""

from __future__ import annotations

import json as jsonlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypedDict, Unpack, cast

from harness.principals import ApiKey, BrowserSession, Tokens
from harness.probes.reply import Headers, Reply
from harness.records import Json

Fields = Mapping[str, str | bytes] | Iterable[tuple[str, str | bytes]]
_UNSAFE = {"POST", "PUT", "PATCH", "DELETE"}


class Parts(TypedDict, total=False):
    """What a request may be made of. key: in the contract's header. token: as a bearer token. session:
    cookie, and
    the CSRF token where the method is unsafe. json: a body of that type; content: a body as it is."""

    headers: Fields | None
    json: Json
    content: bytes | str | None
    key: ApiKey | str | None
    token: Tokens | str | None
    cookies: Mapping[str, str] | None
    session: BrowserSession | None
    origin: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request before it is sent. Header fields go out in this order and spelling, repeated ones
    included."""

    method: str
    path: str
    fields: tuple[tuple[str, bytes], ...]
    content: bytes

    def encode(self, authority: str) -> bytes:
        """Return the request as it goes over the wire."""
        names = {name.lower() for name, _ in self.fields}
        lines = [f"{self.method} {self.path} HTTP/1.1".encode("utf-8", "surrogateescape")]
        if "host" not in names:
            lines.append(b"Host: " + authority.encode())
        lines += [name.encode() + b": " + value for name, value in self.fields]
        if self.content and not names & {"content-length", "transfer-encoding"}:
            lines.append(b"Content-Length: %d" % len(self.content))
        return b"\r\n".join(lines) + b"\r\n\r\n" + self.content


def compose(method: str, path: str, *, auth_header: str = "X-API-Key", **parts: Unpack[Parts]) -> Request:
    """Return a request. Given header fields come last, beside those that the other parts add."""
    fields = [*_credentials(parts, auth_header), *_browser(parts, method)]
    json, content = parts.get("json"), parts.get("content")
    given = [(name, _bytes(value)) for name, value in _pairs(parts.get("headers"))]
    body = _bytes(content) if content is not None else b""
    if json is not None:
        body = jsonlib.dumps(json).encode()
        if not any(name.lower() == "content-type" for name, _ in given):
            fields.append(("Content-Type", b"application/json"))
    return Request(method=method, path=path, fields=(*fields, *given), content=body)


def _credentials(parts: Parts, auth_header: str) -> Iterable[tuple[str, bytes]]:
    key, token = parts.get("key"), parts.get("token")
    if key is not None:
        yield auth_header, _bytes(key.value if isinstance(key, ApiKey) else key)
    if token is not None:
        yield "Authorization", b"Bearer " + _bytes(token.access if isinstance(token, Tokens) else token)


def _browser(parts: Parts, method: str) -> Iterable[tuple[str, bytes]]:
    session, origin = parts.get("session"), parts.get("origin")
    jar = [f"{name}={value}" for name, value in (parts.get("cookies") or {}).items()]
    if session is not None:
        jar.append(session.cookie)
        if session.csrf and method.upper() in _UNSAFE:
            yield session.csrf_header, _bytes(session.csrf)
    if jar:
        yield "Cookie", _bytes("; ".join(jar))
    if origin is not None:
        yield "Origin", _bytes(origin)


def parts_of(options: Parts) -> Parts:
    """Return what of `options` makes a request, without what only says how to send it."""
    return cast("Parts", {name: part for name, part in options.items() if name in Parts.__annotations__})


def parse(data: bytes | bytearray, *, method: str = "GET", ended: bool = False) -> tuple[Reply, int] | None:
    """Return the first final answer in `data` and how many bytes it took; None while it is not complete.

    ended: the peer closed, so that an answer without a length ends here.
    """
    start = 0
    while True:
        end = data.find(b"\r\n\r\n", start)
        if end < 0 or not data.startswith(b"HTTP/", start):
            return None
        lines = bytes(data[start:end]).decode("latin-1").split("\r\n")
        status = _status(lines[0])
        start = end + 4
        if status >= 200:
            break
    headers = Headers(_field(line) for line in lines[1:])
    found = _body(data, start, status, headers, method=method, ended=ended)
    return None if found is None else (Reply(status=status, headers=headers, body=found[0]), found[1])


def _body(
    data: bytes | bytearray, start: int, status: int, headers: Headers, *, method: str, ended: bool
) -> tuple[bytes, int] | None:
    if method == "HEAD" or status in (204, 304):
        return b"", start
    if "chunked" in headers.members("transfer-encoding"):
        return _chunks(data, start)
    length = headers.get("content-length")
    if length.isdecimal():
        end = start + int(length)
        return (bytes(data[start:end]), end) if len(data) >= end else None
    return (bytes(data[start:]), len(data)) if ended else None


def _chunks(data: bytes | bytearray, start: int) -> tuple[bytes, int] | None:
    body = bytearray()
    while (end := data.find(b"\r\n", start)) >= 0:
        try:
            size = int(bytes(data[start:end]).partition(b";")[0], 16)
        except ValueError:
            return None
        start = end + 2
        if len(data) < start + size + 2:
            return None
        if size == 0:
            close = data.find(b"\r\n", start)
            return bytes(body), close + 2
        body += data[start : start + size]
        start += size + 2
    return None


def _status(line: str) -> int:
    code = line.partition(" ")[2][:3]
    return int(code) if code.isdecimal() else 999


def _field(line: str) -> tuple[str, str]:
    name, _, value = line.partition(":")
    return name, value.strip()


def _bytes(value: str | bytes) -> bytes:
    return value if isinstance(value, bytes) else value.encode("utf-8", "surrogateescape")


def _pairs(headers: Fields | None) -> Iterable[tuple[str, str | bytes]]:
    if headers is None:
        return ()
    return headers.items() if isinstance(headers, Mapping) else headers
