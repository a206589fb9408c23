"""What every deployment of this run takes over from its plan."""

from __future__ import annotations

from pathlib import Path

from harness.runtimes.hardening import LOOPBACK
from harness.runtimes.launch import Plan
from harness.runtimes.pki import HOST_NAME
from harness.runtimes.readiness import Door


class Planned:
    """See `harness.runtimes.Deployment`."""

    def __init__(self, plan: Plan, ca_file: Path, *, port: int, plain_port: int | None) -> None:
        """port, plain_port: on the loopback; 0, which answers nobody, for one that ended at once."""
        self.plan = plan
        self.specification = plan.specification
        self.base_url = f"{plan.scheme}://{LOOPBACK}:{port}"
        self.plain_url = f"http://{LOOPBACK}:{plain_port}" if plain_port else None
        self.host_name = plan.contract.http.host or HOST_NAME
        self.ca_file = ca_file if plan.leaf else None
        self.api_key = plan.api_key
        self.secrets = plan.secrets
        self.started_in_s = 0.0
        self.door = Door(
            base_url=self.base_url,
            path=f"{plan.contract.http.base_path}{plan.launch.ready_path}",
            host_name=self.host_name,
        )
