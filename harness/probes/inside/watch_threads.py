"""Arguments: seconds of processor time, seconds at most, pids. Watches the threads of these processes until
they have used the first together, or the second is over. Prints what each used meanwhile, as
{pid: {tid: seconds}}, threads that ended meanwhile and the main thread included."""

import json
import sys
import time
from pathlib import Path

EVERY_S = 0.02
NANO = 1e-9


def used(pid: str) -> dict[str, float]:
    """Processor seconds of every thread so far: the first field of schedstat, in nanoseconds."""
    found = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            found[task.name] = int((task / "schedstat").read_text().split()[0]) * NANO
        except OSError:
            continue  # it ended between the two looks
    return found


work, within, *pids = sys.argv[1:]
try:
    first = {pid: used(pid) for pid in pids}
except OSError as missing:
    print(missing.filename, file=sys.stderr)  # noqa: T201
    sys.exit(3)
grown: dict[str, dict[str, float]] = {pid: {} for pid in pids}
end = time.monotonic() + float(within)
while time.monotonic() < end and sum(sum(threads.values()) for threads in grown.values()) < float(work):
    time.sleep(EVERY_S)
    for pid in pids:
        grown[pid].update({tid: now - first[pid].get(tid, 0.0) for tid, now in used(pid).items()})
print(json.dumps(grown))  # noqa: T201
