"""What the middleware costs: requests per CPU second of the server with it, over without it.

    python -m bench.middleware [--rounds 9] [--requests 400]

Two servers of one worker each, on the same kind of database, take turns of 96 requests at answering
POST /api/recording-started. The CPU time is the worker's own (all threads), so neither the load generator nor
waiting for the disk counts. As in the image, the log goes to a pipe and the counters to memory.
Prints the ratio of each round and their median; exits 1 when the median is under 0.9.
"""

from __future__ import annotations

import argparse
import os
import secrets as randomness
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import IO

import orjson
from starlette.types import ASGIApp, Receive, Scope, Send

from panotti import configuration, logs
from panotti.app import build_app
from panotti.backends import choose
from panotti.identity.principal import Principal, Role
from panotti.processes import Supervisor
from panotti.storage.migrate import migrate

FLOOR = 0.9
CONNECTIONS = 32
TURN = 96
START_TIMEOUT = 20.0
UNLIMITED = "1000000"


class Acting:
    """Stands for what the bare application expects of the layers it was stripped of: a request's state."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            principal = Principal(id="bench", tenant="default", role=Role.WRITER, key_id="bench")
            scope["state"] |= {
                "request_id": "bench-0001",
                "client": "",
                "route": None,
                "principal": principal,
            }
        await self.app(scope, receive, send)


def serve(*, middleware: bool) -> int:
    """One server, in this process, on the settings of the environment."""
    settings, secrets = configuration.load()
    logs.configure(settings.log_level)
    app = build_app(settings, secrets, middleware=middleware)
    migrate(choose(settings, secrets).store)
    return Supervisor(app if middleware else Acting(app), settings, None).run()


class Site:
    """A server in a process of its own, and the connections to it."""

    def __init__(self, folder: Path, memory: Path, key: str, *, middleware: bool) -> None:
        kind = "with" if middleware else "without"
        self.key = key
        environment = os.environ | {
            "PANOTTI_PROFILE": "testing",
            "PANOTTI_SECRETS_DIR": str(folder / "secrets"),
            "PANOTTI_DATA_DIR": str(folder / kind),
            "PANOTTI_STATE_DIR": str(memory / kind),
            "PANOTTI_API_PORT": "0",
            "PANOTTI_WORKERS": "1",
            "PANOTTI_RATE_KEY_QUOTA": UNLIMITED,
            "PANOTTI_RATE_ADDRESS_QUOTA": UNLIMITED,
        }
        command = [sys.executable, "-m", "bench.middleware", "--serve", kind]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment)  # noqa: S603 - itself
        assert self.process.stdout is not None
        host, port = _started(self.process.stdout)
        threading.Thread(target=self.process.stdout.read).start()
        self.connections = [_connect(host, port) for _ in range(CONNECTIONS)]
        self.worker = self._children()[0]

    def turn(self, requests: int) -> float:
        """CPU seconds of the worker for so many answered requests."""
        before = _cpu_seconds(self.worker)
        for _ in range(requests // CONNECTIONS):
            for connection in self.connections:
                connection.sendall(_request(self.key))
            for connection in self.connections:
                _expect_success(connection)
        return _cpu_seconds(self.worker) - before

    def stop(self) -> None:
        for connection in self.connections:
            connection.close()
        self.process.terminate()
        self.process.wait()

    def _children(self) -> list[int]:
        pid = self.process.pid
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _started(log: IO[bytes]) -> tuple[str, int]:
    for line in log:
        if b'"started"' in line:
            host, _, port = orjson.loads(line)["address"].partition("//")[2].rpartition(":")
            return host, int(port)
    raise SystemExit("the server did not start")


def _connect(host: str, port: int) -> socket.socket:
    deadline = time.monotonic() + START_TIMEOUT
    while True:
        try:
            return socket.create_connection((host, port), START_TIMEOUT)
        except ConnectionRefusedError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def _request(key: str) -> bytes:
    body = orjson.dumps({"recordingId": randomness.token_hex(8), "metadata": {"title": "bench"}})
    head = (
        "POST /api/recording-started HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"X-API-Key: {key}\r\nOrigin: https://app.example\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode("ascii") + body


def _expect_success(connection: socket.socket) -> None:
    answer = connection.recv(65536)
    while b"recording_id" not in answer:
        if not answer.startswith(b"HTTP/1.1 200"):
            raise SystemExit(f"not a success, so there is nothing to measure: {answer!r}")
        answer += connection.recv(65536)


def _cpu_seconds(pid: int) -> float:
    tasks = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(task.read_text().split()[0]) for task in tasks) / 1e9


def measure(rounds: int, requests: int) -> list[float]:
    """The ratio with/without of each round, after one round of warming up."""
    with (
        tempfile.TemporaryDirectory(prefix="panotti-bench-") as disk,
        tempfile.TemporaryDirectory(prefix="panotti-bench-", dir="/dev/shm") as memory,
    ):
        folder = Path(disk)
        key = randomness.token_urlsafe(32)
        (folder / "secrets").mkdir(mode=0o700)
        (folder / "secrets" / "api_key").write_text(key)
        sites = [Site(folder, Path(memory), key, middleware=middleware) for middleware in (True, False)]
        try:
            return [_ratio(sites, requests) for _ in range(rounds + 1)][1:]
        finally:
            for site in sites:
                site.stop()


def _ratio(sites: list[Site], requests: int) -> float:
    times = dict.fromkeys(sites, 0.0)
    for turn in range(requests // TURN):
        # Each comes as often after the other as before it: what a turn leaves in the caches must not count.
        for site in sites if turn % 2 else reversed(sites):
            times[site] += site.turn(TURN)
    full, bare = times.values()
    return bare / full


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--requests", type=int, default=400)
    parser.add_argument("--serve", choices=("with", "without"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        return serve(middleware=arguments.serve == "with")
    ratios = measure(arguments.rounds, arguments.requests)
    median = statistics.median(ratios)
    rounds = " ".join(f"{ratio:.3f}" for ratio in ratios)
    sys.stdout.write(f"requests per CPU second, with/without middleware: {rounds}\nmedian {median:.3f}\n")
    return 0 if median >= FLOOR else 1


if __name__ == "__main__":
    sys.exit(main())
