"""summary.md: short enough for a comment on a pull request, worst news first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from harness.verdict import Verdict
from reports.model import Profile, ReportModel, Result, Waiver
from reports.text import markdown

_HEADINGS = {0: "Gate open", 1: "Gate closed", 2: "Gate could not decide"}
_COLUMNS = (
    (Verdict.PASS, "pass"),
    (Verdict.FAIL, "fail"),
    (Verdict.ERROR, "error"),
    (Verdict.WAIVED, "waived"),
    (Verdict.NOT_APPLICABLE, "n/a"),
)
_WHY, _BLOCKING, _WAIVERS = 8, 25, 10


def write(model: ReportModel, out: Path) -> Path:
    """Write `summary.md` into `out` and return its path."""
    path = out / "summary.md"
    path.write_text("\n".join(_lines(model)) + "\n", encoding="utf-8", newline="\n")
    return path


def _lines(model: ReportModel) -> Iterator[str]:
    yield f"## {_HEADINGS[model.gate.status]}"
    yield ""
    yield markdown(model.gate.summary, 300)
    if model.gate.why:
        yield ""
        yield from _cut(
            (f"- {markdown(why, 300)}" for why in model.gate.why), len(model.gate.why), _WHY, "- "
        )
    yield from _profiles(model.profiles)
    yield from _blocking([result for result in model.results if result.blocks])
    yield from _waivers(model)
    run = model.run
    yield ""
    yield (
        f"Run {markdown(run.run_id)}, started {markdown(run.started)}, "
        f"target {markdown(run.target)} on {markdown(run.runtime)}. Details: report.html."
    )


def _profiles(profiles: Iterable[Profile]) -> Iterator[str]:
    yield ""
    yield (
        "| Profile | Required held | "
        + " | ".join(name for _, name in _COLUMNS)
        + " | not verified | no check yet |"
    )
    yield "|:--|--:|" + "--:|" * (len(_COLUMNS) + 2)
    for profile in profiles:
        counts = [str(profile.counts.get(verdict, 0)) for verdict, _ in _COLUMNS]
        if profile.unproven:
            counts[0] += f" ({profile.unproven} unproven)"
        open_questions = profile.counts.get(Verdict.NOT_VERIFIED, 0) - profile.unchecked
        cells = [
            markdown(profile.name),
            f"{profile.opened} of {profile.required}",
            *counts,
            str(open_questions),
            str(profile.unchecked),
        ]
        yield f"| {' | '.join(cells)} |"


def _blocking(results: list[Result]) -> Iterator[str]:
    if not results:
        return
    yield ""
    yield "### Required and not held"
    yield ""
    yield "| Control | Profile | Verdict | Why |"
    yield "|:--|:--|:--|:--|"
    rows = (
        f"| {markdown(r.control)} | {markdown(r.profile)} | **{r.verdict.value}** | {markdown(r.reason)} |"
        for r in results
    )
    yield from _cut(rows, len(results), _BLOCKING, "\n")


def _waivers(model: ReportModel) -> Iterator[str]:
    if not model.waivers:
        return
    yield ""
    yield "### Waivers"
    yield ""
    lines = (
        f"- {markdown(w.control)} in {markdown(w.profile)}: {markdown(w.reason)} "
        f"({markdown(w.owner)}, until {markdown(w.expires)}, {_left(w)})"
        for w in model.waivers
    )
    yield from _cut(lines, len(model.waivers), _WAIVERS, "- ")


def _left(waiver: Waiver) -> str:
    return f"{waiver.days_left} days left" if waiver.state == "in force" else waiver.state


def _cut(lines: Iterable[str], count: int, limit: int, mark: str) -> Iterator[str]:
    """Give the first `limit` lines, and say how many more there are."""
    for number, line in enumerate(lines):
        if number == limit:
            yield f"{mark}and {count - limit} more."
            return
        yield line
