"""The run's own certificate authority: a root, and P-256 leaves signed by it, good ones and faulty ones."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal, get_args

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

HOST_NAME = "panotti.test"
Fault = Literal["expired", "wrong-name", "self-signed", "weak-key", "expiring", "untrusted-chain"]
FAULTS: tuple[Fault, ...] = get_args(Fault)
_PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
_LIFETIME = timedelta(days=90)
# The smallest RSA key that OpenSSL still loads at Debian's security level 2, and below the 2048 bits that
# Mozilla's profiles demand.
_WEAK_RSA_BITS = 1984


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    """A server certificate and its key, both PEM, and the certificate's SHA-256 fingerprint (hexadecimal)."""

    certificate: bytes
    key: bytes
    fingerprint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Signer:
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


class Authority:
    """A root made for one run. Its key never leaves this process."""

    def __init__(self) -> None:
        self._root = _make_root("Panotti run root")

    @property
    def certificate(self) -> bytes:
        """The root certificate, PEM."""
        return self._root.certificate.public_bytes(Encoding.PEM)

    def issue(self, fault: Fault | None = None, *, service: str = "") -> Leaf:
        """Issue a certificate for panotti.test, localhost and 127.0.0.1, or one with the fault named.

        service: a name inside the deployment that it is good for too.
        """
        now = datetime.now(UTC)
        begin, end = now - timedelta(hours=1), now + _LIFETIME
        key: _PrivateKey = ec.generate_private_key(ec.SECP256R1())
        names = _alternative_names(HOST_NAME, *filter(None, [service]))
        signer: _Signer | None = self._root
        match fault:
            case None:
                pass
            case "expired":
                begin, end = now - _LIFETIME, now - timedelta(days=1)
            case "expiring":
                end = now + timedelta(days=2)
            case "wrong-name":
                names = x509.SubjectAlternativeName([x509.DNSName("elsewhere.test")])
            case "weak-key":
                key = rsa.generate_private_key(65537, _WEAK_RSA_BITS)
            case "self-signed":
                signer = None
            case "untrusted-chain":
                signer = _make_root("Panotti stranger root")
        return _leaf(key, names, begin, end, signer)


def _alternative_names(*names: str) -> x509.SubjectAlternativeName:
    known = [x509.DNSName(name) for name in (*names, "localhost")]
    return x509.SubjectAlternativeName([*known, x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])


def _make_root(common_name: str) -> _Signer:
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)
    name = _name(common_name)
    builder = _builder(name, name, key, now - timedelta(hours=2), now + timedelta(days=365))
    certificate = (
        builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .sign(key, hashes.SHA256())
    )
    return _Signer(certificate=certificate, key=key)


def _leaf(
    key: _PrivateKey,
    names: x509.SubjectAlternativeName,
    begin: datetime,
    end: datetime,
    signer: _Signer | None,
) -> Leaf:
    subject = _name(names.get_values_for_type(x509.DNSName)[0])
    issuer = signer.certificate.subject if signer else subject
    signing_key: _PrivateKey = signer.key if signer else key
    certificate = (
        _builder(subject, issuer, key, begin, end)
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signing_key.public_key()), critical=False
        )
        .sign(signing_key, hashes.SHA256())
    )
    return Leaf(
        certificate=certificate.public_bytes(Encoding.PEM),
        key=key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        fingerprint=certificate.fingerprint(hashes.SHA256()).hex(),
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, key: _PrivateKey, begin: datetime, end: datetime
) -> x509.CertificateBuilder:
    public = key.public_key()
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
