"""A message with two readings is read once: what hides behind it under the other reading is never done."""

from __future__ import annotations

import secrets
from collections.abc import Mapping

from harness import control, edit, floor
from harness.site import Site

CHUNKED, END = b"Transfer-Encoding: chunked", b"0\r\n\r\n"


def _framings(hidden: bytes) -> Mapping[str, tuple[tuple[bytes, ...], bytes]]:
    """By name, header lines and body; under one of the readings `hidden` is a request (RFC 9112 6.3)."""
    length = b"Content-Length: %d" % (len(END) + len(hidden))
    return {
        "CL.TE": ((length, CHUNKED), END + hidden),
        "TE.CL": ((CHUNKED, b"Content-Length: 5"), END + hidden),
        "TE.TE": ((length, CHUNKED, b"Transfer-Encoding: identity"), END + hidden),
        "a blank before the colon": ((length, b"Transfer-Encoding : chunked"), END + hidden),
        "a folded line": ((length, b"Transfer-Encoding:\r\n chunked"), END + hidden),
        "two lengths": ((b"Content-Length: 0", b"Content-Length: %d" % len(hidden)), hidden),
        "two lengths in one": ((b"Content-Length: 0, %d" % len(hidden),), hidden),
        "a length with a sign": ((b"Content-Length: +0",), hidden),
        "a length with an underscore": ((b"Content-Length: 0_0",), hidden),
        "a line within a line": ((length, b"X-Note: a\nTransfer-Encoding: chunked"), END + hidden),
        "a carriage return within a line": ((length, b"X-Note: a\rTransfer-Encoding: chunked"), END + hidden),
        "a coding nobody knows": ((length, b"Transfer-Encoding: xchunked"), END + hidden),
        "chunked twice": ((length, b"Transfer-Encoding: chunked, chunked"), END + hidden),
        "a NUL behind the coding": ((length, b"Transfer-Encoding: chunked\0"), END + hidden),
        "a size in C's way": ((CHUNKED,), b"0x%x\r\n\r\n" % len(hidden) + hidden),
        "a size with a sign": ((CHUNKED,), b"-0\r\n\r\n" + hidden),
        "a size over 64 bits": ((CHUNKED,), b"10000000000000000\r\n\r\n" + hidden),
        "an extension with a bare LF": ((CHUNKED,), b"0;a\nb\r\n\r\n" + hidden),
        "a chunk longer than its size": ((CHUNKED,), b"1\r\nabc\r\n" + END + hidden),
    }


@control(
    "security.application.input",
    broken_by=edit(
        "a length beside chunks is ignored",
        "panotti/protocol.py",
        "        self.guard = guard\n",
        "        self.guard = guard\n"
        "        self.parser.set_dangerous_leniencies(lenient_chunked_length=True)\n",
    ),
    prove_in="testing",
)
def test_nothing_hides_behind_a_message_with_two_readings(site: Site) -> None:
    """A request hidden behind another by contradictory framing has no effect; the next is served."""
    path, read, key = (
        site.contract.path("recordings.started"),
        site.contract.path("recordings.read"),
        site.key(),
    )
    plain, done = f"rec-{secrets.token_hex(8)}", []
    whole = site.raw.message("POST", path, key=key, json={"recordingId": plain})
    floor(site.raw(whole, method="POST").ok, "a plain request over a raw connection was not taken")
    for name in _framings(b""):
        hidden = f"rec-{secrets.token_hex(8)}"
        smuggled = site.raw.message("POST", path, key=key, json={"recordingId": hidden})
        lines, body = _framings(smuggled)[name]
        first = site.raw.message("GET", site.contract.path("health.live"))
        with site.raw.open() as wire:
            wire.send(first[:-2] + b"\r\n".join(lines) + b"\r\n\r\n" + body)
            wire.read(timeout_s=1.0)
            wire.read(timeout_s=1.0)  # the hidden one's answer, if it is carried out
        found = site.http.get(read.replace("{recording_id}", hidden), key=key)
        floor(found.status in (200, 404), f"reading back was answered {found.status or found.error}")
        done += [name] if found.ok else []
    kept = site.http.get(read.replace("{recording_id}", plain), key=key)

    assert not done, f"the hidden request was carried out: {done}"
    assert kept.ok, f"afterwards another client was answered {kept.status or kept.error}"
