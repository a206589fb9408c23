"""The last handler: what nobody foresaw is told in one line, and its details are kept."""

from __future__ import annotations

import os
import time
import traceback
from typing import Final

from harness import places
from harness.redaction import VAULT

FOLDER: Final = "errors"
_SHOWN: Final = 200


def told(error: BaseException) -> str:
    """Return the line for an error that is no mistake of the user; its traceback goes to a file."""
    first = (str(error).splitlines() or [""])[0][:_SHOWN]
    what = f"a fault of the harness itself: {type(error).__name__}: {first}".rstrip(": ")
    return f"{VAULT.text(what)}\n  → {_kept(error)}"


def _kept(error: BaseException) -> str:
    name = f"{time.strftime('%Y%m%dT%H%M%S')}-{os.getpid()}.txt"
    path = places.BUILD / FOLDER / name
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(file, "w", encoding="utf-8", errors="backslashreplace") as details:  # noqa: PTH123
            details.write(VAULT.text("".join(traceback.format_exception(error))))
    except OSError as cause:
        return f"Please report it. Its details could not be kept: {cause.strerror or cause}."
    return f"Please report it with its details, which hold no secret of the run: {path}"
