"""Campaigns as a check asks for them: at a deployment, as its callers, remembered for the next one."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.contract import Administration, ApiKey, Capabilities, Contract, Description, Launch
from harness.credentials import Credentials
from harness.evidence import Recorder
from harness.fuzz.corpus import Corpus
from harness.fuzz.message import Message
from harness.fuzz.plan import Plan
from harness.fuzz.records import Failure, FuzzResult, Tally
from harness.outcome import NotVerified
from harness.policy import load_policy
from harness.policy.sections import Quota, Rate
from harness.probes.fuzz import FuzzProbe
from harness.probes.http import HttpProbe
from harness.probes.openapi import OpenApiProbe
from harness.probes.pace import Pace
from harness.records import Table
from tests.harness.fuzz.conftest import READ, TAKE
from tests.harness.fuzz.notes import DESCRIPTION, KEY, Notes

CONTRACT = Contract(
    name="notes",
    launch=Launch(app="notes:app", api_key=ApiKey(env="API_KEY")),
    capabilities=Capabilities(description=Description(path="/openapi.json")),
)
POLICY = replace(
    load_policy("testing"),
    roles={TAKE: ("writer", "admin"), READ: ("reader", "writer", "admin")},
    credentials={},
    rate=Rate(key=Quota(quota=10_000, window_s=5.0), address=Quota(quota=10_000, window_s=5.0), exempt=()),
)
SURROGATE = Failure(
    oracle="server-error",
    detail="500",
    message=Message(
        operation=TAKE,
        method="POST",
        target="/notes",
        fields=(("Content-Type", "application/json"),),
        body='{"text": "\\ud800"}',
    ),
    caller="admin by key 1",
    phase="values",
    status=500,
)


COUNTS = {"coverage": Tally(statuses=Counter({200: 9}), successes=9)}
ENOUGH = FuzzResult(seed=1, budget_s=1.0, counts={TAKE: COUNTS})  # type: ignore[dict-item]
FEW = FuzzResult(seed=1, budget_s=1.0, counts={TAKE: {}})
FAILED = replace(FEW, failures=(SURROGATE,))


class Described(Notes):
    """Notes whose description can be read."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope.get("path") != "/openapi.json":
            await super().__call__(scope, receive, send)
            return
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": json.dumps(DESCRIPTION).encode()})


@pytest.fixture
def notes() -> Notes:
    return Described()


@pytest.fixture
def http(plain: Any) -> Iterator[HttpProbe]:
    found = HttpProbe(plain)
    yield found
    found.close()


@pytest.fixture
def probe(notes: Notes, plain: Any, serve: Callable[..., str], tmp_path: Path) -> Iterator[FuzzProbe]:
    deployment = replace(plain, base_url=serve(notes), api_key=KEY)
    http = HttpProbe(deployment)
    yield FuzzProbe(
        deployment,
        policy=POLICY,
        contract=CONTRACT,
        credentials=Credentials(http, CONTRACT, KEY),
        openapi=OpenApiProbe(deployment, http, CONTRACT),
        pace=Pace(10_000, 5.0),
        quiet=nullcontext,
        corpus=Corpus(tmp_path / "fuzz"),
        until_failure=False,
        target="notes",
    )
    http.close()


def test_what_it_finds_is_recorded_and_the_next_one_begins_with_it(
    probe: FuzzProbe, notes: Notes, recorder: Recorder, tmp_path: Path
) -> None:
    notes.fault = "surrogates"
    Corpus(tmp_path / "fuzz").keep([SURROGATE], target="notes", profile="testing", seed=1)

    result = probe.campaign(budget_s=2.0, seed=9)

    assert result.seed == 9
    assert result.counts[TAKE]["kept"].statuses == {500: 1}
    assert SURROGATE.id in {failure.id for failure in result.failures}
    assert any(kept.seed == 9 for kept in Corpus(tmp_path / "fuzz").of("notes"))
    shown = recorder.telling()
    assert [item.title for item in shown if isinstance(item, Table)] == ["Operations by phase", "Failures"]
    assert any("seed 9" in getattr(item, "subject", "") for item in shown)
    assert KEY not in str(shown)


@pytest.mark.parametrize(("first", "quiet"), [(FEW, 1), (ENOUGH, 0), (FAILED, 0)])
def test_only_a_campaign_that_proves_nothing_is_made_again_and_on_a_quiet_machine(
    probe: FuzzProbe, monkeypatch: pytest.MonkeyPatch, first: FuzzResult, quiet: int
) -> None:
    campaigns, still = [first, ENOUGH], []

    @contextmanager
    def alone() -> Iterator[None]:
        still.append(len(campaigns))
        yield

    monkeypatch.setattr(probe, "campaign", lambda: campaigns.pop(0))
    monkeypatch.setattr(probe, "_quiet", alone)

    assert probe.decided() == (ENOUGH if quiet else first)
    assert still == [1] * quiet


def test_a_failure_is_sent_once_more_and_judged(probe: FuzzProbe, notes: Notes) -> None:
    notes.fault = "surrogates"

    broken = probe.replay(SURROGATE)
    notes.fault = ""
    mended = probe.replay(SURROGATE)

    assert [(one.oracle, one.detail) for one in broken.complaints] == [("server-error", "500")]
    assert broken.exchange.curl.startswith("curl -sS -i")
    assert KEY not in broken.exchange.curl
    assert "$API_KEY" in broken.exchange.curl
    assert (mended.exchange.status, mended.complaints) == (200, ())


def test_a_failure_of_an_operation_that_is_gone_is_not_tried(probe: FuzzProbe) -> None:
    gone = replace(SURROGATE, message=replace(SURROGATE.message, operation="POST /letters"))

    with pytest.raises(NotVerified, match="no POST /letters any more"):
        probe.replay(gone)


def test_a_target_with_one_key_is_called_as_what_that_key_may(http: HttpProbe) -> None:
    plan = Plan(CONTRACT, POLICY, Credentials(http, CONTRACT, KEY))

    take, read = plan.operations(DESCRIPTION)

    assert (take.name, take.allowed, take.refused) == (TAKE, ("admin by key 1",), ("anonymous",))
    assert (read.name, [dict(known.parameters) for known in read.known]) == (READ, [{"name": "{name}"}])
    assert plan.callers["admin by key 1"].fields == (("X-API-Key", KEY),)


def test_who_only_reads_makes_nobody_and_changes_nothing(little: Any, http: HttpProbe) -> None:
    managed = replace(CONTRACT.capabilities, administration=Administration(api_keys="/admin/api-keys"))
    contract = replace(CONTRACT, capabilities=managed).unmanaged()
    plan = Plan(contract, POLICY, Credentials(http, contract, KEY), read_only=True)

    (read,) = plan.operations(DESCRIPTION)

    assert (read.name, [dict(known.parameters) for known in read.known]) == (READ, [{}])
    assert not little.seen


def test_with_an_administration_every_role_has_callers_of_its_own_tenant(
    little: Any, http: HttpProbe
) -> None:
    contract = replace(
        CONTRACT,
        capabilities=replace(
            CONTRACT.capabilities,
            administration=Administration(api_keys="/admin/api-keys"),
        ),
    )
    plan = Plan(contract, POLICY, Credentials(http, contract, KEY))

    take, _ = plan.operations(DESCRIPTION)

    assert take.allowed == tuple(
        f"{role} by key {crew}" for role in ("writer", "admin") for crew in (1, 2, 3)
    )
    assert set(take.refused) == {"anonymous", *(f"reader by key {crew}" for crew in (1, 2, 3))}
    made = [json.loads(request["body"]) for request in little.seen if request["path"] == "/admin/api-keys"]
    assert {key["tenant"] for key in made} == {"tenant-fuzz"}
    assert len({caller.account for caller in plan.callers.values() if caller.account}) == 9
