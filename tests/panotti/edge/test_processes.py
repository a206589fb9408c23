"""The supervisor and its workers: as many as set, replaced when dead, ended in order."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from panotti.errors import StartError
from panotti.processes import bind

HEAD = b"Host: localhost\r\n"


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def test_as_many_workers_answer_as_are_set(start):
    assert len(start(workers=3).pids(3)) == 3


def test_requests_in_flight_finish_and_new_connections_are_refused(start, eventually):
    site = start(workers=2, shutdown_grace=10)
    busy = site.connect()
    busy.send(b"GET /gate HTTP/1.1\r\n" + HEAD + b"\r\n")
    site.logged(event="at_the_gate")
    idle = site.connect()
    idle.send(b"GET /ok HTTP/1.1\r\n" + HEAD + b"\r\n")
    idle.reply()
    port = site.port

    site.signal(signal.SIGTERM)

    assert idle.rest() == b""

    def refused() -> bool:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except ConnectionRefusedError:
            return True
        return False

    eventually(refused, "new connections refused")
    site.gate.touch()
    reply = busy.reply()
    assert (reply.status, reply.headers["connection"]) == (200, "close")
    assert site.process.wait(10) == 0
    site.logged(event="stopped")
    assert not site.events("worker_killed")


def test_a_request_sent_before_the_shutdown_was_seen_is_answered(start):
    site = start(workers=1)
    connections = [site.connect() for _ in range(10)]
    for connection in connections:
        connection.send(b"GET /ok HTTP/1.1\r\n" + HEAD + b"\r\n")
        connection.reply()

    site.signal(signal.SIGTERM)
    for connection in connections:
        connection.send(b"GET /ok HTTP/1.1\r\n" + HEAD + b"\r\n")

    assert [connection.reply().status for connection in connections] == [200] * 10
    assert site.process.wait(10) == 0


def test_a_request_that_outlives_the_grace_is_cut_and_the_exit_is_still_0(start):
    site = start(workers=1, shutdown_grace=1)
    connection = site.connect()
    connection.send(b"GET /gate HTTP/1.1\r\n" + HEAD + b"X-Request-ID: outlives-1\r\n\r\n")
    site.logged(event="at_the_gate")

    assert site.stop() == 0
    assert site.logged(event="request", request_id="outlives-1")["status"] == 500


def test_a_worker_that_does_not_end_is_killed(start):
    site = start(workers=1, shutdown_grace=1)
    worker = site.call().json["pid"]
    os.kill(worker, signal.SIGSTOP)

    assert site.stop() == 0

    assert not alive(worker)
    site.logged(event="worker_killed", worker=worker)


def test_half_a_request_does_not_hold_the_shutdown(start):
    site = start(workers=1, shutdown_grace=10, header_timeout=60)
    connection = site.connect()
    connection.send(b"GET /ok HTTP/1.1\r\nX-Half: ")
    site.call()

    assert site.stop() == 0

    assert connection.rest() == b""
    assert not site.events("worker_killed")


def test_a_killed_worker_is_replaced_and_no_later_request_fails(start, eventually):
    site = start(workers=2)
    first = site.pids(2)
    victim = min(first)

    os.kill(victim, signal.SIGKILL)
    eventually(lambda: not alive(victim), "the victim's end")
    replies = [site.call() for _ in range(100)]

    assert {reply.status for reply in replies} == {200}
    assert site.logged(event="worker_died", worker=victim)["status"] == -signal.SIGKILL
    eventually(lambda: site.call().json["pid"] not in first, "the replacement answering")


def test_the_only_workers_replacement_takes_the_waiting_connections(start, eventually):
    site = start(workers=1)
    victim = site.call().json["pid"]

    os.kill(victim, signal.SIGKILL)
    eventually(lambda: not alive(victim), "the victim's end")

    assert all(site.call().status == 200 for _ in range(20))


def test_workers_end_with_their_supervisor(start, eventually):
    site = start(workers=2)
    workers = site.pids(2)

    os.kill(site.process.pid, signal.SIGKILL)
    site.process.wait()

    eventually(lambda: not any(map(alive, workers)), "the workers' end")


def test_workers_that_cannot_start_end_the_server_with_1(start):
    site = start(workers=2, ready=False, FAIL_START=1)

    assert site.process.wait(20) == 1
    assert "no database" in site.log.read_text()


def test_sigint_ends_the_server_like_sigterm(start):
    site = start(workers=1)

    site.signal(signal.SIGINT)

    assert site.process.wait(10) == 0


def test_a_taken_port_is_named():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(
            StartError, match=f"api_port: cannot listen on 127.0.0.1 port {port}: Address already"
        ):
            bind("127.0.0.1", port, "api_port")


def test_ipv6_can_be_listened_on():
    with bind("::1", 0, "api_port") as sock:
        assert sock.family == socket.AF_INET6


def test_a_log_that_nobody_reads_any_more_fails_nothing():
    program = "from panotti import logs; logs.configure('info'); logs.log.info('x'); logs.log.info('y')"
    reader, writer = os.pipe()
    os.close(reader)

    done = subprocess.run([sys.executable, "-c", program], stdout=writer, stderr=subprocess.PIPE, check=False)
    os.close(writer)

    assert (done.returncode, done.stderr) == (0, b"")
