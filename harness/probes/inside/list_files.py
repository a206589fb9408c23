"""Arguments: folder. Prints {"read_only": its file system is, "files": [[path below it, mode, sha256], ...]}
as JSON.

Compiled Python files are left out; a file that cannot be read has no hash."""

import hashlib
import json
import os
import sys
from pathlib import Path

folder = Path(sys.argv[1])
if not folder.is_dir():
    print(folder, file=sys.stderr)  # noqa: T201
    sys.exit(3)
files = []
for path in sorted(folder.rglob("*")):
    if not path.is_file() or "__pycache__" in path.parts:
        continue
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except PermissionError:
        digest = ""
    files.append([str(path.relative_to(folder)), path.stat().st_mode & 0o7777, digest])
read_only = bool(os.statvfs(folder).f_flag & os.ST_RDONLY)
print(json.dumps({"read_only": read_only, "files": files}))  # noqa: T201
