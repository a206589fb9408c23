"""What evidence must never carry: every secret that the harness knows, and whatever is named like one.

Known values are replaced by a placeholder (`$API_KEY`), which also makes the curl command of an exchange
fit to run
again. One vault serves the whole process: a key made by one check may turn up in the log that another
check reads.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import threading
from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import quote

from harness.records import Json

HIDDEN: Final = "[redacted]"
_LEAST = 6  # characters; a shorter value would blot out ordinary words
_NAMED = re.compile(
    r"pass(word|wd|phrase)?$|secret|token|cookie|credential|authori[sz]ation|csrf|session[_-]?id$|private[_-]?key|api[_-]?key"
    r"|^key$|signature|^otp$",
    re.IGNORECASE,
)
_NOT_SECRET = {"token_type", "access-control-allow-credentials", "token_ttl"}
_PART: Final = 12  # characters of a long secret that give it away: a truncated key is nearly a key
_WORD = re.compile(r"[\w.~+/=%-]{6,}")
_IN_URL = re.compile(r"(?<=[?&;])([^=&;#]+)=([^&;#]*)")
# Quotes may themselves be escaped: a server that echoes a body puts JSON into a JSON string.
_IN_TEXT = re.compile(
    r'(?<!\\)(?P<quote>\\*")(?P<name>[^"\\]{1,64})(?P=quote)(?P<colon>\s*:\s*)'
    r"(?P=quote)(?P<value>.*?)(?P<end>(?<!\\)(?P=quote)|\Z)",
    re.DOTALL,
)
_JWT = re.compile(r"\beyJ[\w-]{8,}\.[\w-]*\.[\w-]*")
_PEM = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL)


class Vault:
    """The secrets known so far. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._words: dict[str, str] = {}  # lower-case spelling -> placeholder, longest first
        self._texts: dict[str, str] = {}  # spellings that are more than one word
        self._parts: dict[str, str] = {}  # beginnings and ends of long secrets
        self._grams: frozenset[str] = frozenset()  # what a word must hold to be looked at closely
        self._short: tuple[str, ...] = ()
        self._headers: set[str] = set()

    def learn(self, value: str, placeholder: str) -> None:
        """Hide `value` from now on, in every spelling that a log, an address or JSON would give it."""
        if len(value) < _LEAST:
            return
        with self._lock:
            words, texts, parts = dict(self._words), dict(self._texts), dict(self._parts)
            for spelling in {known.lower() for known in _spellings(value)}:
                (words if _WORD.fullmatch(spelling) else texts).setdefault(spelling, placeholder)
            if len(value) >= 2 * _PART and _WORD.fullmatch(value):
                parts |= dict.fromkeys((value[:_PART].lower(), value[-_PART:].lower()), placeholder)
            self._words = dict(sorted(words.items(), key=lambda item: -len(item[0])))
            self._texts, self._parts = texts, parts
            self._grams = frozenset((*(word[:_PART] for word in words if len(word) >= _PART), *parts))
            self._short = tuple(word for word in words if len(word) < _PART)

    def learn_all(self, secrets: Mapping[str, str]) -> None:
        """Hide every value of `secrets`; its placeholder is its name in capitals."""
        for name, value in secrets.items():
            self.learn(value, f"${re.sub(r'[^A-Za-z0-9]', '_', name).upper()}")

    def learn_header(self, name: str) -> None:
        """Hide the values of a header by its name: the one that carries the target's key."""
        with self._lock:
            self._headers = self._headers | {name.lower()}

    def text(self, text: str) -> str:
        """Return `text` without any secret known here, private key or signed token."""
        folded = text.lower()
        for secret, placeholder in self._texts.items():
            if secret in folded:
                text = re.sub(re.escape(secret), placeholder, text, flags=re.IGNORECASE)
                folded = text.lower()
        text = _WORD.sub(self._word, text)
        if "eyJ" in text:
            text = _JWT.sub(HIDDEN, text)
        return _PEM.sub(HIDDEN, text) if "PRIVATE KEY" in text else text

    def _word(self, found: re.Match[str]) -> str:
        word, folded = found[0], found[0].lower()
        if folded in self._words:
            return self._words[folded]
        if not self._suspect(folded):
            return word
        for secret, placeholder in self._words.items():
            if secret in folded:
                word = re.sub(re.escape(secret), placeholder, word, flags=re.IGNORECASE)
                folded = word.lower()
        for part, placeholder in self._parts.items():
            if part in folded:
                head, equals, _ = word.rpartition("=") if "=" in word.rstrip("=") else ("", "", word)
                return f"{head}{equals}[redacted, like {placeholder}]"
        return word

    def _suspect(self, folded: str) -> bool:
        """Whether a word may hold a secret or a part of one. Every word passes here: it has to be fast."""
        grams = self._grams
        if any(folded[at : at + _PART] in grams for at in range(len(folded) - _PART + 1)):
            return True
        return any(word in folded for word in self._short)

    def message(self, text: str) -> str:
        """Return an HTTP message as text, its header fields and its body without secrets."""
        head, gap, body = text.partition("\r\n\r\n")
        lines = head.split("\r\n")
        for at, line in enumerate(lines):
            name, colon, value = line.partition(":")
            if colon and " " not in name:
                lines[at] = (
                    f"{name}:{value[: len(value) - len(value.lstrip())]}{self.header(name, value.strip())}"
                )
            else:
                lines[at] = self.url(line)
        return "\r\n".join(lines) + gap + self.body(body)

    def header(self, name: str, value: str) -> str:
        """Return a header's value; of a secret one at most its placeholder and its length."""
        clean = self.text(value)
        if name.lower() not in self._headers and not _is_secret_name(name):
            return clean
        if name.lower() == "set-cookie":
            return _cookie_attributes(clean)
        scheme, space, rest = clean.partition(" ")
        if not name.lower().endswith("authorization"):
            scheme, space, rest = "", "", clean
        shown = rest if _only_placeholders(rest) else f"[redacted, {len(value)} characters]"
        return f"{scheme}{space}{shown}"

    def url(self, url: str) -> str:
        """Return an address whose secret query parameters are hidden."""
        return _IN_URL.sub(lambda found: f"{found[1]}={self._field(found[1], found[2])}", self.text(url))

    def body(self, text: str) -> str:
        """Return a body: known secrets, and the values of JSON or form fields named like secrets, are
        hidden."""
        clean = self.text(text)
        if '"' in clean:
            return _IN_TEXT.sub(self._json_field, clean)
        if "=" in clean and "\n" not in clean and "<" not in clean:
            return self.url(f"?{clean}")[1:]
        return clean

    def data(self, value: Json) -> Json:
        """Return a JSON value of any depth without secrets."""
        match value:
            case str():
                return self.text(value)
            case list():
                return [self.data(item) for item in value]
            case dict():
                return {self.text(key): self._member(key, item) for key, item in value.items()}
            case _:
                return value

    def _member(self, key: str, value: Json) -> Json:
        return self._field(key, self.text(value)) if isinstance(value, str) else self.data(value)

    def _json_field(self, found: re.Match[str]) -> str:
        quote, value = found["quote"], self._field(found["name"], found["value"])
        value = _IN_TEXT.sub(self._json_field, value)
        return f"{quote}{found['name']}{quote}{found['colon']}{quote}{value}{found['end']}"

    def _field(self, name: str, value: str) -> str:
        if not value or not _is_secret_name(name) or _only_placeholders(value):
            return value
        return HIDDEN


VAULT: Final = Vault()


def _is_secret_name(name: str) -> bool:
    return name.lower() not in _NOT_SECRET and _NAMED.search(name) is not None


def _only_placeholders(text: str) -> bool:
    return not re.sub(r"\$[A-Z][A-Z0-9_]*|\[redacted[^\]]*\]|[;,= ]|[\w-]+=(?=\$)", "", text)


def _cookie_attributes(value: str) -> str:
    """A Set-Cookie header: the cookie's value hidden, its name and attributes kept (they are what is
    judged)."""
    pair, semicolon, attributes = value.partition(";")
    name, _, content = pair.partition("=")
    return f"{name}={content if _only_placeholders(content) else HIDDEN}{semicolon}{attributes}"


def _spellings(value: str) -> Iterable[str]:
    yield value
    yield value.strip()
    yield quote(value, safe="")
    yield quote(value)
    yield json.dumps(value)[1:-1]
    if len(value) <= 128:
        yield base64.b64encode(value.encode()).decode().rstrip("=")
        yield from _decoded(value)
    lines = value.splitlines()
    if len(lines) > 1:  # a PEM key, of which a log may repeat a line
        yield from (line for line in lines if len(line) >= 32 and not line.startswith("-----"))


def _decoded(value: str) -> Iterable[str]:
    """The text behind a Base64 secret."""
    try:
        plain = base64.b64decode(value, validate=True).decode("ascii")
    except (binascii.Error, ValueError):
        return
    if len(plain) >= _LEAST and plain.isprintable():
        yield plain
