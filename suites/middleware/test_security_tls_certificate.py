"""The certificate is good, and is replaced without a dropped connection."""

from __future__ import annotations

import time

from harness import certificate, control, edit, floor
from harness.probes.handshake import CertificateFacts
from harness.probes.meanwhile import meanwhile
from harness.site import Site

WORKER = "panotti/worker.py"
TAKEN_WITHIN_S = 5.0  # by every worker, from the moment at which the server was told

EXPIRED, EXPIRING = certificate("expired"), certificate("expiring")
WRONG_NAME, WEAK_KEY = certificate("wrong-name"), certificate("weak-key")
SELF_SIGNED, UNTRUSTED = certificate("self-signed"), certificate("untrusted-chain")
NOT_RELOADED = edit(
    "a new certificate waits for a restart",
    WORKER,
    "loop.add_signal_handler(signal.SIGHUP, _reload, settings, context)",
    "signal.signal(signal.SIGHUP, signal.SIG_IGN)",
)
ONE_WORKER = edit(
    "only one worker takes the new certificate",
    "panotti/processes.py",
    "os.kill(pid, number)",
    "os.kill(pid, 0 if number == signal.SIGHUP and pid != min(self.workers) else number)",
)
DROPS = edit(
    "a new certificate drops the connections",
    WORKER,
    "    _handle_signals(stop, settings, context, sockets.lifeline)\n",
    "    _handle_signals(stop, settings, context, sockets.lifeline)\n"
    "\n"
    "    def reload() -> None:\n"
    "        _reload(settings, context)\n"
    "        for server, _ in listeners:\n"
    "            for connection in list(server.server_state.connections):\n"
    "                connection.transport.close()\n"
    "\n"
    "    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, reload)\n",
)


def _shown(site: Site) -> CertificateFacts:
    assert site.deployment.base_url.startswith("https:"), (
        "the policy asks for TLS, the target speaks plain HTTP"
    )
    facts = site.tls.handshake(verify=False).certificate
    floor(facts, "no certificate was shown")
    assert facts is not None
    return facts


@control("middleware.security.tls", broken_by=(SELF_SIGNED, UNTRUSTED))
def test_the_chain_leads_to_the_trusted_root(site: Site) -> None:
    """A client that trusts the root alone takes the chain."""
    facts = _shown(site)
    result = site.tls.handshake(check_name=False)

    assert not facts.self_signed, "the certificate is its own issuer"
    assert result.ok, f"the chain is refused: {result.error}"


@control("middleware.security.tls", broken_by=WRONG_NAME)
def test_the_certificate_names_the_host(site: Site) -> None:
    """The certificate is for the name by which the server is called (RFC 9525)."""
    facts = _shown(site)
    floor(site.tls.handshake(check_name=False).ok, "the chain is refused whatever the name")
    result = site.tls.handshake()

    assert result.ok, f"it names {', '.join(facts.names) or 'nobody'}, not {site.deployment.host_name}"


@control("middleware.security.tls", broken_by=(EXPIRED, EXPIRING))
def test_the_certificate_is_valid_for_a_while(site: Site) -> None:
    """The certificate is valid now, and for as many days as a renewal may take."""
    facts, margin = _shown(site), site.policy.tls.min_days_left

    assert facts.not_before.timestamp() <= time.time(), (
        f"it is valid from {facts.not_before:%Y-%m-%d %H:%M} only"
    )
    assert facts.days_left >= margin, f"it expires in {facts.days_left:.1f} days; the margin is {margin}"


@control("middleware.security.tls", broken_by=WEAK_KEY)
def test_the_key_is_long_enough(site: Site) -> None:
    """The certificate's key is of a kind and size that the policy accepts."""
    facts, tls = _shown(site), site.policy.tls
    least = {"EC": tls.min_ec_bits, "RSA": tls.min_rsa_bits}

    assert facts.key_type in least, f"a key of the kind {facts.key_type}"
    assert facts.key_bits >= least[facts.key_type], f"{facts.key_type} of {facts.key_bits} bits"


@control("middleware.security.tls", broken_by=(NOT_RELOADED, ONE_WORKER, DROPS), intrusive=True)
def test_a_certificate_is_replaced_without_a_dropped_connection(site: Site) -> None:
    """Every worker shows the new certificate, and no connection is dropped, whether it lives or begins."""
    path, old = site.contract.path("health.simple"), _shown(site)
    request = site.raw.message("GET", path)
    with site.raw.open(verify=False) as kept:
        kept.send(request)
        floor(kept.read().ok, "the kept connection was not served before")
        new, replies = meanwhile(
            lambda: site.http.get(path, connection="new", verify=False), lambda: _replace(site)
        )
        kept.send(request)
        after = kept.read()
    failed = [reply.error or str(reply.status) for reply in replies if not reply.ok]

    assert new != old.fingerprint, "the certificate is still the old one"
    assert _everybody_shows(site, new), "not every worker shows the new certificate"
    assert after.ok, f"the connection from before is not served any more: {after.status or after.error}"
    assert not failed, f"{len(failed)} of {len(replies)} requests failed meanwhile: {failed[0]}"


def _replace(site: Site) -> str:
    fingerprint = site.deployment.replace_certificate()
    site.eventually(lambda: _everybody_shows(site, fingerprint), timeout_s=TAKEN_WITHIN_S)
    return fingerprint


def _everybody_shows(site: Site, fingerprint: str) -> bool:
    """Whether so many connections show it that a worker with another one would have been met."""
    shown = (site.tls.handshake(verify=False).certificate for _ in range(8 * site.policy.server.workers))
    return all(facts is not None and facts.fingerprint == fingerprint for facts in shown)
