"""Roles: every route of the description has a rule in the policy, and gives the policy's decision."""

from __future__ import annotations

from collections.abc import Iterator

from harness import control, defect, edit, floor
from harness.probes.calls import Calls, Kind
from harness.site import Site

REFUSED = (401, 403)
ANONYMOUS = "anonymous"
KINDS: tuple[Kind, ...] = ("key", "token", "session")

RULES = "panotti/rules.py"
ADMIN = "panotti/routes/admin.py"
HEALTH = "panotti/routes/health.py"
KIND_RULE = (
    "        if self.credential is not None and principal.credential != self.credential:\n"
    "            return False\n"
)
ROUTE = """@router.get("/health/environment", response_model=Status%s)
@rule(PUBLIC)
async def environment() -> Response:
    return encoded(OK)


@router.get("/version", response_model=Version)
"""
VERSION = '@router.get("/version", response_model=Version)\n'

UNLISTED = edit("a new public route, which no policy lists", HEALTH, VERSION, ROUTE % "")
HIDDEN = edit(
    "a new public route, which the description hides", HEALTH, VERSION, ROUTE % ", include_in_schema=False"
)
VIEWERS_LIST_KEYS = defect(
    "the list of keys is open to readers",
    edit(
        "",
        ADMIN,
        "from panotti.rules import ADMIN, rule\n",
        "from panotti.rules import ADMIN, READER, rule\n",
    ),
    edit(
        "",
        ADMIN,
        '@router.get("/api-keys", response_model=KeyList)\n@rule(ADMIN)\n',
        '@router.get("/api-keys", response_model=KeyList)\n@rule(READER)\n',
    ),
)
WRITERS_ADMINISTER = edit(
    "writers pass for administrators",
    RULES,
    "principal.role >= self.role",
    "principal.role >= min(self.role, Role.WRITER)",
)
READERS_SHUT_OUT = edit(
    "the list of recordings is closed to readers",
    "panotti/routes/recordings.py",
    '@router.get("/recordings", response_model=RecordingPage)\n@rule(READER)\n',
    '@router.get("/recordings", response_model=RecordingPage)\n@rule(WRITER)\n',
)
SESSIONS_RULE = edit(
    "every browser session is an administrator's",
    "panotti/identity/sessions.py",
    '            role=Role.parse(row["role"]),\n',
    "            role=Role.ADMIN,\n",
)
TOKENS_RULE = edit(
    "every token is an administrator's",
    "panotti/identity/authenticator.py",
    'principal = _principal(row, key_id=row["key_id"],',
    'principal = _principal({**row, "role": "admin"}, key_id=row["key_id"],',
)
ANY_CREDENTIAL = edit("a rule's kind of credential is not looked at", RULES, KIND_RULE, "")
TOKENS_BREED = edit(
    "a token issues tokens",
    RULES,
    'KEY_HOLDER = Rule(role=Role.READER, credential="key")',
    "KEY_HOLDER = Rule(role=Role.READER)",
)


def _answered(site: Site, calls: Calls, route: str, role: str, kind: Kind) -> int:
    """The status that a caller gets for a valid request."""
    call = calls.make(route, role, kind)
    reply = site.http.request(call.method, call.path, **call.options)
    decided = reply.decided and reply.status < 500
    floor(decided, f"{route} as {role}: no decision was made ({reply.status or reply.error})")
    return reply.status


def _wrong(site: Site, calls: Calls, route: str, role: str, kind: Kind) -> str:
    """What is wrong with a route's decision, "" if it is the policy's."""
    status = _answered(site, calls, route, role, kind)
    if site.policy.may(role, route):
        return "" if 200 <= status < 300 else f"{route} answered {status} to {role}, who may"
    return "" if status in REFUSED else f"{route} answered {status} to {role}, who may not"


def _guarded(site: Site) -> Iterator[str]:
    """The routes that are not open to everybody, and take every kind of credential."""
    for route in site.policy.roles:
        if not site.policy.may(ANONYMOUS, route) and route not in site.policy.credentials:
            yield route


def _served(site: Site) -> frozenset[str]:
    """What the target itself says it serves: the description may hide a route."""
    return site.described.routes if site.contract.capabilities.describe else frozenset()


@control("middleware.auth.roles", broken_by=(UNLISTED, HIDDEN))
def test_every_route_has_a_rule(site: Site) -> None:
    """No route of the target is missing in the policy: a new one cannot stand open unnoticed."""
    described, served = site.together(lambda: site.openapi.routes, lambda: _served(site))
    floor(described & site.policy.roles.keys(), "the description names none of the policy's routes")

    unruled = sorted((described | served) - site.policy.roles.keys())
    assert not unruled, f"the policy's [roles] has no rule for {', '.join(unruled)}"


@control("middleware.auth.roles", broken_by=(VIEWERS_LIST_KEYS, WRITERS_ADMINISTER, READERS_SHUT_OUT))
def test_every_route_gives_the_policys_decision(site: Site) -> None:
    """Every route of the policy lets in whom it lists, with a valid request, and refuses every other role."""
    calls = site.calls()
    decisions = [
        _wrong(site, calls, route, role, site.policy.credentials.get(route, "key"))
        for route in site.policy.roles
        for role in site.policy.auth.roles
    ]

    wrong = [text for text in decisions if text]
    assert not wrong, f"{len(wrong)} of {len(decisions)} decisions are wrong: {'; '.join(wrong[:4])}"


@control("middleware.auth.roles", broken_by=(SESSIONS_RULE, TOKENS_RULE))
def test_a_role_is_the_same_by_every_credential(site: Site) -> None:
    """A token and a browser session have the rights of their holder, no more and no less."""
    calls = site.calls()
    kinds: tuple[Kind, ...] = ("token", "session")
    decisions = [
        f"by {kind}, {found}" if (found := _wrong(site, calls, route, role, kind)) else ""
        for route in _guarded(site)
        for kind in kinds
        for role in site.policy.auth.roles
        if role != ANONYMOUS
    ]

    wrong = [text for text in decisions if text]
    floor(decisions, "the policy guards no route")
    assert not wrong, f"{len(wrong)} of {len(decisions)} decisions are wrong: {'; '.join(wrong[:4])}"


@control("middleware.auth.roles", broken_by=(ANY_CREDENTIAL, TOKENS_BREED))
def test_a_route_takes_its_kind_of_credential_only(site: Site) -> None:
    """A route that the policy reserves for keys or for sessions refuses the other kinds, of every role."""
    calls = site.calls()
    for route, wanted in site.policy.credentials.items():
        role = next(role for role in reversed(site.policy.auth.roles) if site.policy.may(role, route))
        let_in = _answered(site, calls, route, role, wanted)
        assert 200 <= let_in < 300, f"{route} answered {let_in} to a {wanted} of {role}, who may"
        others = (kind for kind in KINDS if kind != wanted)
        for other in others:
            status = _answered(site, calls, route, role, other)
            assert status in REFUSED, f"{route} answered {status} to a {other}, not only to a {wanted}"
