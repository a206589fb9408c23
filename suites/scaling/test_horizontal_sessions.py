"""A session is every replica's."""

from __future__ import annotations

from typing import Final

from harness import control, defect, edit, floor
from harness.site import Site
from suites.replicas import REPLICATED, WHY_NOT

SESSIONS: Final = "scaling.horizontal.sessions"
MANY: Final = 8  # sessions: with two replicas, one has begun none of them once in 256 times
CODE: Final = "panotti/identity/sessions.py"
KNOWN: Final = "        if row is None:\n            return None\n"
OPENED: Final = '        cookie = f"{COOKIE}={session};'
END: Final = "EXPIRED_COOKIE = "

IN_MEMORY: Final = defect(
    "sessions are kept in the memory of the process that began them",
    edit("", CODE, OPENED, f"        _here.add(digest)\n{OPENED}"),
    edit("", CODE, KNOWN, KNOWN.replace("row is None", "row is None or digest not in _here")),
    edit("", CODE, END, f"_here: set[bytes] = set()\n{END}"),
)
ON_ITS_DISK: Final = defect(
    "sessions are kept on the replica's own disk",
    edit("", CODE, OPENED, f"        (_FOLDER / digest.hex()).touch()\n{OPENED}"),
    edit(
        "",
        CODE,
        KNOWN,
        KNOWN.replace("row is None", "row is None or not (_FOLDER / digest.hex()).exists()"),
    ),
    edit("", CODE, END, f'_FOLDER = __import__("pathlib").Path(__import__("tempfile").gettempdir())\n{END}'),
)


@control(
    SESSIONS,
    profiles=REPLICATED,
    prove_in="production",
    runtimes=("containers",),
    why_not=WHY_NOT,
    broken_by=(IN_MEMORY, ON_ITS_DISK),
)
def test_a_session_holds_and_ends_on_every_replica(site: Site) -> None:
    """A session is known to every replica, and none knows it any more once it was ended on one of them."""
    replicas = range(len(site.topology.replicas()))
    floor(len(replicas) >= site.policy.topology.replicas, f"{len(replicas)} replicas are too few")
    session, current = site.login(), site.contract.path("sessions.current")
    known = [site.http.get(current, session=session, replica=number).status for number in replicas]
    assert set(known) == {200}, f"the replicas answered a session {known}"

    ended = site.http.post(site.contract.path("sessions.logout"), session=session, replica=0)
    floor(ended.ok, f"the logout was answered {ended.status or ended.error}")
    after = [site.http.get(current, session=session, replica=number).status for number in replicas]
    assert 200 not in after, f"after the logout on one replica the replicas answered {after}"


@control(
    SESSIONS,
    profiles=REPLICATED,
    prove_in="production",
    runtimes=("containers",),
    why_not=WHY_NOT,
    fresh=True,
    intrusive=True,
    broken_by=(IN_MEMORY, ON_ITS_DISK),
)
def test_sessions_survive_the_loss_of_a_replica(site: Site) -> None:
    """Sessions that were begun on any of the replicas go on when one of them is killed."""
    victim, user = site.topology.replicas()[0], site.user()
    sessions, current = [site.login(user) for _ in range(MANY)], site.contract.path("sessions.current")
    victim.signal("SIGKILL")
    gone = site.eventually(lambda: victim.exit_status() is not None)
    floor(gone, "the replica still runs after its SIGKILL")
    answers = [site.http.get(current, session=session).status for session in sessions]

    assert set(answers) == {200}, f"after the loss of a replica its sessions were answered {answers}"
