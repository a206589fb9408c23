"""Tokens for programs, sessions for browsers."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from panotti.identity.credentials import session_cookies
from panotti.identity.refresh import TokenPair
from panotti.identity.sessions import EXPIRED_COOKIE
from panotti.middleware.authentication import unauthenticated
from panotti.problems import Problem
from panotti.routes.answers import answer
from panotti.rules import KEY_HOLDER, PUBLIC, READER, SESSION_HOLDER, rule
from panotti.schemas import IssuedTokens, Login, OpenedSession, PresentedRefreshToken, WhoAmI
from panotti.services import services_of, use
from panotti.storage import users
from panotti.strictness import StrictRoute

router = APIRouter(route_class=StrictRoute, prefix="/auth")


@router.post("/token", response_model=IssuedTokens)
@rule(KEY_HOLDER)
async def issue_token(request: Request) -> Response:
    """A short-lived access token and a refresh token, for an API key."""
    services, caller = use(request)
    return _tokens(await services.refresh_tokens.issue(caller))


@router.post("/refresh", response_model=IssuedTokens)
@rule(PUBLIC)
async def refresh_token(request: Request, body: PresentedRefreshToken) -> Response:
    """The next pair. A refresh token used twice ends its whole family."""
    return _tokens(await services_of(request.scope).refresh_tokens.rotate(body.refresh_token))


@router.post("/revoke", status_code=204, response_model=None)
@rule(PUBLIC)
async def revoke_token(request: Request, body: PresentedRefreshToken) -> Response:
    """Ends the token's family, access tokens included; an unknown token is no error (RFC 7009)."""
    await services_of(request.scope).refresh_tokens.revoke(body.refresh_token)
    return Response(status_code=204)


@router.post("/login", response_model=OpenedSession)
@rule(PUBLIC)
async def login(request: Request, body: Login) -> Response:
    """A new session in a cookie, and the CSRF token that belongs to it."""
    services = services_of(request.scope)
    if not services.origins.allow(request.scope):
        raise Problem(403, "Forbidden", "This origin may not log in here.")
    async with services.database.reading() as connection:
        user = await users.by_name(connection, body.username)
    fits = await services.passwords.verify(None if user is None else user["password_hash"], body.password)
    if user is None or not fits:
        raise unauthenticated()
    cookies = [value for name, value in request.scope["headers"] if name == b"cookie"]
    opened = await services.sessions.open(user["id"], user["password_hash"], session_cookies(cookies))
    if opened is None:
        raise unauthenticated()
    return answer({"csrf_token": opened.csrf_token}, headers={"set-cookie": opened.cookie})


@router.get("/session", response_model=WhoAmI)
@rule(READER)
async def who_am_i(request: Request) -> Response:
    """Whom the server takes the caller for."""
    services, caller = use(request)
    return answer(
        {
            "principal": caller.id,
            "tenant": caller.tenant,
            "role": caller.role.label,
            "credential": caller.credential,
            "csrf_token": services.sessions.csrf_token(caller),
        }
    )


@router.post("/logout", status_code=204, response_model=None)
@rule(SESSION_HOLDER)
async def logout(request: Request) -> Response:
    """Ends this session, in the database and not only in the browser."""
    services, caller = use(request)
    await services.sessions.end(caller)
    return Response(status_code=204, headers={"set-cookie": EXPIRED_COOKIE})


@router.post("/logout-all", status_code=204, response_model=None)
@rule(SESSION_HOLDER)
async def logout_all(request: Request) -> Response:
    """Ends every session of this user."""
    services, caller = use(request)
    await services.sessions.end_all(caller)
    return Response(status_code=204, headers={"set-cookie": EXPIRED_COOKIE})


def _tokens(pair: TokenPair | None) -> Response:
    if pair is None:
        raise unauthenticated()
    return answer(
        {
            "access_token": pair.access_token,
            "token_type": "Bearer",
            "expires_in": pair.expires_in,
            "refresh_token": pair.refresh_token,
        }
    )
