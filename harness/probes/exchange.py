"""A request and its answer as evidence: secrets hidden, bodies cut, and the command that shows it again."""

from __future__ import annotations

import re
import shlex
from dataclasses import replace
from typing import Final

from harness import evidence
from harness.probes.message import Request
from harness.probes.peer import Peer
from harness.probes.reply import Reply
from harness.records import Exchange
from harness.redaction import VAULT

SHOWN: Final = 2048  # characters of a body that evidence keeps
_READ: Final = 16384  # more than is shown, so that a secret across the cut is still known as one
_PLACEHOLDER = re.compile(r"(\$[A-Z][A-Z0-9_]*)")


def record_exchange(peer: Peer, request: Request, reply: Reply) -> None:
    """Give the current check this exchange."""
    size, shown = len(reply.body), replace(reply, body=reply.body[:_READ])
    evidence.record_exchange(reply.status, lambda: exchange(peer, request, shown, size=size))


def exchange(peer: Peer, request: Request, reply: Reply, *, size: int) -> Exchange:
    """Return a request and its answer (of a body of `size` bytes) without secrets."""
    fields = tuple((name, _shown_header(name, value)) for name, value in request.fields)
    body = _shown(request.content, len(request.content))
    headers = tuple((name, VAULT.header(name, value)) for name, value in reply.headers.items())
    return Exchange(
        method=request.method,
        url=VAULT.url(f"{peer.url}{request.path}"),
        request_headers=fields,
        request_body=body,
        status=reply.status,
        response_headers=headers,
        response_body=_shown(reply.body, size),
        elapsed_ms=round(reply.elapsed_s * 1000, 3),
        error=VAULT.text(reply.error),
        curl=command(peer, request, fields, body),
    )


def command(peer: Peer, request: Request, fields: tuple[tuple[str, str], ...], body: str) -> str:
    """Return the curl command of a request; `fields` and `body` are already free of secrets."""
    words = ["curl", "-sS", "-i", "--path-as-is", "-X", request.method]
    if peer.tls and peer.ca_file is not None:
        words += ["--cacert", "$CA_FILE"]
    if peer.socket_url != peer.url:
        words += ["--connect-to", f"{peer.authority}:{peer.host}:{peer.port}"]
    for name, value in fields:
        words += ["-H", f"{name}: {value}"]
    if request.content:
        words += ["--data-binary", "@BODY" if len(body) > SHOWN else body]
    words.append(VAULT.url(f"{peer.url}{request.path}"))
    return " ".join(_quoted(word) for word in words)


def _shown(content: bytes, size: int) -> str:
    text = VAULT.body(content[:_READ].decode("utf-8", "replace"))
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}… ({size} bytes)"


def _shown_header(name: str, value: bytes) -> str:
    return VAULT.header(name, value.decode("utf-8", "replace"))[:SHOWN]


def _quoted(word: str) -> str:
    """Quote for a POSIX shell; placeholders stay open to it, so that exported secrets are filled in."""
    if not _PLACEHOLDER.search(word):
        return shlex.quote(word)
    parts = _PLACEHOLDER.split(word)
    parts[::2] = [re.sub(r'([\\"$`])', r"\\\1", part) for part in parts[::2]]
    return f'"{"".join(parts)}"'
