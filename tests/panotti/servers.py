"""A PostgreSQL and a Redis server of the tests' own: on a free loopback port, in a folder of theirs."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

POSTGRESQL = Path("/usr/lib/postgresql/15/bin")
USER = "panotti"
# PostgreSQL refuses to run as root.
UNPRIVILEGED = "nobody"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return found.getsockname()[1]


class Server:
    """One server process and its children; `stop` ends it, `paused` lets it hang."""

    def __init__(self, name: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix=f"panotti-{name}-"))
        self.port = free_port()
        self.password = secrets.token_urlsafe(32)
        self.options: dict[str, object] = {"cwd": self.folder, "stdout": subprocess.DEVNULL}
        if os.geteuid() == 0:
            account = pwd.getpwnam(UNPRIVILEGED)
            os.chown(self.folder, account.pw_uid, account.pw_gid)
            self.options |= {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
        self.process: subprocess.Popen[bytes] | None = None

    def run(self, *command: object) -> None:
        """Runs a program of the server to its end."""
        subprocess.run([*map(str, command)], check=True, **self.options)  # type: ignore[call-overload]

    def launch(self, *command: object) -> None:
        """Starts the server itself, and waits until its port is open."""
        log = (self.folder / "log").open("ab")
        self.process = subprocess.Popen([*map(str, command)], stderr=log, **self.options)  # type: ignore[call-overload]
        log.close()
        deadline = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
            except OSError:
                ended = self.process.poll() is not None
                if ended or time.monotonic() > deadline:
                    raise AssertionError((self.folder / "log").read_text()) from None
                time.sleep(0.02)
            else:
                return

    def stop(self) -> None:
        if self.process is not None:
            # A paused process takes no other signal.
            self._tell(signal.SIGCONT)
            self.process.send_signal(signal.SIGINT)
            self.process.wait(60)
            self.process = None

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Nothing of the server runs meanwhile, as in a container that is paused."""
        self._tell(signal.SIGSTOP)
        try:
            yield
        finally:
            self._tell(signal.SIGCONT)

    def _tell(self, number: signal.Signals) -> None:
        assert self.process is not None
        pid = self.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        for each in (pid, *map(int, children)):
            os.kill(each, number)


class PostgreSQL(Server):
    """A cluster with the role `panotti`, which may make databases."""

    def __init__(self) -> None:
        super().__init__("postgresql")
        secret = self.folder / "password"
        secret.write_text(self.password)
        secret.chmod(0o644)
        data = self.folder / "data"
        self.run(
            POSTGRESQL / "initdb",
            *("--pgdata", data, "--username", USER, "--pwfile", secret, "--auth", "scram-sha-256"),
            *("--no-sync", "--encoding", "UTF8", "--no-locale"),
        )
        self.start()

    def start(self) -> None:
        options = {"port": self.port, "listen_addresses": "127.0.0.1", "unix_socket_directories": ""}
        options |= {"fsync": "off", "max_connections": "60", "shared_buffers": "16MB"}
        settings = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        self.launch(POSTGRESQL / "postgres", "-D", self.folder / "data", *settings)
        # Its port is open before it takes connections.
        asked = [str(POSTGRESQL / "pg_isready"), "--host=127.0.0.1", f"--port={self.port}", "--quiet"]
        deadline = time.monotonic() + 60
        while subprocess.run(asked, check=False).returncode:
            assert time.monotonic() < deadline, (self.folder / "log").read_text()
            time.sleep(0.02)

    def url(self, database: str) -> str:
        return f"postgresql://{USER}@127.0.0.1:{self.port}/{database}"


class Redis(Server):
    """An empty server that keeps nothing."""

    def __init__(self) -> None:
        super().__init__("redis")
        file = self.folder / "redis.conf"
        file.write_text(
            f'port {self.port}\nbind 127.0.0.1\nsave ""\nappendonly no\nrequirepass {self.password}\n'
        )
        file.chmod(0o644)
        self.start()

    def start(self) -> None:
        self.launch("redis-server", self.folder / "redis.conf")

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"


class Network:
    """A way to a server's port that can lose its connections, as a network does that is taken away.

    Both ends of a lost connection hear nothing of it; whoever goes on talking is told then (a reset).
    """

    def __init__(self, port: int) -> None:
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._lost = threading.Event()
        self._ends: list[socket.socket] = []
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    def lose(self) -> None:
        """All connections that there are."""
        self._lost.set()
        self._lost = threading.Event()

    def close(self) -> None:
        # A thread that waits for the next connection is not woken by closing alone.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._accepting.join()
        for each in (self._listener, *self._ends):
            each.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            far = socket.create_connection(("127.0.0.1", self._target))
            self._ends += (near, far)
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=_copy, args=(source, sink, self._lost), daemon=True).start()


def _copy(source: socket.socket, sink: socket.socket, lost: threading.Event) -> None:
    try:
        while data := source.recv(65536):
            if lost.is_set():
                # Closed without lingering, it is reset.
                source.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                source.close()
                return
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass
