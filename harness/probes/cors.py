"""Cross-origin answers read as a browser reads them (Fetch standard), and the origins worth trying."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from urllib.parse import urlsplit

from harness.outcome import not_applicable
from harness.probes.reply import Reply

FOREIGN = "https://evil.example"
# Characters that browsers let stand in a host name, and that a careless pattern takes for its end.
_SPECIAL = "_`!$&'()*+,;=~{|}^"
_SAFELISTED_METHODS = frozenset({"GET", "HEAD", "POST"})
# Origins that are open to anybody, and that turn up in lists all the same.
_ANYBODYS = (
    "http://localhost",
    "https://localhost",
    "http://localhost:8080",
    "http://127.0.0.1",
    "https://codepen.io",
    "https://evil.github.io",
    "https://evil.s3.amazonaws.com",
)


def listed_origin(origins: Sequence[str]) -> str:
    """Return the first of the policy's origins. Raises NotApplicable where it lists none."""
    return origins[0] if origins else not_applicable("the policy lists no origin: nothing is to be granted")


def lets_read(reply: Reply, origin: str, *, credentials: bool = False) -> bool:
    """Whether a browser lets a page on `origin` read this answer: the CORS check (Fetch 4.10).

    credentials: the page asked for cookies to be sent.
    """
    granted = reply.headers.get("access-control-allow-origin")
    if granted == "*":
        return not credentials
    if granted != origin:
        return False
    return not credentials or reply.headers.get("access-control-allow-credentials") == "true"


def lets_send(
    reply: Reply, origin: str, method: str, headers: Iterable[str] = (), *, credentials: bool = False
) -> bool:
    """Whether a browser sends the request that this preflight answer was about (Fetch 4.8)."""
    if not (reply.ok and lets_read(reply, origin, credentials=credentials)):
        return False
    methods = methods_of(reply)
    names = reply.headers.members("access-control-allow-headers")
    if method not in methods | _SAFELISTED_METHODS and (credentials or "*" not in methods):
        return False
    any_name = "*" in names and not credentials
    return all(name.lower() in names or (any_name and name.lower() != "authorization") for name in headers)


def methods_of(reply: Reply) -> set[str]:
    """The methods that a preflight's answer names; they are told apart by case (RFC 9110 9.1)."""
    named = reply.headers.get("access-control-allow-methods").split(",")
    return {method.strip() for method in named} - {""}


def varies_by_origin(reply: Reply) -> bool:
    """Whether caches are told that the answer depends on the request's Origin."""
    return bool({"origin", "*"} & reply.headers.members("vary"))


def lookalikes(listed: Iterable[str]) -> tuple[str, ...]:
    """Return Origin values that are not among `listed`, but that a careless comparison takes for one of them.

    After the public scanners' lists and web-platform-tests' cors/origin.htm; of the latter only what HTTP can
    carry.
    """
    known = tuple(listed)
    values = [FOREIGN, "", *_ANYBODYS]
    for origin in known:
        scheme, host = origin.split("://")
        name, _, port = host.partition(":")
        parent = name.partition(".")[2] or name
        values += _hosts(scheme, name, parent, f":{port}" if port else "")
        values += _spellings(origin, scheme, host, parent)
    return tuple(value for value in dict.fromkeys(values) if value not in known)


def _hosts(scheme: str, name: str, parent: str, port: str) -> Iterator[str]:
    """Other hosts, schemes and ports."""
    evil = urlsplit(FOREIGN).netloc
    for host in (f"evil.{name}", f"evil.{parent}", parent, f"evil{name}", f"{name}ing", name[1:], name[:-1]):
        yield f"{scheme}://{host}{port}"
    for host in (f"{name}.", f"user@{name}", f"{name}.{evil}"):
        yield f"{scheme}://{host}{port}"
    for other in ("http", "https", "ftp"):
        yield f"{other}://{name}{port}"
    for authority in (name, f"{name}:8443", f"{name}{port}@{evil}", f"{name}:x@{evil}"):
        yield f"{scheme}://{authority}"
    for dot in re.finditer(r"\.", name):
        yield f"{scheme}://{name[: dot.start()]}x{name[dot.end() :]}{port}"
    for character in _SPECIAL:
        yield f"{scheme}://{name}{character}.{evil}{port}"


def _spellings(origin: str, scheme: str, host: str, parent: str) -> tuple[str, ...]:
    """Other spellings of it, lists, and wildcards."""
    return (
        *(f"{origin}{end}" for end in ("/", f"/{host}", " /", "?", "#", "%23", "%00", "%60.evil.example")),
        *(f"{FOREIGN}{between}{origin}" for between in ("/", "?", "#", ", ", " ", ",")),
        *(f"{origin}{between}{FOREIGN}" for between in (", ", " ", ",")),
        *(f"//{host}", f"://{host}", f"{scheme}:://{host}", f"{scheme}:/{host}", f"{scheme}:{host}", host),
        *(f"{scheme}://{host.upper()}", f"{scheme.upper()}://{host}", origin.upper()),
        *("*", "**", "-", "'*'", '"*"', "* *", "* null", f"{scheme}://*", f"*{scheme}://*"),
        *(f"*{origin}", f"* {origin}", f"*, {origin}", f"{origin}, *", f"null {origin}", f"'{origin}'"),
        *(f".{parent}", f"*.{parent}", f"{scheme}://.{parent}", f"{scheme}://*.{parent}"),
    )
