"""The options that several verbs of the program have in common, as typer takes them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness import places

SUITES = places.PROJECT / "suites"

Profiles = Annotated[
    list[str] | None,
    typer.Option(
        "--profile", "-p", metavar="NAME", help="Only this profile (repeatable). Default: all four."
    ),
]
Runtime = Annotated[
    str | None,
    typer.Option(
        metavar="NAME", help="containers, process or external. Default: containers if Docker answers."
    ),
]
Target = Annotated[str, typer.Option(metavar="T", help="reference, image:NAME, source:FOLDER or a URL.")]
Contract = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Where the target's capabilities are; see deploy/contract.toml."),
]
PolicyFile = Annotated[
    Path | None, typer.Option("--policy", metavar="FILE", help="What must hold, your own.")
]
Waivers = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Accepted findings. Default: waivers.toml.")
]
Advisories = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="A snapshot of advisories. Default: online, else the shipped one."),
]
Controls = Annotated[
    list[str] | None,
    typer.Option(
        "--controls", "-c", metavar="GLOB", help="Only these, such as 'middleware.cors.*' (repeatable)."
    ),
]
Journal = Annotated[str, typer.Argument(metavar="JOURNAL", help="A journal's directory, or `latest`.")]
Intrusive = Annotated[bool, typer.Option("--intrusive", help="Leave to flood, guess and break a URL target.")]
Owned = Annotated[bool, typer.Option("--i-own-this-target", help="The URL target is yours, wherever it is.")]
JournalOut = Annotated[
    Path | None,
    typer.Option("--journal", metavar="DIR", help="Where to write it. Default: build/journals/RUN."),
]
Suites = Annotated[Path, typer.Option(hidden=True, help="A folder of checks of your own.")]
