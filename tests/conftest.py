"""What every test of this project has in common."""

from __future__ import annotations

from hypothesis import settings

# The same examples in every run, and no deadline: a loaded machine is no failure.
settings.register_profile("project", derandomize=True, deadline=None, database=None)
settings.load_profile("project")
