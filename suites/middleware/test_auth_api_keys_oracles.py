"""API keys: a refusal tells nothing about keys that exist, neither by its words nor by its time."""

from __future__ import annotations

import secrets

from harness import control, defect, edit, floor, setting
from harness.outcome import NotVerified
from harness.probes.message import Request, compose
from harness.probes.reply import Reply
from harness.probes.timing import TimingResult
from harness.site import Site

REFUSED = (401, 403)

AUTHENTICATOR = "panotti/identity/authenticator.py"
KEYS = "panotti/storage/keys.py"
LOOKUP = "            row = await keys.find(connection, digest)\n"

REVOKED_FOUND = defect(
    "",
    edit("", KEYS, "_FIND = select(api_keys.c.id,", "_FIND = select(api_keys.c.revoked_at, api_keys.c.id,"),
    edit("", KEYS, 'bindparam("digest"), api_keys.c.revoked_at.is_(None)\n', 'bindparam("digest")\n'),
)
PROBLEM = edit(
    "",
    AUTHENTICATOR,
    "from panotti.storage import",
    "from panotti.problems import Problem\nfrom panotti.storage import",
)
UNKNOWN_TOLD = defect(
    "an unknown key is answered otherwise than a missing one",
    PROBLEM,
    edit(
        "",
        AUTHENTICATOR,
        LOOKUP,
        LOOKUP
        + '        if row is None:\n            raise Problem(401, "Unauthorized", "This key is unknown.")\n',
    ),
)
REVOKED_TOLD = defect(
    "a revoked key is answered otherwise than an unknown one",
    REVOKED_FOUND,
    PROBLEM,
    edit(
        "",
        AUTHENTICATOR,
        LOOKUP,
        LOOKUP
        + '        if row is not None and row["revoked_at"] is not None:\n'
        + '            raise Problem(401, "Unauthorized", "This key was revoked.")\n',
    ),
)
EARLY_EXIT = defect(
    "the first key is compared character by character, up to the first difference",
    edit(
        "",
        "panotti/identity/bootstrap.py",
        "        self.digest = digests.of(key.encode())\n",
        "        self.digest = digests.of(key.encode())\n        self.clear = key.encode()\n",
    ),
    edit(
        "",
        AUTHENTICATOR,
        "        if hmac.compare_digest(digest, self._bootstrap.digest):\n",
        "        if len(value) == len(self._bootstrap.clear) and all(\n"
        "            self._digests.of(bytes([a])) == self._digests.of(bytes([b]))\n"
        "            for a, b in zip(value, self._bootstrap.clear, strict=True)\n"
        "        ):\n",
    ),
)
WRITTEN_DOWN = defect(
    "the use of a revoked key is written down before the answer",
    REVOKED_FOUND,
    edit(
        "",
        AUTHENTICATOR,
        LOOKUP,
        LOOKUP
        + '        if row is not None and row["revoked_at"] is not None:\n'
        + "            async with self._database.writing() as connection:\n"
        + '                await keys.revoke(connection, row["id"])\n'
        + "            row = None\n",
    ),
)
UNCOUNTED = setting(title="room for thousands of requests", RATE_ADDRESS_QUOTA=1_000_000)


def _visible(reply: Reply) -> tuple[object, ...]:
    """What refusals can be told apart by, without the request's own id."""
    text = reply.text.replace(reply.headers.get("x-request-id") or "no id", "ID")
    return reply.status, text, reply.media_type, reply.headers.get("www-authenticate")


@control("middleware.auth.api-keys", broken_by=(UNKNOWN_TOLD, REVOKED_TOLD))
def test_every_refusal_reads_the_same(site: Site) -> None:
    """A refusal does not say what was wrong: apart from its id, every one has the same status and body."""
    key = site.key()
    floor(site.present(key=key).ok, "the key was not accepted before it was revoked")
    refusals = {
        "missing": site.present(),
        "empty": site.present(key=""),
        "unknown": site.present(key=key.value[:4] + secrets.token_urlsafe(32)),
        "in another case": site.present(key=key.value.swapcase()),
        "truncated": site.present(key=key.value[:-1]),
        "ten times as long": site.present(key="x" * 500),
    }
    site.credentials.revoke(key)
    refusals["revoked"] = site.present(key=key)
    for what, reply in refusals.items():
        floor(reply.status in REFUSED, f"a key that is {what} was not refused, but answered {reply.status}")

    seen = {what: _visible(reply) for what, reply in refusals.items()}
    told = [what for what in seen if seen[what] != seen["missing"]]
    assert not told, f"a key is answered otherwise than a missing one when it is {', '.join(told)}"


def _refusal(site: Site, key: str) -> Request:
    path, header = site.contract.path("recordings.started"), site.contract.http.auth_header
    return compose("POST", path, auth_header=header, key=key, json={"recordingId": "rec-timing"})


def _assert_no_signal(site: Site, a: str, b: str, what: str) -> None:
    try:
        result = _compared(site, a, b, within_s=10.0)
    except NotVerified:  # what other checks of the run do meanwhile may be the noise
        with site.quiet():
            result = _compared(site, a, b, within_s=20.0)
    floor(result.status in REFUSED, f"the keys compared were answered {result.status}, not refused")
    apart = result.distinguishable
    assert not apart, f"{what}: {result}"


def _compared(site: Site, a: str, b: str, *, within_s: float) -> TimingResult:
    asked = site.policy.auth.timing
    return site.timing.compare(
        _refusal(site, a),
        _refusal(site, b),
        looked_for_s=asked.effect_ns / 1e9,
        least=asked.samples,
        alpha=asked.alpha,
        power=asked.power,
        within_s=within_s,
    )


@control("middleware.auth.api-keys", broken_by=EARLY_EXIT, setup=UNCOUNTED, intrusive=True)
def test_a_nearly_right_key_takes_no_longer(site: Site) -> None:
    """The time of a refusal does not tell how much of a key is right (CWE-208)."""
    right = site.deployment.api_key
    floor(site.present(key=right).ok, "the right key was not accepted")
    unlike = "".join("A" if character != "A" else "B" for character in right)
    near = right[:-1] + unlike[-1]

    _assert_no_signal(site, unlike, near, "a key that is wrong in its last character alone is told by time")


@control("middleware.auth.api-keys", broken_by=WRITTEN_DOWN, setup=UNCOUNTED, intrusive=True)
def test_a_revoked_key_takes_no_longer(site: Site) -> None:
    """The time of a refusal does not tell whether a key ever existed."""
    key = site.key()
    floor(site.present(key=key).ok, "the key was not accepted before it was revoked")
    site.credentials.revoke(key)
    nobody = key.value[:4] + secrets.token_urlsafe(32)

    _assert_no_signal(site, nobody, key.value, "a revoked key is told from nobody's by time")
