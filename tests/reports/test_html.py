"""report.html as text: whole, self-contained, and safe whatever a target answered."""

from __future__ import annotations

import base64
import dataclasses
import json
import re
import zlib
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest

from harness.records import Exchange
from harness.scans.packed import unpacked
from reports import as_html
from reports.model import Gate, ReportModel
from tests.reports import sample

VOID = {"meta", "link", "br", "input", "img"}


class Structure(HTMLParser):
    """Notes every element, and whether tags close as they opened."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(scope="module")
def text(report: Path) -> str:
    return (report / "report.html").read_text("utf-8")


@pytest.fixture(scope="module")
def page(text: str) -> Structure:
    structure = Structure()
    structure.feed(text)
    structure.close()
    assert structure.open == []
    return structure


def test_it_refers_to_nothing_outside_itself(page: Structure) -> None:
    addresses = [
        a.get(name) for _, a in page.elements for name in ("href", "src", "action", "data", "srcset")
    ]

    assert all(address.startswith(("#", "data:,")) for address in addresses if address)
    assert not {"img", "iframe", "object", "embed"} & {tag for tag, _ in page.elements}


def test_a_policy_lets_only_its_own_script_run(page: Structure) -> None:
    policies = [m["content"] for m in page.named("meta") if m.get("http-equiv") == "Content-Security-Policy"]

    assert len(policies) == 1
    assert re.fullmatch(
        r"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-[\w+/=]{44}'; img-src data:",
        str(policies[0]),
    )


def test_hostile_text_stays_text(model: ReportModel, tmp_path: Path) -> None:
    hostile = tuple(dataclasses.replace(result, reason=sample.HOSTILE) for result in model.results)
    waiver = dataclasses.replace(model.waivers[0], owner=sample.HOSTILE, reason=sample.HOSTILE)
    gate = Gate(status=1, decision="closed", summary=sample.HOSTILE, why=(sample.HOSTILE,))
    run = dataclasses.replace(
        model.run, run_id=sample.HOSTILE, target=sample.HOSTILE, environment={sample.HOSTILE: sample.HOSTILE}
    )
    broken = dataclasses.replace(
        model,
        results=hostile,
        waivers=(waiver,),
        gate=gate,
        run=run,
        complete=False,
        problems=(sample.HOSTILE,),
    )
    structure = Structure()
    structure.feed(as_html.write(broken, tmp_path).read_text("utf-8"))

    assert structure.open == []
    assert not structure.named("img")
    assert len(structure.named("script")) == len({control.group for control in model.controls}) + 1


def test_no_control_character_reaches_the_page(text: str) -> None:
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", text)


def test_decision_and_every_control_stand_in_plain_html(
    text: str, page: Structure, model: ReportModel
) -> None:
    rows = {a.get("id") for a in page.named("tr") if "row" in str(a.get("class")).split()}

    assert rows == {control.id for control in model.controls}
    assert "The gate is closed" in text
    assert model.gate.summary in text


def test_headings_never_skip_a_level(page: Structure) -> None:
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch(r"h[1-6]", tag)]

    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(below - above <= 1 for above, below in pairwise(levels))


def test_every_header_cell_has_a_scope(page: Structure) -> None:
    assert all(header.get("scope") for header in page.named("th"))


def test_ids_are_unique(page: Structure) -> None:
    ids = [a["id"] for _, a in page.elements if a.get("id")]

    assert len(ids) == len(set(ids))


def test_links_within_the_page_lead_somewhere(page: Structure) -> None:
    ids = {a["id"] for _, a in page.elements if a.get("id")}

    assert all(a["href"] == "data:," or str(a["href"])[1:] in ids for _, a in page.elements if a.get("href"))


def test_it_stays_under_two_megabytes_with_evidence_that_does_not_compress_well(
    model: ReportModel, tmp_path: Path
) -> None:
    assert len(model.findings) > 500
    assert as_html.write(model, tmp_path).stat().st_size < 2_000_000


def test_an_incomplete_journal_is_said_beside_the_decision(model: ReportModel, tmp_path: Path) -> None:
    cut = dataclasses.replace(model, complete=False, problems=("production-1.jsonl: line 7 is cut off",))
    text = as_html.write(cut, tmp_path).read_text("utf-8")

    assert "incomplete journal" in text
    assert "line 7 is cut off" in text


def test_a_run_without_findings_still_has_a_page(model: ReportModel, tmp_path: Path) -> None:
    empty = dataclasses.replace(
        model,
        findings=(),
        results=(),
        profiles=(),
        waivers=(),
        proofs={},
        gate=Gate(status=2, decision="x", summary="y", why=()),
    )

    assert "The gate could not decide" in as_html.write(empty, tmp_path).read_text("utf-8")


def test_more_work_than_a_person_reads_is_counted(
    model: ReportModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(as_html, "_WORK_LIMIT", 2)

    assert "3 more controls want work" in as_html.write(model, tmp_path).read_text("utf-8")


def test_long_times_read_in_minutes(model: ReportModel, tmp_path: Path) -> None:
    slow = tuple(
        dataclasses.replace(profile, seconds=dataclasses.replace(profile.seconds, demanded=200.0))
        for profile in model.profiles
    )

    assert "3 min 20 s" in as_html.write(dataclasses.replace(model, profiles=slow), tmp_path).read_text(
        "utf-8"
    )


def test_sample_has_evidence_that_would_break_a_page(model: ReportModel) -> None:
    bodies = [e.response_body for f in model.findings for e in f.evidence if isinstance(e, Exchange)]

    assert any("</script>" in body and "\ud800" in body for body in bodies)


def test_a_cell_of_very_many_findings_embeds_the_telling_ones(tmp_path: Path) -> None:
    text = as_html.write(sample.model(checks=60), tmp_path).read_text("utf-8")
    packed = re.search(r'data-block="middleware.cors">([^<]+)<', text)
    assert packed is not None
    details = json.loads(zlib.decompress(base64.b64decode(packed[1])))["middleware.cors.origins"]
    shown = [finding["verdict"] for finding in details["findings"] if finding["profile"] == "production"]

    assert details["left"]["production"] == 20
    assert len(shown) == 40
    assert shown.count("fail") == 1


def test_a_search_for_secrets_reads_what_the_page_packs(text: str) -> None:
    """The form of a block is known at two places: here they meet."""
    blocks = text.count('data-block="')
    opened = unpacked(text.encode()).decode()

    assert blocks
    assert opened.count('data-block="') >= blocks
    assert "curl -" not in "".join(re.findall(r'data-block="[^"]*">([^<]*)<', text))
    assert opened.count("curl -") > text.count("curl -")
    assert not re.search(r'data-block="[^"]*">eJ', opened)
