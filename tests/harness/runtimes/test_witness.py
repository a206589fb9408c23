"""The witness beside a deployment: it answers, it writes, and nothing of it stays."""

from __future__ import annotations

import http.client
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from harness.load.order import Witness
from harness.runtimes import responder
from harness.runtimes.witness import local_witness


@pytest.fixture(autouse=True)
def scratch(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def ask(witness: Witness, *paths: str) -> list[tuple[int, bytes]]:
    """Ask on one connection that is kept."""
    connection = http.client.HTTPConnection(urlsplit(witness.base_url).netloc, timeout=5)
    found = []
    for path in paths:
        connection.request("GET", path)
        answer = connection.getresponse()
        found.append((answer.status, answer.read()))
    connection.close()
    return found


def test_it_answers_every_request_alike_and_writes_for_one_path_alone(scratch: Path) -> None:
    with local_witness() as witness:
        (file,) = scratch.rglob("witness")
        assert ask(witness, "/", "/anything") == [(200, b"{}")] * 2
        assert file.stat().st_size == 0
        assert ask(witness, "/written") == [(200, b"{}")]
        assert file.stat().st_size > 0
    assert list(scratch.iterdir()) == []
    with pytest.raises(OSError, match="refused"):
        ask(witness, "/")


def test_requests_may_come_in_pieces_and_several_at_once() -> None:
    sent: list[bytes] = []

    class Transport:
        def write(self, data: bytes) -> None:
            sent.append(data)

    connection = responder.Responder(file=-1)
    connection._transport = Transport()  # type: ignore[assignment]
    connection.data_received(b"GET / HTTP/1.1\r\nHo")
    assert sent == []
    connection.data_received(b"st: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\nGET ")
    assert len(sent) == 2
