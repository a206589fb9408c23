"""As many writes as are answered, each by another client than the other connections."""

from __future__ import annotations

import json
import time
from dataclasses import replace

import pytest

from harness.contract import read_contract
from harness.credentials import Credentials
from harness.outcome import NotVerified
from harness.places import CONTRACT
from harness.probes.http import HttpProbe
from harness.probes.pressure import Answer, Pressure, PressureProbe
from harness.probes.waiting import eventually

STARTED = ("POST", "/api/recording-started")


@pytest.fixture
def probe(plain):
    contract, http = read_contract(CONTRACT), HttpProbe(plain)
    yield PressureProbe(plain, contract=contract, credentials=Credentials(http, contract, plain.api_key))
    http.close()


def test_every_connection_goes_on_as_soon_as_it_is_answered(plain, little, probe, recorder):
    plain.relays["proxy"] = plain.base_url
    began = time.monotonic()
    with probe() as pressure:
        assert eventually(lambda: len(pressure.answers) > 100)

    writes = [request for request in little.seen if (request["method"], request["path"]) == STARTED]
    clients = {dict(request["headers"])["x-forwarded-for"] for request in writes}
    assert len(clients) > 20
    sent = {json.loads(request["body"])["recordingId"] for request in writes}
    assert set(pressure.writes["started"].acknowledged) == sent
    assert pressure.served(began, time.monotonic()) == len(sent) == len(writes)
    assert not pressure.served(time.monotonic(), time.monotonic() + 1)


def test_twice_the_pressure_is_counted_together_and_needs_no_keys(plain, little, probe):
    plain.relays["proxy"] = plain.base_url
    with probe() as pressure:
        keys = little.made
        with probe(pressure) as more:
            assert eventually(lambda: len(pressure.answers) > 100)
    made = [request for request in little.seen if request["path"] == "/admin/api-keys"]

    assert more is pressure
    assert len(made) <= keys


def test_a_refusal_is_not_asked_again_at_once(plain, little, probe):
    plain.relays["proxy"] = plain.base_url
    little.answers[STARTED] = (503, {})
    with probe() as pressure:
        assert eventually(lambda: len(pressure.answers) >= 32)
        time.sleep(0.05)
        asked = len(pressure.answers)

    assert asked <= 2 * 32
    assert pressure.writes["started"].acknowledged == ()
    assert len(pressure.writes["started"].unknown) == len(pressure.answers)


def test_what_was_refused_by_the_client_s_fault_left_nothing():
    answers = [Answer(done_s=1.0, status=status, recording=str(status)) for status in (200, 429, 500, 0)]
    writes = Pressure(tenant="tenant", keys=(), answers=answers).writes["started"]

    assert (writes.acknowledged, writes.unknown) == (("200",), ("500", "0"))


def test_without_a_proxy_there_is_no_pressure(probe):
    with pytest.raises(NotVerified, match="no client address 'proxy'"), probe():
        pass


def test_keys_are_not_shown():
    assert "secret" not in repr(replace(Pressure(tenant="tenant", keys=(["secret"],))))
