from __future__ import annotations

import json
import sys
from dataclasses import replace

import pytest

from harness import places
from harness.capabilities import Capabilities, Describe
from harness.contract import read_contract
from harness.outcome import Absent
from harness.probes.described import DescribedProbe, shape

REFERENCE = read_contract(places.CONTRACT)
PROGRAM = (
    "import json, os; print(json.dumps({'settings': {'given': os.environ.get('GIVEN'), 'api_port': 80}}))"
)


def probe(plain, *command):
    capabilities = Capabilities(describe=Describe(command=command) if command else None)
    return DescribedProbe(plain, replace(REFERENCE, capabilities=capabilities))


def test_the_description_is_asked_for_once_and_is_evidence_each_time(plain, recorder):
    described = probe(plain, "python", "-c", PROGRAM)

    assert described.settings == {"given": None, "api_port": 80}
    assert described.settings["api_port"] == 80
    assert json.loads(described.text) == described.document
    assert recorder.total == 3


def test_a_variable_is_changed_for_one_description(plain, monkeypatch):
    described = probe(plain, sys.executable, "-c", PROGRAM)
    monkeypatch.setenv("GIVEN", "usual")

    assert described.document_with(GIVEN="other")["settings"]["given"] == "other"
    assert described.document_with(GIVEN=None)["settings"]["given"] is None


def test_of_what_puts_it_in_its_place_only_the_shape_is_compared(plain):
    assert probe(plain, "python", "-c", PROGRAM).comparable == {"given": None, "api_port": "number"}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("/tmp/run-1/data", "data"),
        (["127.0.0.9/32", "fd00::1/64"], ["address/32", "address/64"]),
        ("0.0.0.0/0", "address/0"),
        (0, 0),
        (8443, "number"),
        (True, True),
        (None, None),
    ],
)
def test_a_shape_leaves_out_where_it_is(value, expected):
    assert shape(value) == expected


def test_what_is_no_description_is_a_failure(plain):
    with pytest.raises(Absent):
        _ = probe(plain).document
    with pytest.raises(AssertionError, match="ended with status 3"):
        _ = probe(plain, "python", "-c", "raise SystemExit(3)").document
    with pytest.raises(AssertionError, match="not a JSON object"):
        _ = probe(plain, "python", "-c", "print('[]')").document
    with pytest.raises(AssertionError, match="names no middleware"):
        _ = probe(plain, "python", "-c", "print('{}')").middleware
