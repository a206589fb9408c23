"""A little server over real sockets and real TLS, and the deployment that it stands for."""

from __future__ import annotations

import asyncio
import datetime as dt
import ipaddress
import json
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_hex
from typing import Any, NoReturn

import pytest
import uvicorn
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from harness.defects import Variation
from harness.evidence import Recorder, recording
from harness.load.order import Witness
from harness.runtimes import CannotShow, Completed, Specification
from harness.runtimes.witness import local_witness

NAME = "panotti.test"


@dataclass
class LittleServer:
    """What the little application saw, and what it is told to answer."""

    seen: list[dict[str, Any]] = field(default_factory=list)
    made: int = 0
    answers: dict[tuple[str, str], tuple[int, Any]] = field(default_factory=dict)
    quota: int = 10**9
    delays: Callable[[dict[str, Any]], float] = lambda _: 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if message["type"] != "http.request" or not message.get("more_body"):
                break
        request = {
            "method": scope["method"],
            "path": scope["raw_path"].decode(),
            "query": scope["query_string"].decode(),
            "headers": [
                (name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]
            ],
            "body": body.decode("utf-8", "replace"),
            "client": scope["client"][1],
        }
        with self._lock:
            self.seen.append(request)
            self.made += 1
            number = self.made
        if delay := self.delays(request):
            await asyncio.sleep(delay)
        status, answer, fields = self._answer(request, number)
        payload = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        await send(
            {
                "type": "http.response.start",
                "status": status,
                "headers": [(b"content-type", b"application/json"), *fields],
            }
        )
        await send({"type": "http.response.body", "body": payload})

    def _answer(self, request: dict[str, Any], number: int) -> tuple[int, Any, list[tuple[bytes, bytes]]]:
        route = (request["method"], request["path"])
        if route in self.answers:
            return (*self.answers[route], [])
        if route == ("GET", "/quota"):
            return (200 if number <= self.quota else 429), {}, [(b"retry-after", b"7")]
        if route == ("POST", "/api/recording-started"):
            recording = json.loads(request["body"])["recordingId"]
            return 200, {"status": "success", "recording_id": recording}, []
        return _ROUTES.get(route, _echo)(request, number)


def _echo(request: dict[str, Any], _: int) -> Any:
    return 200, request, [(b"x-request-id", b"abc-12345")]


def _login(_: dict[str, Any], number: int) -> Any:
    cookie = f"__Host-panotti_session=session-{number}-value; Secure; HttpOnly; Path=/".encode()
    return 200, {"csrf_token": f"csrf-{number}-value"}, [(b"set-cookie", cookie)]


def _tokens(_: dict[str, Any], number: int) -> Any:
    pair = {"access_token": f"eyJhbGciOi.{number}.abc", "refresh_token": f"refresh-{number}-value"}
    return 200, {**pair, "expires_in": 60}, []


_MOVED = [(b"location", b"/echo"), (b"set-cookie", b"a=1"), (b"set-cookie", b"b=2; Secure")]
_ROUTES: dict[tuple[str, str], Callable[[dict[str, Any], int], Any]] = {
    ("GET", "/moved"): lambda _, __: (307, {}, _MOVED),
    ("POST", "/admin/api-keys"): lambda _, n: (
        201,
        {"id": f"key-{n}", "key": f"minted-{n}-{token_hex(16)}"},
        [],
    ),
    ("POST", "/admin/users"): lambda _, __: (201, {}, []),
    ("POST", "/auth/token"): _tokens,
    ("POST", "/auth/login"): _login,
}


@dataclass
class LocalDeployment:
    """A deployment whose server runs in this process, and whose commands run on this machine."""

    base_url: str
    plain_url: str | None = None
    ca_file: Path | None = None
    host_name: str = NAME
    api_key: str = "bootstrap-key-of-the-tests-0123456789"
    directory: Path = Path()
    printed: list[str] = field(default_factory=list)
    secrets: Mapping[str, str] = field(default_factory=dict)
    runtime: Any = "process"
    specification: Specification = field(default_factory=lambda: Specification(profile="production"))
    started_in_s: float = 0.0
    relays: dict[str, str] = field(default_factory=dict)
    edges: list[Variation] = field(default_factory=list)
    no_edge: Exception | None = None

    @property
    def replica_urls(self) -> tuple[str, ...]:
        return (self.base_url,)

    def parts(self, name: str) -> NoReturn:
        raise CannotShow(f"no {name}")

    def members(self) -> NoReturn:
        raise CannotShow("no topology")

    def serving(self) -> NoReturn:
        raise CannotShow("there is no edge")

    def add_replica(self) -> NoReturn:
        raise CannotShow("no topology")

    def change_edge(self, variation: Variation) -> None:
        self.edges.append(variation)
        if self.no_edge:
            raise self.no_edge

    def stage(self) -> NoReturn:
        raise CannotShow("no topology")

    def stores(self) -> tuple[()]:
        return ()

    def witness(self) -> AbstractContextManager[Witness]:
        return local_witness()

    def via(self, address: str) -> str:
        if address not in self.relays:
            raise CannotShow(f"this runtime has no client address {address!r}")
        return self.relays[address]

    def address(self, name: str) -> str:
        return "127.0.0.9"

    def execute(self, argv: Sequence[str], *, stdin: str = "", timeout_s: float = 10.0) -> Completed:
        argv = [sys.executable if argv[0] == "python" else argv[0], *argv[1:]]
        done = subprocess.run(
            argv, input=stdin, capture_output=True, text=True, timeout=timeout_s, check=False
        )
        return Completed(status=done.returncode, stdout=done.stdout, stderr=done.stderr)

    def logs(self) -> str:
        return "".join(f"{line}\n" for line in self.printed)

    def path(self, name: str) -> str:
        return str(self.directory / name)

    def kill(self, pid: int, signal: int) -> None:
        raise NotImplementedError

    def terminate(self) -> None:
        raise NotImplementedError

    def wait_exit(self, timeout_s: float) -> int:
        raise NotImplementedError

    def replace_certificate(self) -> str:
        raise NotImplementedError

    def inspect(self) -> Mapping[str, object]:
        raise CannotShow("no container")

    def export_image(self) -> Path:
        raise CannotShow("no image")

    def stop(self) -> None:
        return None


@dataclass(frozen=True)
class Authority:
    """A root and a server certificate signed by it, as files."""

    root: Path
    chain: Path
    key: Path


@pytest.fixture(scope="session")
def authority() -> Iterator[Authority]:
    directory = Path(tempfile.mkdtemp())
    yield make_authority(directory)
    shutil.rmtree(directory)


def make_authority(directory: Path) -> Authority:
    now = dt.datetime.now(dt.UTC)
    root_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    root_name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "The tests' root")])

    def builder(subject: x509.Name, public: Any) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(root_name)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(hours=1))
            .not_valid_after(now + dt.timedelta(days=60))
        )

    usage = x509.KeyUsage(True, False, False, False, False, True, True, False, False)
    root = (
        builder(root_name, root_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(root_key.public_key()), critical=False)
        .sign(root_key, hashes.SHA256())
    )
    names = x509.SubjectAlternativeName(
        [x509.DNSName(NAME), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    )
    leaf = (
        builder(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, NAME)]), key.public_key())
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key()), critical=False
        )
        .sign(root_key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (directory / "root.pem").write_bytes(root.public_bytes(pem))
    (directory / "chain.pem").write_bytes(leaf.public_bytes(pem) + root.public_bytes(pem))
    (directory / "key.pem").write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return Authority(root=directory / "root.pem", chain=directory / "chain.pem", key=directory / "key.pem")


class _Server(uvicorn.Server):
    """Uvicorn in a thread: it tells when it listens, and leaves signals alone."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()


@pytest.fixture
def serve() -> Iterator[Callable[..., str]]:
    """Serves an ASGI application until the test's end: `serve(app, authority=None) -> base URL`."""
    running: list[tuple[_Server, threading.Thread, socket.socket]] = []

    def start(app: Any, authority: Authority | None = None) -> str:
        listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        tls = {"ssl_certfile": authority.chain, "ssl_keyfile": authority.key} if authority else {}
        config = uvicorn.Config(app, log_config=None, lifespan="off", timeout_graceful_shutdown=1, **tls)
        if authority is not None:
            config.load()
            assert config.ssl is not None
            config.ssl.set_ecdh_curve("prime256v1")
        server = _Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        assert server.listening.wait(10)
        running.append((server, thread, listener))
        return f"{'https' if authority else 'http'}://127.0.0.1:{listener.getsockname()[1]}"

    yield start
    for server, _, _ in running:
        server.should_exit = server.force_exit = True
    for _, thread, listener in running:
        thread.join(10)
        listener.close()


@pytest.fixture
def little() -> LittleServer:
    return LittleServer()


@pytest.fixture
def plain(little: LittleServer, serve: Callable[..., str], tmp_path: Path) -> LocalDeployment:
    """The little server without TLS."""
    return LocalDeployment(base_url=serve(little), directory=tmp_path)


@pytest.fixture
def secure(
    little: LittleServer, serve: Callable[..., str], authority: Authority, tmp_path: Path
) -> LocalDeployment:
    """The little server behind TLS, with a plain listener beside it."""
    return LocalDeployment(
        base_url=serve(little, authority), plain_url=serve(little), ca_file=authority.root, directory=tmp_path
    )


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    """The check's own Recorder."""
    with recording(Recorder()) as own:
        yield own
