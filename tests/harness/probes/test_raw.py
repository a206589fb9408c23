from __future__ import annotations

import itertools
import socket
import threading
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import replace

import pytest

from harness.probes.raw import RawProbe


@contextmanager
def answering(plain, behave: Callable[[socket.socket], None]):
    """A deployment whose server treats one connection as told."""

    def serve(server):
        client, _ = server.accept()
        with client:
            behave(client)

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve, args=(server,))
        thread.start()
        yield RawProbe(replace(plain, base_url=f"http://127.0.0.1:{server.getsockname()[1]}"))
        thread.join(10)


@pytest.mark.parametrize("which", ["plain", "secure"])
def test_raw_bytes_are_answered(which, request, recorder):
    raw = RawProbe(request.getfixturevalue(which))
    reply = raw(raw.message("GET", "/echo", headers={"Cookie": "sid=a-key-0123456789"}))

    assert reply.status == 200
    assert reply.field("path") == "/echo"
    assert reply.received.startswith(b"HTTP/1.1 200")
    (seen,) = recorder.telling()
    assert "a-key-0123456789" not in seen.data["sent"]


def test_pieces_with_pauses_arrive_as_one_request_and_count_as_demanded(plain, recorder):
    raw = RawProbe(plain)
    message = raw.message("POST", "/echo", content=b"abc")
    reply = raw([message[:10], 0.05, message[10:-1], 0.05, message[-1:]])

    assert reply.field("body") == "abc"
    assert recorder.seconds().demanded_s >= 0.1
    assert recorder.seconds().target_s == 0


def test_an_endless_body_stops_at_the_early_answer(plain):
    def refuse(client):
        client.recv(65536)
        client.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        client.shutdown(socket.SHUT_WR)
        while client.recv(65536):
            pass

    with answering(plain, refuse) as raw:
        head = b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
        reply = raw(itertools.chain([head], itertools.repeat(b"1000\r\n" + b"x" * 4096 + b"\r\n")))

    assert reply.status == 413


def test_an_answer_before_a_reset_is_still_read(plain):
    def slam(client):
        client.recv(1)
        client.sendall(b"HTTP/1.1 400 Bad\r\nContent-Length: 0\r\n\r\n")

    with answering(plain, slam) as raw:
        reply = raw(itertools.repeat(b"x" * 65536))

    assert reply.status == 400


def test_a_slow_client_sees_that_it_was_cut_off(plain):
    def cut(client):
        client.recv(65536)

    with answering(plain, cut) as raw:
        reply = raw(itertools.chain([b"GET / HTTP/1.1\r\n"], itertools.cycle([5.0, b"X: y\r\n"])))

    assert reply.status == 0
    assert reply.closed
    assert reply.elapsed_s < 5
    assert "closed without an answer" in reply.error


def test_silence_is_status_0_after_the_time_allowed(plain):
    done = threading.Event()
    with answering(plain, lambda client: done.wait(10)) as raw:
        reply = raw(b"GET / HTTP/1.1\r\n\r\n", timeout_s=0.1)
        done.set()

    assert (reply.status, reply.closed) == (0, False)
    assert "no answer within 0.1 s" in reply.error


def test_a_refused_connection_is_status_0(plain):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    reply = RawProbe(replace(plain, base_url=f"http://127.0.0.1:{port}"))(b"x")

    assert (reply.status, reply.closed) == (0, True)


@pytest.mark.parametrize("which", ["plain", "secure"])
def test_a_connection_is_driven_step_by_step(which, request):
    raw = RawProbe(request.getfixturevalue(which))
    with raw.open() as wire:
        for path in ("/one", "/two"):
            message = raw.message("GET", path)
            wire.send(message[:5])
            assert wire.answer() is None
            assert not wire.wait_answer(0.01)
            wire.send(message[5:])
            assert wire.wait_answer(5)
            assert wire.read().field("path") == path
        assert not wire.wait_closed(0.01)


def test_a_half_close_lets_the_answer_come(plain):
    def after_end(client):
        while client.recv(65536):
            pass
        client.sendall(b"HTTP/1.1 200 OK\r\n\r\nended")

    with answering(plain, after_end) as raw, raw.open() as wire:
        wire.send(b"GET / HTTP/1.1\r\n\r\n")
        wire.end_sending()
        assert wire.read().body == b"ended"
        assert wire.wait_closed(1)
