"""pip-audit for real, against the local service: what is known is found, and what it missed is told."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from harness.scans.advisories import SHIPPED, Snapshot, read_snapshot
from harness.scans.audit import Package, audit
from harness.scans.service import Service, advisories, answers, served

JINJA = Package(name="Jinja2", version="2.10")
FINE = Package(name="left-pad", version="1.0")


@pytest.fixture(scope="module")
def service():
    with served(read_snapshot(SHIPPED)) as found:
        yield found


def test_what_is_known_is_found_in_every_copy_and_nothing_is_missed(service: Service, tmp_path: Path) -> None:
    copy = Package(name="jinja2", version="2.4.1")
    scan = audit([FINE, JINJA, copy, Package(name="django", version="99.0")], service, tmp_path)

    assert scan.missed == ()
    assert scan.scanned == {"packages": 4}
    assert scan.data == "2024-10-10"
    assert {hit.place for hit in scan.hits} == {"jinja2 2.10", "jinja2 2.4.1"}
    (known,) = [hit for hit in scan.hits if (hit.rule, hit.place) == ("PYSEC-2019-217", "jinja2 2.10")]
    assert "CVE-2019-10906" in known.text
    assert "2.10.1" in known.text
    assert known.cwe == "CWE-1395"
    assert known.certain


def test_what_it_skips_or_cannot_be_asked_is_told(service: Service, tmp_path: Path) -> None:
    fork = Package(name="fork", version="1.0", origin="git+https://git.example/fork")
    scan = audit([FINE, fork, Package(name="odd", version="not a version"), JINJA], service, tmp_path)

    assert len(scan.missed) == 2
    assert any("skipped fork" in reason for reason in scan.missed)
    assert any("odd" in reason for reason in scan.missed)
    assert "jinja2 2.10" in {hit.place for hit in scan.hits}


def test_without_data_it_says_that_it_was_blind(tmp_path: Path) -> None:
    with served(Snapshot(name="nothing", taken=datetime.now(UTC), advisories={})) as empty:
        scan = audit([JINJA], empty, tmp_path)

    assert scan.hits == ()
    assert "did not see the vulnerability planted for it" in scan.missed[0]


def test_a_service_that_is_not_there_is_no_pass(tmp_path: Path) -> None:
    nowhere = Service(name="nowhere", url="http://127.0.0.1:9/v1/query", taken=datetime.now(UTC))
    scan = audit([JINJA], nowhere, tmp_path)

    assert any("broke off" in reason for reason in scan.missed)
    assert "did not see" in scan.missed[0]


def test_no_package_at_all_is_scanned_as_none(service: Service, tmp_path: Path) -> None:
    scan = audit([], service, tmp_path)

    assert (scan.scanned, scan.hits, scan.missed) == ({"packages": 0}, (), ())


def test_fingerprints_do_not_depend_on_versions(service: Service, tmp_path: Path) -> None:
    scan = audit([JINJA, Package(name="jinja2", version="2.4.1")], service, tmp_path)
    prints = {hit.place: hit.fingerprint for hit in scan.hits if hit.rule == "PYSEC-2019-217"}

    assert len(prints) == 2
    assert len(set(prints.values())) == 1


class TestService:
    def test_it_listens_on_loopback_alone_and_answers_queries_alone(self, service: Service) -> None:
        asked = {"package": {"name": "jinja2", "ecosystem": "PyPI"}, "version": "2.10"}

        assert service.url.startswith("http://127.0.0.1:")
        assert httpx.post(service.url, json=asked).json()["vulns"]
        assert httpx.post(service.url, json=asked | {"version": "99"}).json() == {}
        assert httpx.post(service.url.replace("query", "other"), json=asked).status_code == 404
        assert httpx.post(service.url, content=b"{").status_code == 400
        assert httpx.post(service.url, json={}).status_code == 400
        assert httpx.post(service.url, json=asked | {"version": "odd"}).status_code == 400

    def test_it_ends_with_its_block(self) -> None:
        with served(read_snapshot(SHIPPED)) as ours:
            assert answers(ours.url)
        with pytest.raises(httpx.HTTPError):
            httpx.post(ours.url, json={})

    def test_a_given_snapshot_is_used_alone(self) -> None:
        with advisories(SHIPPED) as ours:
            assert ours.name == SHIPPED.name

    def test_the_online_service_is_preferred_where_it_answers(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with served(read_snapshot(SHIPPED)) as online:
            monkeypatch.setattr("harness.scans.service.ONLINE", online.url)
            with advisories(None) as found:
                assert found.url == online.url
                assert (datetime.now(UTC) - found.taken).days == 0
            with advisories(None, online=False) as found:
                assert found.name == SHIPPED.name

    def test_one_that_knows_nothing_is_not_taken_for_an_answer(self) -> None:
        with served(Snapshot(name="nothing", taken=datetime.now(UTC), advisories={})) as empty:
            assert not answers(empty.url)
        assert not answers("http://127.0.0.1:9/v1/query")
