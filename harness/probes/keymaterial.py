"""Does the content of a file look like a credential? For files that nobody told the harness about."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from typing import Final

_TEXT_BYTES: Final = 262_144  # a larger file is no configuration that somebody wrote
_TOKEN_BYTES: Final = 512
_BEFORE: Final = 40  # characters before a value in which its name stands
# Programs hold the keys of their own self-tests, GnuTLS for one.
_PROGRAM: Final = b"\x7fELF"
# The distribution's own files talk about passwords, and hold none of the application's.
_DISTRIBUTION: Final = ("usr/bin/", "usr/lib/", "usr/sbin/", "usr/share/", "var/lib/dpkg/", "var/lib/apt/")
# A header alone is what a parser looks for; with a body behind it, it is a key.
_PRIVATE_KEY: Final = re.compile(
    rb"PRIVATE KEY-----(?:\r?\n|\\n)(?:[A-Za-z-]+: [^\r\n]*\r?\n)*\s*[A-Za-z0-9+/=]{40}"
)
# Forms that their issuers made to be found: AWS, GitHub, GitLab, Slack, Stripe, Google.
_ISSUED: Final = {
    b"AKIA": re.compile(rb"\bAKIA[0-9A-Z]{16}(?![0-9A-Za-z])"),
    b"ghp_": re.compile(rb"\bghp_[A-Za-z0-9]{36}"),
    b"github_pat_": re.compile(rb"\bgithub_pat_[A-Za-z0-9_]{40}"),
    b"glpat-": re.compile(rb"\bglpat-[A-Za-z0-9_-]{20}"),
    b"xoxb-": re.compile(rb"\bxoxb-[0-9A-Za-z-]{20}"),
    b"sk_live_": re.compile(rb"\bsk_live_[0-9A-Za-z]{24}"),
    b"AIza": re.compile(rb"\bAIza[0-9A-Za-z_-]{35}"),
}
_VALUE: Final = re.compile(r"[A-Za-z0-9+/_-]{20,}={0,2}")
# Looked for by what stands before them, which is rare; looked ahead at, as one may end where another begins.
_GIVEN: Final = re.compile(rf"[:=]\s*[\"']?(?=({_VALUE.pattern}))")
_NAME: Final = re.compile(
    r"(?:key|secret|token|passw(?:or)?d|credential)[a-z0-9_-]{0,20}[\"']?\s*$", re.IGNORECASE
)


def key_material(path: str, data: bytes) -> Iterator[str]:
    """Yield what in a file looks like a credential: the kind, never the value.

    path: as an archive names it, without a leading slash.
    """
    if data.startswith(_PROGRAM):
        return
    if b"PRIVATE KEY-----" in data and _PRIVATE_KEY.search(data):
        yield "a private key"
    if any(prefix in data and pattern.search(data) for prefix, pattern in _ISSUED.items()):
        yield "a token of a known issuer"
    if len(data) > _TEXT_BYTES or b"\0" in data or path.startswith(_DISTRIBUTION):
        return
    text = data.decode("utf-8", "replace")
    if named_secret(text):
        yield "a random value under a secret's name"
    if len(data) <= _TOKEN_BYTES and _VALUE.fullmatch(text.strip()) and looks_random(text.strip()):
        yield "one random value and nothing else"


def named_secret(text: str) -> bool:
    """Whether a text gives a random value to something that is named like a secret: `API_KEY=...`."""
    return any(
        _NAME.search(text, max(found.start() - _BEFORE, 0), found.start()) and looks_random(found[1])
        for found in _GIVEN.finditer(text)
    )


def looks_random(value: str) -> bool:
    """Whether a value was more likely drawn than written: hexadecimal, or both cases and digits mixed."""
    if re.fullmatch(r"[0-9a-f]{32,}|[0-9A-F]{32,}", value):
        return _bits(value) > 3.0
    if value.isalpha() or value in (value.lower(), value.upper()):
        return False
    kinds = [_kind(character) for character in value if character.isalnum()]
    if not {"upper", "lower", "digit"} <= set(kinds):
        return False
    # A name in camel case keeps to one kind for a while; drawn characters change kind at three of five steps,
    # and long values keep closer to that.
    changes = sum(one != other for one, other in pairwise(kinds)) / (len(kinds) - 1)
    return changes > (0.46 if len(kinds) < 32 else 0.38) and _bits(value) > 3.6


def _kind(character: str) -> str:
    if character.isdigit():
        return "digit"
    return "upper" if character.isupper() else "lower"


def _bits(value: str) -> float:
    """Shannon entropy of the characters, in bits each."""
    return -sum(n / len(value) * math.log2(n / len(value)) for n in Counter(value).values())
