"""Locust, with this package's options also for a locustfile that does not import it."""

from __future__ import annotations

from locust.main import main

from harness.load.generator import options

if __name__ == "__main__":
    assert options, "imported for the listeners that it registers"
    main()  # type: ignore[no-untyped-call]
