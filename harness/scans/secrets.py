"""detect-secrets on files: what looks like a key, a token or a password that somebody wrote down.

Its comments that silence it (`pragma: allowlist secret`) are not heard: what is accepted stands in the triage
file, with a reason. It never asks the issuer of a token whether it is valid.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class
from detect_secrets.core.scan import _process_line_based_plugins, scan_file
from detect_secrets.plugins.base import RegexBasedDetector
from detect_secrets.plugins.keyword import DENYLIST
from detect_secrets.settings import transient_settings

from harness import places
from harness.probes.needles import Needles, named_in
from harness.runtimes.interpreter import locked
from harness.scans import Hit, Scan, Severity, fingerprint

TOOL: Final = "detect-secrets"
OWN: Final = "a secret of this run"
_CWE: Final = "CWE-798"  # use of hard-coded credentials
_LARGEST: Final = 4_000_000  # bytes of a text that is read line by line, for the rules that guess
_KEPT: Final = 50_000  # files whose matches are kept for later scans
# What was kept by another version of this module is not used.
_RULES: Final = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:8]
_PLANTED: Final = "planted-for-the-scanner.ini"
_FILTERS: Final = tuple(
    f"detect_secrets.filters.heuristic.{name}"
    for name in (
        *("is_sequential_string", "is_potential_uuid", "is_likely_id_string", "is_templated_secret"),
        *("is_prefixed_with_dollar_sign", "is_indirect_reference", "is_not_alphanumeric_string"),
    )
)
# Guesses by a name or by looks; every other rule knows the form of what an issuer hands out.
_GUESSES: Final = {
    "Secret Keyword",
    "Base64 High Entropy String",
    "Hex High Entropy String",
}
# These have a pattern, but of an assignment to something of a name: in long outputs they only cost time.
_BY_NAME: Final = {"CloudantDetector", "IbmCloudIamDetector", "IbmCosHmacDetector", "SoftlayerDetector"}
# What the rules that guess want in a line of Python at the least: a secret's name, or a word in quotes.
_WORTH_A_LOOK: Final = re.compile(
    rf"{'|'.join(DENYLIST)}|[\"'](?:[0-9A-Fa-f]{{9,}}|[A-Za-z0-9+/=_-]{{20,}})[\"']", re.IGNORECASE
)
# A waiver's: too short for a key, and random as every hash.
_OWN_LINE: Final = re.compile(r"fingerprint = [\"'][0-9a-f]{16}[\"']")
Match = tuple[int, list[str], str]  # line, kinds of secret, fingerprint
Known = dict[str, list[Match]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """A file to be searched: where it stands for the reader, and on this machine."""

    place: str
    file: Path


def scan_secrets(
    texts: Iterable[Text],
    workspace: Path,
    *,
    own: Needles,
    what: str = "files",
    guesses: bool = True,
    blind: bool = False,
) -> Scan:
    """Search texts for secrets, and for a token that is planted beside them.

    own: the run's own secrets, searched for in every file, binary ones too.
    guesses: also by the rules that go by a name or by looks; what a program wrote is full of random ids.
    blind: without a rule.
    """
    planted = Text(place=_PLANTED, file=workspace / _PLANTED)
    # Put together here, so that it does not stand in this file.
    planted.file.write_text(f"aws_access_key_id = {'AKIA'}{'Z7QX2M4LV6TB3WNC'}\n", encoding="utf-8")
    hits, missed, counts = [], [], Counter[str]()
    with known_before() as known, _looking_for(_guessing() if guesses else ()):
        for text in (*texts, planted):
            try:
                content = text.file.read_bytes()
            except OSError as cause:
                missed.append(f"{text.place}: {cause.strerror}")
                continue
            hits += [_own(text.place, name) for name in named_in(content, own)]
            counts[what] += text is not planted
            if b"\0" in content:
                counts["of them binary"] += 1
            elif guesses and len(content) > _LARGEST:
                missed.append(f"{text.place}: {len(content)} bytes are too many to be read line by line")
            elif not blind:
                kept = known if guesses and text is not planted else {}
                hits += _looked_at(text, content, guesses, kept, counts)
    if not any(hit.place == _PLANTED for hit in hits):
        missed.insert(0, "it did not see the token planted for it")
    return Scan(
        tool=TOOL,
        version=version(TOOL),
        hits=tuple(hit for hit in hits if hit.place != _PLANTED),
        scanned=dict(counts),
        missed=tuple(missed),
    )


def _looked_at(text: Text, content: bytes, guesses: bool, known: Known, counts: Counter[str]) -> list[Hit]:
    """What stands in one file. The same content under the same name holds the same: it is not read twice."""
    key = hashlib.sha256(f"{text.file.name}\0{guesses}\0".encode() + content).hexdigest()[:32]
    if key in known:
        counts["of them unchanged since an earlier scan"] += 1
    else:
        known[key] = _matches(text.file, content.decode(errors="replace"), guesses)
    return [_hit(text.place, *match) for match in known[key]]


def _matches(file: Path, text: str, guesses: bool) -> list[Match]:
    """What a file holds, while the rules that guess are looked for anyway, if they are at all."""
    rules = tuple(
        name
        for name, patterns in _patterned().items()
        if (guesses or name not in _BY_NAME) and any(pattern.search(text) for pattern in patterns)
    )
    lines = _worth_a_look(text, rules, guesses) if file.suffix == ".py" or not guesses else None
    if lines == []:
        return []
    found: dict[int, set[str]] = defaultdict(set)
    every = (*(_guessing() if guesses else ()), *rules)
    with _looking_for(every) if rules else nullcontext():
        for secret in (
            scan_file(str(file)) if lines is None else _process_line_based_plugins(lines, str(file))
        ):
            found[secret.line_number].add(secret.type)
    held = ["", *text.splitlines()]
    return [
        (number, sorted(kinds), fingerprint(TOOL, file.name, held[number]))
        for number, kinds in sorted(found.items())
        if not _OWN_LINE.fullmatch(held[number].strip())
    ]


def _worth_a_look(text: str, rules: Iterable[str], guesses: bool) -> list[tuple[int, str]]:
    """The lines that a rule could match, few of many: of Python, and of what programs wrote.

    Other files go to the library whole, which knows how their formats write a value. Its `scan_diff` takes
    lines in this way, those of a patch.
    """
    patterns = [pattern for name in rules for pattern in _patterned()[name]]
    patterns += [_WORTH_A_LOOK] if guesses else []
    if not patterns:
        return []
    return [
        (number, line)
        for number, line in enumerate(text.splitlines(), 1)
        if any(pattern.search(line) for pattern in patterns)
    ]


@contextmanager
def _looking_for(rules: Iterable[str]) -> Iterator[None]:
    settings = {
        "plugins_used": [{"name": name} for name in rules],
        "filters_used": [{"path": path} for path in _FILTERS],
    }
    with transient_settings(settings):
        yield


@contextmanager
def known_before() -> Iterator[Known]:
    """What earlier scans, of other profiles too, came to, by name and content of a file; kept at the end."""
    path = places.BUILD / "scans" / f"secrets-{version(TOOL)}-{_RULES}.json"
    with locked("secrets-scan"):
        try:
            known: Known = json.loads(path.read_bytes()) if path.is_file() else {}
        except ValueError:
            known = {}
        before = len(known)
        yield known
        if len(known) != before:
            path.parent.mkdir(parents=True, exist_ok=True)
            whole = path.with_suffix(".tmp")
            whole.write_text(json.dumps(known if len(known) < _KEPT else {}), encoding="utf-8")
            whole.replace(path)


def _hit(place: str, number: int, kinds: list[str], looks: str) -> Hit:
    severity: Severity = "medium" if set(kinds) <= _GUESSES else "high"
    return Hit(
        tool=TOOL,
        rule=kinds[0],
        cwe=_CWE,
        severity=severity,
        place=place,
        line=number,
        text=f"it looks like a secret: {', '.join(kinds).lower()}",
        fingerprint=looks,
    )


def _own(place: str, name: str) -> Hit:
    return Hit(
        tool=TOOL,
        rule=OWN,
        cwe=_CWE,
        severity="critical",
        place=place,
        text=f"the value of {name} stands there",
        fingerprint=fingerprint(TOOL, OWN, name, place),
        certain=True,
    )


@cache
def _patterned() -> Mapping[str, tuple[re.Pattern[str], ...]]:
    """Every rule that looks for patterns, by its name."""
    kinds: Iterable[type[Any]] = get_mapping_from_secret_type_to_class().values()
    return {
        kind.__name__: tuple(re.compile(p.pattern, p.flags | re.MULTILINE) for p in _patterns(kind))
        for kind in sorted(kinds, key=lambda kind: kind.__name__)
        if issubclass(kind, RegexBasedDetector)
    }


def _patterns(kind: type[Any]) -> Iterable[re.Pattern[str]]:
    found: Iterable[re.Pattern[str]] = kind.denylist
    return found


@cache
def _guessing() -> tuple[str, ...]:
    """Every other rule."""
    kinds: Mapping[str, type[Any]] = get_mapping_from_secret_type_to_class()
    return tuple(sorted({kind.__name__ for kind in kinds.values()} - set(_patterned())))
