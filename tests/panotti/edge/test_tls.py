"""The TLS listener, judged by sslyze, its certificate replaced in use, and the plain one beside it."""

from __future__ import annotations

import signal
import socket
import ssl
import warnings

import pytest

from panotti.errors import StartError
from panotti.tls import replace_certificate, server_context


@pytest.fixture
def files(tmp_path, authority):
    certificate, key = tmp_path / "tls.crt", tmp_path / "tls.key"
    return certificate, key, authority.issue(certificate, key)


@pytest.fixture
def site(start, authority, files):
    certificate, key, _ = files
    return start(trust=authority.trust(), tls_cert_file=certificate, tls_key_file=key, header_timeout=1)


def serial(connection) -> int:
    from cryptography import x509

    return x509.load_der_x509_certificate(connection.sock.getpeercert(binary_form=True)).serial_number


def test_sslyze_finds_the_listener_compliant_with_mozillas_intermediate_profile(site, authority):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import sslyze
        from sslyze.mozilla_tls_profile.tls_config_checker import (
            SCAN_COMMANDS_NEEDED_BY_MOZILLA_CHECKER,
            MozillaTlsConfiguration,
            TlsConfigurationEnum,
            check_server_against_tls_configuration,
        )

        location = sslyze.ServerNetworkLocation("localhost", site.port, "127.0.0.1")
        trust = sslyze.ScanCommandsExtraArguments(
            certificate_info=sslyze.CertificateInfoExtraArgument(custom_ca_file=authority.root)
        )
        wanted = sslyze.ServerScanRequest(
            server_location=location,
            scan_commands=SCAN_COMMANDS_NEEDED_BY_MOZILLA_CHECKER,
            scan_commands_extra_arguments=trust,
        )
        scanner = sslyze.Scanner()
        scanner.queue_scans([wanted])
        result = next(iter(scanner.get_results()))
        profile = MozillaTlsConfiguration.get(TlsConfigurationEnum.MOZILLA_INTERMEDIATE)
        check_server_against_tls_configuration(result, profile)
    curves = [curve.name for curve in result.scan_result.elliptic_curves.result.supported_curves]
    assert curves == ["secp256r1"]
    assert not result.scan_result.session_renegotiation.result.is_vulnerable_to_client_renegotiation_dos


def test_answers_over_tls_carry_hsts(site):
    assert site.call("/refuse").headers["strict-transport-security"] == "max-age=63072000; includeSubDomains"
    assert site.call().json["scheme"] == "https"


def test_a_handshake_that_stalls_is_cut_off(site):
    with socket.create_connection(("127.0.0.1", site.port), 10) as sock:
        assert sock.recv(1) == b""


def test_a_stalled_handshake_does_not_hold_the_shutdown(start, authority, files):
    certificate, key, _ = files
    site = start(trust=authority.trust(), tls_cert_file=certificate, tls_key_file=key, header_timeout=60)
    with socket.create_connection(("127.0.0.1", site.port), 10):
        site.call()
        assert site.stop() == 0
    assert not site.events("worker_killed")


@pytest.mark.parametrize("signalled", [True, False])
def test_a_new_certificate_is_taken_without_dropping_a_connection(
    start, authority, files, eventually, signalled
):
    certificate, key, old = files
    site = start(workers=2, trust=authority.trust(), tls_cert_file=certificate, tls_key_file=key)
    workers = site.pids(2)
    kept = site.connect()
    kept.send(b"GET /ok HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert (kept.reply().status, serial(kept)) == (200, old)

    new = authority.issue(certificate, key)
    if signalled:
        site.signal(signal.SIGHUP)

    def replaced() -> bool:
        return {line["worker"] for line in site.events("certificate_replaced")} == workers

    eventually(replaced, "both workers' reload")
    assert all(serial(site.connect()) == new for _ in range(10))
    kept.send(b"GET /ok HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert kept.reply().status == 200
    assert site.stop() == 0


def test_a_certificate_that_does_not_match_its_key_is_not_taken(site, authority, files, tmp_path):
    certificate, _, old = files

    authority.issue(certificate, tmp_path / "other.key")

    site.logged(event="certificate_refused")
    assert serial(site.connect()) == old
    assert site.call().status == 200


def test_a_refused_pair_leaves_the_context_as_it_was(files, authority, tmp_path):
    certificate, key, _ = files
    context = server_context(certificate, key)
    authority.issue(tmp_path / "new.crt", tmp_path / "new.key")

    with pytest.raises(ssl.SSLError):
        replace_certificate(context, tmp_path / "new.crt", key)
    with pytest.raises(FileNotFoundError):
        replace_certificate(context, tmp_path / "absent.crt", key)


def test_files_that_are_no_certificate_stop_the_start_by_name(tmp_path):
    wrong = tmp_path / "wrong.pem"
    wrong.write_text("no certificate")

    with pytest.raises(StartError, match=r"tls_cert_file .*wrong\.pem"):
        server_context(wrong, wrong)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port: int = sock.getsockname()[1]
        return port


def test_the_plain_listener_only_redirects_and_only_for_its_names(start, authority, files):
    certificate, key, _ = files
    plain, secure = free_port(), free_port()
    site = start(
        trust=authority.trust(),
        tls_cert_file=certificate,
        tls_key_file=key,
        api_port=secure,
        redirect_port=plain,
        public_hosts="localhost",
    )

    reply = site.call("/api/x%20y?q=1", method="POST", body=b"{}", port=plain)

    assert reply.status == 308
    assert reply.headers["location"] == f"https://localhost:{secure}/api/x%20y?q=1"
    assert "strict-transport-security" not in reply.headers
    assert "x-request-id" in reply.headers
    assert site.call(host="evil.example", port=plain).status == 421
    assert site.call(host=None, port=plain).status == 400
    assert site.call(host="localhost").status == 200
    assert site.stop() == 0
