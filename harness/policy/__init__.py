"""What must hold in each profile, as data. Knows nothing of the server's own configuration."""

from __future__ import annotations

from harness.policy.loader import load_policies, load_policy
from harness.policy.schema import Policy

__all__ = ["Policy", "load_policies", "load_policy"]
