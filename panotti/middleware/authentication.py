"""Who may pass: decided from the request line and the headers, before a byte of the body is read."""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

from panotti.identity.principal import Principal
from panotti.problems import Problem, send_problem
from panotti.rules import RouteTable, Rule
from panotti.services import Services, services_of

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
CHALLENGE = (b"www-authenticate", b'ApiKey realm="panotti", Bearer realm="panotti"')


class AuthenticationMiddleware:
    """Finds the route and its rule, then the principal; whoever the rule does not let in goes no further.

    Every refused credential gets the same answer, whatever is wrong with it.
    """

    def __init__(self, app: ASGIApp, *, table: RouteTable) -> None:
        self.app = app
        self.table = table

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        try:
            await self._admit(scope)
        except Problem as refusal:
            await send_problem(send, scope, refusal.status, refusal.title, refusal.detail, refusal.headers)
            return
        await self.app(scope, receive, send)

    async def _admit(self, scope: Scope) -> None:
        rule = self._rule(scope)
        if rule.role is None:
            return
        services = services_of(scope)
        principal = await services.authenticator.authenticate(scope["headers"])
        if principal is None:
            raise unauthenticated()
        scope["state"]["principal"] = principal
        if not rule.allows(principal):
            raise Problem(403, "Forbidden", "Your role, or the kind of credential, does not allow this.")
        if principal.session is not None and scope["method"] not in SAFE_METHODS:
            _refuse_forgery(scope, services, principal)

    def _rule(self, scope: Scope) -> Rule:
        route = self.table.find(scope["path"])
        if route is None:
            raise Problem(404, "Not Found", "There is nothing here.")
        scope["state"]["route"] = route.path
        rule = route.methods.get(scope["method"])
        if rule is None:
            allowed = ", ".join(sorted(route.methods)).encode()
            raise Problem(405, "Method Not Allowed", "This route has other methods.", [(b"allow", allowed)])
        return rule


def unauthenticated() -> Problem:
    """The one answer to every credential that is missing or does not hold."""
    return Problem(401, "Unauthorized", "A valid credential is required.", [CHALLENGE])


def _refuse_forgery(scope: Scope, services: Services, principal: Principal) -> None:
    presented = [value for name, value in scope["headers"] if name == b"x-csrf-token"]
    if len(presented) != 1 or not services.sessions.csrf_fits(principal, presented[0]):
        raise Problem(403, "Forbidden", "The CSRF token of the session is required.")
    if not services.origins.allow(scope):
        raise Problem(403, "Forbidden", "This origin may not change anything here.")
