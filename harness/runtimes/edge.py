"""A topology's edge by its runtime socket: which colour gets the requests, and what each has answered."""

from __future__ import annotations

import csv
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from harness.errors import ProbeFailed
from harness.releases.stage import Colour
from harness.runtimes.engine import Box, Conversation
from harness.runtimes.handing import folder_for_all

SERVING: Final = "serving"
_FILE: Final = f"{SERVING}.map"
_FOLDER: Final = f"/etc/haproxy/{SERVING}"
_MAP: Final = f"{_FOLDER}/{_FILE}"
_KEY: Final = "colour"
_SHOW: Final = f"show map {_MAP}"
_STATES: Final = "show servers state"
_SOCKET: Final = ("socat", "-t5", "-", "UNIX-CONNECT:/run/haproxy/admin.sock")
_PROMPT: Final = "\n> "  # after the answer to each command
_ANSWER_S: Final = 10.0
_UP: Final = "2"  # srv_op_state
_BACKENDS: Final = "2"  # the type, of `show stat`
_SERVERS: Final = "4"
_SPENT: Final = re.compile(r"^proc\.(blue|green)_ms: type=sint value=<(\d+)>$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """What the edge has counted of one colour since its own start.

    in_flight: requests that are not answered to their end. errors: those answered with 5xx, or broken off.
    spent_ms: the sum of how long their answers took to begin.
    """

    in_flight: int
    requests: int
    errors: int
    spent_ms: int


class Edge:
    """HAProxy as deploy/haproxy.cfg sets it up. Every call raises `ProbeFailed` where it does not answer."""

    FOLDER: Final = _FOLDER

    def __init__(self, box: Box, conversation: Conversation | None = None) -> None:
        """conversation: with its runtime socket, which `conversing` has begun."""
        self._box = box
        self._conversation = conversation

    @contextmanager
    def conversing(self) -> Iterator[Edge]:
        """Yield this edge for many questions in a row, over one connection to its runtime socket."""
        with self._box.converse(_SOCKET) as conversation:
            conversation.say("prompt")
            conversation.hear(_PROMPT, within_s=_ANSWER_S)
            yield Edge(self._box, conversation)

    def ask(self, command: str) -> str:
        """Send commands, with ; between them, to the runtime socket; return their answers."""
        if self._conversation is not None:
            self._conversation.say(command)
            return "\n".join(self._conversation.hear(_PROMPT, within_s=_ANSWER_S) for _ in command.split(";"))
        done = self._box.execute(_SOCKET, stdin=f"{command}\n", timeout_s=_ANSWER_S)
        if done.status != 0:
            raise ProbeFailed(f"the edge's runtime socket: {done.stderr.strip()[-200:]}")
        return done.stdout

    def serving(self) -> Colour | None:
        """Return the colour that gets the requests; None where the edge knows none by that name."""
        return _serving(self.ask(_SHOW))

    def serve(self, colour: Colour) -> None:
        """Send every request to a colour from one moment on, and after a restart of the edge too."""
        said = self.ask(f"set map {_MAP} {_KEY} {colour}; {_SHOW}")
        if _serving(said) is not colour:
            raise ProbeFailed(f"the edge does not send requests to {colour}: {said.strip()[-200:]}")
        self.remember(colour)

    def remember(self, colour: Colour) -> None:
        """Let the edge begin with a colour when it starts again."""
        mounts = self._box.attributes()["Mounts"]
        folder = next((mount["Source"] for mount in mounts if mount["Destination"] == _FOLDER), None)
        if folder is None:
            raise ProbeFailed(f"nothing is mounted at the edge's {_FOLDER}: it would forget {colour}")
        write_serving(Path(folder), colour)

    def up(self, colour: Colour) -> set[str]:
        """Return the addresses of the replicas of a colour that were ready when they were last asked."""
        return _up(self.ask(_STATES), colour)

    def clients_go_to(self) -> set[str]:
        """Return the addresses of the replicas that get requests: those that are ready, of what serves."""
        said = self.ask(f"{_SHOW}; {_STATES}")
        colour = _serving(said)
        return _up(said, colour) if colour else set()

    def prefer(self, addresses: Collection[str]) -> Colour:
        """Send requests to the replicas at these addresses alone; the others end what they have.

        Return the colour that serves.
        """
        said = self.ask(f"{_SHOW}; {_STATES}")
        colour = _serving(said)
        if colour is None:
            raise ProbeFailed(f"the edge knows no colour that serves: {said.strip()[:200]}")
        states = {row[3]: "ready" if row[4] in addresses else "drain" for row in _rows(said, colour)}
        said = self.ask("; ".join(f"set server {colour}/{name} state {to}" for name, to in states.items()))
        if said.strip():
            raise ProbeFailed(f"the edge does not choose among the replicas: {said.strip()[-200:]}")
        return colour

    def in_flight(self, colour: Colour, addresses: Collection[str]) -> int:
        """Return how many requests other replicas of a colour than these have still to answer."""
        said = self.ask(f"{_STATES}; show stat {colour} {_SERVERS} -1")
        others = {row[3] for row in _rows(said, colour) if row[4] not in addresses}
        counts = csv.DictReader(said[said.find("pxname,") :].splitlines())
        return sum(int(row["scur"]) for row in counts if row["svname"] in others)

    def counted(self) -> Mapping[Colour, Counted]:
        """Return what has passed by now, of both colours."""
        sums = "; ".join(f"get var proc.{colour}_ms" for colour in Colour)
        said = self.ask(f"{sums}; show stat -1 {_BACKENDS} -1")
        spent = {Colour(name): int(number) for name, number in _SPENT.findall(said)}
        rows = {row["pxname"]: row for row in csv.DictReader(said.partition("# ")[2].splitlines())}
        try:
            return {colour: _counted(rows[colour], spent[colour]) for colour in Colour}
        except (KeyError, ValueError) as cause:
            raise ProbeFailed(f"the edge's counters are not those of two colours: {cause!r}") from None


def write_serving(folder: Path, colour: Colour) -> None:
    """Write what the edge begins with, in one step: it finds the old colour or the new one."""
    folder_for_all(folder)
    fresh = folder / f".{_FILE}"
    fresh.write_text(f"{_KEY} {colour}\n", encoding="ascii")
    fresh.chmod(0o444)
    fresh.replace(folder / _FILE)


def _up(said: str, colour: Colour) -> set[str]:
    return {row[4] for row in _rows(said, colour) if row[5] == _UP}


def _serving(said: str) -> Colour | None:
    for line in said.splitlines():
        with suppress(ValueError):
            _, key, colour = line.split()
            if key == _KEY:
                return Colour(colour)
    return None


def _rows(said: str, colour: Colour) -> list[list[str]]:
    """The servers of a colour in what `_STATES` said: name at 3, address at 4, operational state at 5."""
    rows = [line.split() for line in said.splitlines()]
    return [row for row in rows if row[1:2] == [colour] and len(row) > 5]


def _counted(row: Mapping[str, str], spent_ms: int) -> Counted:
    return Counted(
        in_flight=int(row["scur"]) + int(row["qcur"]),
        requests=int(row["req_tot"]),
        errors=int(row["hrsp_5xx"]) + int(row["srv_abrt"]),
        spent_ms=spent_ms,
    )
