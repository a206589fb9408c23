"""A request as the fuzzer sends, reduces and keeps it: without whose it is."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

import orjson

from harness.records import Json
from harness.tomlfile import Closed


@dataclass(frozen=True, slots=True, kw_only=True)
class Message(Closed):
    """One request to an operation ("POST /api/recording-started", as the description spells it).

    method: usually the operation's. target: path and query as they go out. body: text, or in Base64 where it
    is none.
    """

    operation: str
    method: str
    target: str
    fields: tuple[tuple[str, str], ...] = ()
    body: str = ""
    body_base64: str = ""

    @property
    def content(self) -> bytes:
        """The body as it goes out."""
        return base64.b64decode(self.body_base64) if self.body_base64 else self.body.encode()

    def json(self) -> Json:
        """Return the body as JSON, None where it is none."""
        try:
            found: Json = orjson.loads(self.content)
        except orjson.JSONDecodeError:
            return None
        return found


def written(content: bytes) -> tuple[str, str]:
    """Return a message's `body` and `body_base64` for these bytes; one of them is empty."""
    try:
        return content.decode(), ""
    except UnicodeDecodeError:
        return "", base64.b64encode(content).decode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Texts:
    """What a request says, as a server reads it. names: of parameters and members; values: the rest."""

    names: frozenset[str]
    values: frozenset[str]


def texts(message: Message) -> Texts:
    """Return every text in a request's target and body."""
    path, _, query = message.target.partition("?")
    names: set[str] = set()
    values = {_plain(piece) for piece in path.split("/")}
    for pair in query.split("&"):
        name, _, value = pair.replace("+", " ").partition("=")
        names.add(_plain(name))
        values.add(_plain(value))
    document = message.json()
    pending: list[Json] = [message.content.decode("utf-8", "replace") if document is None else document]
    while pending:
        match pending.pop():
            case str(text):
                values.add(text)
            case dict(members):
                names.update(members)
                pending += members.values()
            case list(items):
                pending += items
            case _:
                pass
    return Texts(names=frozenset(names - {""}), values=frozenset(values - {""}))


def _plain(text: str) -> str:
    return unquote_to_bytes(text).decode("utf-8", "replace")
