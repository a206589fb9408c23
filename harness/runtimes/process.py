"""The runtime `process`: the target as local processes, without Docker."""

from __future__ import annotations

import os
import shutil
import socket
import threading
from collections.abc import Sequence
from pathlib import Path

from harness import places
from harness.errors import ContractError, RuntimeUnavailable
from harness.records import Json
from harness.runtimes import CannotShow, RuntimeName
from harness.runtimes.bringup import LocalRuntime, Progress, Starting
from harness.runtimes.files import CONFIG_NAME, Folders, room_on_disk, write_files
from harness.runtimes.forkserver import CannotFork, ForkServer, modules_of
from harness.runtimes.interpreter import interpreter_for, reference_interpreter
from harness.runtimes.launch import ADDRESSES, Plan, resolve
from harness.runtimes.overlay import write_package
from harness.runtimes.process_deployment import LOG_NAME, ProcessDeployment
from harness.runtimes.program import Program, Started, start
from harness.runtimes.revision import revision
from harness.target import Address, Image, Reference, Source, Target
from harness.watchdog import RUN_VARIABLE
from harness.workspace import Workspace

# Linux owns all of 127/8, so that a connection can come from any of its addresses.
LOOPBACK = dict(zip(ADDRESSES, ("127.0.0.9", "127.0.0.66", "127.0.0.77"), strict=True))
HOST = "127.0.0.1"
NO_FORK = "HARNESS_NO_FORK"  # set: every deployment is started as a program of its own
_NOT_THE_APPLICATION = shutil.ignore_patterns(".git", ".venv", "venv", "__pycache__", "node_modules")


class ProcessRuntime(LocalRuntime):
    """Starts the target with a clean environment, in a process group of its own, its log in a file."""

    name: RuntimeName = "process"
    _python = Path()

    def __init__(self, target: Target, workspace: Workspace, progress: Progress) -> None:
        super().__init__(target, workspace, progress)
        self._forks: ForkServer | str | None = None
        self._forking = threading.Lock()

    def _prepare(self) -> None:
        match self.target:
            case Reference():
                self._python = reference_interpreter()
            case Source(folder=folder):
                self._python = interpreter_for(folder / "requirements.txt", self.progress)
            case Image(name=name):
                raise RuntimeUnavailable(
                    f"image:{name}: an image cannot be run as a process",
                    remedy="Use --runtime containers.",
                )
            case Address(url=url):
                raise ContractError(f"{url} is up already", remedy="Use --runtime external.")

    def _release(self) -> None:
        if isinstance(self._forks, ForkServer):
            self._forks.close()

    def address_of(self, name: str) -> str:
        """The loopback address behind a name. Raises `CannotShow` where the system does not own 127/8."""
        address = HOST if name == "direct" else LOOPBACK[name]
        with socket.socket() as probe:
            try:
                probe.bind((address, 0))
            except OSError:
                raise CannotShow(
                    f"this system cannot send from {address}, which stands for '{name}'"
                ) from None
        return address

    def _launch(self, plan: Plan) -> ProcessDeployment:
        folders = Folders(root=self.workspace.folder("deployment"))
        write_files(plan, folders)
        program = self._program(plan, folders)
        with room_on_disk(folders.root), (folders.root / LOG_NAME).open("wb") as log:
            try:
                process: Started = self._forkserver(plan).start(program, log)
                reason = ""
            except CannotFork as cause:
                process, reason = start(program, log), str(cause)
        return ProcessDeployment(self, plan, folders, program, process, self.ca_file, not_forked=reason)

    def _how(self, launched: Starting) -> dict[str, Json]:
        """Whether it was forked, or why it is a program of its own."""
        why = launched.not_forked if isinstance(launched, ProcessDeployment) else ""
        return {"start": "program", "because": why} if why else {"start": "forked"}

    def _forkserver(self, plan: Plan) -> ForkServer:
        """Return the one of this runtime; the first call starts it. Raises `CannotFork`."""
        if os.environ.get(NO_FORK):
            raise CannotFork(f"{NO_FORK} is set")
        if not isinstance(self.target, Reference):
            raise CannotFork("what a target of one's own loads is not known")
        beside = [path for path in plan.overlay.package if not path.startswith(f"{places.PACKAGE.name}/")]
        if beside:
            raise CannotFork(f"{beside[0]} would be found before the modules that are loaded")
        with self._forking:
            if self._forks is None:
                self._forks = self._new_forkserver()
            if isinstance(self._forks, str):
                raise CannotFork(self._forks)
            return self._forks

    def _new_forkserver(self) -> ForkServer | str:
        """Start one; or say why there is none, so that it is tried once."""
        folder, python = self.workspace.folder("forkserver"), str(self._python)
        (folder / "tmp").mkdir()
        try:
            modules = modules_of(places.PACKAGE, python, places.REQUIREMENTS)
            return ForkServer(python, modules, self._environment(folder), folder)
        except CannotFork as cause:
            return str(cause)

    def _program(self, plan: Plan, folders: Folders) -> Program:
        port, redirect_port = free_ports(2)
        for name in ("data", "state", "tmp"):
            (folders.root / name).mkdir()
        values = LOOPBACK | {
            "direct": HOST,
            "host": HOST,
            "port": str(port),
            "redirect_port": str(redirect_port),
            "profile": plan.specification.profile,
            "revision": revision(),
            "data": str(folders.root / "data"),
            "state": str(folders.root / "state"),
            "secrets": str(folders.secrets),
            "tls_cert": str(folders.tls / "cert.pem"),
            "tls_key": str(folders.tls / "key.pem"),
        }
        if plan.settings is not None:
            values["config"] = str(folders.config / CONFIG_NAME)
        directory, code = self._code(plan, folders)
        given = {"PYTHONPATH": str(code), **resolve(plan.environment, values)}
        return Program(
            argv=self._argv(plan, values),
            environment=self._environment(folders.root) | given,
            python=str(self._python),
            directory=directory,
            code=code / places.PACKAGE.name if isinstance(self.target, Reference) else code,
            port=port,
            redirect_port=redirect_port if plan.redirects else None,
        )

    def _code(self, plan: Plan, folders: Folders) -> tuple[Path, Path]:
        """Return the working directory, and the folder that goes first on PYTHONPATH."""
        if isinstance(self.target, Source):
            # A copy: what the application writes beside its code must not stay behind in the user's folder.
            copy = shutil.copytree(
                self.target.folder, folders.root / "source", ignore=_NOT_THE_APPLICATION, symlinks=True
            )
            return copy, copy
        if plan.overlay.package:
            return folders.root, write_package(folders.overlay, plan.overlay)
        return folders.root, places.PROJECT

    def _environment(self, home: Path) -> dict[str, str]:
        return {
            "PATH": f"{self._python.parent}:/usr/local/bin:/usr/bin:/bin",
            "HOME": str(home),
            "TMPDIR": str(home / "tmp"),
            "LANG": "C.UTF-8",
            "PYTHONUNBUFFERED": "1",
            RUN_VARIABLE: self.workspace.run_id,
        }

    def _argv(self, plan: Plan, values: dict[str, str]) -> tuple[str, ...]:
        launch = plan.launch
        if launch.command:
            command = resolve({str(n): word for n, word in enumerate(launch.command)}, values)
            return with_python(tuple(command.values()), str(self._python))
        tls = ("--ssl-certfile", values["tls_cert"], "--ssl-keyfile", values["tls_key"]) if plan.leaf else ()
        return (
            *(str(self._python), "-m", "uvicorn", launch.app),
            *("--host", HOST, "--port", values["port"], *tls),
        )


def with_python(argv: Sequence[str], python: str) -> tuple[str, ...]:
    """Return `argv` with the word `python` in the first place replaced by the interpreter."""
    return (python, *argv[1:]) if argv[0] == "python" else tuple(argv)


def free_ports(count: int) -> list[int]:
    """Return ports that are free now; another process may still be faster (the caller then tries again)."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind((HOST, 0))
        return [int(each.getsockname()[1]) for each in sockets]
    finally:
        for each in sockets:
            each.close()
