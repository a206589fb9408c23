"""The terminal: one console for all commands, plain where it is no terminal or in continuous integration."""

from __future__ import annotations

import io
import os
import sys
from typing import TextIO

from rich.console import Console, RenderableType

_PLAIN_WIDTH = 110


def console(file: TextIO | None = None) -> Console:
    """Return a console on standard output, or on `file`."""
    stream = file or sys.stdout
    plain = not stream.isatty() or bool(os.environ.get("CI")) or bool(os.environ.get("NO_COLOR"))
    if plain:
        return Console(file=stream, no_color=True, force_terminal=False, width=_PLAIN_WIDTH, highlight=False)
    return Console(file=stream, highlight=False)


def render(*parts: RenderableType, width: int, colour: bool) -> str:
    """Return what a console would print, without the last newline."""
    buffer = io.StringIO()
    target = Console(file=buffer, width=width, force_terminal=colour, no_color=not colour, highlight=False)
    for part in parts:
        target.print(part)
    return buffer.getvalue().rstrip("\n")
