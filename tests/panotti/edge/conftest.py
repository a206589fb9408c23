"""Real servers and real sockets for the tests of the edge."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.panotti.edge.nursery import Forked, Nursery

PATIENCE = 60.0


def until(condition: Callable[[], Any], what: str) -> Any:
    """The first true value of `condition`; fails, naming `what`, when it does not come."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.005)
    pytest.fail(f"{what}: not within {PATIENCE:g} s")


@dataclass(frozen=True)
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Connection:
    """One connection, spoken in bytes."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.buffer = b""

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def reply(self, *, bodyless: bool = False) -> Reply:
        while b"\r\n\r\n" not in self.buffer:
            self._more()
        head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers: dict[str, str] = {}
        for line in lines:
            name, _, value = line.partition(": ")
            headers[name] = value
        length = 0 if bodyless else int(headers.get("content-length", 0))
        while len(self.buffer) < length:
            self._more()
        body, self.buffer = self.buffer[:length], self.buffer[length:]
        return Reply(int(first.split()[1]), headers, body)

    def rest(self) -> bytes:
        """Everything up to the end of the connection."""
        try:
            while data := self.sock.recv(65536):
                self.buffer += data
        except ConnectionResetError:
            pass
        return self.buffer

    def close(self) -> None:
        self.sock.close()

    def _more(self) -> None:
        data = self.sock.recv(65536)
        if not data:
            raise ConnectionError(f"closed after {self.buffer!r}")
        self.buffer += data


@dataclass
class Server:
    process: Forked
    log: Path
    gate: Path
    trust: ssl.SSLContext | None = None
    open_connections: list[Connection] = field(default_factory=list)

    @property
    def port(self) -> int:
        lines = (line for line in self.lines() if line["event"] == "started")
        return int(next(lines)["address"].rpartition(":")[2])

    def lines(self) -> list[dict[str, Any]]:
        text = self.log.read_bytes()
        return [json.loads(line) for line in text.splitlines() if line.endswith(b"}")]

    def events(self, name: str) -> list[dict[str, Any]]:
        return [line for line in self.lines() if line["event"] == name]

    def logged(self, **fields: Any) -> dict[str, Any]:
        """The log line with these fields, waited for."""

        def find() -> dict[str, Any] | None:
            return next((x for x in self.lines() if all(x.get(k) == v for k, v in fields.items())), None)

        found: dict[str, Any] = until(find, f"log line with {fields}")
        return found

    def connect(self, source: str | None = None, port: int | None = None) -> Connection:
        address = (source, 0) if source else None
        sock = socket.create_connection(("127.0.0.1", port or self.port), PATIENCE, source_address=address)
        if self.trust is not None and port is None:
            sock = self.trust.wrap_socket(sock, server_hostname="localhost")
        connection = Connection(sock)
        self.open_connections.append(connection)
        return connection

    def call(
        self,
        path: str = "/ok",
        *headers: str,
        method: str = "GET",
        body: bytes = b"",
        source: str | None = None,
        host: str | None = "localhost",
        port: int | None = None,
    ) -> Reply:
        connection = self.connect(source, port)
        connection.send(request(path, *headers, method=method, body=body, host=host))
        reply = connection.reply(bodyless=method == "HEAD")
        connection.close()
        return reply

    def pids(self, count: int) -> set[int]:
        """The workers, once `count` of them have answered."""
        seen: set[int] = set()

        def enough() -> bool:
            seen.add(self.call().json["pid"])
            return len(seen) >= count

        until(enough, f"{count} workers answering")
        return seen

    def signal(self, number: int) -> None:
        os.kill(self.process.pid, number)

    def stop(self) -> int:
        self.signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)


def request(
    path: str = "/ok",
    *headers: str,
    method: str = "GET",
    body: bytes = b"",
    host: str | None = "localhost",
) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", *headers]
    if host is not None:
        lines.append(f"Host: {host}")
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join((*lines, "", "")).encode("latin-1") + body


Start = Callable[..., Server]


@pytest.fixture(scope="session")
def nursery() -> Iterator[Nursery]:
    forking = Nursery()
    yield forking
    forking.close()


@pytest.fixture
def start(tmp_path: Path, nursery: Nursery) -> Iterator[Start]:
    """Starts servers with settings given as keywords; `trust` is the client's TLS context."""
    yield from _starter(tmp_path, nursery)


@pytest.fixture(scope="module")
def start_shared(tmp_path_factory: pytest.TempPathFactory, nursery: Nursery) -> Iterator[Start]:
    """The same for servers that a module's tests only look at."""
    yield from _starter(tmp_path_factory.mktemp("shared"), nursery)


def _starter(tmp_path: Path, nursery: Nursery) -> Iterator[Start]:
    servers: list[Server] = []

    def begin(*, trust: ssl.SSLContext | None = None, ready: bool = True, **settings: object) -> Server:
        number = len(servers)
        log, gate = tmp_path / f"{number}.log", tmp_path / f"{number}.gate"
        values = {"workers": 1, "api_port": 0, "data_dir": tmp_path / f"data{number}", **settings}
        environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith(("PANOTTI", "API"))},
            **{f"PANOTTI_{key.upper()}": str(value) for key, value in values.items() if key.islower()},
            **{key: str(value) for key, value in values.items() if key.isupper()},
            "GATE": str(gate),
        }
        log.touch()
        process = nursery.fork(environment, tmp_path, log)
        server = Server(process, log, gate, trust)
        servers.append(server)
        if ready:
            until(lambda: process.poll() is not None or _listens(server), "the server listening")
            assert process.poll() is None, log.read_text()
        return server

    yield begin
    for server in servers:
        server.gate.touch()
        for connection in server.open_connections:
            connection.close()
        if server.process.poll() is None:
            server.process.terminate()
            server.process.wait(PATIENCE)


def _listens(server: Server) -> bool:
    if not re.search(rb'"event":"started"', server.log.read_bytes()):
        return False
    try:
        socket.create_connection(("127.0.0.1", server.port), 1).close()
    except OSError:
        return False
    return True


@dataclass(frozen=True)
class Authority:
    """A root that issues P-256 leaves for localhost."""

    folder: Path
    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @property
    def root(self) -> Path:
        path = self.folder / "root.pem"
        path.write_bytes(self.certificate.public_bytes(Encoding.PEM))
        return path

    def trust(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.root))

    def issue(self, certificate: Path, key: Path) -> int:
        """Writes a new leaf and its key; the leaf's serial number."""
        private = ec.generate_private_key(ec.SECP256R1())
        names = [x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))]
        leaf = (
            _builder("localhost", self.certificate.subject, private.public_key(), days=90)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False
            )
            .sign(self.key, hashes.SHA256())
        )
        pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        for path, content in ((key, pem), (certificate, leaf.public_bytes(Encoding.PEM))):
            fresh = path.with_suffix(".new")
            fresh.write_bytes(content)
            fresh.rename(path)
        return leaf.serial_number


def _builder(
    name: str, issuer: x509.Name | None, public: ec.EllipticCurvePublicKey, days: int
) -> x509.CertificateBuilder:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC) - timedelta(minutes=5)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer or subject)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=days))
    )


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    usage = x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=True,
        crl_sign=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
    root = (
        _builder("edge test root", None, key.public_key(), days=365)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return Authority(tmp_path, key, root)


@pytest.fixture
def eventually() -> Callable[[Callable[[], Any], str], Any]:
    """Waits for a condition: the tests' only way to wait."""
    return until
