"""What the image's HEALTHCHECK runs: it follows the server's answer, over TLS too, and says why not."""

from __future__ import annotations

import http.server
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from panotti import alive


class _Answer(http.server.BaseHTTPRequestHandler):
    status = 200

    def do_GET(self) -> None:
        self.send_response(self.status if self.headers["Host"] == "panotti.example" else 421)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Keeps the test's output to what it tests."""


@pytest.fixture(params=["plain", "tls"])
def answering(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[type[_Answer]]:
    class Answer(_Answer):
        pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Answer)
    if request.param == "tls":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
        request.getfixturevalue("authority").issue(certificate, key)
        context.load_cert_chain(certificate, key)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    alive.announce(
        tmp_path / "state",
        host="0.0.0.0",
        port=server.server_port,
        tls=request.param == "tls",
        name="panotti.example",
    )
    monkeypatch.setenv("PANOTTI_STATE_DIR", str(tmp_path / "state"))
    yield Answer
    server.shutdown()
    server.server_close()
    thread.join()


def test_it_follows_the_answer(answering: type[_Answer], capsys: pytest.CaptureFixture[str]) -> None:
    assert alive.main() == 0

    answering.status = 503
    assert alive.main() == 1
    assert capsys.readouterr().err == "panotti answers 503\n"


def test_it_fails_where_nobody_answers(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PANOTTI_STATE_DIR", str(tmp_path))
    assert alive.main() == 1, "no server has written where it listens"

    alive.announce(tmp_path, host="127.0.0.1", port=1, tls=False, name="panotti.example")
    assert alive.main() == 1
    assert "does not answer" in capsys.readouterr().err

    monkeypatch.delenv("PANOTTI_STATE_DIR")
    assert alive.main() == 1
    assert "PANOTTI_STATE_DIR is not set" in capsys.readouterr().err


def test_it_imports_next_to_nothing() -> None:
    listed = "import sys, panotti.alive; print(*(m.partition('.')[0] for m in sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", listed], capture_output=True, text=True, check=True)

    assert not {"pydantic", "typer", "sqlalchemy", "http", "asyncio"} & set(loaded.stdout.split())
