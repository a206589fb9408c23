"""The run's certificates: a good one convinces a client that trusts the root, every faulty one does not."""

from __future__ import annotations

import socket
import ssl
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from harness.runtimes.pki import FAULTS, HOST_NAME, Authority, Fault, Leaf


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


def _handshake(authority: Authority, leaf: Leaf, folder: Path) -> None:
    """Shake hands over a socket pair; raises ssl.SSLError as a client does that trusts the root alone."""
    chain = folder / "chain.pem"
    chain.write_bytes(leaf.certificate + leaf.key)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(chain)
    client = ssl.create_default_context(cadata=authority.certificate.decode())
    here, there = socket.socketpair()

    def serve() -> None:
        try:
            with server.wrap_socket(there, server_side=True) as tls:
                tls.recv(1)
        except OSError:
            there.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        with client.wrap_socket(here, server_hostname=HOST_NAME):
            pass
    finally:
        here.close()
        thread.join()
        there.close()


def test_a_good_certificate_convinces(authority: Authority, tmp_path: Path) -> None:
    leaf = authority.issue()
    certificate = x509.load_pem_x509_certificate(leaf.certificate)

    _handshake(authority, leaf, tmp_path)

    assert isinstance(certificate.public_key(), ec.EllipticCurvePublicKey)
    assert leaf.fingerprint == certificate.fingerprint(certificate.signature_hash_algorithm).hex()


@pytest.mark.parametrize("fault", ["expired", "wrong-name", "self-signed", "untrusted-chain"])
def test_a_faulty_certificate_is_refused(authority: Authority, tmp_path: Path, fault: Fault) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        _handshake(authority, authority.issue(fault), tmp_path)


@pytest.mark.parametrize("fault", ["weak-key", "expiring"])
def test_a_weak_or_ageing_certificate_still_works(authority: Authority, tmp_path: Path, fault: Fault) -> None:
    _handshake(authority, authority.issue(fault), tmp_path)


def test_the_weak_key_is_below_2048_bits(authority: Authority) -> None:
    key = x509.load_pem_x509_certificate(authority.issue("weak-key").certificate).public_key()

    assert isinstance(key, rsa.RSAPublicKey)
    assert key.key_size < 2048


def test_the_expiring_one_ends_within_a_week(authority: Authority) -> None:
    certificate = x509.load_pem_x509_certificate(authority.issue("expiring").certificate)

    assert certificate.not_valid_after_utc - datetime.now(UTC) < timedelta(days=7)


def test_no_two_certificates_are_alike(authority: Authority) -> None:
    prints = {authority.issue(fault).fingerprint for fault in (None, None, *FAULTS)}

    assert len(prints) == len(FAULTS) + 2
