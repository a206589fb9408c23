"""API keys: stored hashed, revoked at once, two in a rotation."""

from __future__ import annotations

import base64

from harness import control, defect, edit, floor
from harness.site import Site

REFUSED = (401, 403)
SHORTEST = 16  # characters: shorter ones are found in a database without anybody having stored them

AUTHENTICATOR = "panotti/identity/authenticator.py"
DIGESTS = "panotti/identity/digests.py"
DIGEST = "return self._key.digest(credential)"
ADMIN = "panotti/routes/admin.py"
MADE = "        self._bootstrap = bootstrap\n"
LOOKUP = "            row = await keys.find(connection, digest)\n"
REVOKE = "        await keys.revoke(connection, key_id)\n"

IN_CLEAR = edit("keys are stored in clear", DIGESTS, DIGEST, "return credential")
IN_BASE64 = defect(
    "keys are stored in Base64",
    edit("", DIGESTS, "import hashlib\n", "import base64\nimport hashlib\n"),
    edit("", DIGESTS, DIGEST, "return base64.b64encode(credential)"),
)
CACHED = defect(
    "each worker remembers the keys that it has seen",
    edit("", AUTHENTICATOR, MADE, MADE + "        self._known: dict[bytes, RowMapping] = {}\n"),
    edit(
        "",
        AUTHENTICATOR,
        LOOKUP,
        "            row = self._known.get(digest) or await keys.find(connection, digest)\n"
        "        if row is not None:\n"
        "            self._known[digest] = row\n",
    ),
)
TOLD_TO_ONE_WORKER = defect(
    "a revocation reaches only the worker that was asked for it",
    CACHED,
    edit("", ADMIN, REVOKE, REVOKE + "    services.authenticator._known.clear()\n"),
)
ROTATION_KILLS = edit(
    "a rotation ends the old key at once",
    ADMIN,
    "            rotated_from=key_id,\n        )\n",
    "            rotated_from=key_id,\n        )\n        await keys.revoke(connection, key_id)\n",
)
SUCCESSOR_DIES_TOO = edit(
    "revoking the old key ends its successor",
    "panotti/storage/keys.py",
    "        .where(api_keys.c.id == key_id, api_keys.c.revoked_at.is_(None))\n",
    "        .where((api_keys.c.id == key_id) | (api_keys.c.rotated_from == key_id))\n",
)


def _without_prefix(key: str) -> list[str]:
    """Return what of a key may be stored without its prefix: a `_` may also stand within the secret."""
    rests = [key[at + 1 :] for at, character in enumerate(key) if character == "_"]
    return [rest for rest in rests if len(rest) >= SHORTEST]


def _readable(value: str) -> tuple[bytes, ...]:
    raw = value.encode()
    return raw, raw[::-1], raw.hex().encode(), base64.b64encode(raw).rstrip(b"=")


@control("middleware.auth.api-keys", broken_by=(IN_CLEAR, IN_BASE64))
def test_keys_are_stored_hashed(site: Site) -> None:
    """No stored file holds a key, nor a form from which it can be read (CWE-256)."""
    key = site.key()
    floor(site.present(key=key).ok, "the key was not accepted")
    floor(site.database.files_with(key.principal), "no stored file names the holder of the key")
    forms = [form for value in (key.value, *_without_prefix(key.value)) for form in _readable(value)]

    found = site.database.files_with(*forms, *_readable(site.deployment.api_key))
    assert not found, f"a key can be read in {len(found)} of the stored files"


@control("middleware.auth.api-keys", broken_by=(CACHED, TOLD_TO_ONE_WORKER))
def test_a_revoked_key_stops_at_once_in_every_worker(site: Site) -> None:
    """The first request after a revocation is refused, also where the key was used just before."""
    key, path = site.key(), site.contract.path("recordings.started")
    site.contract.path("administration.key")
    with site.workers() as workers:
        before = workers.ask("POST", path, key=key, json={"recordingId": "rec-before"})
        floor(all(reply.ok for reply in before), "the key did not work in every worker before")
        site.credentials.revoke(key)
        after = workers.ask("POST", path, key=key, json={"recordingId": "rec-after"})

    floor(all(reply.decided for reply in after), "a worker made no decision")
    statuses = [reply.status for reply in after]
    assert all(status in REFUSED for status in statuses), f"workers answered a revoked key by {statuses}"


@control("middleware.auth.api-keys", broken_by=(ROTATION_KILLS, SUCCESSOR_DIES_TOO))
def test_two_keys_overlap_in_a_rotation(site: Site) -> None:
    """The old key works beside its successor until it is revoked, and the successor goes on."""
    old = site.key()
    floor(site.present(key=old).ok, "the key was not accepted before its rotation")
    new = site.credentials.rotate(old)
    assert new.value != old.value, "the rotation gave the same key again"
    assert site.present(key=new).ok, "the successor does not work"
    assert site.present(key=old).ok, "the old key stopped before it was revoked"

    site.credentials.revoke(old)
    assert site.present(key=old).status in REFUSED, "the old key works after it was revoked"
    assert site.present(key=new).ok, "the successor ended with its predecessor"
