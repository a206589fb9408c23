"""What checks of replicas behind an edge share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from harness import defect, edit, prompt
from harness.defects import Variation
from harness.disturbance import Watched, told
from harness.probes.message import Parts
from harness.site import Site

REPLICATED: Final = ("staging", "production")
WHY_NOT: Final = "only the runtime `containers` brings up several replicas behind an edge"
EDGE: Final = "deploy/haproxy.cfg"
NO_RETRY: Final = edit(
    "a connection that a replica refuses is not tried on another one",
    EDGE,
    "    retries 3\n    option redispatch 1\n",
    "    retries 0\n",
)
NOT_CHECKED: Final = defect(
    "replicas are neither checked nor is their refusal tried on another one",
    NO_RETRY,
    edit("", EDGE, "    default-server check inter 1s", "    default-server inter 1s"),
)
BALANCE: Final = "    balance roundrobin\n"
FIRST_TAKES_ALL: Final = edit("the first replica gets what it can take", EDGE, BALANCE, "    balance first\n")
LIST_OF_TWO: Final = edit(
    "a list of two replicas",
    EDGE,
    "server-template replica 1-8 app-blue",
    "server-template replica 1-2 app-blue",
)
A_FIFTH: Final = (
    0.2  # of their quota: so much of several replicas together a small machine has processors for
)


def topology(title: str, old: str, new: str) -> Variation:
    """An edit of the topology's file."""
    return edit(title, "deploy/compose.yaml", old, new)


def looks(site: Site) -> Callable[[int], Parts]:
    """Requests for the guarded detail, which tells which replica answered."""
    key = site.key("admin")
    return lambda _: {"key": key}


def detail(site: Site) -> str:
    """The path of the guarded detail."""
    return site.contract.path("health.detail")


def assert_undisturbed(held: object, message: str, seen: Watched) -> None:
    """Assert what other work may have hindered: where there was any, the check is tried again."""
    prompt(held or not told(seen.moments), message)
    assert held, message
