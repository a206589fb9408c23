"""The image of a deployment, looked into without one that is up."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NoReturn

from harness.runtimes import CannotShow, RuntimeName, Specification
from harness.runtimes.one_server import OneServer
from harness.runtimes.pki import HOST_NAME


class ImageOnly(OneServer):
    """See `harness.runtimes.Deployment`. Nothing runs: whatever is not of the image raises CannotShow."""

    runtime: RuntimeName = "containers"
    base_url = "http://127.0.0.1:0"  # answers nobody
    plain_url: str | None = None
    host_name = HOST_NAME
    ca_file: Path | None = None
    api_key = ""
    started_in_s = 0.0

    def __init__(
        self,
        specification: Specification,
        described: Callable[[], Mapping[str, object]],
        export: Callable[[], Path],
    ) -> None:
        """described: what `docker inspect` says of the image. export: it, as `docker save` writes it."""
        self.specification = specification
        self.secrets: Mapping[str, str] = {}
        self.export_image = export
        self._described = described

    def inspect(self) -> Mapping[str, object]:
        """What `docker inspect` says of the image."""
        return {"image": self._described()}

    def stop(self) -> None:
        """There is nothing to be ended."""

    def _nothing_runs(self, *_: object, **__: object) -> NoReturn:
        raise CannotShow("the check asked for the image alone: nothing runs")

    via = address = execute = kill = terminate = wait_exit = logs = _nothing_runs
    replace_certificate = path = _nothing_runs
