"""Prints the version of the interpreter: 3.11.2."""

import platform

print(platform.python_version())  # noqa: T201
