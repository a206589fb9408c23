"""How true the load generator's latencies are, against a server whose stalls are known.

    python -m bench.generator [--seconds 30]

The server stops for one second in every ten. Of requests that are due evenly, a tenth then waits, and the
percentiles follow from the schedule by arithmetic. Locust's usual closed loop is shown beside it: its users
wait for the stall to end, and so never send the requests that would have met it.
Prints each percentile over the truth; exits 1 when the generator is more than 3 % off.
"""

from __future__ import annotations

import argparse
import asyncio
import subprocess
import sys
import tempfile
import time
from math import ceil
from pathlib import Path
from typing import Final

from harness.load.histogram import Histogram
from harness.load.order import Order, Reach
from harness.load.records import LoadResult
from harness.load.running import generate

RATE: Final = 200.0
EVERY_S, STALL_S = 10.0, 1.0
TOLERANCE: Final = 0.03
SHARES: Final = (0.95, 0.99)
ANSWER: Final = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
OPEN = """
from harness.load.generator import OpenUser, Phase, step

class Open(OpenUser):
    def phases(self, rate, for_s):
        return [Phase(for_s=for_s, from_rate=rate, to_rate=rate)]

    @step()
    def look(self, arrival):
        arrival.ask("GET", "/")
"""
CLOSED = f"""
from locust import FastHttpUser, constant_throughput, events, task
from harness.load.histogram import Histogram

LATENCY = Histogram()

class Closed(FastHttpUser):
    wait_time = constant_throughput({RATE:g} / 4)

    @task
    def look(self):
        self.client.get("/")

@events.request.add_listener
def take(response_time, **_):
    LATENCY.record(response_time)

@events.quitting.add_listener
def tell(**_):
    print("latency", LATENCY.encoded(), flush=True)
"""


class Stalling(asyncio.Protocol):
    """Answers every request alike."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(ANSWER * data.count(b"\r\n\r\n"))


async def serve() -> None:
    """Serve, and stop for the last second of every ten, until the standard input ends."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Stalling, "127.0.0.1", 0, backlog=4096)
    began = loop.time()

    def stall(number: int) -> None:
        time.sleep(max(began + number * EVERY_S - loop.time(), 0.0))
        loop.call_at(began + (number + 1) * EVERY_S - STALL_S, stall, number + 1)

    loop.call_at(began + EVERY_S - STALL_S, stall, 1)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await loop.run_in_executor(None, sys.stdin.read)


def truth(seconds: float) -> dict[float, float]:
    """Return the milliseconds at `SHARES` of a schedule of evenly due requests over whole periods."""
    periods, stalled = round(seconds / EVERY_S), round(RATE * STALL_S)
    waits = [1000 * number / RATE for number in range(1, stalled + 1)] * periods
    waits += [0.0] * (round(RATE * seconds) - len(waits))
    waits.sort()
    return {share: waits[ceil(share * len(waits)) - 1] for share in SHARES}


def measure_open(url: str, seconds: float, folder: Path) -> LoadResult:
    """Run the harness's generator."""
    scenario = folder / "open.py"
    scenario.write_text(OPEN)
    reach = Reach(base_url=url, host="localhost", key="none", auth_header="X-API-Key", paths={})
    return generate(scenario, Order(reach=reach, rate=RATE, for_s=seconds, keys=1))


def measure_closed(url: str, seconds: float, folder: Path) -> Histogram:
    """Run Locust as it is usually used, at the same rate."""
    scenario = folder / "closed.py"
    scenario.write_text(CLOSED)
    words = ["-f", str(scenario), "--headless", "--only-summary", "--loglevel", "ERROR", "--host", url]
    words += ["--users", "4", "--spawn-rate", "4", "--run-time", f"{seconds:g}s", "--stop-timeout", "3"]
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-m", "locust", *words], cwd=folder, capture_output=True, text=True, check=True
    )
    (told,) = [line for line in done.stdout.splitlines() if line.startswith("latency ")]
    return Histogram(told.split()[1])


def main(seconds: float = 30.0) -> int:
    """Measure both against the same server; return 1 when the harness's own is off the truth."""
    server = subprocess.Popen(
        [sys.executable, "-m", "bench.generator", "--serve"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with server, tempfile.TemporaryDirectory(prefix="panotti-bench-") as folder:
        assert server.stdout is not None
        url = f"http://127.0.0.1:{server.stdout.readline().strip()}"
        planned = measure_open(url, seconds, Path(folder))
        closed = measure_closed(url, seconds, Path(folder))
        assert server.stdin is not None
        server.stdin.close()
    true = truth(seconds)
    say = sys.stdout.write
    say(f"a server that stops 1 s in every 10, {RATE:g} requests a second, latencies over the truth:\n")
    off = 0.0
    for share, expected in true.items():
        own, usual = planned.latency.percentile(share), closed.percentile(share)
        off = max(off, abs(own / expected - 1))
        both = f"planned {own / expected:.3f}, closed loop {usual / expected:.3f}"
        say(f"  p{100 * share:g}, {expected:.0f} ms: {both}\n")
    say(f"  generator late by {planned.lag_ms:.2f} ms (p99); {planned.offered} of {planned.planned} begun\n")
    say(f"  at most {off:.1%} off ({off / TOLERANCE:.2f} of {TOLERANCE:.0%})\n")
    return 0 if off <= TOLERANCE else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        asyncio.run(serve())
    else:
        sys.exit(main(arguments.seconds))
