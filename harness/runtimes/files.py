"""What a server reads, written for it alone: settings file, secret files, certificate and key."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from harness.errors import RuntimeUnavailable
from harness.runtimes.pki import Leaf

if TYPE_CHECKING:
    from harness.runtimes.launch import Plan

CONFIG_NAME: Final = "panotti.toml"
CERTIFICATE_NAME: Final = "cert.pem"
KEY_NAME: Final = "key.pem"
SECRET_MODE: Final = 0o400


@dataclass(frozen=True, slots=True, kw_only=True)
class Folders:
    """Where one deployment's files stand on this machine."""

    root: Path

    @property
    def config(self) -> Path:
        return self.root / "config"

    @property
    def secrets(self) -> Path:
        return self.root / "secrets"

    @property
    def tls(self) -> Path:
        return self.root / "tls"

    @property
    def overlay(self) -> Path:
        return self.root / "overlay"


def write_files(plan: Plan, folders: Folders) -> None:
    """Write settings, secrets and certificate. Raises `RuntimeUnavailable` on a full disk."""
    with room_on_disk(folders.root):
        for folder in (folders.config, folders.secrets, folders.tls):
            folder.mkdir(mode=0o700)
        if plan.settings is not None:
            (folders.config / CONFIG_NAME).write_text(plan.settings, encoding="utf-8")
        for name, value in plan.secret_files.items():
            _write_secret(folders.secrets / name, value.encode(), plan.secret_mode)
        if plan.secret_mode != SECRET_MODE:
            folders.secrets.chmod(0o755)
        if plan.leaf:
            write_certificate(plan.leaf, folders.tls)


def write_secrets(folder: Path, files: Mapping[str, str], *, owner: tuple[int, int] | None) -> None:
    """Write secret files for the user of one container. Raises `RuntimeUnavailable` on a full disk."""
    with room_on_disk(folder):
        folder.mkdir(mode=0o700, exist_ok=True)
        for name, value in files.items():
            fresh = folder / f".{name}"
            _write_secret(fresh, value.encode())
            if owner and os.geteuid() == 0:
                os.chown(fresh, *owner)
            fresh.replace(folder / name)
        if owner and os.geteuid() == 0:
            os.chown(folder, *owner)
        elif owner:
            # Another user than the container's: the run's directory above keeps everybody else out.
            for path in (folder, *folder.iterdir()):
                path.chmod(0o755 if path.is_dir() else 0o444)


def write_certificate(leaf: Leaf, folder: Path, like: Path | None = None) -> None:
    """Put a certificate and its key in place, each in one step, so that no reader sees half a file.

    like: they get the owner of this folder, and are as readable as it is.
    """
    for name, content in ((KEY_NAME, leaf.key), (CERTIFICATE_NAME, leaf.certificate)):
        fresh = folder / f".{name}"
        _write_secret(fresh, content)
        if like:
            found = like.stat()
            os.chown(fresh, found.st_uid, found.st_gid)
            fresh.chmod(found.st_mode & 0o444)
        fresh.replace(folder / name)


@contextmanager
def room_on_disk(where: Path) -> Iterator[None]:
    """Turn a full disk into `RuntimeUnavailable`, with the remedy."""
    try:
        yield
    except OSError as cause:
        if cause.errno not in {errno.ENOSPC, errno.EDQUOT}:
            raise
        raise RuntimeUnavailable(
            f"{where}: the disk is full", remedy="Free some space; `make clean` removes what was built."
        ) from None


def _write_secret(path: Path, content: bytes, mode: int = SECRET_MODE) -> None:
    path.write_bytes(content)
    path.chmod(mode)
