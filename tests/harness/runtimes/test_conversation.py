"""A command in a container that is spoken with: Docker's frames, answers in pieces, and ends."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from harness.errors import ProbeFailed
from harness.runtimes.engine import Conversation


@dataclass(frozen=True, slots=True, kw_only=True)
class Ends:
    """A conversation, and Docker's end of it."""

    conversation: Conversation
    docker: socket.socket

    def says(self, text: str, stream: int = 1) -> None:
        self.docker.sendall(frame(text, stream))


def frame(text: str, stream: int = 1) -> bytes:
    return struct.pack(">BxxxL", stream, len(text.encode())) + text.encode()


@pytest.fixture
def ends() -> Iterator[Ends]:
    near, far = socket.socketpair()
    with near, far:
        yield Ends(conversation=Conversation(near), docker=far)


def test_an_answer_ends_at_its_mark_and_the_next_one_begins_there(ends: Ends) -> None:
    ends.conversation.say("show map")
    ends.says("blue\n> green\n> ")

    assert ends.docker.recv(100) == b"show map\n"
    assert [ends.conversation.hear("\n> ", within_s=5) for _ in range(2)] == ["blue", "green"]


def test_an_answer_may_come_in_any_pieces_and_on_both_outputs(ends: Ends) -> None:
    pieces = frame("bl") + frame("u", 2) + frame("e\n> ")
    ends.docker.sendall(pieces[:5])
    ends.docker.sendall(pieces[5:13])
    ends.docker.sendall(pieces[13:])

    assert ends.conversation.hear("\n> ", within_s=5) == "blue"


def test_an_answer_that_does_not_come_is_none(ends: Ends) -> None:
    ends.says("half")

    with pytest.raises(ProbeFailed, match="no answer in time, only: half"):
        ends.conversation.hear("\n> ", within_s=0.05)


def test_a_command_that_ends_answers_nothing_more(ends: Ends) -> None:
    ends.says("connect: refused", 2)
    ends.docker.close()

    with pytest.raises(ProbeFailed, match="ended after: connect: refused"):
        ends.conversation.hear("\n> ", within_s=5)
    with pytest.raises(ProbeFailed, match="the conversation has ended"):
        ends.conversation.say("show map")


def test_its_end_is_the_end_of_the_commands_input(ends: Ends) -> None:
    ends.conversation.close()

    assert ends.docker.recv(1) == b""
