"""TLS as sslyze sees it: everything the server offers, and Mozilla's profile of what it should. The only
importer of sslyze."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Unpack

from sslyze.mozilla_tls_profile.tls_config_checker import (
    SCAN_COMMANDS_NEEDED_BY_MOZILLA_CHECKER,
    MozillaTlsConfiguration,
    ServerNotCompliantWithTlsConfiguration,
    ServerScanResultIncomplete,
    TlsConfigurationEnum,
    check_server_against_tls_configuration,
)
from sslyze.plugins.certificate_info.implementation import CertificateInfoExtraArgument
from sslyze.plugins.robot._robot_tester import RobotScanResultEnum
from sslyze.plugins.scan_commands import ScanCommand
from sslyze.scanner.models import (
    ScanCommandsExtraArguments,
    ServerScanRequest,
    ServerScanResult,
    ServerScanStatusEnum,
)
from sslyze.scanner.scan_command_attempt import ScanCommandAttemptStatusEnum
from sslyze.scanner.scanner import Scanner
from sslyze.server_setting import ServerNetworkConfiguration, ServerNetworkLocation

from harness.evidence import record, waiting_for_target
from harness.outcome import NotVerified
from harness.probes.handshake import Handshake, HandshakeOptions, shake_hands
from harness.probes.peer import Peer, find_peer
from harness.records import Json, Observation
from harness.runtimes import Deployment

Level = Literal["modern", "intermediate", "old"]
_VERSIONS: Final = {
    "SSLv2": "ssl_2_0_cipher_suites",
    "SSLv3": "ssl_3_0_cipher_suites",
    "TLSv1": "tls_1_0_cipher_suites",
    "TLSv1.1": "tls_1_1_cipher_suites",
    "TLSv1.2": "tls_1_2_cipher_suites",
    "TLSv1.3": "tls_1_3_cipher_suites",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsScan:
    """What the server offers. suites: accepted ones (IANA names) by version; faults: known weaknesses that
    it has."""

    versions: tuple[str, ...]
    suites: Mapping[str, tuple[str, ...]]
    curves: tuple[str, ...]
    trusted: bool
    faults: tuple[str, ...]
    raw: ServerScanResult = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class MozillaVerdict:
    """How the server compares with a level of Mozilla's profile; issues by the name of the property."""

    level: Level
    issues: Mapping[str, str]

    @property
    def compliant(self) -> bool:
        return not self.issues


class TlsProbe:
    """Looks at the TLS listener of one deployment. Raises NotVerified where it has none."""

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment
        self._scanned: TlsScan | None = None

    @property
    def _peer(self) -> Peer:
        peer = find_peer(self._deployment)
        if not peer.tls:
            raise NotVerified("this deployment does not speak TLS")
        return peer

    def handshake(self, **options: Unpack[HandshakeOptions]) -> Handshake:
        """Make one handshake; see `shake_hands`."""
        return shake_hands(self._peer, **options)

    def scan(self, *, again: bool = False) -> TlsScan:
        """Scan the listener (about 1.5 s); a second call returns the same scan unless told `again`."""
        peer = self._peer
        if self._scanned is None or again:
            with waiting_for_target():
                self._scanned = _facts(_scan(peer))
        _record_scan(peer, self._scanned)
        return self._scanned

    def mozilla(self, level: Level = "intermediate") -> MozillaVerdict:
        """Compare the scan with Mozilla's profile. An incomplete scan is NotVerified."""
        configuration = MozillaTlsConfiguration.get(TlsConfigurationEnum(level))
        issues: dict[str, str] = {}
        try:
            check_server_against_tls_configuration(self.scan().raw, configuration)
        except ServerNotCompliantWithTlsConfiguration as found:
            issues = {name: str(issue) for name, issue in found.issues.items()}
        except ServerScanResultIncomplete as cause:
            raise NotVerified(f"the TLS scan is incomplete: {cause}") from None
        shown: dict[str, Json] = {**issues}
        record(
            Observation(subject=f"Mozilla's {level} profile", data={"compliant": not issues, "issues": shown})
        )
        return MozillaVerdict(level=level, issues=issues)


def _scan(peer: Peer) -> ServerScanResult:
    commands = {*SCAN_COMMANDS_NEEDED_BY_MOZILLA_CHECKER, ScanCommand.TLS_1_3_EARLY_DATA}
    extra = ScanCommandsExtraArguments(
        certificate_info=CertificateInfoExtraArgument(custom_ca_file=peer.ca_file) if peer.ca_file else None
    )
    request = ServerScanRequest(
        server_location=ServerNetworkLocation(hostname=peer.name, port=peer.port, ip_address=peer.host),
        network_configuration=ServerNetworkConfiguration(
            tls_server_name_indication=peer.name, network_timeout=5, network_max_retries=1
        ),
        scan_commands=commands,
        scan_commands_extra_arguments=extra,
    )
    scanner = Scanner(per_server_concurrent_connections_limit=5)
    with warnings.catch_warnings():  # sslyze's own root certificates make cryptography warn
        warnings.simplefilter("ignore")
        scanner.queue_scans([request])
        (result,) = scanner.get_results()
    if result.scan_status is not ServerScanStatusEnum.COMPLETED:
        trace = result.connectivity_error_trace
        raise NotVerified(
            f"no TLS connection to scan: {trace.exc_type.__name__ if trace and trace.exc_type else '?'}"
        )
    missing = [
        command
        for command in (*_VERSIONS.values(), "certificate_info")
        if getattr(result.scan_result, command).status is not ScanCommandAttemptStatusEnum.COMPLETED
    ]
    if missing:
        raise NotVerified(f"the TLS scan is incomplete: {', '.join(missing)}")
    return result


def _facts(result: ServerScanResult) -> TlsScan:
    suites = {
        version: tuple(sorted(accepted.cipher_suite.name for accepted in found.accepted_cipher_suites))
        for version, command in _VERSIONS.items()
        if (found := _result(result, command)) is not None and found.accepted_cipher_suites
    }
    curves = _result(result, "elliptic_curves")
    certificates = _result(result, "certificate_info")
    chains = certificates.certificate_deployments
    return TlsScan(
        versions=tuple(suites),
        suites=suites,
        curves=tuple(sorted(curve.name for curve in (curves.supported_curves if curves else None) or ())),
        trusted=bool(chains) and all(chain.verified_certificate_chain for chain in chains),
        faults=tuple(name for name, holds in _FAULTS.items() if holds(result)),
        raw=result,
    )


def _result(result: ServerScanResult, command: str) -> Any:
    """The result of one scan command; None where it could not be completed."""
    return getattr(result.scan_result, command).result


def _is(command: str, attribute: str, value: object) -> Any:
    def holds(result: ServerScanResult) -> bool:
        found = _result(result, command)
        return found is not None and getattr(found, attribute) == value

    return holds


_FAULTS: Final = {
    "compression": _is("tls_compression", "supports_compression", True),
    "heartbleed": _is("heartbleed", "is_vulnerable_to_heartbleed", True),
    "ccs-injection": _is("openssl_ccs_injection", "is_vulnerable_to_ccs_injection", True),
    "robot": _is("robot", "robot_result", RobotScanResultEnum.VULNERABLE_STRONG_ORACLE),
    "no-fallback-scsv": _is("tls_fallback_scsv", "supports_fallback_scsv", False),
    "insecure-renegotiation": _is("session_renegotiation", "supports_secure_renegotiation", False),
    "client-renegotiation": _is("session_renegotiation", "is_vulnerable_to_client_renegotiation_dos", True),
    "no-extended-master-secret": _is("tls_extended_master_secret", "supports_ems_extension", False),
    "early-data": _is("tls_1_3_early_data", "supports_early_data", True),
}


def _record_scan(peer: Peer, scan: TlsScan) -> None:
    suites: dict[str, Json] = {version: [*names] for version, names in scan.suites.items()}
    record(
        Observation(
            subject=f"TLS scan of {peer.authority}",
            data={
                "versions": [*scan.versions],
                "suites": suites,
                "curves": [*scan.curves],
                "chain_trusted": scan.trusted,
                "faults": [*scan.faults],
            },
        )
    )
