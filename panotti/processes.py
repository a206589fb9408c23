"""The parent process: binds, forks the workers, replaces the dead, and ends them in order."""

from __future__ import annotations

import gc
import os
import signal
import socket
import ssl
import sys
from pathlib import Path
from time import monotonic

from starlette.types import ASGIApp
from uvicorn.config import STARTUP_FAILURE

from panotti.alive import announce
from panotti.errors import StartError
from panotti.logs import log
from panotti.settings import Settings
from panotti.worker import Sockets, run_worker

HANDLED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)
# How often (seconds) certificate and source files are looked at.
WATCH_INTERVAL = 1.0
# A worker that dies younger than this is replaced ever later, up to MAX_DELAY.
INFANT = 1.0
MAX_DELAY = 5.0

Stamp = tuple[tuple[int, int, int], ...]


class Supervisor:
    """Keeps `settings.workers` processes serving `app` on the sockets that it binds."""

    def __init__(self, app: ASGIApp, settings: Settings, context: ssl.SSLContext | None) -> None:
        self.app = app
        self.settings = settings
        self.context = context
        # Nothing is written: a worker sees the end of the pipe when the supervisor is gone, however it went.
        self.lifeline, self.life = os.pipe()
        self.main = bind(settings.api_host, settings.api_port, "api_port")
        self.redirect = None
        if settings.redirect_port:
            self.redirect = bind(settings.api_host, settings.redirect_port, "redirect_port")
        self.workers: dict[int, float] = {}
        self.delay = 0.0
        self.due = 0.0
        self.status = 0

    def run(self) -> int:
        """Serve until told to stop; 0, or 1 if the workers cannot start."""
        signal.pthread_sigmask(signal.SIG_BLOCK, HANDLED)
        # What exists now is shared with the workers; collecting it would copy it into each of them.
        gc.collect()
        gc.freeze()
        gc.enable()
        certificates, sources = self._certificates(), self._sources()
        self._fill()
        self._announce()
        log.info("started", pid=os.getpid(), workers=len(self.workers), address=self._address())
        while True:
            match self._wait(self._pause()):
                case signal.SIGTERM | signal.SIGINT:
                    break
                case signal.SIGHUP:
                    self._tell(signal.SIGHUP)
            self._reap()
            if self.status:
                break
            self._fill()
            if (seen := self._certificates()) != certificates:
                certificates = seen
                self._tell(signal.SIGHUP)
            if self.settings.reload and self._sources() != sources:
                self._start_again()
        self._stop()
        return self.status

    def _fill(self) -> None:
        while len(self.workers) < self.settings.workers and monotonic() >= self.due:
            self._fork()

    def _fork(self) -> None:
        pid = os.fork()
        if pid:
            self.workers[pid] = monotonic()
            return
        status = 1
        try:
            os.close(self.life)
            sockets = Sockets(main=self.main, redirect=self.redirect, lifeline=self.lifeline)
            status = run_worker(self.app, self.settings, sockets, self.context)
        except SystemExit as exit_:
            status = exit_.code if isinstance(exit_.code, int) else 1
        except BaseException as error:
            log.error("worker_failed", exc_info=error)
        finally:
            # The parent's clean-up handlers are the parent's.
            os._exit(status)

    def _reap(self) -> None:
        while self.workers:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                return
            born = self.workers.pop(pid, None)
            # As the first process of a container it also inherits what others leave behind.
            if born is None:
                continue
            self._judge(os.waitstatus_to_exitcode(status), pid, monotonic() - born)

    def _judge(self, code: int, pid: int, age: float) -> None:
        log.error("worker_died", worker=pid, status=code, age=round(age, 3))
        young = age < INFANT
        self.delay = min(MAX_DELAY, max(0.1, self.delay * 2)) if young else 0.0
        self.due = monotonic() + self.delay
        if code == STARTUP_FAILURE and not self.workers:
            self.status = 1

    def _pause(self) -> float:
        if len(self.workers) == self.settings.workers:
            return WATCH_INTERVAL
        return min(WATCH_INTERVAL, max(0.0, self.due - monotonic()))

    def _wait(self, seconds: float) -> int | None:
        found = signal.sigtimedwait(HANDLED, seconds)
        return found.si_signo if found else None

    def _tell(self, number: signal.Signals) -> None:
        for pid in self.workers:
            # Not reaped yet, so the number cannot belong to anybody else.
            os.kill(pid, number)

    def _stop(self) -> None:
        for sock in (self.main, self.redirect):
            if sock is not None:
                sock.close()
        self._tell(signal.SIGTERM)
        deadline = monotonic() + self.settings.shutdown_grace
        while self.workers and (left := deadline - monotonic()) > 0:
            if self._wait(min(left, WATCH_INTERVAL)) == signal.SIGINT:
                break
            self._collect()
        self._tell(signal.SIGKILL)
        for pid in tuple(self.workers):
            log.error("worker_killed", worker=pid)
            os.waitpid(pid, 0)
        log.info("stopped", pid=os.getpid())

    def _collect(self) -> None:
        for pid in tuple(self.workers):
            if os.waitpid(pid, os.WNOHANG)[0]:
                del self.workers[pid]

    def _address(self) -> str:
        host, port = self.main.getsockname()[:2]
        name = f"[{host}]" if ":" in host else host
        return f"{'https' if self.context else 'http'}://{name}:{port}"

    def _announce(self) -> None:
        host, port = self.main.getsockname()[:2]
        name = next(iter(self.settings.public_hosts), host)
        announce(self.settings.counters_dir, host=host, port=port, tls=self.context is not None, name=name)

    def _certificates(self) -> Stamp:
        return _stamp(self.settings.tls_cert_file, self.settings.tls_key_file)

    def _sources(self) -> Stamp:
        return _stamp(*sorted(Path(__file__).parent.rglob("*.py"))) if self.settings.reload else ()

    def _start_again(self) -> None:
        self._stop()
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        os.execv(sys.executable, [sys.executable, "-m", "panotti", *sys.argv[1:]])  # noqa: S606 - itself


def bind(host: str, port: int, setting: str) -> socket.socket:
    """A bound socket; 0 lets the system choose. Raises StartError naming `setting`."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
    except OSError as error:
        sock.close()
        raise StartError([f"{setting}: cannot listen on {host} port {port}: {error.strerror}"]) from error
    return sock


def _stamp(*files: Path | None) -> Stamp:
    found = []
    for file in files:
        try:
            status = file.stat() if file else None
        except OSError:
            status = None
        found.append((status.st_mtime_ns, status.st_ino, status.st_size) if status else (0, 0, 0))
    return tuple(found)
