"""Charts and diagrams: what is drawn stands where its numbers say, and nothing in it is taken for markup."""

from __future__ import annotations

import itertools
import re
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.records import Chart, Diagram, Hop, Line, Mark, Node
from reports.charts import HEIGHT, WIDTH, chart_svg, ticks, written
from reports.diagrams import diagram_svg

NUMBERS = st.floats(-1e9, 1e9, allow_nan=False)


def chart(*points: tuple[float, float], x: str = "time (s)", marks: tuple[Mark, ...] = ()) -> Chart:
    line = Line(name="a line", points=points)
    return Chart(page="performance", title="a title", x=x, y="ms", lines=(line,), marks=marks)


def curve(drawn: str) -> list[tuple[float, float]]:
    (path,) = re.findall(r'points="([^"]*)"', drawn)
    return [tuple(map(float, pair.split(","))) for pair in path.split()]  # type: ignore[misc]


def texts(drawn: str) -> list[str]:
    return [node.text or "" for node in ElementTree.fromstring(drawn).iter("text")]


@given(st.lists(st.tuples(NUMBERS, NUMBERS.map(abs)), min_size=2, max_size=20))
def test_every_point_is_inside_and_in_its_order(points: list[tuple[float, float]]) -> None:
    places = curve(chart_svg(chart(*points)))

    assert len(places) == len(points)
    assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in places)
    for (x1, y1), (x2, y2), (px, py), (qx, qy) in zip(points, points[1:], places, places[1:], strict=False):
        assert x1 >= x2 or px <= qx
        assert y1 >= y2 or py >= qy


@given(NUMBERS, st.floats(1e-6, 1e9))
def test_ticks_are_round_and_within(low: float, span: float) -> None:
    found = ticks(low, low + span)

    step = found[1] - found[0] if len(found) > 1 else span
    assert 1 <= len(found) <= 7
    assert all(low - step / 100 <= tick <= low + span + step / 100 for tick in found)


def test_an_axis_of_percentiles_gives_each_nine_the_same_width() -> None:
    (fifty, ninety, ninety_nine, three_nines) = (
        x for x, _ in curve(chart_svg(chart((0, 1), (90, 2), (99, 3), (99.9, 4), x="percentile")))
    )

    assert ninety - fifty == pytest.approx(ninety_nine - ninety, abs=0.2)
    assert three_nines - ninety_nine == pytest.approx(ninety_nine - ninety, abs=0.2)


def test_the_axes_are_named_and_numbered() -> None:
    shown = texts(chart_svg(chart((0, 0), (10, 500))))

    assert {"time (s)", "ms", "0", "10", "500"} <= set(shown)


def test_marks_are_numbered_in_their_place() -> None:
    drawn = chart_svg(chart((0, 1), (10, 1), marks=(Mark(at=5, label="<killed>"), Mark(at=10, label="back"))))

    lines = [float(x) for x in re.findall(r'class="moment" x1="([\d.]+)"', drawn)]
    (start, end) = (x for x, _ in curve(drawn))
    assert lines == pytest.approx([(start + end) / 2, end], abs=0.1)
    assert [text for text in texts(drawn) if text in {"1", "2"}][-2:] == ["1", "2"]
    assert "&lt;killed&gt;" in drawn


@pytest.mark.parametrize("points", [(), ((float("nan"), 1.0),), ((1.0, float("inf")),)])
def test_a_chart_without_points_says_so(points: tuple[tuple[float, float], ...]) -> None:
    assert "no points" in texts(chart_svg(chart(*points)))


@pytest.mark.parametrize(
    ("value", "text"), [(0.05, "0.05"), (1200.0, "1200"), (99.9, "99.9"), (0.1 + 0.2, "0.3"), (2e6, "2e+06")]
)
def test_numbers_are_short(value: float, text: str) -> None:
    assert written(value) == text


def test_a_hop_has_the_colour_of_its_worst_control_and_leads_to_it() -> None:
    diagram = Diagram(
        page="topology",
        title="ways",
        nodes=(Node(name="a", label="<b>", zone="left"), Node(name="b", label="", zone="right")),
        hops=(
            Hop(source="a", target="b", label="TLS", controls=("one.two.three",)),
            Hop(source="b", target="a"),
            Hop(source="a", target="nowhere"),
        ),
    )

    drawn = diagram_svg(diagram, lambda controls: "fail" if controls else "")

    root = ElementTree.fromstring(drawn)
    hops = [line for line in root.iter("line") if (line.get("class") or "").startswith("hop")]
    assert [line.get("class") for line in hops] == ["hop fail", "hop "]
    assert float(hops[0].get("x1", "0")) < float(hops[0].get("x2", "0"))
    assert float(hops[1].get("x1", "0")) > float(hops[1].get("x2", "0"))
    assert [link.get("href") for link in root.iter("a")] == ["#one.two.three"] * 2  # its line, its label
    assert {"left", "right", "a", "<b>", "TLS"} <= set(texts(drawn))


def test_zones_stand_in_the_order_in_which_hops_lead_through_them() -> None:
    diagram = Diagram(
        page="topology",
        title="ways",
        nodes=tuple(
            Node(name=name, label="", zone=f"{name}s") for name in ("client", "store", "spare", "edge", "app")
        ),
        hops=(
            Hop(source="app", target="store"),
            Hop(source="edge", target="app"),
            Hop(source="client", target="edge"),
        ),
    )

    zones = [text for text in texts(diagram_svg(diagram, lambda _: "")) if text.endswith("s")]

    assert zones == ["clients", "edges", "apps", "stores", "spares"]


def test_labels_of_hops_that_cross_or_lead_both_ways_stand_apart() -> None:
    left, right = (("a", "b"), ("c", "d"))
    diagram = Diagram(
        page="topology",
        title="ways",
        nodes=tuple(
            Node(name=name, label="", zone=zone)
            for zone, names in (("left", left), ("right", right))
            for name in names
        ),
        hops=(
            *(Hop(source=one, target=other, label="5432") for one in left for other in right),
            *(Hop(source=other, target=one, label="8080, 8443") for one in left for other in right),
        ),
    )

    root = ElementTree.fromstring(diagram_svg(diagram, lambda _: ""))

    tags = [
        tuple(float(tag.get(name, "nan")) for name in ("x", "y", "width", "height"))
        for tag in root.iter("rect")
        if tag.get("class") == "tag"
    ]
    assert len(tags) == 8
    for (x, y, width, height), (other_x, other_y, other_width, _) in itertools.combinations(tags, 2):
        beside = x + width <= other_x or other_x + other_width <= x
        assert beside or abs(y - other_y) >= height
