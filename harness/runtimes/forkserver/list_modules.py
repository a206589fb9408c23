"""Arguments: a package's name. Prints every module that its own modules load, one a line, the package left
out."""

import contextlib
import importlib
import pkgutil
import sys

sys.path.pop(0)  # what stands beside this file
package = sys.argv[1]
with contextlib.redirect_stdout(sys.stderr):
    for found in pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}."):
        if not found.name.endswith(".__main__"):
            # One that wants to be run in a certain place, such as Alembic's env.py, tells nothing here.
            with contextlib.suppress(Exception):
                importlib.import_module(found.name)
for name in [*sys.modules]:
    if name not in {package, "__main__"} and not name.startswith(f"{package}."):
        sys.stdout.write(f"{name}\n")
