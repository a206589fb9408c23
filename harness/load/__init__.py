"""Load: an open model of arrivals, measured from the planned time, and what it came to.

`generator` runs inside Locust's own process, because importing Locust patches whatever imports it. Everything
else here runs in the harness and never imports it.
"""
