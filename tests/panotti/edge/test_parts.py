"""Parts of the edge that no request of the other files reaches."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from panotti.logs import LINE_LIMIT, redact
from panotti.middleware.errors import ErrorsMiddleware
from panotti.middleware.security_headers import SecurityHeadersMiddleware
from panotti.problems import Problem
from panotti.redirect import build_redirect

ROOT = Path(__file__).parents[3]


def answer(app, path: str = "/", *headers: tuple[bytes, bytes]) -> tuple[int, dict[str, str]]:
    sent = []

    async def send(message) -> None:
        sent.append(message)

    async def receive() -> dict[str, object]:
        return {"type": "http.request"}

    scope = {
        "type": "http",
        "method": "GET",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "scheme": "https",
        "headers": headers,
        "client": ("127.0.0.1", 1),
        "state": {"request_id": "part-0001"},
    }
    asyncio.run(app(scope, receive, send))
    return sent[0]["status"], {name.decode(): value.decode() for name, value in sent[0]["headers"]}


@pytest.mark.parametrize(
    "secret",
    [
        "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl",
        "$argon2id$v=19$m=65536,t=3,p=4$c2FsdA$aGFzaA",
        "0123456789abcdef" * 4,
        "Zk3v9QmX7tBn2LwR5yHc8DpF4sJg6VaUe1Kx0oTi",
        "-----BEGIN PRIVATE KEY-----\nMIGH\n-----END PRIVATE KEY-----",
    ],
)
def test_what_looks_like_a_secret_is_taken_out_of_a_text(secret):
    assert redact(f"before {secret} after") == "before [redacted] after"


def test_plain_words_paths_and_names_stay():
    text = "File /opt/panotti/lib/python3.11/Panotti9/middleware.py in a_long_function_name_of_code"

    assert redact(text) == text


def test_lines_are_redacted_by_name_and_libraries_log_the_same_way():
    program = (
        "import logging; from panotti import logs; logs.configure('warning')\n"
        "logs.log.info('quiet')\n"
        "logs.log.error('e', password='x', Cookie='y', detail='z\\nforged', nothing=None)\n"
        "logging.getLogger('sqlalchemy').warning('slow %s', 'thing')\n"
        "logging.getLogger('uvicorn.error').error('Exception in ASGI application')\n"
        "logging.getLogger('x').log(35, 'odd level')\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}

    out = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, check=True
    ).stdout

    first, second = [json.loads(line) for line in out.splitlines()]
    assert (first["password"], first["Cookie"], first["detail"]) == ("[redacted]", "[redacted]", "z\nforged")
    assert (second["event"], second["logger"], second["message"]) == ("library", "sqlalchemy", "slow thing")


def test_a_known_failure_becomes_its_problem():
    async def full(_scope, _receive, _send) -> None:
        raise OSError(28, "No space left on device")

    def translate(error: Exception) -> Problem | None:
        return Problem(507, "Insufficient Storage") if isinstance(error, OSError) else None

    assert answer(ErrorsMiddleware(full, translate=translate))[0] == 507


def test_only_the_documentation_pages_may_run_scripts():
    async def page(_scope, _receive, send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"cache-control", b"public")]})

    app = SecurityHeadersMiddleware(page, docs_paths=["/docs"])

    assert "script-src" in answer(app, "/docs")[1]["content-security-policy"]
    headers = answer(app, "/other")[1]
    assert headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert headers["cache-control"] == "no-store"


def test_the_redirect_without_a_list_needs_a_host_and_leaves_out_the_usual_port():
    app = build_redirect(port=443, hosts=(), slow_request_ms=500)

    assert answer(app)[0] == 400
    status, headers = answer(app, "/x", (b"host", b"any.example:80"))
    assert (status, headers["location"]) == (308, "https://any.example/x")


@pytest.mark.parametrize("character", ["x y ", "ä", "\x01", "\U0001f600"])
def test_a_line_too_long_keeps_its_head_and_the_end_of_its_longest_text(character):
    program = (
        "import sys; from panotti import logs; logs.configure('info')\n"
        "text = sys.argv[1] * 9000 + 'the innermost frame'\n"
        "logs.log.error('failed', traceback=text, short='kept')\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}

    out = subprocess.run(
        [sys.executable, "-c", program, character], env=environment, capture_output=True, check=True
    ).stdout

    line = json.loads(out)
    assert len(out) <= LINE_LIMIT
    assert (line["event"], line["short"]) == ("failed", "kept")
    assert line["traceback"].startswith("[...] ")
    assert line["traceback"].endswith("the innermost frame")
