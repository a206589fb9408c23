"""report.sarif has what code scanning uses, and nothing that it refuses."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import orjson
import pytest

from harness.catalogue import load
from harness.verdict import Verdict
from reports import as_sarif
from reports.model import ReportModel
from tests.reports import sample


@pytest.fixture(scope="module")
def run(report: Path) -> dict[str, Any]:
    log = orjson.loads((report / "report.sarif").read_bytes())
    assert log["version"] == "2.1.0"
    assert log["$schema"].startswith("https://")
    assert len(log["runs"]) == 1
    found: dict[str, Any] = log["runs"][0]
    return found


def results(run: dict[str, Any], control: str) -> list[dict[str, Any]]:
    return [result for result in run["results"] if result["ruleId"] == control]


def test_every_control_is_a_rule_with_help(run: dict[str, Any]) -> None:
    rules = run["tool"]["driver"]["rules"]

    assert [rule["id"] for rule in rules] == list(load())
    for rule in rules:
        assert rule["shortDescription"]["text"]
        assert rule["fullDescription"]["text"]
        assert "To put it right" in rule["help"]["text"]
        assert 0.1 <= float(rule["properties"]["security-severity"]) <= 10
        assert isinstance(rule["properties"]["security-severity"], str)


def test_every_result_points_at_its_rule_and_into_the_repository(run: dict[str, Any]) -> None:
    rules = run["tool"]["driver"]["rules"]
    for result in run["results"]:
        place = result["locations"][0]["physicalLocation"]
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert not PurePosixPath(place["artifactLocation"]["uri"]).is_absolute()
        assert place["region"]["startLine"] >= 1
        assert result["level"] in {"error", "warning"}
        assert result["message"]["text"]


def test_a_failed_finding_stands_at_the_line_of_its_check(run: dict[str, Any]) -> None:
    place = results(run, "middleware.cors.origins")[0]["locations"][0]["physicalLocation"]

    assert place == {
        "artifactLocation": {"uri": "suites/middleware/test_origins.py"},
        "region": {"startLine": 14},
    }


def test_fingerprints_are_stable_and_tell_results_apart(run: dict[str, Any], model: ReportModel) -> None:
    prints = [result["partialFingerprints"]["primaryLocationLineHash"] for result in run["results"]]

    assert len(set(prints)) == len(prints)
    assert next(f.fingerprint for f in model.findings if f.verdict is Verdict.FAIL) in prints


def test_what_is_not_verified_is_a_result_only_where_it_was_required(run: dict[str, Any]) -> None:
    assert results(run, "middleware.auth.api-keys")
    assert not results(run, "future.security.waf")


def test_a_waived_finding_is_kept_and_suppressed(run: dict[str, Any]) -> None:
    (result,) = results(run, "deployment.server.limits")

    assert "platform@panotti.example" in result["suppressions"][0]["justification"]


def test_a_control_without_proof_is_a_result(run: dict[str, Any]) -> None:
    assert {r["properties"]["profile"] for r in results(run, sample.UNPROVEN)} == {"staging", "production"}


def test_the_run_names_its_category(run: dict[str, Any]) -> None:
    assert run["automationDetails"]["id"].startswith("panotti-compliance/containers/")
    assert run["invocations"][0]["exitCode"] == 1


def test_no_more_results_than_code_scanning_takes(
    model: ReportModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(as_sarif, "LIMIT", 2)
    run = orjson.loads(as_sarif.write(model, tmp_path).read_bytes())["runs"][0]

    assert len(run["results"]) == 2
    assert run["properties"]["resultsLeftOut"] is True


def test_weaknesses_that_a_scanner_named_are_tags(model: ReportModel, tmp_path: Path) -> None:
    told = "app.py:3: run by a shell (B602, CWE-78, high); 1 secret (CWE-798, high); again CWE-78"
    (failed, *_) = [f for f in model.findings if f.verdict is Verdict.FAIL]
    findings = tuple(replace(f, message=told) if f is failed else f for f in model.findings)

    log = orjson.loads(as_sarif.write(replace(model, findings=findings), tmp_path).read_bytes())

    tagged = [result["properties"].get("tags") for result in results(log["runs"][0], failed.control)]
    assert ["external/cwe/cwe-078", "external/cwe/cwe-798"] in tagged
