"""The reference's topology, brought up: whole, closed, honest about what failed, and gone without a trace."""

from __future__ import annotations

import socket
import ssl
from contextlib import contextmanager
from dataclasses import replace

import httpx
import pytest

from harness import places
from harness.defects import CLEAN, edit, secret, setting
from harness.errors import DeploymentFailed, ProbeFailed, RuntimeUnavailable
from harness.probes.peer import find_peer
from harness.probes.raw import RawProbe
from harness.probes.waiting import eventually
from harness.probes.wire import Wire
from harness.releases.stage import Colour
from harness.runtimes import CannotShow, Specification, edge_change, topology
from harness.runtimes.containers import ContainersRuntime
from harness.runtimes.edge import Edge
from harness.runtimes.engine import Box, SubnetTaken
from harness.runtimes.factory import silent
from harness.runtimes.launch import plan
from harness.runtimes.readiness import await_ready
from harness.runtimes.realised import Realised
from harness.target import parse_target
from harness.watchdog import RUN_LABEL
from tests.harness.runtimes.conftest import needs_docker

pytestmark = needs_docker
CONTRACT = """
[launch.topology]
file = "compose.yaml"
profiles = ["staging", "production"]
application = "app"
edge = "edge"
parts = { database = "postgres", counters = "redis" }
secrets = { database_password = "random", redis_password = "random" }
"""


@pytest.fixture(scope="module")
def runtime(workspace, tmp_path_factory):
    text = places.CONTRACT.read_text(encoding="utf-8")
    file = tmp_path_factory.mktemp("contract") / "contract.toml"
    file.write_text(text if "[launch.topology]" in text else text + CONTRACT, encoding="utf-8")
    runtime = ContainersRuntime(parse_target("reference", file), workspace, silent)
    yield runtime
    runtime.close()


@pytest.fixture(scope="module")
def deployment(runtime):
    up = runtime.start(Specification(profile="production"))
    yield up
    up.stop()


def _client(deployment):
    return httpx.Client(base_url=deployment.base_url, verify=False, headers={"Host": deployment.host_name})


def test_only_the_edge_publishes_and_on_loopback_alone(deployment):
    published = {
        service: box.attributes()["NetworkSettings"]["Ports"]
        for service, boxes in deployment.found.boxes.items()
        for box in boxes
    }
    where = {
        place["HostIp"]
        for ports in published.values()
        for places in ports.values()
        if places
        for place in places
    }

    assert [name for name, ports in published.items() if any(ports.values())] == ["edge"]
    assert where == {"127.0.0.1"}


def test_a_witness_stands_in_its_networks_behind_an_edge_of_its_own_and_leaves_nothing(runtime, deployment):
    networks = deployment.found.networks.values()
    before = {box.id for name in networks for box in runtime.engine.boxes(name)}

    with deployment.witness() as witness:
        context = ssl.create_default_context(cafile=witness.ca_file)
        with httpx.Client(base_url=witness.base_url, verify=context) as client:
            extensions = {"sni_hostname": witness.host}
            answers = [client.get(path, extensions=extensions) for path in ("/", "/written")]
        during = {box.id for name in networks for box in runtime.engine.boxes(name)} - before

    assert [answer.text for answer in answers] == ["{}", "{}"]
    assert witness.base_url != deployment.base_url
    assert len(during) == 2
    assert {box.id for name in networks for box in runtime.engine.boxes(name)} == before


def test_every_replica_is_in_and_has_its_restart_policy(deployment):
    assert len(deployment.replicas) == 2
    assert deployment.holds_port()
    policies = {part.attributes()["HostConfig"]["RestartPolicy"]["Name"] for part in deployment.replicas}
    assert policies == {"unless-stopped"}


def test_the_databases_image_holds_no_password(deployment):
    (database,) = deployment.parts("database")
    image = "tar -xOf /var/lib/postgresql/made/cluster.tar | grep -ac"
    volume = "cat /var/lib/postgresql/data/15/global/* | grep -ac"
    found = {
        (place, needle): int(database.execute(("sh", "-c", f"{place} '{needle}'"), timeout_s=60).stdout)
        for place in (image, volume)
        for needle in ("SCRAM-SHA-256[$]", "panotti")
    }

    assert [found[image, "panotti"] > 0, found[volume, "SCRAM-SHA-256[$]"] > 0] == [True, True]
    assert found[image, "SCRAM-SHA-256[$]"] == 0


def test_the_edge_answers_as_the_server_does(deployment):
    with _client(deployment) as client:
        served = client.get("/health")
    refused = RawProbe(deployment, auth_header="X-API-Key")(b"NOT HTTP AT ALL\r\n\r\n", timeout_s=5)

    assert served.status_code == 200
    assert refused.status == 400
    assert refused.headers.get("content-type") == "application/problem+json"
    for name in ("x-content-type-options", "content-security-policy", "strict-transport-security"):
        assert refused.headers.get(name) == served.headers[name]
    assert refused.field("request_id") == refused.headers.get("x-request-id")


@pytest.mark.parametrize("base", ["tls", "plain"])
def test_what_is_no_request_after_one_that_was_is_not_answered_in_html(deployment, base):
    peer = find_peer(deployment, base)
    with Wire(peer) as wire:
        wire.send(f"GET /health HTTP/1.1\r\nHost: {peer.authority}\r\n\r\n".encode())
        assert wire.read().status in {200, 308}
        before = len(wire.received)
        wire.send(b"NOT HTTP AT ALL\r\n\r\n")

        assert wire.wait_closed(5.0)
        assert wire.received[before:] == b""


def test_the_edge_sends_the_next_request_of_a_kept_connection_to_the_colour_that_serves(deployment):
    edge = Edge(deployment.found.edge[0])
    with _client(deployment) as client:
        assert client.get("/health").status_code == 200
        edge.serve(Colour.GREEN)
        try:
            nobody = client.get("/health")
        finally:
            edge.serve(Colour.BLUE)

    assert nobody.status_code == 503
    assert nobody.headers["content-type"] == "application/problem+json"
    assert edge.serving() is Colour.BLUE
    assert edge.counted()[Colour.BLUE].in_flight == 0


def test_the_edge_sends_requests_to_the_preferred_replica_alone(deployment):
    one, other = deployment.replicas
    deployment.prefer([other])
    try:
        served = _asked(deployment, 6)
    finally:
        deployment.prefer([one, other])

    assert served == {other.host}
    assert _asked(deployment, 6) == {one.host, other.host}
    assert deployment.serving() == 2


def _asked(deployment, number):
    """Who answers some requests, by what the guarded detail calls the machine."""
    with _client(deployment) as client:
        headers = {"X-API-Key": deployment.api_key}
        answers = [client.get("/health/detail", headers=headers).json() for _ in range(number)]
    return {answer["worker"]["host"] for answer in answers}


def test_a_replica_has_a_share_of_its_quota_for_a_while(deployment):
    replica = deployment.replicas[0]

    def quota():
        return replica.attributes()["HostConfig"]["NanoCpus"]

    with replica.with_share_of_cpu(0.2):
        assert quota() == 200_000_000
    assert quota() == 1_000_000_000


def test_logs_are_those_of_all_replicas(deployment):
    wanted = {f"request-{number:04}": url for number, url in enumerate(deployment.replica_urls)}
    for number, url in wanted.items():
        headers = {"Host": deployment.host_name, "X-Request-ID": number}
        httpx.get(f"{url}/health", headers=headers, verify=False)

    assert eventually(lambda: all(number in deployment.logs() for number in wanted))

    apart = [part.logs() for part in deployment.replicas]
    assert [[number in log for number in wanted] for log in apart] == [[True, False], [False, True]]


def test_a_certificate_is_replaced_at_the_edge(deployment):
    with _client(deployment) as kept:
        kept.get("/health")
        fingerprint = deployment.replace_certificate()
        assert kept.get("/health").status_code == 200

    assert len(fingerprint) == 64


def test_a_component_that_dies_is_named_with_its_last_lines(runtime):
    broken = edit("no such directive", "deploy/haproxy.cfg", "    balance roundrobin", "    balance nobody")

    with pytest.raises(DeploymentFailed) as failure:
        runtime.start(Specification(profile="production", variation=broken, instance="broken"))

    assert "its edge ended with status 1" in failure.value.what
    assert "Fatal errors found in configuration" in failure.value.what


def _edges_file(deployment):
    return deployment.parts("edge")[0].execute(("cat", "/etc/haproxy/haproxy.cfg")).stdout


def test_the_edge_is_changed_while_all_behind_it_stands(deployment):
    others = {part.host for part in deployment.members() if part.tier != "edge"}
    first = edit("the first takes all", "deploy/haproxy.cfg", "balance roundrobin", "balance first")
    seen = []
    for variation in (first, CLEAN):
        deployment.change_edge(variation)
        with _client(deployment) as client:
            assert client.get("/health").status_code == 200
        seen.append(("balance first" in _edges_file(deployment), deployment.serving()))

    (edge,) = deployment.parts("edge")
    assert seen == [(True, 2), (False, 2)]
    assert edge.attributes()["HostConfig"]["RestartPolicy"]["Name"] == "unless-stopped"
    assert {part.host for part in deployment.members() if part.tier != "edge"} == others
    assert deployment.exit_status() is None


def test_a_stage_goes_on_with_the_edge_that_was_changed(deployment):
    stage = deployment.stage()
    before = stage.serving()
    deployment.change_edge(CLEAN)

    assert before is Colour.BLUE
    assert stage.serving() is before
    stage.verify(before)


def test_an_edge_that_does_not_start_is_named_and_can_be_changed_back(deployment):
    broken = edit("no such directive", "deploy/haproxy.cfg", "    balance roundrobin", "    balance nobody")

    with pytest.raises(ProbeFailed, match="Fatal errors found in configuration"):
        deployment.change_edge(broken)
    deployment.change_edge(CLEAN)

    assert deployment.holds_port()
    assert deployment.exit_status() is None


def test_an_edit_of_more_than_the_edge_is_no_change_of_the_edge(deployment, monkeypatch):
    edge, described = deployment.parts("edge")[0].host, edge_change.described

    def wider(*arguments):
        found = described(*arguments)
        return replace(found, services=found.services | {"app": replace(found.services["app"], scale=3)})

    monkeypatch.setattr(edge_change, "described", wider)
    with pytest.raises(CannotShow, match="more than the edge: app"):
        deployment.change_edge(edit("", "deploy/haproxy.cfg", "balance roundrobin", "balance first"))

    assert deployment.parts("edge")[0].host == edge


@contextmanager
def nothing_more(runtime):
    """What stands before and after is the same."""
    client = runtime.engine._client
    filters = {"label": f"{RUN_LABEL}={runtime.workspace.run_id}"}

    def standing():
        found = (client.containers.list(all=True, filters=filters), client.networks.list(filters=filters))
        return [{thing.id for thing in things} for things in (*found, client.volumes.list(filters=filters))]

    before = standing()
    yield
    assert standing() == before


def _ended(deployment):
    deployment.terminate()
    deployment.wait_exit(30)


@pytest.mark.parametrize(
    "disturb",
    [
        lambda deployment: deployment.replicas[0].signal("SIGKILL"),
        _ended,
        lambda deployment: deployment.add_replica(),
        lambda deployment: deployment.replicas[0].remove(),
    ],
    ids=["killed", "all ended", "added", "removed"],
)
def test_whatever_became_of_its_replicas_it_is_renewed(deployment, disturb):
    stores = {part.host for part in deployment.stores()}
    disturb(deployment)

    deployment.renew()

    assert [replica.exit_status() for replica in deployment.replicas] == [None, None]
    assert deployment.holds_port()
    policies = {part.attributes()["HostConfig"]["RestartPolicy"]["Name"] for part in deployment.replicas}
    assert policies == {"unless-stopped"}
    assert {part.host for part in deployment.stores()} == stores


def test_what_does_not_come_back_is_said_and_can_be_tried_again(deployment, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(Realised, "renew", lambda _: None)
        _ended(deployment)
        with pytest.raises(ProbeFailed, match="did not come back"):
            deployment.renew()

    deployment.renew()

    assert deployment.holds_port()


def test_a_start_beside_it_is_refused_without_a_topology_of_its_own(runtime, deployment, monkeypatch):
    def brings_up(plan):
        raise AssertionError(f"a whole topology for: {plan.specification.variation.title}")

    monkeypatch.setattr(runtime, "_launch", brings_up)
    wrong = Specification(profile="production", variation=secret("database_password", "not-" * 12))

    with nothing_more(runtime):
        missing = runtime.try_start(
            Specification(profile="production", variation=secret("api_key", None)),
            timeout_s=30,
            beside=deployment,
        )
        refused_by_a_store = runtime.try_start(wrong, timeout_s=30, beside=deployment)

    assert (missing.status, refused_by_a_store.status) == (2, 2)
    assert "api_key" in missing.output
    assert "database_password" in refused_by_a_store.output


def test_a_start_beside_it_that_is_not_refused_becomes_ready(runtime, deployment):
    assert runtime.try_start(Specification(profile="production"), timeout_s=60, beside=deployment) is None


def test_other_code_gets_a_topology_of_its_own(runtime, deployment, monkeypatch):
    asked = []
    monkeypatch.setattr(runtime, "_launch", lambda plan: asked.append(plan) or deployment.join(plan))
    other = edit("shout", "panotti/__main__.py", "from panotti", "print('other')\nfrom panotti")

    runtime.try_start(Specification(profile="production", variation=other), timeout_s=1, beside=deployment)

    assert [plan.specification.variation for plan in asked] == [other]
    assert asked[0].made["database_password"] != deployment.plan.made["database_password"]


def test_the_edge_does_not_know_who_joined(runtime, deployment):
    joined = deployment.join(_planned(runtime, deployment, CLEAN))
    failure = await_ready(joined.door, exited=joined.exit_status, output=joined.logs, timeout_s=60)
    names = deployment.parts("edge")[0].execute(("getent", "ahostsv4", "app")).stdout
    replicas = {part.addresses()["application"] for part in deployment.replicas}
    running = joined.holds_port()
    joined.stop()
    joined.stop()

    assert failure is None
    assert running
    assert {line.split()[0] for line in names.splitlines()} == replicas
    assert "started" in joined.logs()


def test_who_joins_without_a_certificate_is_asked_in_plain_words(runtime, deployment):
    without = setting(**dict.fromkeys(deployment.plan.launch.tls.env))
    with_one, without_one = (
        deployment.join(_planned(runtime, deployment, variation)) for variation in (CLEAN, without)
    )
    schemes = [joined.door.base_url.partition(":")[0] for joined in (with_one, without_one)]
    for joined in (with_one, without_one):
        joined.stop()

    assert schemes == ["https", "http"]


def _planned(runtime, deployment, variation):
    specification = Specification(profile="production", variation=variation, instance="joined")
    made = deployment.plan.made
    return plan(runtime.target, specification, runtime.authority, replicated=True, made=made)


def test_a_topology_that_needs_more_memory_than_there_is_leaves_nothing(runtime, monkeypatch):
    monkeypatch.setattr(runtime.engine, "memory", lambda: 1 << 30)
    small = Specification(profile="production", instance="small-machine")

    with (
        nothing_more(runtime),
        pytest.raises(RuntimeUnavailable, match="this machine has 1024"),
    ):
        runtime.start(small)


def test_a_topology_without_free_addresses_leaves_nothing(runtime, monkeypatch):
    made, subnet = [], runtime.engine.subnet

    def taken(wanted):
        if wanted.name.endswith("-data"):
            raise SubnetTaken(wanted.subnet)
        made.append(wanted.name)
        return subnet(wanted)

    monkeypatch.setattr(runtime.engine, "subnet", taken)
    monkeypatch.setattr(topology, "_SUBNET_TRIES", 2)

    with nothing_more(runtime), pytest.raises(RuntimeUnavailable, match="no free addresses"):
        runtime.start(Specification(profile="production", instance="crowded"))
    assert len(made) == 4


def test_a_taken_port_is_named_and_nothing_is_left(runtime):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        fixed = edit("a fixed port", "deploy/compose.yaml", "${PANOTTI_HTTP_PORT-8080}", str(port))
        specification = Specification(profile="production", variation=fixed, instance="fixed-port")

        with nothing_more(runtime), pytest.raises(RuntimeUnavailable, match=str(port)):
            runtime.start(specification)


def test_nothing_is_left_of_a_stopped_topology(runtime, monkeypatch):
    specification = Specification(profile="production", instance="short-lived")
    up = runtime.start(specification)
    names = {*up.found.networks.values()}
    volumes = {*up.found.volumes.values()}
    stores = {box.id for service in ("postgres", "redis") for box in up.found.boxes[service]}
    removed, remove = [], Box.remove
    monkeypatch.setattr(Box, "remove", lambda box: removed.append(box.id) or remove(box))
    up.stop()

    client = runtime.engine._client
    assert not names & {network.name for network in client.networks.list()}
    assert not volumes & {volume.name for volume in client.volumes.list()}
    assert "request" in up.logs()
    assert not up.found.folder.exists()
    assert (len(removed), {*removed[-2:]}) == (5, stores)
