"""junit.xml is what CI servers read: xunit2, and nothing that closes the gate looks like a skip."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from harness.verdict import Verdict
from reports import as_junit
from reports.model import ReportModel
from tests.reports import sample

# The xunit2 schema of the Jenkins plugin: element -> (required attributes, children in order).
SCHEMA: dict[str, tuple[set[str], list[str]]] = {
    "testsuites": ({"name", "tests", "failures", "errors", "skipped", "time"}, ["testsuite"]),
    "testsuite": (
        {"name", "tests", "failures", "errors", "skipped", "time", "timestamp"},
        ["properties", "testcase"],
    ),
    "properties": (set(), ["property"]),
    "property": ({"name", "value"}, []),
    "testcase": ({"classname", "name", "time"}, ["skipped", "error", "failure"]),
    "skipped": ({"type", "message"}, []),
    "error": ({"type", "message"}, []),
    "failure": ({"type", "message"}, []),
}


@pytest.fixture(scope="module")
def root(report: Path) -> ET.Element:
    return ET.parse(report / "junit.xml").getroot()


def suite(root: ET.Element, name: str) -> ET.Element:
    return next(element for element in root if element.get("name") == name)


def outcomes(element: ET.Element) -> list[str]:
    return [case[0].tag if len(case) else "pass" for case in element.iter("testcase")]


def test_structure_is_that_of_xunit2(root: ET.Element) -> None:
    for element in root.iter():
        attributes, children = SCHEMA[element.tag]
        places = [children.index(child.tag) for child in element]
        assert set(element.keys()) == attributes
        assert places == sorted(places)


def test_counts_are_those_of_the_cases(root: ET.Element) -> None:
    for element in (root, *root):
        found = outcomes(element)
        assert int(element.get("tests", "")) == len(found)
        for attribute, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
            assert int(element.get(attribute, "")) == found.count(tag)


def test_a_failed_and_a_broken_check_stand_apart(root: ET.Element) -> None:
    assert "failure" in outcomes(suite(root, "production.middleware.cors.origins"))
    assert "error" in outcomes(suite(root, "staging.middleware.security.tls"))


def test_a_required_control_that_is_not_verified_is_an_error(root: ET.Element) -> None:
    assert "error" in outcomes(suite(root, "production.middleware.auth.api-keys"))


def test_a_control_without_proof_is_an_error_though_its_checks_passed(root: ET.Element) -> None:
    assert outcomes(suite(root, f"production.{sample.UNPROVEN}"))[-1] == "error"


def test_a_required_control_that_nothing_checks_is_an_error(model: ReportModel, tmp_path: Path) -> None:
    demanded = tuple(
        dataclasses.replace(result, required=True, blocks=True) if result.unchecked else result
        for result in model.results
    )
    path = as_junit.write(dataclasses.replace(model, results=demanded), tmp_path)

    assert outcomes(suite(ET.parse(path).getroot(), "production.future.security.waf")) == ["error"]


def test_what_no_gate_asked_for_is_skipped(root: ET.Element) -> None:
    assert outcomes(suite(root, "production.future.security.waf")) == ["skipped"]


def test_a_waived_failure_is_skipped_with_the_waiver(root: ET.Element) -> None:
    element = suite(root, "staging.deployment.server.limits")
    verdict = next(case for case in element.iter("testcase") if case.get("name") == "verdict")

    assert "failure" not in outcomes(element)
    assert "waived by platform@panotti.example" in verdict[0].get("message", "")


def test_properties_name_control_references_and_verdict(root: ET.Element) -> None:
    found = {
        p.get("name"): p.get("value")
        for p in suite(root, "production.middleware.cors.origins").iter("property")
    }

    assert found["control"] == "middleware.cors.origins"
    assert found["verdict"] == Verdict.FAIL.value
    assert "CWE-942" in str(found["references"])
    assert found["proof"] == "3 of 3 defects caught"


def test_the_decision_is_a_case_of_its_own(root: ET.Element) -> None:
    assert outcomes(suite(root, "gate")) == ["failure"]
