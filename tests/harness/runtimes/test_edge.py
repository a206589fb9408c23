"""What the edge answers at its runtime socket is read, and an answer that is none is not taken for one."""

from __future__ import annotations

from contextlib import contextmanager

import pytest

from harness.errors import ProbeFailed
from harness.releases.stage import Colour
from harness.runtimes import Completed
from harness.runtimes.edge import Edge, write_serving

COUNTERS = """proc.blue_ms: type=sint value=<1220>
proc.green_ms: type=sint value=<0>
# pxname,svname,qcur,scur,hrsp_5xx,req_tot,srv_abrt,
blue,BACKEND,1,2,3,40,1,
green,BACKEND,0,0,0,0,0,

"""
STATES = """1
# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state
4 blue 1 replica1 198.18.0.67 2 0
4 blue 2 replica2 198.18.0.68 0 0
5 green 1 replica1 198.18.0.69 2 0
5 green 2 replica2 - 0 32

"""
SERVES = "0x55d0 colour blue\n\n"
SERVERS = """# pxname,svname,qcur,scur,
blue,replica1,0,3,
blue,replica2,0,5,

"""


class Socket:
    """A container whose runtime socket gives fixed answers, by the first word of the command."""

    def __init__(self, **answers):
        self.asked = []
        self._answers = answers

    def execute(self, argv, *, stdin, timeout_s):
        self.asked.append(stdin.strip())
        answer = self._answers.get(stdin.split()[0])
        return Completed(
            status=0 if answer is not None else 1, stdout=answer or "", stderr="connect: refused"
        )

    @contextmanager
    def converse(self, argv):
        yield Talk(self)

    def attributes(self):
        return {"Mounts": []}


class Talk:
    """The runtime socket once it prompts: it answers each command of a line by itself."""

    def __init__(self, box):
        self._box = box
        self._answers = []

    def say(self, line):
        self._answers += [self._box.execute((), stdin=word, timeout_s=1).stdout for word in line.split(";")]

    def hear(self, mark, *, within_s):
        return self._answers.pop(0)


def test_counters_are_told_by_colour():
    counted = Edge(Socket(get=COUNTERS)).counted()

    blue = counted[Colour.BLUE]
    assert (blue.in_flight, blue.requests, blue.errors, blue.spent_ms) == (3, 40, 4, 1220)
    assert counted[Colour.GREEN].requests == 0


@pytest.mark.parametrize(
    ("map_line", "addresses"),
    [("0x55d0 colour blue", {"198.18.0.67"}), ("0x55d0 colour green", {"198.18.0.69"}), ("nothing", set())],
)
def test_clients_go_to_the_replicas_that_are_ready_of_the_colour_that_serves(map_line, addresses):
    socket = Socket(show=f"{map_line}\n\n{STATES}")

    assert Edge(socket).clients_go_to() == addresses
    assert len(socket.asked) == 1


def test_a_conversation_asks_the_same_and_starts_nothing_anew():
    socket = Socket(prompt="", get=COUNTERS, show=COUNTERS.partition("\n# ")[2], set="")
    with Edge(socket).conversing() as edge:
        counted = edge.counted()
        asked = [*socket.asked]

    assert counted[Colour.BLUE].spent_ms == 1220
    assert asked == ["prompt", "get var proc.blue_ms", "get var proc.green_ms", "show stat -1 2 -1"]


@pytest.mark.parametrize("gone", ["proc.blue_ms: type=sint value=<1220>\n", "green,BACKEND,0,0,0,0,0,\n"])
def test_counters_of_which_some_are_missing_are_no_counters(gone):
    with pytest.raises(ProbeFailed, match="not those of two colours"):
        Edge(Socket(get=COUNTERS.replace(gone, ""))).counted()


def test_only_replicas_that_are_in_are_told():
    edge = Edge(Socket(show=STATES))

    assert edge.up(Colour.BLUE) == {"198.18.0.67"}
    assert edge.up(Colour.GREEN) == {"198.18.0.69"}


def test_some_replicas_of_a_colour_are_preferred_and_the_others_drained():
    socket = Socket(show=f"{SERVES}{STATES}", set="\n\n")

    assert Edge(socket).prefer({"198.18.0.68"}) is Colour.BLUE
    assert socket.asked[-1] == "set server blue/replica1 state drain; set server blue/replica2 state ready"


def test_an_edge_that_does_not_choose_is_told():
    with pytest.raises(ProbeFailed, match="does not choose among the replicas: No such server"):
        Edge(Socket(show=f"{SERVES}{STATES}", set="No such server.\n")).prefer(set())
    with pytest.raises(ProbeFailed, match="knows no colour that serves"):
        Edge(Socket(show=STATES)).prefer(set())


def test_what_others_than_the_preferred_have_still_to_answer_is_counted():
    edge = Edge(Socket(show=f"{STATES}{SERVERS}"))

    assert edge.in_flight(Colour.BLUE, {"198.18.0.67"}) == 5
    assert edge.in_flight(Colour.BLUE, {"198.18.0.67", "198.18.0.68"}) == 0
    assert edge.in_flight(Colour.BLUE, set()) == 8


def test_what_serves_is_read_from_the_map():
    assert Edge(Socket(show="0x55d0 colour green\n\n")).serving() is Colour.GREEN
    assert Edge(Socket(show="0x55d0 colour mauve\n")).serving() is None
    assert Edge(Socket(show="Unknown map identifier.\n")).serving() is None


def test_a_colour_that_the_edge_does_not_take_is_told():
    with pytest.raises(ProbeFailed, match="does not send requests to green: entry not found"):
        Edge(Socket(set="entry not found.\n\n0x55d0 colour blue\n")).serve(Colour.GREEN)


def test_an_edge_that_does_not_answer_and_one_that_would_forget_are_told():
    with pytest.raises(ProbeFailed, match="connect: refused"):
        Edge(Socket()).serving()
    with pytest.raises(ProbeFailed, match="it would forget green"):
        Edge(Socket(set="\n0x55d0 colour green\n")).serve(Colour.GREEN)


def test_what_the_edge_begins_with_is_replaced_in_one_step(tmp_path):
    folder = tmp_path / "serving"
    write_serving(folder, Colour.BLUE)
    write_serving(folder, Colour.GREEN)

    (file,) = folder.iterdir()
    assert file.read_text() == "colour green\n"
    assert file.stat().st_mode & 0o777 == 0o444
