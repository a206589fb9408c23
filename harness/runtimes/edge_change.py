"""Another edge in front of what stands: the same place, the same ports, other files."""

from __future__ import annotations

from dataclasses import replace

from harness.defects import Edit, Variation
from harness.errors import ProbeFailed, RuntimeUnavailable
from harness.releases.stage import Colour
from harness.runtimes import CannotShow
from harness.runtimes.colours import Colours
from harness.runtimes.engine import Box
from harness.runtimes.overlay import lay
from harness.runtimes.readiness import Door, await_ready
from harness.runtimes.realised import Realised
from harness.runtimes.services import restart_policy
from harness.runtimes.topology import described, write_edited
from harness.topology.schema import Service


def change_edge(found: Realised, colours: Colours, door: Door, variation: Variation) -> None:
    """Replace the edge by one with these edits beside the deployment's own, and wait until it is ready.

    Raises `CannotShow` where the edits change more than the edge, `ProbeFailed` where it does not get ready.
    """
    service = _edited(found, variation)
    box = _replaced(found, service)
    failure = await_ready(
        door,
        exited=box.exit_status,
        output=box.logs,
        timeout_s=found.plan.launch.ready_within_s,
        ours=lambda: _clients_get_through(found, colours),
    )
    if failure is not None:
        raise ProbeFailed(f"the edge did not become ready: {failure.output[-500:]}")
    box.update(restart_policy=restart_policy(service))


def _edited(found: Realised, variation: Variation) -> Service:
    """Write the edge's files; return the edge as it is to be started."""
    own = found.plan.specification
    edits = [c for c in (own.variation.of_edge + variation).changes if isinstance(c, Edit)]
    overlay = replace(
        found.plan.overlay, topology={**found.plan.overlay.topology, **lay(edits, own.profile).topology}
    )
    plan = replace(found.plan, overlay=overlay)
    wanted = described(plan, found.contract, found.folder, found.images, found.prefix).services
    edge = found.contract.edge
    more = [name for name in wanted if name != edge and wanted[name] != found.topology.services[name]]
    if more:
        raise CannotShow(f"{variation.title}: it changes more than the edge: {', '.join(more)}")
    write_edited(found.folder, overlay)
    return wanted[edge]


def _replaced(found: Realised, service: Service) -> Box:
    """Remove the edge and start another one in its place."""
    edge = found.contract.edge
    for box in found.edge:
        box.remove()
    found.take_over(edge, [])
    found.casualty = None
    found.topology = replace(found.topology, services={**found.topology.services, edge: service})
    return found.add(edge)


def _clients_get_through(found: Realised, colours: Colours) -> bool:
    """Whether the edge has as many replicas in as the file says, or all that run where those are fewer."""
    try:
        standing = colours.at(colours.edge.serving() or Colour.BLUE)
        running = {colours.address(one) for one in standing if one.runs}
        enough = min(len(running), found.topology.services[found.contract.application].scale)
        return len(running & colours.edge.clients_go_to()) >= enough
    except (ProbeFailed, RuntimeUnavailable):
        return False
