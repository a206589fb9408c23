"""Arguments: folder. Reads needles, one a line as hexadecimal, and prints [[file, number of the needle],
...] as JSON."""

import json
import sys
from pathlib import Path

folder = Path(sys.argv[1])
if not folder.is_dir():
    print(folder, file=sys.stderr)  # noqa: T201
    sys.exit(3)
needles = [bytes.fromhex(line) for line in sys.stdin.read().split()]
found, searched = [], 0
for path in sorted(folder.rglob("*")):
    if path.is_file():
        content = path.read_bytes()
        searched += 1
        found += [[str(path), number] for number, needle in enumerate(needles) if needle in content]
print(json.dumps({"found": found, "searched": searched}))  # noqa: T201
