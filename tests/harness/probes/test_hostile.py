from __future__ import annotations

import json

import pytest

from harness.outcome import NotVerified
from harness.probes import hostile
from harness.probes.http import HttpProbe

PATH = "/api/recording-started"

EVERY = [*hostile.wrongly_typed(), *(body for group in hostile.GROUPS for body in hostile.bodies(group))]


def test_each_body_has_a_title_and_a_mark_of_its_own():
    assert len({body.mark for body in EVERY}) == len(EVERY)
    assert all(body.title and len(body.content) < 262_144 for body in EVERY)
    assert not any(b"MARK" in body.content for body in EVERY)


def test_a_good_body_is_good():
    assert json.loads(json.dumps(hostile.good()))["recordingId"].startswith("rec-")


@pytest.mark.parametrize("body", hostile.bodies("malformed"), ids=lambda body: body.title)
def test_malformed_bodies_are_malformed(body):
    with pytest.raises(ValueError, match=r"line \d+ column"):
        json.loads(body.content)


def test_a_body_of_another_route_is_spoiled_in_every_way():
    spoiled = {body.title: body for body in hostile.spoiled({"principal": "one", "role": "reader"})}

    assert json.loads(spoiled["another field"].content)["nickname"] == spoiled["another field"].mark
    assert spoiled["a name twice"].content.count(b'"principal"') == 2
    assert spoiled["as plain text"].content_type == "text/plain"


@pytest.fixture
def http(plain):
    probe = HttpProbe(plain)
    yield probe
    probe.close()


def test_what_the_server_takes_is_told_apart_from_what_it_refuses(http, recorder):
    offered = hostile.offer(http, "/echo", None, hostile.bodies("malformed")[:2], good={})

    assert [one.refused for one in offered] == [False, False]
    assert str(offered[0]) == "nothing (200)"
    assert recorder.telling()[-1].subject == "2 hostile bodies, 2 not refused"


@pytest.mark.parametrize("status", [422, 401, 429, 503])
def test_a_refusal_of_the_good_body_proves_nothing(http, little, status):
    little.answers[("POST", PATH)] = (status, {})

    with pytest.raises(NotVerified, match=str(status)):
        hostile.offer(http, PATH, None, hostile.bodies("malformed"), good={})


def test_a_refusal_for_the_sender_proves_nothing(http, little):
    def refuse(request):
        if little.made > 1:
            little.answers[("POST", PATH)] = (429, {})
        return 0.0

    little.delays = refuse
    little.answers[("POST", PATH)] = (200, {})

    with pytest.raises(NotVerified, match="for their sender"):
        hostile.offer(http, PATH, None, hostile.bodies("malformed"), good={})
