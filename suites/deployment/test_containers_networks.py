"""Three tiers of networks (CIS Docker Benchmark 5.9): what is published, who reaches whom, who leaves."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from functools import partial
from typing import Final

from harness import control, edit, floor, record
from harness.defects import Variation
from harness.probes.topology import Member, next_hop
from harness.records import Diagram, Hop, Node
from harness.site import Site

NETWORKS = "deployment.containers.networks"
TLS = "middleware.security.tls"
LOOPBACK = "127.0.0.1"
DISCARD = 9  # nobody listens there; a refusal tells that the way is open
REPLICATED: Final = ("staging", "production")
WHY_NOT = "only the runtime `containers` brings up a topology of several networks"

POSTGRES = "    networks: [data]\n    volumes:\n      - postgres-data"
REDIS = "    networks: [data]\n    volumes:\n      - redis-data"
APP = "    networks: {application: {aliases: [app-blue]}, data: {}}\n"


def topology(title: str, old: str, new: str) -> Variation:
    """An edit of the topology's file."""
    return edit(title, "deploy/compose.yaml", old, new)


APPLICATION_PUBLISHED = topology(
    "an application port is published",
    APP,
    APP.replace("{application", "{edge: {}, application") + '    ports: ["127.0.0.1::8000"]\n',
)
DATABASE_PUBLISHED = topology(
    "the database is published",
    POSTGRES,
    POSTGRES.replace("[data]", '[edge, data]\n    ports: ["127.0.0.1::5432"]'),
)
EVERYWHERE = topology(
    "the edge is published on every address of the machine",
    "127.0.0.1:${PANOTTI_HTTPS_PORT-8443}",
    "0.0.0.0:${PANOTTI_HTTPS_PORT-8443}",
)
DATABASE_AT_THE_EDGE = topology(
    "the database is on the edge network too", POSTGRES, POSTGRES.replace("[data]", "[data, edge]")
)
CACHE_AT_THE_EDGE = topology(
    "the cache is on the edge network too", REDIS, REDIS.replace("[data]", "[data, edge]")
)
EDGE_AT_THE_DATA = topology(
    "the edge is on the data network too",
    "      application:\n        ipv4_address:",
    "      data: {}\n      application:\n        ipv4_address:",
)
OPEN_DATA = topology("the data network has a route outside", "  data:\n    internal: true\n", "  data:\n")
OPEN_APPLICATION = topology(
    "the application network has a route outside",
    "  application:\n    internal: true\n",
    "  application:\n",
)


@control(
    NETWORKS,
    profiles=REPLICATED,
    prove_in="production",
    runtimes=("containers",),
    why_not=WHY_NOT,
    broken_by=(APPLICATION_PUBLISHED, DATABASE_PUBLISHED, EVERYWHERE),
)
def test_only_the_edge_publishes_a_port(site: Site) -> None:
    """No container but the edge's publishes a port, and that one does so on the loopback address alone."""
    members, allowed = site.topology.members(), site.policy.topology.published
    floor(any(one.published for one in members), "nothing is published: what could be reached?")

    others = [
        f"{one.service} ({_shown(one)})" for one in members if one.published and one.tier not in allowed
    ]
    assert not others, f"ports are published by {', '.join(others)}"
    elsewhere = {host for one in members for host, _ in one.published} - {LOOPBACK}
    assert not elsewhere, f"ports are published on {', '.join(sorted(elsewhere))}"


@control(
    NETWORKS,
    profiles=REPLICATED,
    prove_in="production",
    runtimes=("containers",),
    why_not=WHY_NOT,
    broken_by=(DATABASE_AT_THE_EDGE, CACHE_AT_THE_EDGE, EDGE_AT_THE_DATA),
)
def test_edge_and_data_do_not_reach_one_another(site: Site) -> None:
    """From inside every container, connections open to tiers that a flow joins with its own, to no other."""
    parts, members = site.topology.parts(), site.topology.members()
    floor(all(one.ports for one in members), "a container listens on no port: nobody could reach it")
    others = [[one for one in members if one.tier != part.tier] for part in parts]
    places = [[place for one in apart for place in one.places] for apart in others]
    reached = site.together(
        *(partial(site.topology.reached, part, tried) for part, tried in zip(parts, places, strict=True))
    )
    found = {
        (part.service, one.service)
        for part, apart, open_ in zip(parts, others, reached, strict=True)
        for one in apart
        if open_.intersection(one.places)
    }
    record(_drawn(members, found))
    tiers = {one.service: one.tier for one in members}
    needed = {flow.partition(" ")[::2] for flow in site.policy.topology.flows}
    unseen = needed - {(tiers[source], tiers[target]) for source, target in found}
    floor(not unseen, f"flows that are needed were not seen: {_flows(unseen)}")

    joined = needed | {(target, source) for source, target in needed}
    extra = {(source, target) for source, target in found if (tiers[source], tiers[target]) not in joined}
    assert not extra, f"connections open that no flow allows: {_flows(extra)}"


@control(
    NETWORKS,
    profiles=REPLICATED,
    prove_in="production",
    runtimes=("containers",),
    why_not=WHY_NOT,
    broken_by=(OPEN_DATA, OPEN_APPLICATION, CACHE_AT_THE_EDGE),
)
def test_application_and_data_have_no_way_out(site: Site) -> None:
    """No container but the edge's is in a network with a route outside, or reaches the machine's next hop."""
    parts, members = site.topology.parts(), site.topology.members()
    hop, outside = next_hop(), site.policy.topology.outside
    floor(
        not any(one.confined for one in members if one.tier in outside),
        "the edge is confined too: what tells the others from it?",
    )
    place = f"{hop}:{DISCARD}"
    reached = site.together(*(partial(site.topology.reached, part, [place] if hop else []) for part in parts))
    out = {part.service for part, open_ in zip(parts, reached, strict=True) if open_}

    leaks = {one.service for one in members if one.tier not in outside and not one.confined}
    leaks |= {one.service for one in members if one.tier not in outside and one.service in out}
    assert not leaks, f"a route to the outside stands open for {', '.join(sorted(leaks))}"


def _shown(member: Member) -> str:
    return ", ".join(f"{host}:{port}" for host, port in member.published)


def _flows(pairs: Collection[tuple[str, ...]]) -> str:
    return ", ".join(" to ".join(pair) for pair in sorted(pairs))


def _drawn(members: tuple[Member, ...], found: set[tuple[str, str]]) -> Diagram:
    """What was found, as a picture: one node for each container, one hop for each pair of services."""
    nodes = [Node(name="client", label="client", zone="outside")]
    nodes += [Node(name=name, label=one.service, zone=one.tier) for name, one in _named(members)]
    hops = [
        Hop(source="client", target=name, label="TLS", controls=("middleware.security.tls",))
        for name, one in _named(members)
        if one.published
    ]
    hops += [
        Hop(source=name, target=other, label=_port(two), controls=(NETWORKS,))
        for name, one in _named(members)
        for other, two in _named(members)
        if (one.service, two.service) in found
    ]
    return Diagram(page="topology", title="Who reaches whom", nodes=tuple(nodes), hops=tuple(hops))


def _named(members: tuple[Member, ...]) -> Iterator[tuple[str, Member]]:
    for number, one in enumerate(members, 1):
        alone = sum(other.service == one.service for other in members) == 1
        yield (one.service if alone else f"{one.service}-{number}"), one


def _port(member: Member) -> str:
    return ", ".join(map(str, member.ports))
