"""`python -m panotti`."""

from __future__ import annotations

from panotti.cli import app

if __name__ == "__main__":
    app(prog_name="panotti")
