"""What a source tree holds, and what its history ever held, as files to be searched."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from harness.scans.secrets import Text

_GIT_S: Final = 60.0
_NOT_SOURCE: Final = {".git", ".venv", "venv", "__pycache__", "node_modules", "build"}
_COMMITS: Final = ("HEAD", "--branches", "--tags", "--remotes")  # what a clone would carry away
_COMMIT: Final = "\x01commit "


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """Every line that was ever added, once for each name of a file.

    cut: it does not reach back to the beginning, or could not be read.
    """

    commits: int
    cut: bool
    texts: tuple[Text, ...]


def tree(root: Path) -> Iterator[Text]:
    """Yield what stands in a source folder: where git knows it, all that git does not ignore."""
    listed = _git(root, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    if listed is None:
        names = [str(path.relative_to(root)) for path in sorted(root.rglob("*")) if _is_source(path, root)]
    else:
        names = [name for name in sorted(set(listed.split("\0"))) if name and (root / name).is_file()]
    for name in names:
        yield Text(place=name, file=root / name)


def history(root: Path, workspace: Path) -> History | None:
    """Return the history of a folder; None where git knows of none.

    A line is kept the first time it was added to a file of a name; `workspace` gets the files with them.
    """
    count = _git(root, "rev-list", *_COMMITS, "--count", "--", ".")
    if not count or count.strip() == "0":
        return None
    workspace.mkdir(parents=True, exist_ok=True)
    log = workspace / "log"
    read = _git(
        root,
        *("log", *_COMMITS, "--reverse", "-m", "--patch", "--unified=0", "--no-color", "--no-ext-diff"),
        *("--no-textconv", "--no-renames", f"--format={_COMMIT}%h", f"--output={log}", "--", "."),
    )
    shallow = _git(root, "rev-parse", "--is-shallow-repository") or ""
    texts = tuple(_write(_added(log), workspace)) if read is not None else ()
    return History(commits=int(count), cut=shallow.strip() != "false" or read is None, texts=texts)


def clone(root: Path, folder: Path) -> Path | None:
    """Return a copy of a folder as git has it, history included, to plant a defect in; None without git."""
    if _git(root, "rev-parse", "HEAD") is None:
        return None
    shutil.rmtree(folder, ignore_errors=True)
    if _git(root, "clone", "--quiet", "--shared", ".", str(folder)) is None:
        return None
    return folder


def commit(root: Path, message: str) -> None:
    """Commit everything in a clone."""
    _git(root, "add", "--all", "--force")
    author = ("-c", "user.name=defect", "-c", "user.email=defect@panotti.test", "-c", "commit.gpgsign=false")
    _git(root, *author, "commit", "--quiet", "--no-verify", "--message", message)


def _added(log: Path) -> Iterator[tuple[str, str, str]]:
    """Yield (commit, path, line) for every added line."""
    with log.open(encoding="utf-8", errors="replace", newline="\n") as lines:
        yield from _added_in(line.removesuffix("\n") for line in lines)


def _added_in(log: Iterable[str]) -> Iterator[tuple[str, str, str]]:
    commit_, path, head = "", "", True
    for line in log:
        if line.startswith(_COMMIT):
            commit_, head = line.removeprefix(_COMMIT)[:12].split(" ")[0], True
        elif line.startswith("diff --git "):
            head = True
        elif line.startswith("@@ "):
            head = False
        elif head and line.startswith("+++ "):
            path = line[4:].strip('"').removeprefix("b/")
        elif not head and line.startswith("+"):
            yield commit_, path, line[1:]


def _write(added: Iterator[tuple[str, str, str]], workspace: Path) -> Iterator[Text]:
    """One file for each path, of the lines that no file of that name had before."""
    seen: set[tuple[str, str]] = set()
    new: dict[tuple[str, str], list[str]] = {}
    for commit_, path, line in added:
        name = PurePosixPath(path).name
        if line.strip() and (name, line) not in seen:
            seen.add((name, line))
            new.setdefault((path, commit_), []).append(line)
    for number, ((path, commit_), lines) in enumerate(new.items()):
        file = workspace / str(number) / PurePosixPath(path).name
        file.parent.mkdir(parents=True)
        file.write_text("\n".join(lines), encoding="utf-8", errors="replace")
        yield Text(place=f"commit {commit_} {path}", file=file)


def _is_source(path: Path, root: Path) -> bool:
    return path.is_file() and not _NOT_SOURCE.intersection(path.relative_to(root).parts)


def _git(root: Path, *words: str) -> str | None:
    """What git answers; None where it is not there, or refuses."""
    try:
        done = subprocess.run(  # noqa: S603
            ["git", "-C", str(root), *words],  # noqa: S607
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_GIT_S,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
