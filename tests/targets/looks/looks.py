"""Prints as JSON what a program can see of itself, and ends as its first argument says.

The second argument is a text to look for: see `left`."""

import gc
import json
import locale
import multiprocessing
import os
import random
import signal
import site
import sys
import sysconfig
import tempfile
import threading
import warnings
from pathlib import Path

OWN = Path("/proc/self")
STATUS = ("Name", "Umask", "Uid", "Gid", "Threads", "SigBlk", "SigIgn", "SigCgt", "CapEff", "NoNewPrivs")


def status():
    lines = (line.partition(":") for line in (OWN / "status").read_text().splitlines())
    return {name: value.strip() for name, _, value in lines if name in STATUS}


def streams():
    return [
        [repr(one), repr(one.buffer), one.errors, one.line_buffering, one.write_through, one.seekable()]
        for one in (sys.stdin, sys.stdout, sys.stderr)
    ]


def left(text):
    """Where the text stands in what was loaded before this program began."""
    mine = {id(one) for one in (*gc.get_objects(), sys.argv, sys.orig_argv)}
    gc.unfreeze()
    found = []
    for one in gc.get_objects():
        if isinstance(one, dict | list | tuple | set) and id(one) not in mine:
            parts = [*one, *one.values()] if isinstance(one, dict) else list(one)
            found += [part for part in parts if type(part) is str and text in part]
    return found


def seen():
    main = vars(sys.modules["__main__"])
    return {
        "environment": list(os.environ.items()),
        "as shown": [(OWN / name).read_bytes().decode() for name in ("cmdline", "environ", "comm")],
        "executable": [sys.executable, str((OWN / "exe").readlink())],
        "arguments": [sys.argv, sys.orig_argv, str(sys.flags), sys.warnoptions],
        "path": sys.path,
        "directory": str(Path.cwd()),
        "files": {fd.name: str(fd.readlink()) for fd in (OWN / "fd").iterdir() if fd.is_symlink()},
        "streams": streams(),
        "signals": {int(number): str(signal.getsignal(number)) for number in signal.valid_signals()},
        "status": status(),
        "leads": [os.getsid(0) == os.getpid(), os.getpgid(0) == os.getpid()],
        "limits": (OWN / "limits").read_text(),
        "priority": [os.nice(0), sorted(os.sched_getaffinity(0)), (OWN / "oom_score_adj").read_text()],
        "main": sorted(name for name in main if name.startswith("__")),
        "spec": [main["__spec__"].name, main["__file__"], main["__package__"]],
        "folders": [
            tempfile.gettempdir(),
            site.USER_BASE,
            site.USER_SITE,
            sysconfig.get_config_var("userbase"),
        ],
        "interpreter": [sys.getrecursionlimit(), sys.getswitchinterval(), str(warnings.filters)],
        "importing": [[type(one).__name__ for one in sys.meta_path], len(sys.path_hooks)],
        "locale": [locale.setlocale(locale.LC_ALL), locale.getencoding(), sys.getfilesystemencoding()],
        "threads": [one.name for one in threading.enumerate()],
        "thread id": threading.main_thread().native_id == os.getpid(),
        "began in": multiprocessing.process.ORIGINAL_DIR,
        "garbage": [gc.isenabled(), gc.get_threshold()],
        "left": left(sys.argv[2]) if len(sys.argv) > 2 else [],
    }


def end(how):
    match how:
        case "fail":
            raise ValueError(how)
        case "interrupt":
            raise KeyboardInterrupt
        case "say":
            sys.exit("panic: no database")
        case "status":
            sys.exit(7)
        case "die":
            os.kill(os.getpid(), signal.SIGKILL)
        case "stay":
            signal.pause()


if __name__ == "__main__":
    if sys.argv[1] == "draw":
        drawn = random.random(), os.urandom(8).hex(), multiprocessing.current_process().authkey.hex()
        sys.stdout.write(" ".join(map(str, drawn)))
    else:
        sys.stdout.write(f"{json.dumps(seen())}\n")
    end(sys.argv[1])
