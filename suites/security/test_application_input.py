"""No input breaks the server or makes it talk; injected statements and expressions have no effect."""

from __future__ import annotations

import secrets
from urllib.parse import quote

from harness import control, defect, edit, floor
from harness.fuzz.levels import unfit
from harness.fuzz.records import told
from harness.principals import ApiKey
from harness.probes.reply import Reply
from harness.records import Json
from harness.site import Site

INPUT = "security.application.input"
OTHER = "tenant-b"
RECORDINGS = "panotti/storage/recordings.py"

READ_BY_TEXT = edit(
    "a recording is found by a statement built of text",
    RECORDINGS,
    """        select(*RECORDING_COLUMNS).where(
            recordings.c.tenant == tenant, recordings.c.recording_id == recording_id
        )
""",
    """        __import__("sqlalchemy").text(
            "SELECT recording_id, state, started_at, ended_at, created_at, updated_at FROM recordings "
            "WHERE tenant = '%s' AND recording_id = '%s'" % (tenant, recording_id)
        )
""",
)
CHANGED_BY_TEXT = edit(
    "",
    RECORDINGS,
    """        update(recordings)
        .where(
            recordings.c.tenant == tenant,
            recordings.c.recording_id == recording_id,
            recordings.c.state == "active",
        )
        .values(state="failed", updated_at=at)
""",
    """        __import__("sqlalchemy").text(
            "UPDATE recordings SET state = 'failed', updated_at = '%s' "
            "WHERE state = 'active' AND tenant = '%s' AND recording_id = '%s'" % (at, tenant, recording_id)
        )
""",
)
EXPRESSIONS = (
    *(
        "$PATH",
        "${PATH}",
        "%PATH%",
        "~root",
        "$(id)",
        "`id`",
        "; id",
        "| id",
        "{{7*7}}",
        "${7*7}",
        "<%= 7*7 %>",
    ),
    *(
        "#{7*7}",
        "%s%s%n",
        "{0.__class__}",
        "'; DELETE FROM recordings; --",
        "' || '1",
        "\\u0041",
        "&lt;",
        "%41",
    ),
    *(
        "${jndi:ldap://127.0.0.1:1/a}",
        "!!python/object/apply:os.getpid []",
        '{"$ne": null}',
        "<!ENTITY a 'b'>",
    ),
)


@control(
    INPUT,
    intrusive=True,
    broken_by=(
        edit(
            "a 500 behind a lone surrogate",
            "panotti/strictness.py",
            "\\x7f-\\x9f\\ud800-\\udfff]",
            "\\x7f-\\x9f]",
        ),
        edit(
            "a refusal repeats the input",
            "panotti/failures.py",
            '"msg": found["msg"]}',
            '"msg": found["msg"], "input": found["input"]}',
        ),
        edit(
            "a refusal shows the exception behind it",
            "panotti/failures.py",
            '"msg": found["msg"]}',
            "\"msg\": f\"{found['msg']} {found.get('ctx', '')}\"}",
        ),
        edit(
            "refusals are plain JSON",
            "panotti/problems.py",
            'MEDIA_TYPE = b"application/problem+json"',
            'MEDIA_TYPE = b"application/json"',
        ),
    ),
    prove_in="testing",
)
def test_no_input_breaks_the_server_or_makes_it_talk(site: Site) -> None:
    """No answer is 5xx or shows the server's inside; a refusal is a problem document, and repeats nothing."""
    result = site.fuzz.decided()
    faults = told(result.failures)

    assert not faults, faults
    reason = unfit(result, site.policy.fuzz)
    floor(not reason, reason)


@control(INPUT, broken_by=READ_BY_TEXT)
def test_a_statement_in_an_id_discloses_nothing(site: Site) -> None:
    """An id that carries on the statement reads no other tenant's recording, and is no true or false."""
    caller, mine = _recording(site)
    _, theirs = _recording(site, OTHER)
    true, false = (_read(site, caller, f"{mine}' AND '1'='{value}") for value in ("1", "2"))
    disclosing = {
        injected: _read(site, caller, injected)
        for injected in (
            f"none' OR recording_id='{theirs}",
            f"none' OR recording_id='{theirs}' --",
            f"none' UNION SELECT recording_id,state,started_at,ended_at,created_at,updated_at"
            f" FROM recordings WHERE recording_id='{theirs}",
        )
    }
    for reply in (true, false, *disclosing.values()):
        floor(reply.status not in (0, 401, 429), f"an id was not looked at: {reply.status or reply.error}")

    assert true.status == false.status, (
        f"a condition in the id is evaluated: true was answered {true.status}, false {false.status}"
    )
    shown = [
        number for number, reply in enumerate(disclosing.values(), 1) if reply.ok and theirs in reply.text
    ]
    assert not shown, f"a statement in the id discloses another tenant's recording (probe {shown})"


@control(
    INPUT,
    broken_by=defect("a recording is changed by a statement built of text", READ_BY_TEXT, CHANGED_BY_TEXT),
)
def test_a_statement_in_an_id_changes_nothing(site: Site) -> None:
    """An id that carries on the statement moves no recording, neither the tenant's own nor another's."""
    caller, mine = _recording(site)
    owner, theirs = _recording(site, OTHER)
    before = _read(site, owner, theirs).json()
    path = site.contract.path("recordings.state")
    for injected in (
        f"none' OR recording_id='{theirs}",
        f"{mine}' --",
        f"{mine}'; DELETE FROM recordings; --",
    ):
        target = path.replace("{recording_id}", quote(injected, safe=""))
        reply = site.http.put(target, key=caller, json={"state": "failed"})
        floor(reply.status not in (0, 401, 429), f"an id was not looked at: {reply.status or reply.error}")

    assert _read(site, owner, theirs).json() == before, (
        "a statement in the id changed another tenant's recording"
    )
    assert _read(site, caller, mine).string("state") == "active", "a statement in the id changed a recording"


@control(
    INPUT,
    broken_by=edit(
        "texts are expanded as a shell's",
        "panotti/routes/recordings.py",
        "metadata=None if metadata is None else orjson.dumps(metadata).decode(),",
        "metadata=None if metadata is None else "
        '__import__("os").path.expandvars(orjson.dumps(metadata).decode()),',
    ),
)
def test_expressions_are_kept_as_the_text_they_are(site: Site) -> None:
    """What a shell, a template, a formatter or a parser would act on is given back letter by letter."""
    caller, name = site.key(), f"rec-{secrets.token_hex(8)}"
    sent: dict[str, Json] = {"expressions": [*EXPRESSIONS]}
    taken = site.http.post(
        site.contract.path("recordings.started"), key=caller, json={"recordingId": name, "metadata": sent}
    )
    floor(taken.ok, f"texts with expressions were not taken: {taken.status or taken.error}")
    events = site.contract.path("recordings.events").replace("{recording_id}", name)

    kept = site.http.get(events, key=caller).field("events", 0, "metadata", "expressions")

    assert isinstance(kept, list), "the event's metadata cannot be read back"
    changed = [was for was, now in zip(EXPRESSIONS, kept, strict=False) if was != now]
    assert len(kept) == len(EXPRESSIONS), f"of {len(EXPRESSIONS)} texts {len(kept)} were kept"
    assert not changed, f"kept as another text: {changed}"


def _recording(site: Site, tenant: str = "tenant-a") -> tuple[ApiKey, str]:
    """A recording that its owner can read, and the owner."""
    owner = site.key("writer", tenant)
    name = site.recording(owner)
    found = _read(site, owner, name)
    floor(found.ok and name in found.text, f"a recording of {tenant} cannot be read by its owner")
    return owner, name


def _read(site: Site, caller: ApiKey, recording_id: str) -> Reply:
    path = site.contract.path("recordings.read")
    return site.http.get(path.replace("{recording_id}", quote(recording_id, safe="")), key=caller)
