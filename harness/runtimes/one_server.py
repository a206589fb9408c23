"""What every deployment of one server says of the parts that it does not have."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import NoReturn

from harness.defects import Variation
from harness.load.order import Witness
from harness.runtimes import CannotShow
from harness.runtimes.witness import local_witness


class OneServer:
    """See `harness.runtimes.Deployment`."""

    base_url: str

    @property
    def replica_urls(self) -> tuple[str, ...]:
        """There is one, without an edge."""
        return (self.base_url,)

    def parts(self, name: str) -> NoReturn:
        """There is the server alone."""
        raise CannotShow(f"this deployment is one server, without a container of its own for the {name}")

    def members(self) -> NoReturn:
        """There is the server alone."""
        raise CannotShow("this deployment is one server, and no topology of several containers")

    def add_replica(self) -> NoReturn:
        """There is nothing that would share the load with a second one."""
        raise CannotShow("this deployment is one server without an edge: no replica can join it")

    def serving(self) -> NoReturn:
        """There is no edge that would tell."""
        raise CannotShow("this deployment is one server without an edge")

    def prefer(self, replicas: object) -> NoReturn:
        """There is nothing to choose from."""
        raise CannotShow(f"this deployment is one server without an edge that would choose {replicas}")

    def stage(self) -> NoReturn:
        """There is one place for a release, and it is taken."""
        raise CannotShow("this deployment is one server without an edge: no release can stand beside it")

    def change_edge(self, variation: Variation) -> NoReturn:
        """There is none."""
        raise CannotShow(f"this deployment is one server without an edge: {variation.title}")

    def renew(self) -> NoReturn:
        """A server that ended is all there was."""
        raise CannotShow("this deployment is one server: a new one costs no more")

    def witness(self) -> AbstractContextManager[Witness]:
        """It is reached without an edge."""
        return local_witness()

    def stores(self) -> tuple[()]:
        """It keeps its data itself."""
        return ()
