"""Reads names of packages, one a line. Prints as JSON the interpreter's prefix, and of every distribution
name, version, origin, licences, and if it was named the files that are not as its RECORD says."""

import base64
import hashlib
import json
import sys
from importlib.metadata import Distribution, distributions
from pathlib import Path

SHOWN = 5


def origin(found: Distribution) -> str:
    """Where it came from, if not from an index by name and version (PEP 610)."""
    try:
        told = json.loads(found.read_text("direct_url.json") or "{}")
    except ValueError:
        return "file:///unreadable"
    return str(told.get("url", ""))


def licences(found: Distribution) -> list[str]:
    """What its metadata says of its licence (PEP 639, else classifiers, else the free field's first line)."""
    meta = found.metadata
    named = [text.strip() for text in meta.get_all("License-Expression") or []]
    classified = [
        text.rpartition(" :: ")[2] for text in meta.get_all("Classifier") or [] if "License ::" in text
    ]
    free = "".join(meta.get_all("License") or [])[:200].strip().splitlines()
    return named or classified or free[:1]


def altered(found: Distribution) -> list[str]:
    """Files that are missing or have another hash than RECORD says; compiled ones have none there."""
    if found.files is None:
        return ["RECORD (missing)"]
    wrong = []
    for file in found.files:
        if file.hash is None or file.suffix == ".pyc":
            continue
        path = Path(str(file.locate()))
        try:
            digest = hashlib.new(file.hash.mode, path.read_bytes()).digest()
        except OSError:
            wrong.append(f"{file} (missing)")
            continue
        if base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != file.hash.value:
            wrong.append(str(file))
    return wrong[:SHOWN]


def plain(name: str) -> str:
    """A name as an index compares it."""
    return name.lower().replace("_", "-").replace(".", "-")


wanted = {plain(line) for line in sys.stdin.read().split()}
listed = []
for found in distributions():
    name = str(found.metadata["Name"] or "")
    bad = altered(found) if plain(name) in wanted else []
    listed.append([name, str(found.metadata["Version"] or ""), origin(found), licences(found), bad])
print(json.dumps({"prefix": sys.prefix, "packages": listed}))  # noqa: T201
