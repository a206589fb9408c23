"""Hostile bodies offered where a recording begins, and what became of them."""

from __future__ import annotations

from collections.abc import Sequence

from harness.probes import hostile
from harness.probes.hostile import Hostile
from harness.site import Site


def not_refused(site: Site, bodies: Sequence[Hostile]) -> list[str]:
    """Return what was not refused of `bodies`, in words."""
    path = site.contract.path("recordings.started")
    offered = hostile.offer(site.http, path, site.key(), bodies, good=hostile.good())
    return [str(one) for one in offered if not one.refused]
