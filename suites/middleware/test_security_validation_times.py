"""A time that was accepted is kept as that very moment, in one form that sorts as time does."""

from __future__ import annotations

import secrets

from harness import control, edit, floor
from harness.site import Site

# Each is written as the contract lets a client write it, and as RFC 3339 has it in UTC.
TIMES = {
    "00420127123456": "0042-01-27T12:34:56",
    "0999-12-31T23:59:59Z": "0999-12-31T23:59:59",
    "0042-01-27T14:34:56+02:00": "0042-01-27T12:34:56",
    "20240127123456": "2024-01-27T12:34:56",
    "1706358896": "2024-01-27T12:34:56",
}
CLOCK = "panotti/clock.py"
NO_ZEROS = edit(
    "a year before 1000 is stored without its zeros",
    CLOCK,
    '.isoformat(timespec="microseconds") + "Z"',
    '.isoformat(timespec="microseconds").lstrip("0") + "Z"',
)
OFFSET_LOST = edit(
    "the offset is dropped",
    CLOCK,
    "return _parse(text).astimezone(UTC)",
    "return _parse(text).replace(tzinfo=UTC)",
)


@control("middleware.security.validation", broken_by=(NO_ZEROS, OFFSET_LOST))
def test_an_accepted_time_is_kept_as_the_same_moment(site: Site) -> None:
    """What is read back is the moment that was sent, as RFC 3339 in UTC, also for a year before 1000."""
    started, read = site.contract.path("recordings.started"), site.contract.path("recordings.read")
    key = site.key()
    for sent, kept in TIMES.items():
        recording = f"rec-{secrets.token_hex(8)}"
        reply = site.http.post(started, key=key, json={"recordingId": recording, "recording_timestamp": sent})
        floor(reply.decided, f"no decision was made on {sent}: {reply.status or reply.error}")
        assert reply.ok, f"the time {sent} was answered {reply.status}"
        back = site.http.get(read.format(recording_id=recording), key=key)
        floor(back.ok and recording in back.text, f"it was not read back: {back.status or back.error}")

        assert f'"{kept}' in back.text, f"the time {sent} was not kept as {kept}"
