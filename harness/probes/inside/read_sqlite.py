"""Arguments: database file, SQL, parameters as JSON. Prints {"columns": [...], "rows": [[...]]}; bytes as
hexadecimal."""

import json
import sqlite3
import sys
from pathlib import Path

file, sql, parameters = sys.argv[1:]
if not Path(file).is_file():
    print(file, file=sys.stderr)  # noqa: T201
    sys.exit(3)
connection = sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=5)
connection.text_factory = lambda raw: raw.decode("utf-8", "backslashreplace")
cursor = connection.execute(sql, json.loads(parameters))
rows = [[value.hex() if isinstance(value, bytes) else value for value in row] for row in cursor]
print(json.dumps({"columns": [column[0] for column in cursor.description or ()], "rows": rows}))  # noqa: T201
connection.close()
