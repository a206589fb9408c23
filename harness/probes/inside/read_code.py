"""Arguments: folder, largest size of a file in bytes. Prints its files as JSON: {path: content as Base64},
with null for what is too large or cannot be read. What Python compiled beside its source is left out."""

import base64
import json
import sys
from pathlib import Path

folder, largest = Path(sys.argv[1]), int(sys.argv[2])
if not folder.is_dir():
    print(folder, file=sys.stderr)  # noqa: T201
    sys.exit(3)
files = {}
for path in sorted(folder.rglob("*")):
    if not path.is_file() or "__pycache__" in path.parts:
        continue
    try:
        content = path.read_bytes() if path.stat().st_size <= largest else None
    except OSError:
        content = None
    files[str(path.relative_to(folder))] = None if content is None else base64.b64encode(content).decode()
print(json.dumps(files))  # noqa: T201
