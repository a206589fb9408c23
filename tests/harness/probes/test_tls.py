from __future__ import annotations

import socket
import ssl
import threading
import warnings
from contextlib import contextmanager
from dataclasses import replace

import pytest

from harness.outcome import NotVerified
from harness.probes.tls import TlsProbe


@contextmanager
def speaking(secure, authority, prepare):
    """A TLS server of a kind of its own, as a deployment."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority.chain, authority.key)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        prepare(context)
    server = socket.create_server(("127.0.0.1", 0), backlog=64)

    def greet(client):
        with client:
            client.settimeout(1)
            try:
                with context.wrap_socket(client, server_side=True) as wrapped:
                    wrapped.recv(1)
            except OSError:
                return

    def serve():
        while True:
            try:
                client, _ = server.accept()
            except OSError:
                return
            threads.append(threading.Thread(target=greet, args=(client,)))
            threads[-1].start()

    threads = [threading.Thread(target=serve)]
    threads[0].start()
    yield TlsProbe(replace(secure, base_url=f"https://127.0.0.1:{server.getsockname()[1]}"))
    server.shutdown(socket.SHUT_RDWR)
    server.close()
    for thread in threads:
        thread.join(10)


def old_versions(context):
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")


def test_a_handshake_tells_version_cipher_and_certificate(secure, recorder):
    result = TlsProbe(secure).handshake()

    assert (result.ok, result.version) == (True, "TLSv1.3")
    assert "AES" in result.cipher or "CHACHA" in result.cipher
    certificate = result.certificate
    assert certificate is not None
    assert certificate.names == ("panotti.test", "127.0.0.1")
    assert (certificate.key_type, certificate.key_bits, certificate.signature) == ("EC", 256, "sha256")
    assert 59 < certificate.days_left < 60
    assert not certificate.self_signed
    assert len(certificate.fingerprint) == 64
    assert recorder.total == 1


def test_an_old_version_is_refused_by_a_server_of_today(secure):
    for version in ("TLSv1", "TLSv1.1"):
        result = TlsProbe(secure).handshake(only=version)
        assert not result.ok
        assert result.error


def test_an_old_version_is_seen_where_it_is_offered(secure, authority):
    with speaking(secure, authority, old_versions) as tls:
        assert tls.handshake(only="TLSv1", verify=False).version == "TLSv1"
        assert not tls.handshake(only="TLSv1.2", verify=False).ok


def test_a_wrong_name_fails_only_the_check_of_the_name(secure):
    tls = TlsProbe(secure)

    assert "CERTIFICATE_VERIFY_FAILED" in tls.handshake(server_name="other.test").error
    assert tls.handshake(server_name="other.test", check_name=False).ok


def test_an_unknown_root_fails_the_check_of_the_chain(secure, authority, tmp_path):
    tls = TlsProbe(replace(secure, ca_file=None))

    assert "CERTIFICATE_VERIFY_FAILED" in tls.handshake(check_name=False).error
    assert tls.handshake(verify=False).ok


def test_ciphers_may_be_chosen(secure):
    result = TlsProbe(secure).handshake(only="TLSv1.2", ciphers="ECDHE-ECDSA-AES256-GCM-SHA384")

    assert result.cipher == "ECDHE-ECDSA-AES256-GCM-SHA384"


def test_a_deployment_without_tls_is_not_verified(plain):
    with pytest.raises(NotVerified, match="does not speak TLS"):
        TlsProbe(plain).handshake()


def test_a_scan_tells_everything_that_is_offered(secure, recorder):
    tls = TlsProbe(secure)
    scan = tls.scan()

    assert scan.versions == ("TLSv1.2", "TLSv1.3")
    assert scan.trusted
    assert not TlsProbe(replace(secure, host_name="other.test")).scan().trusted
    assert scan.curves == ("secp256r1",)
    assert not {"compression", "heartbleed", "insecure-renegotiation"} & set(scan.faults)
    assert tls.scan() is scan
    assert recorder.total == 3


def test_a_server_of_today_is_compliant_but_for_what_is_named(secure):
    verdict = TlsProbe(secure).mozilla("intermediate")

    assert "tls_versions" not in verdict.issues
    assert verdict.compliant == (not verdict.issues)


def test_an_old_server_is_not_compliant_and_told_why(secure, authority):
    with speaking(secure, authority, old_versions) as tls:
        verdict = tls.mozilla("intermediate")

    assert not verdict.compliant
    assert "tls_versions" in verdict.issues


def test_a_server_that_is_down_cannot_be_scanned(secure):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(NotVerified, match="no TLS connection to scan"):
        TlsProbe(replace(secure, base_url=f"https://127.0.0.1:{port}")).scan()
