"""TLS handshakes as one client of a stated kind makes them, and the certificate that is shown."""

from __future__ import annotations

import ssl
import time
import warnings
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final, Literal, TypedDict, Unpack

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from harness.evidence import record, waiting_for_target
from harness.probes.peer import Peer
from harness.probes.wire import connect
from harness.records import Observation

Version = Literal["TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"]
_VERSIONS: Final[dict[Version, ssl.TLSVersion]] = {
    "TLSv1": ssl.TLSVersion.TLSv1,
    "TLSv1.1": ssl.TLSVersion.TLSv1_1,
    "TLSv1.2": ssl.TLSVersion.TLSv1_2,
    "TLSv1.3": ssl.TLSVersion.TLSv1_3,
}
# OpenSSL 3 offers TLS 1.0 and 1.1, and weak suites, at security level 0 only.
_ANYTHING: Final = "ALL:COMPLEMENTOFALL:@SECLEVEL=0"


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateFacts:
    """A server certificate. names: DNS names and addresses; key_type: EC, RSA or the class's name;
    fingerprint: SHA-256."""

    subject: str
    issuer: str
    names: tuple[str, ...]
    not_before: datetime
    not_after: datetime
    key_type: str
    key_bits: int
    signature: str
    fingerprint: str

    @property
    def days_left(self) -> float:
        """Days until it expires; negative once it has."""
        return (self.not_after - datetime.now(UTC)).total_seconds() / 86400

    @property
    def self_signed(self) -> bool:
        return self.subject == self.issuer


@dataclass(frozen=True, slots=True, kw_only=True)
class Handshake:
    """One handshake. ok: it was completed (and verified, unless told not to); else `error` says why not."""

    ok: bool
    version: str = ""
    cipher: str = ""
    bits: int = 0
    certificate: CertificateFacts | None = None
    error: str = ""
    elapsed_s: float = 0.0


class HandshakeOptions(TypedDict, total=False):
    """only: that version alone, with every cipher that this machine's OpenSSL has. ciphers: OpenSSL's
    cipher list (up
    to TLS 1.2). server_name: another name to ask for. verify: chain and dates; check_name: the name as
    well."""

    only: Version | None
    ciphers: str | None
    server_name: str | None
    verify: bool
    check_name: bool
    timeout_s: float


def shake_hands(peer: Peer, **options: Unpack[HandshakeOptions]) -> Handshake:
    """Make one handshake."""
    only = options.get("only")
    context = _context(peer, options)
    named = replace(peer, name=options.get("server_name") or peer.name)
    timeout_s = options.get("timeout_s", 5.0)
    started = time.perf_counter()
    try:
        with waiting_for_target(), connect(named, timeout_s=timeout_s, context=context) as connected:
            assert isinstance(connected, ssl.SSLSocket)
            result = _completed(connected, time.perf_counter() - started)
    except OSError as cause:
        elapsed_s = time.perf_counter() - started
        result = Handshake(ok=False, error=f"{type(cause).__name__}: {cause}", elapsed_s=elapsed_s)
    _record(peer, only, result)
    return result


def _context(peer: Peer, options: HandshakeOptions) -> ssl.SSLContext:
    only, ciphers, verify = options.get("only"), options.get("ciphers"), options.get("verify", True)
    context = ssl.create_default_context(cafile=peer.ca_file)
    context.check_hostname = verify and options.get("check_name", True)
    context.verify_mode = ssl.CERT_REQUIRED if verify else ssl.CERT_NONE
    if only is not None:
        with warnings.catch_warnings():  # the old versions are deprecated, which is why they are tried
            warnings.simplefilter("ignore", DeprecationWarning)
            context.minimum_version = context.maximum_version = _VERSIONS[only]
    if ciphers is not None or only is not None:
        context.set_ciphers(ciphers or _ANYTHING)
    return context


def _completed(connected: ssl.SSLSocket, elapsed_s: float) -> Handshake:
    encoded = connected.getpeercert(binary_form=True)
    cipher, _, bits = connected.cipher() or ("", "", 0)
    return Handshake(
        ok=True,
        version=connected.version() or "",
        cipher=cipher,
        bits=bits,
        certificate=read_certificate(encoded) if encoded else None,
        elapsed_s=elapsed_s,
    )


def read_certificate(encoded: bytes) -> CertificateFacts:
    """Return the facts of a DER certificate."""
    certificate = x509.load_der_x509_certificate(encoded)
    key = certificate.public_key()
    bits = key.key_size if isinstance(key, ec.EllipticCurvePublicKey | rsa.RSAPublicKey) else 0
    kinds = {ec.EllipticCurvePublicKey: "EC", rsa.RSAPublicKey: "RSA"}
    signed = certificate.signature_hash_algorithm
    return CertificateFacts(
        subject=certificate.subject.rfc4514_string(),
        issuer=certificate.issuer.rfc4514_string(),
        names=_names(certificate),
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        key_type=next((name for kind, name in kinds.items() if isinstance(key, kind)), type(key).__name__),
        key_bits=bits,
        signature=signed.name if signed else "",
        fingerprint=certificate.fingerprint(hashes.SHA256()).hex(),
    )


def _names(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    addresses = extension.get_values_for_type(x509.IPAddress)
    return (*extension.get_values_for_type(x509.DNSName), *(str(address) for address in addresses))


def _record(peer: Peer, only: Version | None, result: Handshake) -> None:
    shown = result.certificate
    record(
        Observation(
            subject=f"TLS handshake with {peer.authority}" + (f", {only} only" if only else ""),
            data={
                "completed": result.ok,
                "version": result.version,
                "cipher": result.cipher,
                "certificate": shown.fingerprint if shown else "",
                "names": list(shown.names) if shown else [],
                "not_after": shown.not_after.isoformat() if shown else "",
                "error": result.error,
            },
        )
    )
