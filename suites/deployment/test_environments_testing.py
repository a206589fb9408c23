"""Testing is ephemeral and isolated."""

from __future__ import annotations

from harness import control, edit, floor
from harness.principals import ApiKey
from harness.probes.reply import Reply
from harness.site import Site

ID = "deployment.environments.testing"
TESTING = ("testing",)

# The folder above is the run's: what stands there is common to its deployments, and removed with the run.
STORE_SHARED = edit(
    "two testing deployments share a store",
    "panotti/settings.py",
    '        return self.data_dir / "panotti.db"',
    '        return self.data_dir.parent.parent / "shared" / "panotti.db"',
)
STORE_KEPT = edit(
    "state survives into the next run",
    "panotti/settings.py",
    '        return self.data_dir / "panotti.db"',
    '        return self.data_dir.parent.parent / "kept" / f"{self.profile}.db"',
)
COUNTERS_ELSEWHERE = edit(
    "the counters stand outside the deployment",
    "panotti/settings.py",
    '        return self.state_dir or self.data_dir / "state"',
    '        return self.data_dir.parent.parent / "counters"',
)
FIRST_START_SEEDED = edit(
    "a new store is seeded with an example",
    "panotti/supervisor.py",
    "    migrate(backends.store)\n",
    "    migrate(backends.store)\n"
    "    import sqlite3\n\n"
    "    columns = 'id, digest, principal, tenant, role, created_at'\n"
    '    values = ("example", b"x", "example", "default", "reader", 0)\n'
    "    with sqlite3.connect(settings.database_file) as connection:\n"
    "        connection.execute(f'INSERT INTO api_keys ({columns}) VALUES (?, ?, ?, ?, ?, ?)', values)\n",
)


@control(ID, profiles=TESTING, broken_by=(STORE_SHARED, STORE_KEPT))
def test_two_at_once_do_not_see_each_other(site: Site) -> None:
    """What is written to one deployment is not to be found on another that runs beside it."""
    with site.another() as other:
        here, there = site.recording(), other.recording()
        floor(_read(site, here).status == 200, "the recording cannot be read where it was written")
        floor(_read(other, there).status == 200, "the recording cannot be read where it was written")

        for where, foreign in ((site, there), (other, here)):
            reply = _read(where, foreign)
            assert reply.status == 404, f"a recording of the other deployment answers {reply.status}"
        reply = other.http.get(site.contract.path("recordings.list"), key=site.key())
        assert reply.status in {401, 403}, f"a key of the other deployment is let in: {reply.status}"


@control(ID, profiles=TESTING, broken_by=(STORE_KEPT, FIRST_START_SEEDED))
def test_next_run_starts_empty(site: Site) -> None:
    """A run that ended serves no longer, and the next one begins without its recordings, keys and users."""
    with site.another() as first:
        left = first.recording()
        floor(_read(first, left).status == 200, "the recording cannot be read in the run that wrote it")
    gone = first.http.get(site.contract.path("health.simple"), connection="new", timeout_s=2.0)
    assert gone.status == 0, f"the run that was stopped still answers: {gone.status}"

    with site.another() as second:
        bootstrap = ApiKey(value=second.deployment.api_key)
        for path in ("administration.api_keys", "administration.users", "recordings.list"):
            reply = second.http.get(site.contract.path(path), key=bootstrap)
            floor(reply.ok, f"{path} cannot be listed: {reply.status or reply.error}")
            assert not _listed(reply), f"{path} of a new run lists {len(_listed(reply))} entries"
        assert not _listed(_list(second)), "a new run lists recordings"
        assert _read(second, left).status == 404, "a recording of the run before is still there"


@control(ID, profiles=TESTING, broken_by=(STORE_SHARED, COUNTERS_ELSEWHERE))
def test_everything_it_writes_goes_with_it(site: Site) -> None:
    """It writes into its own data and state only, and these stand on nothing that outlives it."""
    site.recording()
    own = tuple(f"{site.deployment.path(name)}/" for name in ("data", "state"))

    written = {path for process in site.processes.all() for path in process.writes}

    floor(written, "no file is seen that the server has open for writing")
    outside = sorted(path for path in written if not path.startswith(own))
    assert not outside, f"it writes outside its data and state: {', '.join(outside)}"
    kept = _lasting_mounts(site)
    assert not kept, f"it writes to what outlives its container: {', '.join(kept)}"


def _lasting_mounts(site: Site) -> list[str]:
    if site.deployment.runtime != "containers":
        return []
    container = site.deployment.inspect()["container"]
    mounts = container.get("Mounts", []) if isinstance(container, dict) else []
    return [mount["Destination"] for mount in mounts if mount["RW"]]


def _read(site: Site, recording: str) -> Reply:
    path = site.contract.path("recordings.read").format(recording_id=recording)
    return site.http.get(path, key=site.key("reader"))


def _list(site: Site) -> Reply:
    return site.http.get(site.contract.path("recordings.list"), key=site.key("reader"))


def _listed(reply: Reply) -> list[object]:
    """The entries of a listing: a list, or the one that an object holds."""
    document = reply.json()
    values = document.values() if isinstance(document, dict) else [document]
    return next((value for value in values if isinstance(value, list)), [])
