"""Only strong TLS is offered; plain HTTP is redirected, and tells nothing."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit

from harness import certificate, control, defect, edit, floor, setting
from harness.probes.cors import FOREIGN
from harness.probes.handshake import Version
from harness.probes.reply import Reply
from harness.site import Site

TLS = "panotti/tls.py"
WORKER = "panotti/worker.py"
REDIRECT = "panotti/redirect.py"
HEADERS = "panotti/middleware/security_headers.py"
OLD_SUITES = "ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0"
VERSIONS: Final = {"intermediate": {"TLSv1.2", "TLSv1.3"}, "modern": {"TLSv1.3"}}
OLD: Final[tuple[Version, ...]] = ("TLSv1", "TLSv1.1")
# A fresh key for every connection and an authenticated cipher (RFC 9325 4.2); TLS 1.3 has no others.
STRONG = re.compile(r"TLS_((ECDHE|DHE)_(ECDSA|RSA)_WITH_)?(AES_(128|256)_GCM|CHACHA20_POLY1305)_SHA(256|384)")


OFF = defect(
    "TLS is off",
    edit("", "panotti/configuration.py", "if not settings.tls:", "if False:"),
    setting(TLS_CERT_FILE=None, TLS_KEY_FILE=None, REDIRECT_PORT=None),
)
TLS_1_0 = defect(
    "TLS 1.0 and 1.1 are offered",
    edit("", TLS, "ssl.TLSVersion.TLSv1_2", "ssl.TLSVersion.TLSv1"),
    edit("", TLS, "set_ciphers(CIPHERS)", f'set_ciphers(CIPHERS + ":{OLD_SUITES}")'),
)
TLS_1_1 = defect(
    "TLS 1.1 is offered",
    edit("", TLS, "ssl.TLSVersion.TLSv1_2", "ssl.TLSVersion.TLSv1_1"),
    edit("", TLS, "set_ciphers(CIPHERS)", f'set_ciphers(CIPHERS + ":{OLD_SUITES}")'),
)
CBC = edit(
    "a suite in CBC mode is offered",
    TLS,
    "set_ciphers(CIPHERS)",
    'set_ciphers(CIPHERS + ":ECDHE-ECDSA-AES128-SHA")',
)
ANONYMOUS = edit(
    "any suite is offered, without a certificate too",
    TLS,
    "set_ciphers(CIPHERS)",
    'set_ciphers("ALL:eNULL:@SECLEVEL=0")',
)
CURVES = edit("every curve is offered", TLS, "context.set_ecdh_curve(CURVE)", "pass")
# 0x100: OpenSSL 3's SSL_OP_ALLOW_CLIENT_RENEGOTIATION, for which Python 3.11 has no name.
RENEGOTIATION = edit("clients may renegotiate", TLS, "| ssl.OP_NO_RENEGOTIATION", "| 0x100")
NO_HSTS = edit("no HSTS", HEADERS, "if not secure:", "if True:")
SHORT_HSTS = edit("HSTS for an hour", HEADERS, "HSTS_MAX_AGE = 63_072_000", "HSTS_MAX_AGE = 3600")
HOST_HSTS = edit("HSTS without subdomains", HEADERS, "max-age=%d; includeSubDomains", "max-age=%d")
HSTS_ON_SUCCESS = edit(
    "HSTS on successful answers only",
    HEADERS,
    "*self._headers(scope)]",
    '*(h for h in self._headers(scope) if message["status"] < 400 or not h[0].startswith(b"strict"))]',
)
SERVES_HTTP = edit(
    "plain HTTP serves content",
    WORKER,
    '_listener(redirect, settings, None, lifespan="off")',
    '_listener(app, settings, None, lifespan="on")',
)
SERVES_HEALTH = edit(
    "plain HTTP serves the health answer",
    REDIRECT,
    "        name = host_name(scope)\n",
    '        if scope["path"] == "/health":\n'
    '            await send({"type": "http.response.start", "status": 200})\n'
    '            await send({"type": "http.response.body", "body": b"ok"})\n'
    "            return\n"
    "        name = host_name(scope)\n",
)
FOUND = edit("302 instead of 308", REDIRECT, '"status": 308', '"status": 302')
LOSES_QUERY = edit("the redirect loses the query", REDIRECT, 'b"?" + scope["query_string"]', 'b""')
TO_PLAIN = edit("the redirect leads to plain HTTP", REDIRECT, 'f"https://{name}', 'f"http://{name}')
ANY_HOST = edit("the redirect follows any Host", WORKER, "hosts=settings.public_hosts", "hosts=()")


def _speaks_tls(site: Site) -> None:
    assert site.deployment.base_url.startswith("https:"), (
        "the policy asks for TLS, the target speaks plain HTTP"
    )


def _by_plain_http(site: Site, method: str, path: str, *, host: str | None = None) -> Reply:
    """Ask the plain listener; that there is one is the policy's wish, since it asks for a redirect."""
    _speaks_tls(site)
    known = site.deployment.plain_url is not None
    floor(
        known or site.deployment.runtime != "external",
        "the contract does not name the plain listener (plain_url in [http])",
    )
    assert known, "there is no plain listener: whoever types http:// is not redirected"
    return site.http.request(method, path, base="plain", headers={"Host": host} if host else None)


@control("middleware.security.tls", broken_by=(TLS_1_0, TLS_1_1, OFF))
def test_no_old_version_is_offered(site: Site) -> None:
    """Nothing older than the policy's profile allows is offered, nor taken from a client that asks for it."""
    _speaks_tls(site)
    offered, allowed = set(site.tls.scan().versions), VERSIONS[site.policy.tls.profile]
    assert "TLSv1.3" in offered, f"TLS 1.3 is not offered; {sorted(offered)} are"
    assert offered <= allowed, f"offered as well: {', '.join(sorted(offered - allowed))}"
    for version in OLD:
        assert not site.tls.handshake(only=version, verify=False).ok, f"a client of {version} is served"


@control("middleware.security.tls", broken_by=(CBC, ANONYMOUS, TLS_1_0))
def test_only_forward_secret_authenticated_suites_are_offered(site: Site) -> None:
    """Every suite makes a fresh key for each connection, and authenticates what it encrypts."""
    _speaks_tls(site)
    suites = [suite for suites in site.tls.scan().suites.values() for suite in suites]
    floor(suites, "no suite was found")
    weak = sorted({suite for suite in suites if not STRONG.fullmatch(suite)})

    assert not weak, f"offered as well: {', '.join(weak)}"


@control("middleware.security.tls", broken_by=(CURVES, CBC, TLS_1_1, certificate("weak-key")))
def test_the_listener_complies_with_mozillas_profile(site: Site) -> None:
    """Versions, suites, curves and certificate are those of the policy's Mozilla profile."""
    _speaks_tls(site)
    verdict = site.tls.mozilla(site.policy.tls.profile)

    assert verdict.compliant, "; ".join(f"{name}: {issue}" for name, issue in verdict.issues.items())


@control("middleware.security.tls", broken_by=RENEGOTIATION)
def test_no_known_fault_of_the_protocol_is_there(site: Site) -> None:
    """No renegotiation by the client or without its protection, no downgrade, compression or early data."""
    _speaks_tls(site)
    scan = site.tls.scan()
    floor(scan.suites, "the scan found nothing")

    assert not scan.faults, f"found: {', '.join(scan.faults)}"


@control("middleware.security.tls", broken_by=(NO_HSTS, SHORT_HSTS, HOST_HSTS, HSTS_ON_SUCCESS))
def test_every_answer_asks_for_https_from_now_on(site: Site) -> None:
    """Answers, refusals and preflights over TLS carry HSTS for as long as the policy says (RFC 6797)."""
    _speaks_tls(site)
    path, started = site.contract.path("health.simple"), site.contract.path("recordings.started")
    answer = site.http.get(path)
    floor(answer.ok, f"{path} answers {answer.status or answer.error}")
    refusals = site.http.post(started, json={}), site.http.get(f"{path}/nowhere")
    origins = (*site.policy.cors.origins[:1], FOREIGN)
    for reply in (answer, *refusals, *(site.http.preflight(started, origin) for origin in origins)):
        told = reply.headers.get_list("strict-transport-security")
        assert len(told) == 1, f"{reply.status} carries Strict-Transport-Security {len(told)} times"
        directives = {part.strip().lower() for part in told[0].split(";")}
        ages = [
            int(age) for part in directives if (age := part.removeprefix("max-age=").strip('"')).isdecimal()
        ]

        assert ages, f"{reply.status}: no max-age"
        assert min(ages) >= site.policy.tls.hsts_min_age_s, f"{reply.status}: {min(ages)} s only"
        if site.policy.tls.hsts_include_subdomains:
            assert "includesubdomains" in directives, f"{reply.status}: not for the subdomains"


@control("middleware.security.tls", broken_by=(SERVES_HTTP, SERVES_HEALTH))
def test_plain_http_serves_no_content(site: Site) -> None:
    """By plain HTTP no route of the API answers anything but the redirect."""
    for route in site.policy.roles:
        method, _, path = route.partition(" ")
        reply = _by_plain_http(site, method, site.contract.filled(path))
        floor(reply, f"no answer to {route} by plain HTTP: {reply.error}")

        assert reply.status == site.policy.tls.redirect_status, f"{route} is answered with {reply.status}"


@control("middleware.security.tls", broken_by=(FOUND, LOSES_QUERY, TO_PLAIN))
def test_plain_http_is_redirected_to_the_same_place_over_tls(site: Site) -> None:
    """The redirect has the policy's status, and leads to the same host, path and query over TLS."""
    target = f"{site.contract.path('recordings.started')}?page=2&q=a%20b"
    for method in ("GET", "POST"):
        reply = _by_plain_http(site, method, target)
        floor(reply, f"no answer by plain HTTP: {reply.error}")
        to = urlsplit(reply.headers.get("location"))

        assert reply.status == site.policy.tls.redirect_status, f"{method} is answered with {reply.status}"
        assert to.scheme == "https", f"it leads to {to.scheme or 'nowhere'}"
        assert to.hostname == site.deployment.host_name, f"it leads to the host {to.hostname}"
        assert f"{to.path}?{to.query}" == target, f"it leads to {to.path}?{to.query}"


@control("middleware.security.tls", broken_by=ANY_HOST)
def test_the_redirect_leads_to_no_other_host(site: Site) -> None:
    """A forged Host header does not turn the redirect to another server."""
    path = site.contract.path("health.simple")
    own = _by_plain_http(site, "GET", path)
    assert urlsplit(own.headers.get("location")).hostname == site.deployment.host_name, (
        "the own host is not redirected"
    )
    forged = _by_plain_http(site, "GET", path, host="evil.example")
    floor(forged, f"no answer to a forged Host: {forged.error}")
    to = urlsplit(forged.headers.get("location")).hostname

    assert to in (None, site.deployment.host_name), f"it leads to {to}"
