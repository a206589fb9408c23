"""`python -m harness` is the `harness` program."""

from __future__ import annotations

from harness.cli import main

main()
