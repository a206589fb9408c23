"""All benchmarks, one after another: `make bench`."""

from __future__ import annotations

import sys

from bench import middleware, report, verification

if __name__ == "__main__":
    report.main(10_000)
    status = middleware.main()
    verification.main()
    sys.exit(status)
