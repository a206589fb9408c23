"""Object-level authorisation: what one tenant owns does not exist for another (API1:2023)."""

from __future__ import annotations

from harness import control, defect, edit, floor
from harness.principals import ApiKey, Role
from harness.probes.reply import Reply
from harness.site import Site

HIDDEN = (403, 404)
OTHER = "tenant-b"
ROLES: tuple[Role, ...] = ("reader", "writer", "admin")

RECORDINGS = "panotti/storage/recordings.py"
ROUTES = "panotti/routes/recordings.py"
ADMIN = "panotti/routes/admin.py"
FIND = (
    "        select(*RECORDING_COLUMNS).where(\n"
    "            recordings.c.tenant == tenant, recordings.c.recording_id == recording_id\n"
)
FIND_ANY = (
    "        select(*RECORDING_COLUMNS).where(\n            recordings.c.recording_id == recording_id\n"
)
READ = (
    "        found = await recordings.find(connection, caller.tenant, recording_id)\n    if found is None:\n"
)

READ_BY_ID = edit("a recording is found by its id alone", RECORDINGS, FIND, FIND_ANY)
LISTED_FOR_ALL = edit(
    "the list shows every tenant's recordings",
    RECORDINGS,
    "select(recordings.c.id, *RECORDING_COLUMNS).where(recordings.c.tenant == tenant)",
    "select(recordings.c.id, *RECORDING_COLUMNS)",
)
EVENTS_BY_ID = defect(
    "events are found by the recording's id alone",
    edit("", RECORDINGS, "        recording_events.c.tenant == tenant,\n", ""),
    edit(
        "",
        ROUTES,
        "        if await recordings.find(connection, caller.tenant, recording_id) is None:\n"
        "            raise _unknown()\n",
        "",
    ),
)
FORBIDDEN_TELLS = edit(
    "another tenant's recording is answered as forbidden",
    ROUTES,
    READ,
    "        found = await recordings.find(connection, caller.tenant, recording_id)\n"
    "        theirs = await connection.exec_driver_sql(\n"
    '            "SELECT 1 FROM recordings WHERE recording_id = ?", (recording_id,)\n'
    "        )\n"
    "        if found is None and theirs.first():\n"
    '            raise Problem(403, "Forbidden", "This recording is not yours.")\n'
    "    if found is None:\n",
)
MANAGES_ALL = edit(
    "every administrator manages every tenant",
    ADMIN,
    "    return caller.tenant in (OPERATOR, tenant)\n",
    "    return True\n",
)
CREATES_ANYWHERE = edit(
    "an administrator makes keys for any tenant",
    ADMIN,
    "    if not _manages(caller, tenant):\n",
    "    if False:\n",
)


def _get(site: Site, path: str, key: ApiKey, **ids: str) -> Reply:
    found = site.contract.path(path)
    for name, value in ids.items():
        found = found.replace(f"{{{name}}}", value)
    reply = site.http.get(found, key=key)
    floor(reply.decided, f"{path}: no decision was made ({reply.status or reply.error})")
    return reply


@control("middleware.auth.roles", broken_by=(READ_BY_ID, LISTED_FOR_ALL, EVENTS_BY_ID))
def test_another_tenants_recording_is_not_readable(site: Site) -> None:
    """No role of another tenant reads a recording, its events, or finds it in a list."""
    owner = site.key()
    recording = site.recording(owner)
    readings = {
        path: _get(site, path, owner, recording_id=recording)
        for path in ("recordings.read", "recordings.events", "recordings.list")
    }
    for path, reply in readings.items():
        floor(reply.ok and recording in reply.text, f"the owner does not find the recording by {path}")

    for role in ROLES:
        other = site.key(role, OTHER)
        for path in ("recordings.read", "recordings.events"):
            status = _get(site, path, other, recording_id=recording).status
            assert status in HIDDEN, f"{path} answered {status} to a {role} of another tenant"
        listed = _get(site, "recordings.list", other)
        floor(listed.ok, f"the list was answered {listed.status or listed.error}")
        shown = recording in listed.text
        assert not shown, f"a {role}'s list shows another tenant's recording"


@control("middleware.auth.roles", broken_by=READ_BY_ID)
def test_another_tenants_recording_is_not_changed(site: Site) -> None:
    """No role of another tenant changes a recording, neither by its state nor by an event of its name."""
    owner = site.key()
    recording = site.recording(owner)
    before = _get(site, "recordings.read", owner, recording_id=recording)
    floor(before.ok, f"the owner's reading was answered {before.status or before.error}")
    change = site.contract.path("recordings.state").replace("{recording_id}", recording)
    audio = {"systemAudioPath": "/audio/theirs.wav", "microphoneAudioPath": "/audio/theirs.wav"}

    for role in ROLES:
        status = site.http.put(change, key=site.key(role, OTHER), json={"state": "failed"}).status
        assert status in HIDDEN, f"the state's change was answered {status} to a {role} of another tenant"
    site.http.post(
        site.contract.path("recordings.ended"),
        key=site.key("writer", OTHER),
        json={"recordingId": recording, "metadata": {}, **audio},
    )
    after = _get(site, "recordings.read", owner, recording_id=recording)
    events = _get(site, "recordings.events", owner, recording_id=recording)
    assert after.json() == before.json(), "another tenant changed the recording"
    assert events.ok, f"the owner's events were answered {events.status or events.error}"
    assert "theirs.wav" not in events.text, "another tenant's event stands among the owner's"


@control("middleware.auth.roles", broken_by=(FORBIDDEN_TELLS, READ_BY_ID))
def test_another_tenants_recording_looks_like_none(site: Site) -> None:
    """Whoever guesses an id does not learn that it exists: the answer is that for no recording at all."""
    owner, other = site.key(), site.key("reader", OTHER)
    recording = site.recording(owner)
    theirs = _get(site, "recordings.read", other, recording_id=recording)
    none = _get(site, "recordings.read", other, recording_id=recording[:-4] + "none")
    floor(
        _get(site, "recordings.read", owner, recording_id=recording).ok, "the owner does not find it either"
    )
    floor(none.status == 404, f"a recording that does not exist was answered {none.status or none.error}")

    def plain(reply: Reply) -> tuple[int, str]:
        return reply.status, reply.text.replace(reply.headers.get("x-request-id") or "no id", "ID")

    assert plain(theirs) == plain(none), (
        f"it was answered {theirs.status}, otherwise than one that is not there"
    )


@control("middleware.auth.roles", broken_by=(MANAGES_ALL, CREATES_ANYWHERE))
def test_an_administrator_manages_its_own_tenant_only(site: Site) -> None:
    """Another tenant's administrator neither sees, ends, renews nor makes keys and users of this one."""
    key, user, other = site.key(), site.user(), site.key("admin", OTHER)
    keys, users = site.contract.path("administration.api_keys"), site.contract.path("administration.users")
    listed = site.http.get(keys, key=other).text + site.http.get(users, key=other).text
    floor(other.principal in listed, "the administrator does not see its own keys")
    seen = [name for name in (key.principal, user.username) if name in listed]
    assert not seen, f"it sees {len(seen)} of another tenant's keys and users"

    one = site.contract.path("administration.key").replace("{key_id}", key.id)
    renewal = site.contract.path("administration.rotate").replace("{key_id}", key.id)
    new_key = {"principal": "intruder", "tenant": key.tenant, "role": "admin"}
    new_user = {
        "username": "intruder",
        "password": "a-long-password-1",
        "role": "admin",
        "tenant": key.tenant,
    }
    attempts = {
        "made a key": site.http.post(keys, key=other, json={**new_key}),
        "made a user": site.http.post(users, key=other, json={**new_user}),
        "renewed a key": site.http.post(renewal, key=other),
        "revoked a key": site.http.delete(one, key=other),
    }
    for deed, reply in attempts.items():
        floor(reply.decided, f"whether it {deed} was not decided ({reply.status or reply.error})")
        assert reply.status in HIDDEN, f"it {deed} of another tenant ({reply.status})"
    assert site.present(key=key).ok, "the key no longer works"
