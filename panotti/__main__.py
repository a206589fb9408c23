"""`python -m panotti`."""

from __future__ import annotations

import gc

# Of what is imported nothing is garbage; once all is there it is frozen, and collecting begins.
gc.disable()

from panotti.cli import app  # noqa: E402

if __name__ == "__main__":
    app(prog_name="panotti")
