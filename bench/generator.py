"""How true the load generator's latencies are, against a server whose stalls are known.

    python -m bench.generator [--seconds 30]

The server stops for one second in every ten. Of requests that are due evenly, a tenth then waits, and the
percentiles follow from the schedule by arithmetic. Locust's usual closed loop is shown beside it: its users
wait for the stall to end, and so never send the requests that would have met it.
Prints each percentile over the truth; exits 1 when the generator is more than 3 % off, 2 when it is so on a
machine that was too busy to tell, which the lateness of stalls and requests and the processors' time show.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Final, cast

import uvloop

from harness.load.histogram import Histogram
from harness.load.levels import IDLE
from harness.load.machine import Processors
from harness.load.order import Order, Reach
from harness.load.records import LoadResult
from harness.load.running import generate

RATE: Final = 200.0
EVERY_S, STALL_S = 10.0, 1.0
TOLERANCE: Final = 0.03
SHARES: Final = (0.95, 0.99)
LAG_MS: Final = 2.0  # wrk2 itself begins requests within microseconds
LATE_MS: Final = 10.0  # of a stall's end: a hundredth of the stall
STOLEN: Final = 0.01
NICE: Final = -10  # a server that waits for a processor stalls when it should not
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
        self.transport = cast("asyncio.Transport", transport)  # uvloop's own has another base

    def data_received(self, data: bytes) -> None:
        self.transport.write(ANSWER * data.count(b"\r\n\r\n"))


async def serve() -> None:
    """Serve, and stop for the last second of every ten, until the standard input ends.

    Prints its port, and at the end by how many milliseconds the latest of its stalls ended too late.
    """
    with contextlib.suppress(OSError):
        os.nice(NICE)
    loop = asyncio.get_running_loop()
    late_ms = 0.0
    server = await loop.create_server(Stalling, "127.0.0.1", 0, backlog=4096)
    began = loop.time()

    def stall(number: int) -> None:
        nonlocal late_ms
        end = began + number * EVERY_S
        time.sleep(max(end - loop.time(), 0.0))
        late_ms = max(late_ms, 1000 * (time.monotonic() - end))
        loop.call_at(began + (number + 1) * EVERY_S - STALL_S, stall, number + 1)

    loop.call_at(began + EVERY_S - STALL_S, stall, 1)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await loop.run_in_executor(None, sys.stdin.read)
    sys.stdout.write(f"{late_ms:.1f}\n")


def truth(seconds: float) -> dict[float, float]:
    """Return the milliseconds at `SHARES` of a schedule of evenly due requests over whole periods.

    How long before the end of a stall the last request in it is due is chance: half the time between two.
    """
    periods, stalled = round(seconds / EVERY_S), round(RATE * STALL_S)
    waits = [1000 * (number - 0.5) / RATE for number in range(1, stalled + 1)] * periods
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What else went on while the generator ran. late_ms: of the stalls' ends. stolen: by the hypervisor."""

    late_ms: float
    stolen: float

    def disturbed(self, planned: LoadResult) -> list[str]:
        """Return what makes the figures none of the generator's."""
        found = {
            f"the server's stalls ended up to {self.late_ms:.1f} ms late": self.late_ms > LATE_MS,
            f"requests began {planned.lag_ms:.2f} ms late (p99)": planned.lag_ms > LAG_MS,
            f"{self.stolen:.1%} of the processors' time was stolen": self.stolen > STOLEN,
            f"{planned.idle:.0%} of the processors' time was left over": planned.idle < IDLE,
        }
        return [what for what, so in found.items() if so]


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
        assert server.stdin is not None
        url = f"http://127.0.0.1:{server.stdout.readline().strip()}"
        processors = Processors()
        planned = measure_open(url, seconds, Path(folder))
        stolen = processors.stolen
        closed = measure_closed(url, seconds, Path(folder))
        server.stdin.close()
        machine = Machine(late_ms=float(server.stdout.readline()), stolen=stolen)
    return tell(planned, closed, machine, truth(seconds))


def tell(planned: LoadResult, closed: Histogram, machine: Machine, true: dict[float, float]) -> int:
    """Print the figures; return 0 within the tolerance, 1 outside of it, 2 outside on a disturbed machine."""
    say = sys.stdout.write
    say(f"a server that stops 1 s in every 10, {RATE:g} requests a second, latencies over the truth:\n")
    off = 0.0
    for share, expected in true.items():
        own, usual = planned.latency.percentile(share), closed.percentile(share)
        off = max(off, abs(own / expected - 1))
        both = f"planned {own / expected:.3f}, closed loop {usual / expected:.3f}"
        say(f"  p{100 * share:g}, {expected:.0f} ms: {both}\n")
    say(f"  generator late by {planned.lag_ms:.2f} ms (p99); {planned.offered} of {planned.planned} begun\n")
    say(f"  machine: {planned.idle:.0%} left over, {machine.stolen:.1%} stolen, ")
    say(f"stalls up to {machine.late_ms:.1f} ms late\n")
    say(f"  at most {off:.1%} off ({off / TOLERANCE:.2f} of {TOLERANCE:.0%})\n")
    disturbed = machine.disturbed(planned)
    if disturbed:
        say(f"  disturbed: {'; '.join(disturbed)}\n")
    if off <= TOLERANCE:
        return 0
    return 2 if disturbed else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        uvloop.run(serve())
    else:
        sys.exit(main(arguments.seconds))
