"""How long a deployment takes from its start to its first good answer. Each figure beside its bound.

    python -m bench.starts [--rounds 5]

Local processes are started in turn as children of the fork server and as programs of their own, with the
settings of production. A replica is one container; the topology is all of production's. What starts share
(the fork server, images) is there after a first, uncounted start of each kind.
"""

from __future__ import annotations

import argparse
import os
import statistics
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from bench.verification import show
from harness.runtimes import Runtime, Specification
from harness.runtimes.engine import docker_answers
from harness.runtimes.factory import runtime_for
from harness.runtimes.process import NO_FORK
from harness.target import parse_target
from harness.workspace import Workspace

FORKED_S, REPLICA_S, TOPOLOGY_S = 0.4, 1.5, 4.0


def main(rounds: int = 5) -> None:
    """Start, stop and print."""
    with Workspace.open() as workspace:
        local = runtime_for("process", parse_target("reference"), workspace)
        forked, programs = median(rounds, lambda: once(local, "production"), lambda: program(local))
        show("start to ready, process, forked", forked, "s", FORKED_S)
        print(f"the same as a program of its own: {programs:.2f} s ({programs / forked:.1f} times as long)")  # noqa: T201
        if not docker_answers():
            print("Docker does not answer: containers are not measured")  # noqa: T201
            return
        containers = runtime_for("containers", parse_target("reference"), workspace)
        replica, topology = median(
            rounds, lambda: once(containers, "testing"), lambda: once(containers, "production")
        )
        show("start to ready, one container", replica, "s", REPLICA_S)
        show("start to ready, production's topology", topology, "s", TOPOLOGY_S)


def median(rounds: int, *kinds: Callable[[], float]) -> list[float]:
    """Return the median seconds of each kind, which take turns; the first round is not counted."""
    seconds = [[kind() for kind in kinds] for _ in range(rounds + 1)][1:]
    return [statistics.median(column) for column in zip(*seconds, strict=True)]


def once(runtime: Runtime, profile: str) -> float:
    """Return the seconds of one start."""
    deployment = runtime.start(Specification(profile=profile))
    deployment.stop()
    return deployment.started_in_s


def program(runtime: Runtime) -> float:
    """Return the seconds of one start without the fork server."""
    with without_forks():
        return once(runtime, "production")


@contextmanager
def without_forks() -> Iterator[None]:
    """Inside, every local process is a program of its own."""
    os.environ[NO_FORK] = "1"
    try:
        yield
    finally:
        del os.environ[NO_FORK]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    main(parser.parse_args().rounds)
