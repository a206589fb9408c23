"""The shipped scenarios as plain locustfiles: by themselves, without the harness around them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.load.levels import undelivered
from harness.load.records import LoadResult, read_result
from harness.load.running import SCENARIOS

LOCUST = Path(sys.executable).with_name("locust")
SERVER = """
import itertools, json, sys
import uvicorn

MADE = itertools.count()

async def app(scope, receive, send):
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    sent = json.loads(body) if body else {}
    name = sent.get("recordingId") or scope["path"].rpartition("/")[2]
    answer = json.dumps({"key": f"key-{next(MADE)}", "id": "1", "recording_id": name}).encode()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": answer})

class Server(uvicorn.Server):
    async def startup(self, sockets=None):
        await super().startup(sockets)
        print(self.servers[0].sockets[0].getsockname()[1], flush=True)

Server(uvicorn.Config(app, port=0, log_config=None, lifespan="off")).run()
"""


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    server = subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE, text=True)
    with server:
        assert server.stdout is not None
        yield f"http://127.0.0.1:{server.stdout.readline().strip()}"
        server.kill()


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "key"
    path.write_text("an-administrators-key")
    path.chmod(0o600)
    return path


def locust(name: str, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("HARNESS_", "LOCUST_"))}
    return subprocess.run(
        [str(LOCUST), "-f", str(SCENARIOS / f"{name}.py"), "--headless", "--only-summary", *words],
        cwd=folder,
        env=clean,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("name", "planned", "by_second"),
    [("steady", 80, (40, 40)), ("ramp", 62, (22, 40)), ("scale_out", 68, (28, 40))],
)
def test_it_runs_by_itself_and_carries_its_plan_out(
    name: str, planned: int, by_second: tuple[int, int], url: str, key: Path, tmp_path: Path
) -> None:
    left = tmp_path / "result.json"
    words = ("--base-url", url, "--key-file", str(key), "--rate", "40", "--for", "2", "--result", str(left))

    done = locust(name, tmp_path, *words)

    result: LoadResult = read_result(left)
    assert undelivered(result) == ""
    assert result.planned == result.completed == planned
    # By chance, some at the edge of a second fall into the next.
    due = [second.due for second in result.series][:2]
    assert due == pytest.approx(by_second, abs=4)
    assert f"{planned} of {planned} planned requests begun" in done.stdout
    if name == "scale_out":
        assert done.returncode == 0, "no service level is promised of it"
        assert "requests a second were answered rightly" in done.stdout
    else:
        assert done.returncode == 2, "too few samples: no verdict"
        assert "no verdict: not decided" in done.stdout
    assert "an-administrators-key" not in done.stdout + done.stderr + left.read_text()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--profile", "nowhere"), 'unknown profile "nowhere"'),
        (("--base-url", "http://127.0.0.1:9"), "no key for http://127.0.0.1:9"),
        (("--base-url", "http://127.0.0.1:9", "--key-file", "absent"), "absent"),
        (("--base-url", "http://127.0.0.1:9", "--key-file", "key"), "is not up"),
        (("--base-url", "nonsense", "--key-file", "key"), "is not the URL of a server"),
        (("--base-url", "http://127.0.0.1:9", "--key-file", "key", "--rate", "0"), "--rate 0"),
    ],
)
def test_a_mistake_is_one_message_and_status_2(
    words: tuple[str, ...], told: str, key: Path, tmp_path: Path
) -> None:
    done = locust("steady", tmp_path, "--loglevel", "ERROR", *words)

    assert done.returncode == 2
    assert told in done.stderr
    assert "→" in done.stderr
    assert "Traceback" not in done.stderr
