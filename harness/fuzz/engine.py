"""Schemathesis: examples, coverage of the described values, and fuzzing. Its only importer.

It makes the requests; they are sent and judged here, so it needs to know nothing of credentials and verdicts.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Final, cast

import requests
from schemathesis import Case, Config, Response, openapi
from schemathesis.engine import from_schema
from schemathesis.engine.events import NonFatalError
from schemathesis.errors import LoaderError
from schemathesis.specs.openapi.schemas import OpenApiSchema
from schemathesis.transport.requests import REQUESTS_TRANSPORT, RequestsTransport

from harness.errors import ProbeFailed
from harness.fuzz.message import Message, written
from harness.fuzz.records import PHASES, Phase
from harness.fuzz.sender import OutOfTime
from harness.probes.reply import Reply

Send = Callable[[Message, Phase], Reply]
_BASE: Final = "http://target"
# What the client library adds by itself; the sender adds its own.
_ADDED: Final = {
    *("user-agent", "accept-encoding", "connection", "content-length", "x-schemathesis-testcaseid"),
    *("host", "transfer-encoding"),
}


class _Transport(RequestsTransport):
    """Serialises as Schemathesis does, and sends as the campaign does."""

    def __init__(self, send: Send) -> None:
        super().__init__()
        self._copy_serializers_from(REQUESTS_TRANSPORT)
        self._send = send

    def send(self, case: Case[Any], *, session: Any = None, **_: Any) -> Response:
        """Send a case. session: Schemathesis's own, which is not used."""
        del session
        prepared = requests.Request(**self.serialize_case(case, base_url=_BASE)).prepare()
        sent: Any = prepared.body or b""
        body, base64 = written(sent if isinstance(sent, bytes) else sent.encode())
        message = Message(
            operation=case.operation.label,
            method=case.method.upper(),
            target=prepared.path_url,
            fields=tuple((n, _text(v)) for n, v in prepared.headers.items() if n.lower() not in _ADDED),
            body=body,
            body_base64=base64,
        )
        reply = self._send(message, _phase(case))
        headers: dict[str, list[str]] = {}
        for name, value in reply.headers.items():
            headers.setdefault(name, []).append(value)
        return Response(
            status_code=reply.status or 599,
            headers=headers,
            content=reply.body,
            request=prepared,
            elapsed=reply.elapsed_s,
            verify=True,
        )


def run(document: dict[str, Any], send: Send, *, seed: int, for_s: float) -> tuple[str, ...]:
    """Send what Schemathesis makes of a description, for `for_s` seconds at most.

    Return what it could not make requests of, and why. Raises `ProbeFailed` for a description that it cannot
    read at all.
    """
    over = threading.Event()

    def bounded(message: Message, phase: Phase) -> Reply:
        try:
            return send(message, phase)
        except OutOfTime:
            over.set()
            raise KeyboardInterrupt from None  # which is how its workers are ended

    schema = load(document, bounded, seed=seed)
    schema.config.max_time = cast("int", for_s)
    trouble = []
    stream = from_schema(schema).execute()
    for event in stream:
        if over.is_set():
            stream.stop()
        elif isinstance(event, NonFatalError):
            trouble.append(f"{event.label}: {event.info.title}: {event.info.message}".splitlines()[0])
    return tuple(dict.fromkeys(trouble))


def load(document: dict[str, Any], send: Send, *, seed: int) -> OpenApiSchema:
    """Return a description as Schemathesis reads it. Raises `ProbeFailed`."""
    sending = _Transport(send)

    class Described(OpenApiSchema):
        @property
        def transport(self) -> _Transport:
            return sending

    try:
        loaded = openapi.from_dict(document, config=_configured(seed))
    except LoaderError as cause:
        raise ProbeFailed(
            f"the API description cannot be fuzzed: {cause}", remedy="Give a valid OpenAPI 3 document."
        ) from None
    return Described(raw_schema=loaded.raw_schema, config=loaded.config)


def _configured(seed: int) -> Config:
    """Nothing is checked, kept, shrunk or learnt there: what one request did must not decide the next one."""
    return Config.from_dict(
        {
            "seed": seed,
            "cache": {"enabled": False},
            "checks": {"enabled": False},
            "generation": {"database": "none", "no-shrink": True, "with-security-parameters": False},
            "phases": {
                **{
                    name: {"extra-data-sources": {"responses": False}}
                    for name in ("examples", "coverage", "fuzzing")
                },
                "stateful": {"enabled": False},
            },
        }
    )


def _phase(case: Case[Any]) -> Phase:
    name = case.meta.phase.name.value if case.meta is not None else ""
    return next((phase for phase in PHASES if phase == name), "fuzzing")


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value
