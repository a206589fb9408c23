"""Reports of a journal on disk: each file appears whole, or not at all."""

from __future__ import annotations

import gc
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from harness.errors import UserError
from reports import as_html, as_json, as_junit, as_markdown, as_sarif
from reports.model import ReportModel

Write = Callable[[ReportModel, Path], Path]
FORMATS: Mapping[str, Write] = {
    "html": as_html.write,
    "json": as_json.write,
    "md": as_markdown.write,
    "junit": as_junit.write,
    "sarif": as_sarif.write,
}


def write_formats(model: ReportModel, formats: Iterable[str], out: Path) -> dict[str, Path]:
    """Write each format into `out`, made if need be; return their paths by format, in the order asked for.

    Raises `UserError` for an unknown format, and when `out` does not take the files.
    """
    wanted = tuple(dict.fromkeys(formats))
    for name in wanted:
        if name not in FORMATS:
            raise UserError(f'no report format "{name}"', remedy=f"Choose from {', '.join(FORMATS)}.")
    try:
        out.mkdir(parents=True, exist_ok=True)
        return {name: _write(FORMATS[name], model, out) for name in wanted}
    except OSError as cause:
        raise UserError(
            f"{out}: the report cannot be written: {cause.strerror or cause}",
            remedy="Make room there, or name another directory with --out.",
        ) from None


def _write(write: Write, model: ReportModel, out: Path) -> Path:
    with tempfile.TemporaryDirectory(dir=out, prefix=".") as unfinished:
        path = write(model, Path(unfinished))
        return path.replace(out / path.name)


@contextmanager
def collector_paused() -> Iterator[None]:
    """Pause the search for reference cycles: records have none, and looking takes a fifth of the time."""
    running = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if running:
            gc.enable()
