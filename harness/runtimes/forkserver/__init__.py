"""Cheap starts: a process that holds an interpreter's packages loaded, and forks a child for each program.

client.py   the harness's side: which programs a fork can stand for, and the children
server.py   the fork server's own program, run by the target's interpreter
preload.py  which modules it loads
"""

from __future__ import annotations

from harness.runtimes.forkserver.client import CannotFork, Forked, ForkServer
from harness.runtimes.forkserver.preload import modules_of

__all__ = ["CannotFork", "ForkServer", "Forked", "modules_of"]
