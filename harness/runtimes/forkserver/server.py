"""The fork server: an interpreter that holds modules loaded, and forks a child for every program ordered.

    server.py DESCRIPTOR    (a SOCK_SEQPACKET socket to the harness)

The first packet names the modules, one a line. Once they are loaded the server answers with a packet of JSON:
{"read": [variables that were looked up meanwhile], "problem": what else loading them did, "" for nothing}.
Every later packet orders a program. It carries two descriptors: the program's log, and a stream on which
{"argv", "environment", "directory"} follows as one line of JSON. On the stream the child writes {"pid"} when
the program is about to run, or {"refused": why}, and the server writes {"status"} when the child has ended.
The server reaps the child when the harness shuts the stream down: until then no other process has its pid.
The end of the socket ends the server, not the children.

A child is what the interpreter would be after starting the same program, but for two things that cannot be
seen from outside: its hashes of strings have the server's seed, and what was loaded before is left out of
garbage collections (gc.freeze), for they would copy its memory into each child.

The harness is not imported: this runs in the target's interpreter.
"""

from __future__ import annotations

import builtins
import contextlib
import ctypes
import gc
import importlib
import json
import logging
import multiprocessing
import os
import runpy
import selectors
import signal
import socket
import struct
import sys
import threading
import time
import types
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

_PR_SET_MM = 35
_PR_SET_MM_MAP = 14
_PACKET = 1 << 20
_ORDER_S = 10.0
_EVERYTHING = "*"

# A name in a module's dictionary, or in one that stands there, and what follows the directory in its value.
Place = tuple[dict[str, Any], str, str]

_libc = ctypes.CDLL(None, use_errno=True)
_libc.sbrk.restype = ctypes.c_void_p


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A program to become. log, stream: as the order brought them."""

    argv: list[str]
    environment: dict[str, str]
    directory: str
    log: int
    stream: socket.socket


@dataclass(slots=True, kw_only=True)
class Child:
    """One that was forked. ended, released: it has a status to be told; the harness has let go of it."""

    pid: int
    pidfd: int
    stream: socket.socket
    ended: bool = False
    released: bool = False


class Recording(type(os.environ)):  # type: ignore[misc]
    """The environment, noting which variables are looked up."""

    seen: ClassVar[set[str]] = set()

    def __getitem__(self, name: str) -> str:
        self.seen.add(name)
        return str(super().__getitem__(name))

    def __iter__(self) -> Iterator[str]:
        self.seen.add(_EVERYTHING)
        return iter([*super().__iter__()])


def load(control: socket.socket) -> list[Place]:
    """Load the modules and say so; return the paths in them that are each child's own."""
    modules = control.recv(_PACKET).decode().split()
    before = state()
    sort = type(os.environ)
    os.environ.__class__ = Recording
    for name in modules:
        # A name that some package has made up for an object of its own cannot be imported by itself.
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    os.environ.__class__ = sort
    changed = sorted(name for name, value in state().items() if value != before[name])
    problem = f"loading its packages changed {', '.join(changed)}" if changed else ""
    if _EVERYTHING in Recording.seen:
        problem = problem or "loading its packages reads the whole environment"
    # Found here once: to look for them, a child would have to copy all memory in which objects stand.
    places = own_paths(os.getcwd())  # noqa: PTH109
    gc.collect()
    gc.freeze()
    control.send(json.dumps({"read": sorted(Recording.seen), "problem": problem}).encode())
    return places


def state() -> dict[str, object]:
    """What loading a module must leave alone: a child would have it from here and not from its own start."""
    return {
        "the environment": dict(os.environ),
        "the working directory": os.getcwd(),  # noqa: PTH109
        "the search path": [*sys.path],
        "signal handlers": {number: signal.getsignal(number) for number in signal.valid_signals()},
        "the number of threads": len(os.listdir("/proc/self/task")),  # noqa: PTH208
        "the open files": sorted(os.listdir("/proc/self/fd")),  # noqa: PTH208
        "what was printed": os.fstat(1).st_size,
    }


def serve(control: socket.socket) -> Order | None:
    """Fork for every order, and tell of every end. In a child return its order; None at the harness's end."""
    selector = selectors.DefaultSelector()
    selector.register(control, selectors.EVENT_READ)
    while True:
        for key, _ in selector.select():
            child: Child | None = key.data
            if child is not None:
                _attend(selector, child, ended=key.fd == child.pidfd)
                continue
            packet, descriptors, _, _ = socket.recv_fds(control, 1, 2)
            if not packet:
                return None
            order = _order(*descriptors)
            if order is not None and _fork(selector, order):
                return order


def _order(log: int, stream_fd: int) -> Order | None:
    stream = socket.socket(fileno=stream_fd)
    stream.settimeout(_ORDER_S)
    try:
        with stream.makefile("rb") as lines:
            return Order(**json.loads(lines.readline()), log=log, stream=stream)
    except (OSError, ValueError):  # the harness ended meanwhile
        os.close(log)
        stream.close()
        return None


def _fork(selector: selectors.BaseSelector, order: Order) -> bool:
    """Return whether this is the child, without anything of its parent's but the order."""
    pid = os.fork()
    if pid:
        os.close(order.log)
        child = Child(pid=pid, pidfd=os.pidfd_open(pid), stream=order.stream)
        selector.register(child.stream, selectors.EVENT_READ, child)
        selector.register(child.pidfd, selectors.EVENT_READ, child)
        return False
    for key in [*selector.get_map().values()]:
        if isinstance(key.fileobj, socket.socket):
            key.fileobj.close()
        else:
            os.close(key.fd)
    selector.close()
    return True


def _attend(selector: selectors.BaseSelector, child: Child, *, ended: bool) -> None:
    """Tell of a child's end, or take note that the harness has let go of it; after both reap it."""
    if ended:
        selector.unregister(child.pidfd)
        child.ended = True
        found = os.waitid(os.P_PIDFD, child.pidfd, os.WEXITED | os.WNOWAIT)
        assert found is not None
        status = found.si_status if found.si_code == os.CLD_EXITED else -found.si_status
        with contextlib.suppress(OSError):
            child.stream.sendall(json.dumps({"status": status}).encode() + b"\n")
    else:
        selector.unregister(child.stream)
        child.released = True
    if child.ended and child.released:
        os.waitpid(child.pid, 0)
        os.close(child.pidfd)
        child.stream.close()


def prepare(order: Order, places: list[Place]) -> None:
    """Make this child what the interpreter is at the start of a program."""
    os.setsid()
    for descriptor in (1, 2):
        os.dup2(order.log, descriptor)
    os.close(order.log)
    os.chdir(order.directory)
    os.environ.clear()
    os.environ.update(order.environment)
    given = filter(None, order.environment.get("PYTHONPATH", "").split(os.pathsep))
    sys.path[:] = [os.getcwd(), *dict.fromkeys([*given, *sys.path])]  # noqa: PTH109
    sys.orig_argv[:] = order.argv
    sys.argv[:] = order.argv[1:2] + order.argv[3:]
    for values, name, rest in places:
        values[name] = order.directory + rest
    logging._startTime = time.time()  # type: ignore[attr-defined]  # noqa: SLF001
    multiprocessing.current_process().authkey = os.urandom(32)
    threading.main_thread()._set_native_id()  # type: ignore[attr-defined]  # noqa: SLF001
    show(order.argv, order.environment)


def own_paths(root: str) -> list[Place]:
    """Find what modules have made of the server's HOME and directory: names whose value is a path below."""
    found: list[Place] = []
    for module in [*sys.modules.values()]:
        names = getattr(module, "__dict__", {})
        for values in (names, *(one for one in names.values() if type(one) is dict)):
            found += [
                (values, name, value.removeprefix(root))
                for name, value in values.items()
                if type(value) is str and (value == root or value.startswith(f"{root}/"))
            ]
    return found


def show(argv: list[str], environment: dict[str, str]) -> None:
    """Let /proc show these as this process's command line and environment. Raises OSError where it cannot."""
    words = b"".join(os.fsencode(word) + b"\0" for word in argv)
    pairs = b"".join(os.fsencode(f"{name}={value}") + b"\0" for name, value in environment.items())
    block = ctypes.create_string_buffer(words + pairs, len(words) + len(pairs))
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(block))  # the kernel reads it as long as the process lives
    start = ctypes.addressof(block)
    middle, end = start + len(words), start + len(words) + len(pairs)
    # The fields of proc(5), which counts from 1; the name in brackets is the second.
    stat = Path("/proc/self/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
    code, stack, data, heap = stat[23:25], stat[25], stat[42:44], stat[44]
    # struct prctl_mm_map of linux/prctl.h: auxiliary vector and executable stay as they are.
    layout = (*code, *data, heap, _libc.sbrk(0), stack, start, middle, middle, end, 0, 0, 0xFFFFFFFF)
    packed = struct.pack("=12Q2I", *map(int, layout))
    if _libc.prctl(_PR_SET_MM, _PR_SET_MM_MAP, packed, len(packed), 0) != 0:
        raise OSError(ctypes.get_errno(), "the kernel does not let /proc show another command line")
    own = Path("/proc/self")
    if ((own / "cmdline").read_bytes(), (own / "environ").read_bytes()) != (words, pairs):
        raise OSError("/proc does not show the command line and environment that were set")


def run(order: Order) -> None:
    """Run the program to its end, as `python -m` does."""
    fresh = types.ModuleType("__main__")
    fresh.__dict__.update(__builtins__=builtins, __annotations__={})
    sys.modules["__main__"] = fresh
    try:
        runpy._run_module_as_main(order.argv[2])  # type: ignore[attr-defined]  # noqa: SLF001
    except SystemExit:
        raise
    except BaseException as error:
        trace = error.__traceback__
        if trace is not None:
            trace = trace.tb_next  # without this function
        sys.excepthook(type(error), error.with_traceback(trace), trace)
        sys.excepthook = lambda *_: None
        raise


def become(order: Order, places: list[Place]) -> None:
    """Tell the harness who this child is and run its program, or why it cannot."""
    try:
        prepare(order, places)
        answer: dict[str, object] = {"pid": os.getpid()}
    except BaseException as error:
        answer = {"refused": str(error) or repr(error)}
    try:
        order.stream.sendall(json.dumps(answer).encode() + b"\n")
    except OSError:  # the harness waits for it no longer
        answer = {}
    order.stream.close()
    if "pid" not in answer:
        os._exit(1)
    run(order)


if __name__ == "__main__":
    # What stands beside this file is the harness's, and must be found by nothing that is loaded here.
    sys.path_importer_cache.pop(sys.path.pop(0), None)
    _control = socket.socket(fileno=int(sys.argv[1]))
    _places = load(_control)
    _ordered = serve(_control)
    if _ordered is not None:
        become(_ordered, _places)
