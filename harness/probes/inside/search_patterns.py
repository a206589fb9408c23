"""Arguments: folder. Reads a regular expression, and prints [[file, line number], ...] where it matches."""

import json
import re
import sys
from pathlib import Path

folder = Path(sys.argv[1])
if not folder.is_dir():
    print(folder, file=sys.stderr)  # noqa: T201
    sys.exit(3)
pattern, found, searched = re.compile(sys.stdin.read().encode()), [], 0
for path in sorted(folder.rglob("*")):
    if path.is_file():
        content = path.read_bytes()
        searched += 1
        found += [[str(path), content.count(b"\n", 0, hit.start()) + 1] for hit in pattern.finditer(content)]
print(json.dumps({"found": found, "searched": searched}))  # noqa: T201
