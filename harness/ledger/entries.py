"""The lines of the ledger: JSON, one entry a line, each with a digest over its own content.

    {"ledger":1,"made":"by `make selftest`, never by hand","sum":"…"}
    {"void":"<check>#<defect>","why":"…","seed":7,"at":"…","sum":"…"}
    {"proof":"<check>#<defect>","control":"…","defect":"<title>","outcome":"caught","clean":true,…,"sum":"…"}
    {"file":"harness/planning.py","digest":"…","sum":"…"}

The digest shows that a line was cut off, or edited by accident. It is no signature: whoever wants to can
compute it for a line of their own. What guards against that is the file's history, and the audit.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from harness.ledger.tree import digest_of
from harness.records import Proof

FORMAT: Final = 1
HEAD: Final = {"ledger": FORMAT, "made": "by `make selftest`, never by hand"}
_SUM: Final = b',"sum":"'
_SUMMED: Final = re.compile(rb'(?P<body>\{.*),"sum":"(?P<sum>[a-z2-7]+)"\}')
_SHOWN: Final = 160  # characters of a message
# What differs with every run or names this machine, and what a scanner could take for a secret.
_PASSING: Final = re.compile(
    r"(?<![\w/])/(?:tmp|home|root|work|var|usr|opt|private|Users)/\S*"  # a path of the machine
    r"|\b\d+\.\d+\.\d+\.\d+\b"
    r"|BEGIN [A-Z ]*KEY"
    r"|(?=\S*\d)\S{20,}"
    r"|[\w+/=-]{24,}"
    r"|\b(?=[a-zA-Z]*\d)[0-9a-zA-Z]{9,}\b"
)
_QUOTES: Final = re.compile(r"[\"'`<>{}\[\]]+")
_SIGNS: Final = re.compile(r"=+|;|:(?!//)")  # what would make a name and a value of two words
Key = tuple[str, str]  # check, defect_key


class BrokenLine(Exception):
    """A line that is not what was written; the argument says how."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One proof as it is kept.

    seconds: wall time of the trials with the defect. clean_seconds: that of the clean twin, which all defects
    of a check share.
    binding: digest by part, see `harness.ledger.binding`.
    """

    proof: Proof
    seconds: float
    clean_seconds: float
    binding: Mapping[str, str]

    @property
    def key(self) -> Key:
        return self.proof.check, self.proof.defect_key

    @property
    def good(self) -> bool:
        """Whether the defect was caught, and the clean twin passed."""
        return self.proof.outcome == "caught" and self.proof.clean

    def payload(self) -> dict[str, Any]:
        """Return it as it stands in a line."""
        proof = self.proof
        return {
            "proof": name_of(self.key),
            "control": proof.control,
            "defect": proof.defect,
            "outcome": proof.outcome,
            "clean": proof.clean,
            "profile": proof.profile,
            "runtime": proof.runtime,
            "at": proof.at,
            "seconds": round(self.seconds, 2),
            "clean_seconds": round(self.clean_seconds, 2),
            "message": brief(proof.message),
            "binding": dict(self.binding),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Void:
    """An audit disagreed with a proof that was bound to the very same files: older proofs count no more."""

    proof: str
    why: str
    seed: int
    at: str

    @property
    def text(self) -> str:
        return f"the ledger disagrees with {self.proof}: {self.why} (seed {self.seed})"

    def payload(self) -> dict[str, Any]:
        """Return it as it stands in a line."""
        return {"void": self.proof, "why": brief(self.why), "seed": self.seed, "at": self.at}


def encode(payload: Mapping[str, Any]) -> bytes:
    """Return a line, newline included."""
    body = orjson.dumps(payload)[:-1]
    return b"".join((body, _SUM, digest_of(body).encode(), b'"}\n'))


def decode(line: bytes) -> dict[str, Any]:
    """Return what a line holds, without its digest. Raises `BrokenLine`."""
    found = _SUMMED.fullmatch(line)
    if found is None:
        raise BrokenLine("it is cut off, or no line of a ledger")
    if digest_of(found["body"]).encode() != found["sum"]:
        raise BrokenLine("it was edited: its digest does not match")
    try:
        payload: dict[str, Any] = orjson.loads(found["body"] + b"}")
    except orjson.JSONDecodeError:
        raise BrokenLine("it is not JSON") from None
    return payload


def entry_of(payload: Mapping[str, Any]) -> Entry:
    """Return the proof that a line holds. Raises `BrokenLine`."""
    try:
        check, key = key_of(payload["proof"])
        told = ("control", "defect", "outcome", "clean", "profile", "runtime", "at", "message")
        return Entry(
            proof=Proof(check=check, defect_key=key, **{name: payload[name] for name in told}),
            seconds=float(payload["seconds"]),
            clean_seconds=float(payload["clean_seconds"]),
            binding=dict(payload["binding"]),
        )
    except (KeyError, TypeError, ValueError) as cause:
        raise BrokenLine(f"it is no proof: {cause!r}") from None


def void_of(payload: Mapping[str, Any]) -> Void:
    """Return the disagreement that a line holds. Raises `BrokenLine`."""
    try:
        return Void(
            proof=payload["void"], why=payload["why"], seed=int(payload["seed"]), at=str(payload["at"])
        )
    except (KeyError, TypeError, ValueError) as cause:
        raise BrokenLine(f"it is no disagreement: {cause!r}") from None


def name_of(key: Key) -> str:
    """Return a proof's name: its check's node id, and the key of its defect."""
    return "#".join(key)


def key_of(name: str) -> Key:
    """Return what a name stands for."""
    check, _, key = name.rpartition("#")
    return check, key


def brief(message: str) -> str:
    """Return the first line of a message, without what differs from run to run."""
    whole = message.encode("utf-8", "backslashreplace").decode()  # a lone surrogate cannot be written
    line = (whole.splitlines() or [""])[0]
    plain = _SIGNS.sub(" ", _QUOTES.sub("", _PASSING.sub("…", line)))
    return " ".join(plain.split())[:_SHOWN].strip()
