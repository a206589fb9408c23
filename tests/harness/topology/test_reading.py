"""A Compose file becomes a topology, or one message that names each place that is wrong."""

from __future__ import annotations

import pytest

from harness import places
from harness.errors import ContractError
from harness.topology.reading import read_topology

SMALL = """
version: "2.4"
x-common: &common {read_only: true}
services:
  web:
    <<: *common
    image: ${IMAGE:-web:1}
    networks: [front]
    environment: {NAME: "${NAME-none}", PRICE: "$$5"}
    depends_on: [store]
  store:
    image: store:1
    networks: {front: {ipv4_address: 10.0.0.9}}
    x-secrets: [password]
networks:
  front: {ipam: {config: [{subnet: 10.0.0.0/24}]}}
"""


def _read(text=SMALL, **values):
    return read_topology(text, values, source="compose.yaml")


def test_both_notations_of_compose_mean_the_same():
    topology = _read()

    assert topology.services["web"].read_only
    assert topology.services["web"].networks["front"].ipv4_address is None
    assert topology.services["web"].depends_on["store"].condition == "service_started"
    assert topology.services["store"].x_secrets == ("password",)
    assert topology.waves() == [["store"], ["web"]]


def test_variables_get_their_value_or_their_default():
    web = _read().services["web"]
    assert (web.image, web.environment) == ("web:1", {"NAME": "none", "PRICE": "$5"})

    web = _read(IMAGE="", NAME="").services["web"]
    assert web.image == "web:1", "`:-` takes the default for an empty value too"
    assert web.environment["NAME"] == "", "`-` takes it for a missing one only"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("read_only: true", "read_onyl: true", 'unknown key; did you mean "read_only"'),
        ("networks: [front]", "networks: [back]", 'there is no "back"'),
        ("depends_on: [store]", "depends_on: {store: {condition: service_healthy}}", "no healthcheck"),
        ("depends_on: [store]", "depends_on: [web]", "wait for one another"),
        ("${IMAGE:-web:1}", "${IMAGE}", "${IMAGE} has no value"),
        ("image: store:1", "image: store:1\n    volumes: [data:/data]", 'there is no "data"'),
        ('version: "2.4"', 'version: "3"', "version"),
        ("services:", "services: [", "not YAML"),
    ],
)
def test_what_is_not_realised_is_refused(old, new, said):
    assert old in SMALL

    with pytest.raises(ContractError) as refusal:
        _read(SMALL.replace(old, new, 1))

    assert refusal.value.what.startswith("compose.yaml")
    assert said in str(refusal.value)


def test_the_references_topology_is_hardened_in_three_tiers():
    text = (places.DEPLOY / "compose.yaml").read_text(encoding="utf-8")
    topology = read_topology(text, {}, source="deploy/compose.yaml")

    assert [name for name, service in topology.services.items() if service.ports] == ["edge"]
    assert [name for name, network in topology.networks.items() if not network.internal] == ["edge"]
    for service in topology.services.values():
        assert service.read_only
        assert service.cap_drop == ("ALL",)
        assert not service.cap_add
        assert "no-new-privileges" in service.security_opt
        assert service.user.partition(":")[0].isdigit()
        assert service.mem_limit == service.memswap_limit is not None
        assert service.cpus
        assert service.pids_limit
