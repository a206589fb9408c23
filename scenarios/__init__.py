"""Load: one shape a file, over one journey. Each is a locustfile: `locust -f scenarios/steady.py`."""
