"""report.html in a real browser, opened from a file as a person would."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from reports.model import ReportModel

CONTRAST = (Path(__file__).parent / "contrast.js").read_text("utf-8")


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """A page, and everything it did that it should not."""

    page: Page
    errors: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def shown(self) -> list[str]:
        rows = self.page.locator("#table .row:visible")
        ids: list[str] = rows.evaluate_all("rows => rows.map(row => row.id)")
        return ids

    def open(self, control: str) -> None:
        self.page.locator(f'[id="{control}"] button').click()
        self.page.locator(".panel").wait_for()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    executable = shutil.which("chromium") or shutil.which("chromium-browser")
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=executable, args=arguments)
        yield started
        started.close()


def visit(browser: Browser, report: Path, fragment: str = "", **options: Any) -> Visit:
    seen = Visit(page=browser.new_page(**options))
    seen.page.on("console", lambda message: seen.errors.append(message.text))
    seen.page.on("pageerror", lambda error: seen.errors.append(str(error)))
    seen.page.on("dialog", lambda dialog: seen.errors.append(f"dialog: {dialog.message}"))
    seen.page.on("request", lambda request: seen.requests.append(request.url))
    seen.page.goto((report / "report.html").as_uri() + fragment)
    return seen


@pytest.fixture
def opened(browser: Browser, report: Path) -> Iterator[Visit]:
    """The report; afterwards nothing may have been logged, and nothing but the file asked for."""
    seen = visit(browser, report)
    yield seen
    seen.page.close()
    assert seen.errors == []
    assert [url for url in seen.requests if not url.startswith(("file:", "data:"))] == []
    assert len({url.partition("#")[0] for url in seen.requests if url.startswith("file:")}) == 1


def test_the_decision_is_the_first_thing_on_the_page(opened: Visit) -> None:
    heading = opened.page.locator("h1")

    assert heading.inner_text() == "The gate is closed"
    box = heading.bounding_box()
    assert box is not None
    assert box["y"] < 300


def test_groups_that_nothing_checks_begin_folded_and_unfold(opened: Visit) -> None:
    assert "future.security.waf" not in opened.shown()
    opened.page.locator('tbody.area[data-area="future"] button').click()
    opened.page.locator('tbody.group[data-group="future.security"] .head button').click()

    assert "future.security.waf" in opened.shown()


def test_a_verdict_filter_leaves_only_its_controls(opened: Visit) -> None:
    opened.page.select_option("#f-verdict", "fail")

    assert opened.shown() == ["middleware.cors.origins", "middleware.security.validation"]
    assert opened.page.locator("#shown").inner_text() == "2 of 112 controls shown"


def test_filters_narrow_together_and_clear(opened: Visit) -> None:
    opened.page.select_option("#f-verdict", "fail")
    opened.page.select_option("#f-profile", "production")
    assert opened.shown() == ["middleware.cors.origins"]

    opened.page.get_by_role("button", name="Clear").click()
    expect(opened.page.locator("#shown")).to_contain_text("112 controls.")
    assert len(opened.shown()) > 30


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [("severity", "critical", "critical"), ("area", "scaling", "scaling.")],
)
def test_severity_and_area_filter(opened: Visit, name: str, value: str, expected: str) -> None:
    opened.page.select_option(f"#f-{name}", value)
    rows = opened.page.locator("#table .row:visible")
    texts: list[str] = rows.evaluate_all("rows => rows.map(row => row.dataset.severity + ' ' + row.id)")

    assert texts
    assert all(expected in text for text in texts)


def test_required_only_leaves_what_the_gate_asks_for(opened: Visit, model: ReportModel) -> None:
    opened.page.check("#f-required")

    assert set(opened.shown()) == {result.control for result in model.results if result.required}


def test_search_finds_a_control_by_reference_and_reason(opened: Visit) -> None:
    opened.page.fill("#f-text", "cwe-942")
    assert "middleware.cors.origins" in opened.shown()

    opened.page.fill("#f-text", "NOISE too great")
    assert opened.shown() == ["middleware.auth.api-keys"]


def test_search_that_finds_nothing_says_so(opened: Visit) -> None:
    opened.page.fill("#f-text", "no such thing")

    assert opened.shown() == []
    assert opened.page.locator("#shown").inner_text() == "0 of 112 controls shown"


def test_a_count_beside_a_profile_filters_the_table(opened: Visit) -> None:
    opened.page.locator('[data-show="error"][data-in="staging"]').click()

    assert opened.shown() == ["middleware.security.tls"]


def test_a_control_opens_with_its_evidence_remedy_and_proof(opened: Visit) -> None:
    opened.open("middleware.cors.origins")
    panel = opened.page.locator(".panel")
    opened.page.locator(".finding[open] .evidence").first.locator("summary").click()
    text = panel.inner_text()

    assert "To put it right" in text
    assert "Authorization: [redacted]" in text
    assert "harness verify --profile staging --controls middleware.cors.origins" in text
    assert "reflected origin" in text
    assert "clean twin passed" in text
    assert panel.locator("[role=tab][aria-selected=true]").inner_text().startswith("Staging")


def test_a_cell_opens_its_profile(opened: Visit) -> None:
    opened.page.locator('[id="middleware.auth.api-keys"] .cell[data-profile="production"]').click()
    opened.page.locator(".panel").wait_for()

    assert "the noise is too great" in opened.page.locator("[role=tabpanel]").inner_text()


def test_everything_works_by_keyboard(opened: Visit) -> None:
    opened.page.keyboard.press("/")
    opened.page.keyboard.type("cors.origins")
    opened.page.locator('[id="middleware.cors.origins"] button').focus()
    opened.page.keyboard.press("Enter")
    opened.page.locator(".panel").wait_for()
    opened.page.locator("[role=tab][aria-selected=true]").focus()
    opened.page.keyboard.press("ArrowRight")

    assert opened.page.locator("[role=tab][aria-selected=true]").inner_text().startswith("Production")
    opened.page.locator('[id="middleware.cors.origins"] button').focus()
    opened.page.keyboard.press("Enter")
    assert opened.page.locator(".panel").count() == 0


def test_hostile_evidence_is_shown_and_does_nothing(opened: Visit) -> None:
    opened.open("middleware.security.validation")
    for evidence in opened.page.locator(".finding[open] .evidence > summary").all():
        evidence.click()
    text = opened.page.locator(".panel").inner_text()

    assert "<img src=x onerror=alert(1)>" in text
    assert r"\x1b[31mred\x00 \u202egnp.exe\ud800" in text
    assert opened.page.locator("img").count() == 0


def test_a_link_to_a_control_opens_it(browser: Browser, report: Path) -> None:
    seen = visit(browser, report, "#future.security.waf")
    seen.page.locator(".panel").wait_for()

    assert "No check ran here" in seen.page.locator(".panel").inner_text()
    assert seen.errors == []
    seen.page.close()


def test_decision_and_table_are_there_without_scripts(browser: Browser, report: Path) -> None:
    seen = visit(browser, report, java_script_enabled=False)

    assert seen.page.locator("h1").is_visible()
    assert seen.page.locator("#table .row:visible").count() == 112
    assert not seen.page.locator("#filters").is_visible()
    seen.page.close()


def test_print_has_the_whole_table_and_no_controls_to_click(opened: Visit) -> None:
    opened.page.emulate_media(media="print")

    assert opened.page.locator("#table .row:visible").count() == 112
    assert not opened.page.locator("#filters").is_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_stands_out_from_its_ground(
    browser: Browser, report: Path, scheme: Literal["light", "dark"]
) -> None:
    seen = visit(browser, report, "#middleware.cors.origins", color_scheme=scheme)
    seen.page.locator(".panel").wait_for()

    assert seen.page.evaluate(CONTRAST) == []
    seen.page.close()


def test_a_narrow_screen_needs_no_sideways_scrolling(browser: Browser, report: Path) -> None:
    seen = visit(browser, report, "#middleware.cors.origins", viewport={"width": 375, "height": 800})
    seen.page.locator(".panel").wait_for()

    assert seen.page.evaluate("document.documentElement.scrollWidth") <= 375
    seen.page.close()


def test_each_page_with_exhibits_is_linked_drawn_and_readable(opened: Visit) -> None:
    page = opened.page
    names = ("topology", "performance", "rollout", "fuzz")

    for name in names:
        page.locator(f'nav a[href="#page-{name}"]').click()
        expect(page.locator(f"#page-{name}")).to_be_in_viewport()
        section = page.locator(f'section[aria-labelledby="page-{name}"]')
        assert section.locator("figure").first.is_visible()
    assert page.locator('nav a[href="#page-supply-chain"]').count() == 0
    drawn = page.locator("figure:visible svg").first.bounding_box()
    assert drawn is not None
    assert drawn["width"] > 500
    assert drawn["height"] > 100


def test_the_strictest_profile_is_shown_and_the_others_unfold(opened: Visit) -> None:
    section = opened.page.locator('section[aria-labelledby="page-fuzz"]')

    assert section.locator("figcaption:visible .tag").all_inner_texts() == ["Production"]
    section.locator("summary", has_text="testing").click()
    assert "Testing" in section.locator("figcaption:visible .tag").all_inner_texts()
    assert "1,204" in section.locator("table:visible").first.inner_text()
