"""All benchmarks, one after another: `make bench`."""

from __future__ import annotations

import sys

from bench import generator, middleware, report, starts, verification

if __name__ == "__main__":
    report.main(10_000)
    status = max(middleware.main(), generator.main())
    starts.main()
    verification.main()
    sys.exit(status)
