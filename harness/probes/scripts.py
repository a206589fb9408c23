"""What a page's script is told, and the scripts themselves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal, TypedDict

from harness.principals import ApiKey, BrowserSession
from harness.probes.message import compose
from harness.probes.peer import Peer
from harness.records import Json

FETCH: Final = """async ([url, options]) => {
  try {
    const reply = await fetch(url, {...options, signal: AbortSignal.timeout(8000)});
    return {status: reply.status, type: reply.type, headers: [...reply.headers], body: await reply.text(),
    error: ""};
  } catch (cause) {
    return {status: 0, type: "error", headers: [], body: "", error: String(cause)};
  }
}"""
SUBMIT: Final = """([url, method, fields]) => {
  const form = document.createElement("form");
  form.action = url;
  form.method = method;
  for (const [name, value] of Object.entries(fields)) {
    const input = document.createElement("input");
    input.name = name;
    input.value = value;
    form.append(input);
  }
  document.body.append(form);
  HTMLFormElement.prototype.submit.call(form);
}"""


class FetchOptions(TypedDict, total=False):
    """What the page's script gives to fetch()."""

    method: str
    headers: Mapping[str, str]
    json: Json
    content: str
    key: ApiKey | str
    credentials: Literal["omit", "same-origin", "include"]
    mode: Literal["cors", "no-cors", "same-origin"]


def fetch_arguments(options: FetchOptions) -> dict[str, Any]:
    """Return the second argument of fetch()."""
    method = options.get("method", "GET")
    request = compose(
        method,
        "/",
        headers=options.get("headers"),
        json=options.get("json"),
        content=options.get("content"),
        key=options.get("key"),
    )
    return {
        "method": method,
        "headers": {name: value.decode("latin-1") for name, value in request.fields},
        "body": request.content.decode() if request.content else None,
        "credentials": options.get("credentials", "same-origin"),
        "mode": options.get("mode", "cors"),
    }


def cookie_of(peer: Peer, session: BrowserSession) -> Any:
    """Return the cookie of a session as Playwright takes it."""
    return {
        "name": session.name,
        "value": session.value,
        "url": f"{peer.url}/",
        "secure": peer.tls,
        "httpOnly": True,
        "sameSite": "Strict" if "samesite=strict" in session.set_cookie.lower() else "Lax",
    }
