"""The server's files as it sees them: what they hold, who may read them, and whether two trees are one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from harness.evidence import record
from harness.outcome import NotVerified
from harness.probes.inside import run_inside
from harness.probes.needles import Needles
from harness.probes.stores import search
from harness.records import Json, Observation
from harness.runtimes import CannotShow, Deployment

_SHOWN: Final = 10
_SEARCH_S: Final = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """A folder. read_only: so is its file system. modes, hashes: by path below it."""

    folder: str
    read_only: bool
    modes: Mapping[str, int]
    hashes: Mapping[str, str]

    @property
    def digest(self) -> str:
        """One hash of names and contents."""
        return hashlib.sha256(json.dumps(sorted(self.hashes.items())).encode()).hexdigest()


class FileProbe:
    """Looks at the folders of one deployment by name. Raises NotVerified where the runtime cannot."""

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment

    def tree(self, name: str) -> Tree:
        """Return what stands in the folder: "data", "state", "code", "config" or "secrets"."""
        folder = self._folder(name)
        listed = json.loads(run_inside(self._deployment, "list_files", folder))
        tree = Tree(
            folder=folder,
            read_only=listed["read_only"],
            modes={path: mode for path, mode, _ in listed["files"]},
            hashes={path: digest for path, _, digest in listed["files"]},
        )
        shown: dict[str, Json] = {path: f"{mode:04o}" for path, mode in [*tree.modes.items()][:_SHOWN]}
        record(
            Observation(
                subject=f"{len(tree.modes)} files in {name}",
                data={"read_only": tree.read_only, "modes": shown, "digest": tree.digest[:16]},
            )
        )
        return tree

    def holding(self, wanted: Needles, *names: str) -> dict[str, list[str]]:
        """Return the files of these folders that hold any spelling of a secret, with the secrets' names.

        A folder that does not exist, or is empty, holds none; without a single file nothing was shown.
        """
        owners = [(secret, form) for secret, forms in wanted.items() for form in forms]
        found: dict[str, list[str]] = {}
        searched, reasons = 0, []
        for name in names:
            try:
                answer = self._search(name, [form for _, form in owners])
            except NotVerified as reason:
                reasons.append(str(reason))
                continue
            searched += answer["searched"]
            for file, number in answer["found"]:
                if owners[number][0] not in found.setdefault(file, []):
                    found[file].append(owners[number][0])
        shown: dict[str, Json] = {file: [*secrets] for file, secrets in found.items()}
        record(
            Observation(
                subject=f"{len(wanted)} secrets ({len(owners)} spellings) searched for in {', '.join(names)}",
                data={"searched": searched, "found": shown},
            )
        )
        if not searched:
            raise NotVerified("; ".join(reasons) or f"there is no file in {', '.join(names)} to be searched")
        return found

    def _search(self, name: str, forms: Sequence[bytes]) -> Any:
        listing = "\n".join(form.hex() for form in forms)
        folder = self._folder(name)
        answer = json.loads(
            run_inside(self._deployment, "search_bytes", folder, stdin=listing, timeout_s=_SEARCH_S)
        )
        if name == "data":
            found, searched = search(self._deployment, forms)
            answer = {"found": [*answer["found"], *found], "searched": answer["searched"] + searched}
        return answer

    def matching(self, name: str, pattern: str) -> list[str]:
        """Return where a regular expression matches in the files of a folder, as "file:line"."""
        answer = json.loads(
            run_inside(
                self._deployment, "search_patterns", self._folder(name), stdin=pattern, timeout_s=_SEARCH_S
            )
        )
        found = [f"{file}:{line}" for file, line in answer["found"]]
        shown: list[Json] = [*found[:_SHOWN]]
        record(
            Observation(
                subject=f"{name} searched for secrets written down",
                data={"searched": answer["searched"], "found": shown},
            )
        )
        if not answer["searched"]:
            raise NotVerified(f"there is no file in {name} to be searched")
        return found

    def _folder(self, name: str) -> str:
        try:
            match name:
                case "config":
                    return self._deployment.path("config").rpartition("/")[0]
                case "data" | "state" | "code" | "secrets":
                    return self._deployment.path(name)
        except CannotShow as cause:
            raise NotVerified(str(cause)) from None
        raise ValueError(f"{name}: no such folder")
