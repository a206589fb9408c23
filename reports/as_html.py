"""report.html: one file that needs nothing else. Decision and tables are plain HTML.

The details of each control group (findings, evidence, proofs) are embedded as compressed JSON and unpacked on
demand, so that a page of thousands of findings stays small and opens at once.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache, partial
from hashlib import sha256
from itertools import chain
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from harness.catalogue import Control
from harness.records import Chart, Diagram, Finding, Table
from harness.verdict import Verdict
from reports import rows
from reports.charts import chart_svg, written
from reports.diagrams import diagram_svg
from reports.exhibits import Shown, pages, worst_kind
from reports.model import Profile, ReportModel, Result
from reports.text import json_bytes, one_line, printable

_PAGE = Path(__file__).parent / "page"
_HEADINGS = {0: "The gate is open", 1: "The gate is closed", 2: "The gate could not decide"}
_WORK_LIMIT = 150  # more than a person reads; the table has the rest
_FINDINGS_LIMIT = 40  # for one control in one profile; report.json has the rest


def write(model: ReportModel, out: Path) -> Path:
    """Write `report.html` into `out` and return its path."""
    path = out / "report.html"
    work = rows.work(model)
    chunks = (
        _environment()
        .get_template("report.html.j2")
        .generate(
            model=model,
            heading=_HEADINGS[model.gate.status],
            areas=rows.tree(model),
            work=work[:_WORK_LIMIT],
            work_left=max(0, len(work) - _WORK_LIMIT),
            questions=rows.open_questions(model),
            labels=rows.LABELS,
            kind=rows.kind,
            bars={profile.name: _bar(model, profile) for profile in model.profiles},
            longest=max((profile.seconds.total for profile in model.profiles), default=0.0) or 1.0,
            pages=pages(model),
            picture=partial(_picture, model),
            blocks=_blocks(model),
            style=_asset("report.css"),
            script=_asset("report.js"),
            script_hash=_script_hash(),
        )
    )
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(chunks)
    return path


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_PAGE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finalize,
    )
    environment.filters["seconds"] = _seconds
    environment.filters["moment"] = _moment
    environment.filters["brief"] = _brief
    environment.filters["prose"] = _prose
    environment.filters["cell"] = _cell
    return environment


def _finalize(value: Any) -> Any:
    """Every value that reaches the page passes here: nothing invisible or broken gets through."""
    return printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _seconds(value: float) -> str:
    if value < 9.95:
        return f"{value:.1f} s"
    return f"{value:.0f} s" if value < 120 else f"{value // 60:.0f} min {value % 60:.0f} s"


def _moment(timestamp: str) -> str:
    return f"{timestamp[:10]} {timestamp[11:16]} UTC" if timestamp[10:11] == "T" else timestamp


def _brief(text: str) -> str:
    return one_line(text, 400)


def _prose(text: str) -> Markup:
    """The catalogue writes names between backticks."""
    parts = (escape(printable(part)) for part in text.split("`"))
    wrapped = (Markup("<code>{}</code>").format(part) if odd % 2 else part for odd, part in enumerate(parts))
    return Markup("").join(wrapped)


def _cell(value: float | str | None) -> str:
    """A value of a table as a person writes it; a dash for none."""
    match value:
        case None:
            return "–"
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
        case float():
            return written(value)
        case _:
            return value


def _picture(model: ReportModel, shown: Shown) -> Markup:
    match shown.exhibit:
        case Chart() as chart:
            return chart_svg(chart)
        case Diagram() as diagram:
            return diagram_svg(diagram, lambda controls: worst_kind(model, controls, shown.profile))
        case Table():
            raise AssertionError("a table is no picture")


def _bar(model: ReportModel, profile: Profile) -> tuple[tuple[str, int], ...]:
    return rows.tally(result for result in model.results if result.profile == profile.name)


@cache
def _asset(name: str) -> Markup:
    return Markup((_PAGE / name).read_text("utf-8"))  # noqa: S704  our own file, not input


@cache
def _script_hash() -> str:
    """The one script that the page's Content-Security-Policy lets run, as it stands between its tags."""
    return base64.b64encode(sha256(_asset("report.js").encode()).digest()).decode()


def _blocks(model: ReportModel) -> Iterator[tuple[str, str]]:
    """Yield (control group, packed details): zlib-compressed JSON in base64, which needs no escaping."""
    groups: dict[str, list[Control]] = {}
    for control in model.controls:
        groups.setdefault(control.group, []).append(control)
    grid, findings = model.grid(), model.findings_of()
    for name, controls in groups.items():
        packer = zlib.compressobj(6)
        packed = [
            packer.compress(part)
            for part in _members(_control(model, c, grid.get(c.id, {}), findings) for c in controls)
        ]
        packed.append(packer.flush())
        yield name, base64.b64encode(b"".join(packed)).decode()


def _members(controls: Iterable[Iterator[bytes]]) -> Iterator[bytes]:
    """Yield a JSON object of control id -> details in pieces, so that no large text is ever built."""
    for number, control in enumerate(controls):
        yield b"," if number else b"{"
        yield from control
    yield b"}"


def _control(
    model: ReportModel,
    control: Control,
    results: Mapping[str, Result],
    findings: Mapping[tuple[str, str], list[Finding]],
) -> Iterator[bytes]:
    shown = {profile: _telling(findings.get((control.id, profile), [])) for profile in results}
    head = {
        "control": control,
        "results": list(results.values()),
        "proofs": model.proofs.get(control.id, ()),
        "left": {
            profile: len(findings.get((control.id, profile), [])) - len(kept)
            for profile, kept in shown.items()
        },
    }
    yield json_bytes(control.id) + b":" + json_bytes(head)[:-1] + b',"findings":['
    for number, finding in enumerate(chain.from_iterable(shown.values())):
        yield (b"," if number else b"") + json_bytes(finding)
    yield b"]}"


def _telling(findings: Sequence[Finding]) -> Sequence[Finding]:
    """The findings to embed: all, or, where a person would not read them all, no pass before the others."""
    if len(findings) <= _FINDINGS_LIMIT:
        return findings
    return sorted(findings, key=lambda finding: finding.verdict is Verdict.PASS)[:_FINDINGS_LIMIT]
