"""The network of a run, with addresses that nobody else uses."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from docker.errors import APIError, NotFound
from docker.types import IPAMConfig, IPAMPool
from testcontainers.core.network import Network

from harness.runtimes.engine.asking import asking
from harness.runtimes.engine.box import close_client

_SUBNET_TRIES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class RunNetwork:
    """A run's network. Docker gives addresses below .128; those above are given by the harness."""

    network: Network
    prefix: str

    @property
    def name(self) -> str:
        return self.network.name

    @property
    def gateway(self) -> str:
        """Where requests to published ports come from, as the target sees it."""
        return f"{self.prefix}.1"

    def remove(self) -> None:
        """Remove it; one that is gone already is as good."""
        with asking("removing the run's network"), suppress(NotFound):
            self.network.remove()
        close_client(self.network)


def run_network(labels: Mapping[str, str]) -> RunNetwork:
    """Make a bridge network, with subnets of its own for IPv4 and, where it can be had, IPv6."""
    with asking("making the run's network"):
        for attempt in range(_SUBNET_TRIES):
            # 198.18.0.0/15 is set aside for benchmarks (RFC 2544): no other network should be using it.
            prefix = f"198.{18 + secrets.randbelow(2)}.{secrets.randbelow(256)}"
            network = _network(prefix, labels, ipv6=attempt < _SUBNET_TRIES // 2)
            try:
                network.create()
            except APIError as refusal:
                close_client(network)
                if attempt == _SUBNET_TRIES - 1:
                    raise
                if "overlap" not in str(refusal) and "IPv6" not in str(refusal):
                    raise
            else:
                return RunNetwork(network=network, prefix=prefix)
    raise AssertionError("unreachable: the last try returns or raises")


def _network(prefix: str, labels: Mapping[str, str], *, ipv6: bool) -> Network:
    pools = [IPAMPool(subnet=f"{prefix}.0/24", iprange=f"{prefix}.0/25", gateway=f"{prefix}.1")]
    if ipv6:
        unique = f"fd{secrets.token_hex(1)}:{secrets.token_hex(2)}:{secrets.token_hex(2)}"
        pools.append(IPAMPool(subnet=f"{unique}::/64"))
    return Network(
        docker_network_kw={
            "driver": "bridge",
            "ipam": IPAMConfig(pool_configs=pools),
            "enable_ipv6": ipv6,
            "labels": dict(labels),
        }
    )
