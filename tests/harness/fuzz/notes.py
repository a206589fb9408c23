"""A small server of notes with an API description, and faults that are planted in it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

KEY = "a-key-of-the-tests-0123456789"
NOTE = {
    "type": "object",
    "required": ["text"],
    "additionalProperties": False,
    "properties": {"text": {"type": "string", "maxLength": 100}, "extra": {"type": "object"}},
}
DESCRIPTION: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "Notes", "version": "1"},
    "components": {"schemas": {"Note": NOTE}, "securitySchemes": {"key": {"type": "apiKey"}}},
    "security": [{"key": []}],
    "paths": {
        "/notes": {
            "post": {
                "requestBody": {
                    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Note"}}}
                },
                "responses": {"200": {"description": "taken"}},
            }
        },
        "/notes/{name}": {
            "get": {
                "parameters": [
                    {"name": "name", "in": "path", "required": True, "schema": {"type": "string"}}
                ],
                "responses": {"200": {"description": "one"}},
            }
        },
    },
}


@dataclass
class Notes:
    """Takes notes. fault: "" or which one is planted. seen: methods and paths, in order."""

    fault: str = ""
    seen: list[tuple[str, str]] = field(default_factory=list)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        method, path = scope["method"], scope["raw_path"].decode("latin-1")
        self.seen.append((method, path))
        allowed = dict(scope["headers"]).get(b"x-api-key") == KEY.encode()
        status, answer = self._answer(method, path, body) if allowed else (401, "no key")
        await self._send(send, status, answer)

    def _answer(self, method: str, path: str, body: bytes) -> tuple[int, str]:
        if method == "GET" and path.startswith("/notes/"):
            return (200, "found") if path == "/notes/first" else (404, "no such note")
        if (method, path) != ("POST", "/notes"):
            return 405, "not this method"
        try:
            note = json.loads(body)
        except (ValueError, RecursionError):
            return 422, "no JSON"
        if (
            not isinstance(note, dict)
            or not isinstance(note.get("text"), str)
            or note.keys() - {"text", "extra"}
        ):
            return 422, "no note"
        if self.fault == "surrogates":
            try:
                json.dumps(note, ensure_ascii=False).encode()
            except (UnicodeEncodeError, RecursionError):
                return 500, "Internal Server Error"
        if len(note["text"]) > 100:
            return 422, f"too long: {note['text']}" if self.fault == "echo" else "too long"
        return 200, "taken"

    async def _send(self, send: Any, status: int, answer: str) -> None:
        problem = {"title": "A problem", "status": status, "detail": answer}
        kind = b"application/problem+json" if status >= 400 else b"application/json"
        headers = [(b"content-type", kind)]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": json.dumps(problem).encode()})
