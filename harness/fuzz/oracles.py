"""What no request may be answered, whoever sends it: the product's own oracles. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Final, Literal

from harness.fuzz.message import Message, texts
from harness.probes.reply import Reply

Oracle = Literal["server-error", "no-answer", "no-problem", "echo", "trace", "version"]
ORACLES: Final[dict[Oracle, str]] = {
    "server-error": "answered 5xx",
    "no-answer": "not answered at all",
    "no-problem": "refused without a problem document (RFC 9457)",
    "echo": "a refusal repeats the request (CWE-209)",
    "trace": "an answer shows the inside of the server (CWE-209)",
    "version": "an answer shows a version (CWE-200)",
}
# A shorter text may stand in an answer by itself.
_TELLING: Final = 8
_PROBLEM: Final = "application/problem+json"
_KEPT_BY_DESIGN: Final = "x-request-id"
_INSIDE: Final = re.compile(
    r"Traceback \(most recent call last\)|File \"[^\"]+\", line \d+|\bat [\w$.]+\([\w.]+:\d+\)|site-packages"
    r"|\b(?:SELECT|INSERT INTO|UPDATE|DELETE FROM)\s.{1,200}?\b(?:FROM|VALUES|SET|WHERE)\b"
    r"|syntax error at or near|no such (?:table|column)|UNIQUE constraint failed|violates \w+ constraint"
    r"|\b\w+(?:\.\w+)+(?:Error|Exception)\b|\b(?:Type|Value|Key|Attribute|Unicode\w*|Recursion)Error\b",
    re.DOTALL,
)
_PRODUCT: Final = re.compile(
    r"\b(?:python|uvicorn|starlette|fastapi|pydantic|haproxy|nginx|panotti|sqlalchemy|openssl)[/ ]v?\d+\.\d+",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Complaint:
    """What is wrong with an answer. detail: what of it, without anything that differs from run to run."""

    oracle: Oracle
    detail: str

    def __str__(self) -> str:
        return f"{ORACLES[self.oracle]}: {self.detail}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Judge:
    """unversioned: headers that must not show a version. public: a text in which everything may be repeated,
    the API description: names, defaults and choices are no secret of the request."""

    unversioned: Collection[str]
    public: str

    def complaints(self, message: Message, reply: Reply) -> tuple[Complaint, ...]:
        """Return what is wrong with an answer, nothing for a good one."""
        return tuple(self._found(message, reply))

    def _found(self, message: Message, reply: Reply) -> Iterator[Complaint]:
        if reply.status == 0:
            yield Complaint(oracle="no-answer", detail="the connection ended, or nothing came")
            return
        if reply.status >= 500:
            yield Complaint(oracle="server-error", detail=str(reply.status))
        for name in self.unversioned:
            if re.search(r"\d", reply.headers.get(name)):
                yield Complaint(oracle="version", detail=f"in the header {name}")
        if reply.status >= 400:
            yield from self._of_refusal(message, reply)

    def _of_refusal(self, message: Message, reply: Reply) -> Iterator[Complaint]:
        if message.method != "HEAD" and (fault := _no_problem(reply)):
            yield Complaint(oracle="no-problem", detail=f"{reply.status}, {fault}")
        fields = [f"{name}: {value}" for name, value in reply.headers.items() if name != _KEPT_BY_DESIGN]
        shown = "\n".join((reply.text, *fields))
        said = texts(message)
        # Names are told by design: the contract's `loc` says which field is wrong.
        told = [text for text in said.values if len(text) >= _TELLING and text not in self.public]
        if any(text in shown or json.dumps(text)[1:-1] in shown for text in told):
            yield Complaint(oracle="echo", detail=str(reply.status))
        own = _without(shown, said.names | said.values)
        if _INSIDE.search(own):
            yield Complaint(oracle="trace", detail=str(reply.status))
        if _PRODUCT.search(own):
            yield Complaint(oracle="version", detail=f"in the body of {reply.status}")


def _no_problem(reply: Reply) -> str:
    """What keeps a refusal from being a problem document, "" when it is one."""
    if reply.media_type != _PROBLEM:
        return reply.media_type or "no content type"
    if reply.field("status") != reply.status:
        return "its status is another one"
    return "" if reply.string("title") else "it has no title"


def _without(shown: str, said: Collection[str]) -> str:
    """An answer without what the request itself holds: that is an echo, and no disclosure."""
    for text in said:
        if len(text) >= _TELLING:
            shown = shown.replace(text, "").replace(json.dumps(text)[1:-1], "")
    return shown
