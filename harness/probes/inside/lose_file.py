"""Arguments: "lose" or "restore", database file. Renames it, with SQLite's files beside it, and back
again."""

import sys
from pathlib import Path

action, file = sys.argv[1:]
ENDINGS = ("", "-wal", "-shm", "-journal")
if action == "lose" and not Path(file).is_file():
    print(file, file=sys.stderr)  # noqa: T201
    sys.exit(3)
for ending in ENDINGS:
    here, away = Path(f"{file}{ending}"), Path(f"{file}{ending}.lost")
    if action == "lose" and here.exists():
        here.rename(away)
    elif action == "restore":
        here.unlink(missing_ok=True)  # what the server made in its place meanwhile
        if away.exists():
            away.rename(here)
print(Path(file).exists())  # noqa: T201
