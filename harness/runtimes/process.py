"""The runtime `process`: the target as local processes, without Docker."""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path

from harness import places
from harness.errors import ContractError, RuntimeUnavailable
from harness.runtimes import CannotShow, RuntimeName
from harness.runtimes.bringup import LocalRuntime
from harness.runtimes.files import CONFIG_NAME, Folders, room_on_disk, write_files
from harness.runtimes.interpreter import interpreter_for, reference_interpreter
from harness.runtimes.launch import ADDRESSES, Plan, resolve
from harness.runtimes.overlay import write_package
from harness.runtimes.process_deployment import LOG_NAME, ProcessDeployment, Program
from harness.runtimes.revision import revision
from harness.target import Address, Image, Reference, Source
from harness.watchdog import RUN_VARIABLE

# Linux owns all of 127/8, so that a connection can come from any of its addresses.
LOOPBACK = dict(zip(ADDRESSES, ("127.0.0.9", "127.0.0.66", "127.0.0.77"), strict=True))
HOST = "127.0.0.1"
_NOT_THE_APPLICATION = shutil.ignore_patterns(".git", ".venv", "venv", "__pycache__", "node_modules")


class ProcessRuntime(LocalRuntime):
    """Starts the target with a clean environment, in a process group of its own, its log in a file."""

    name: RuntimeName = "process"
    _python = Path()

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
        pass

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
            process = subprocess.Popen(  # noqa: S603
                program.argv,
                env=program.environment,
                cwd=program.directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return ProcessDeployment(self, plan, folders, program, process, self.ca_file)

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
        environment = self._environment(folders, code) | resolve(plan.environment, values)
        return Program(
            argv=self._argv(plan, values),
            environment=environment,
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

    def _environment(self, folders: Folders, code: Path) -> dict[str, str]:
        return {
            "PATH": f"{self._python.parent}:/usr/local/bin:/usr/bin:/bin",
            "HOME": str(folders.root),
            "TMPDIR": str(folders.root / "tmp"),
            "LANG": "C.UTF-8",
            "PYTHONPATH": str(code),
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
