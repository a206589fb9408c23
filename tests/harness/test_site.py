from __future__ import annotations

import sqlite3
from dataclasses import replace

import pytest

from harness.capabilities import Administration, Capabilities, Recordings
from harness.contract import Contract, Http
from harness.defects import CLEAN, edit, rollout, setting
from harness.errors import ProbeFailed
from harness.evidence import Recorder, recording
from harness.outcome import NotVerified
from harness.policy import load_policy
from harness.probes.browser import BrowserProbe
from harness.probes.tls import TlsProbe
from harness.redaction import VAULT
from harness.runtimes import CannotShow, StartFailure
from harness.site import Site
from tests.harness.releases.stages import NEW, OLD, MemoryStage

CONTRACT = Contract(
    name="little",
    http=Http(auth_header="X-Door"),
    capabilities=Capabilities(administration=Administration(api_keys="/admin/api-keys")),
)


class Starting:
    """A runtime that notes what it is asked to start."""

    def __init__(self):
        self.asked = []
        self.answer = StartFailure(
            status=2, output="PANOTTI_CORS_ORIGINS: '*' is not allowed; key s3cret-of-the-site"
        )

    def try_build(self, specification):
        self.asked.append(specification)
        return "HASH mismatch; key s3cret-of-the-site"

    def try_start(self, specification, *, timeout_s, beside):
        self.asked.append(specification)
        self.beside = beside
        return self.answer


@pytest.fixture
def site(plain):
    plain.secrets = {"token_key": "s3cret-of-the-site"}
    site = Site(
        deployment=plain,
        policy=load_policy("production"),
        contract=CONTRACT,
        runtime=Starting(),
        twin=lambda profile: profile,
    )
    yield site
    site.close()


def test_a_check_speaks_with_the_contracts_header_through_every_probe(site, little):
    key = site.key()
    site.http.get("/echo", key=key)
    site.burst(1, "/echo", key=key)
    site.raw(site.raw.message("GET", "/echo", key=key))

    assert all(dict(map(tuple, request["headers"]))["x-door"] == key.value for request in little.seen[-3:])


def test_every_secret_of_the_deployment_is_known(site):
    assert VAULT.text("s3cret-of-the-site") == "$TOKEN_KEY"


def test_a_start_is_tried_with_the_deployments_own_changes_and_more(site, recorder):
    failure = site.tries.start(setting(CORS_ORIGINS="*"))

    assert failure is site.runtime.answer
    (asked,) = site.runtime.asked
    assert site.runtime.beside is site.deployment
    assert asked.profile == "production"
    assert asked.variation.changes == setting(CORS_ORIGINS="*").changes
    (seen,) = recorder.telling()
    assert (seen.data["started"], seen.data["status"]) == (False, 2)
    assert "s3cret-of-the-site" not in repr(seen)


def test_a_build_is_tried_with_the_deployments_own_changes(site, recorder):
    assert site.tries.build().startswith("HASH")

    assert site.runtime.asked == [site.deployment.specification]
    (seen,) = recorder.telling()
    assert seen.data["built"] is False
    assert "s3cret-of-the-site" not in repr(seen)


def test_a_start_that_succeeds_says_so(site, recorder):
    site.runtime.answer = None

    assert site.tries.start(setting(WORKERS=2)) is None
    assert recorder.telling()[0].data["started"] is True


def test_a_check_knows_its_deadline(site):
    assert site.check_deadline == float("inf")
    with recording(Recorder(deadline=12.5)):
        assert site.check_deadline == 12.5


def test_a_twin_comes_from_whoever_manages_deployments(site):
    assert site.twin("staging") == "staging"


def test_heavy_probes_are_made_when_they_are_used(site):
    assert isinstance(site.tls, TlsProbe)
    assert isinstance(site.browser, BrowserProbe)
    assert site.tls is site.tls


def test_a_fault_left_behind_is_taken_back(site, plain):
    folder = plain.directory / "data"
    folder.mkdir()
    sqlite3.connect(folder / "panotti.db").close()
    (folder / "panotti.db").touch()
    site.faults.dependency("database").lose()
    site.settle()

    assert (folder / "panotti.db").exists()


class TestReleases:
    """A defect of releases, planted for one check at a time."""

    @pytest.fixture
    def stage(self, site, plain, monkeypatch):
        stage = MemoryStage.serving_old()
        monkeypatch.setattr(type(plain), "stage", lambda _: stage, raising=False)
        monkeypatch.setattr(site, "ready", lambda *, within_s: True)
        site.runtime.workshop = lambda profile: None
        return stage

    def test_it_is_in_the_releases_until_the_site_is_settled(self, site, stage):
        clean = site.rollout
        site.plant(rollout("", "abrupt"))
        planted = site.rollout
        planted.release(NEW)

        assert "kill" in stage.calls
        assert site.settle()
        assert (site.rollout, planted.serving()) == (clean, OLD)

    def test_it_stays_for_a_second_try(self, site, stage):
        site.plant(rollout("", "abrupt"))
        first = site.rollout

        site.forget()

        assert site.rollout is first

    def test_a_deployment_that_it_has_broken_is_not_for_the_next_check(self, site, stage):
        site.plant(rollout("", "unverified"))
        assert site.settle(), "nothing was tried"
        site.plant(rollout("", "unverified"))
        site.rollout.release(NEW)
        stage.refuses = {"start": lambda found: found == OLD}

        assert not site.settle()


class TestEdge:
    """A defect of the edge, planted for one check at a time."""

    FIRST = edit("the first takes all", "deploy/haproxy.cfg", "roundrobin", "first")

    def test_it_is_in_the_edge_until_the_site_is_settled(self, site, plain):
        site.plant(self.FIRST + rollout("", "abrupt"))
        assert site.settle()
        assert site.settle()

        assert [edge.changes for edge in plain.edges] == [self.FIRST.changes, ()]

    def test_connections_to_the_edge_before_are_not_used_again(self, site, little):
        site.http.get("/echo")
        site.plant(self.FIRST)
        site.http.get("/echo")

        assert little.made == 2

    def test_a_deployment_whose_edge_does_not_come_back_is_not_for_the_next_check(self, site, plain):
        site.plant(self.FIRST)
        plain.no_edge = ProbeFailed("the edge did not become ready")

        assert not site.settle()

    def test_where_there_is_no_edge_nothing_has_to_be_restored(self, site, plain):
        plain.no_edge = CannotShow("one server")
        with pytest.raises(CannotShow):
            site.plant(self.FIRST)

        assert site.settle()


class TestAnother:
    """A further deployment beside this one."""

    @pytest.fixture
    def stopped(self, site, plain, monkeypatch):
        stopped = []

        class Runtime:
            name = "process"

            def start(self, specification):
                self.specification = specification
                return replace(plain, specification=specification)

        site.runtime = Runtime()
        monkeypatch.setattr(type(plain), "stop", lambda deployment: stopped.append(deployment))
        return stopped

    def test_it_is_like_this_one_and_is_stopped_at_the_end(self, site, stopped):
        with site.another() as other:
            assert other.http.get("/echo").status == 200
            specification = other.deployment.specification
            assert (specification.profile, specification.variation) == ("production", CLEAN)
            assert specification.instance.startswith("another-")
            assert stopped == []

        assert stopped == [other.deployment]

    def test_it_is_stopped_when_the_check_fails(self, site, stopped):
        with pytest.raises(AssertionError), site.another():
            raise AssertionError

        assert len(stopped) == 1

    def test_a_server_that_was_up_already_has_none(self, site, stopped):
        site.runtime.name = "external"

        with pytest.raises(CannotShow, match="was up already"), site.another():
            pytest.fail("it was brought up")
        assert stopped == []


class TestPresent:
    """A credential shown at the route that every contract guards."""

    CONTRACT = replace(
        CONTRACT,
        capabilities=replace(
            CONTRACT.capabilities,
            recordings=Recordings(started="/api/recording-started", ended="/api/recording-ended"),
        ),
    )

    @pytest.fixture(autouse=True)
    def _with_recordings(self, site):
        site.contract = self.CONTRACT

    @pytest.mark.parametrize("status", [200, 401, 403])
    def test_a_decision_is_returned(self, site, little, status):
        little.answers["POST", "/api/recording-started"] = (status, {})

        assert site.present(key=None).status == status

    @pytest.mark.parametrize("status", [429, 503])
    def test_not_now_decides_nothing(self, site, little, status):
        little.answers["POST", "/api/recording-started"] = (status, {})

        with pytest.raises(NotVerified, match=f"no decision was made on a credential: {status}"):
            site.present()


def test_workers_cannot_be_told_apart_without_the_guarded_detail(site):
    with pytest.raises(NotVerified, match="guarded detail"):
        site.workers()
