"""Diagrams as SVG: zones as columns of boxes, nodes in them, hops between them in the colour of a verdict."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup

from harness.records import Diagram, Hop, Node
from reports.text import printable

_NODE_W, _NODE_H, _GAP_X, _GAP_Y, _PAD, _HEAD = 148, 50, 170, 26, 16, 26
_LETTER: Final = 6.6  # how wide a letter of a label is, about
_TAG_H: Final = 18
_TAG_AT: Final = 0.7  # of the way

KindOf = Callable[[tuple[str, ...]], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """Where a node stands. column: from 0, its zone's."""

    column: int
    x: float
    y: float

    @property
    def middle(self) -> tuple[float, float]:
        return self.x + _NODE_W / 2, self.y + _NODE_H / 2


def diagram_svg(diagram: Diagram, kind_of: KindOf) -> Markup:
    """Return the diagram as one SVG element. kind_of: the verdict shown for a hop's controls, "" for none."""
    zones = {zone: [n for n in diagram.nodes if n.zone == zone] for zone in _zones(diagram)}
    tallest = max((len(nodes) for nodes in zones.values()), default=1)
    height = _HEAD + 2 * _PAD + tallest * _NODE_H + (tallest - 1) * _GAP_Y
    boxes = dict(_places(zones, height))
    width = len(zones) * (_NODE_W + 2 * _PAD) + max(len(zones) - 1, 0) * (_GAP_X - 2 * _PAD) + 2
    parts = [_zone(number, zone, height) for number, zone in enumerate(zones) if zone]
    hops = [(h, kind_of(h.controls)) for h in diagram.hops if {h.source, h.target} <= boxes.keys()]
    parts += [_line(hop, boxes, kind) for hop, kind in hops]
    parts += [_tag(hop, boxes, kind) for hop, kind in hops if hop.label]
    parts += [_node(node, boxes[node.name]) for node in diagram.nodes]
    return Markup(
        '<svg viewBox="0 0 {} {}" style="max-width:{}px" role="img" aria-label="{}">{}</svg>'
    ).format(width, height + 2, width, diagram.title, Markup("").join(parts))


def _zones(diagram: Diagram) -> tuple[str, ...]:
    """Return the columns from left to right: the first node's zone, then each by its hops from there."""
    zones = {node.name: node.zone for node in diagram.nodes}
    joined = [(zones.get(hop.source), zones.get(hop.target)) for hop in diagram.hops]
    reached = list(zones.values())[:1]
    for zone in reached:  # grows meanwhile
        found = dict.fromkeys(other for one, other in joined if one == zone and other is not None)
        reached += [other for other in found if other not in reached]
    return tuple(dict.fromkeys([*reached, *zones.values()]))


def _left(column: int) -> float:
    return 1 + column * (_NODE_W + _GAP_X)


def _places(zones: Mapping[str, list[Node]], height: float) -> Iterator[tuple[str, Box]]:
    for column, nodes in enumerate(zones.values()):
        used = len(nodes) * _NODE_H + (len(nodes) - 1) * _GAP_Y
        top = _HEAD + (height - _HEAD - used) / 2
        for row, node in enumerate(nodes):
            y = top + row * (_NODE_H + _GAP_Y)
            yield node.name, Box(column=column, x=_left(column) + _PAD, y=y)


def _zone(column: int, name: str, height: float) -> Markup:
    shape = Markup(
        '<rect class="zone" x="{:.0f}" y="1" width="{}" height="{:.0f}" rx="6"/>'
        '<text x="{:.0f}" y="20">{}</text>'
    )
    x = _left(column)
    return shape.format(x, _NODE_W + 2 * _PAD, height, x + _PAD, printable(name))


def _node(node: Node, box: Box) -> Markup:
    x, y = box.middle
    shape = Markup(
        '<g><rect class="node" x="{:.1f}" y="{:.1f}" width="{}" height="{}" rx="4"/>'
        '<text class="strong" x="{:.1f}" y="{:.1f}" text-anchor="middle">{}</text>'
        '<text x="{:.1f}" y="{:.1f}" text-anchor="middle">{}</text></g>'
    )
    return shape.format(
        *(box.x, box.y, _NODE_W, _NODE_H),
        *(x, y - 3, printable(node.name), x, y + 14, printable(node.label)),
    )


def _line(hop: Hop, boxes: Mapping[str, Box], kind: str) -> Markup:
    (x1, y1), (x2, y2) = _ends(boxes[hop.source], boxes[hop.target])
    shape = Markup('<line class="hop {}" x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}"/>')
    return _told(hop, kind, shape.format(kind, x1, y1, x2, y2))


def _tag(hop: Hop, boxes: Mapping[str, Box], kind: str) -> Markup:
    """The hop's label, nearer to its target: hops that cross, or lead both ways, keep theirs apart."""
    (x1, y1), (x2, y2) = _ends(boxes[hop.source], boxes[hop.target])
    x, y = x1 + (x2 - x1) * _TAG_AT, y1 + (y2 - y1) * _TAG_AT
    width = len(hop.label) * _LETTER + 10
    shape = Markup(
        '<rect class="tag" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{}" rx="4"/>'
        '<text class="{}" x="{:.1f}" y="{:.1f}" text-anchor="middle">{}</text>'
    )
    drawn = shape.format(x - width / 2, y - _TAG_H / 2, width, _TAG_H, kind, x, y + 4, printable(hop.label))
    return _told(hop, kind, drawn)


def _told(hop: Hop, kind: str, drawn: Markup) -> Markup:
    """Say whose a part of a hop is, and lead to its first control."""
    title = ", ".join(hop.controls)
    drawn = Markup("<title>{}</title>").format(f"{title}: {kind}" if kind else title) + drawn
    if hop.controls:
        return Markup('<a href="#{}">{}</a>').format(hop.controls[0], drawn)
    return Markup("<g>{}</g>").format(drawn)


def _ends(source: Box, target: Box) -> tuple[tuple[float, float], tuple[float, float]]:
    """Where a hop leaves and arrives: side to side between columns, edge to edge within one."""
    (sx, sy), (tx, ty) = source.middle, target.middle
    if source.column == target.column:
        down = 1 if ty > sy else -1
        return (sx, sy + down * _NODE_H / 2), (tx, ty - down * _NODE_H / 2)
    right = 1 if target.column > source.column else -1
    return (sx + right * _NODE_W / 2, sy), (tx - right * _NODE_W / 2, ty)
