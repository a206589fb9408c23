"""What a load run wrote, beside what is listed of it afterwards."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Protocol

from harness.load.records import Writes
from harness.site import Site

SHOWN: Final = 3


class Written(Protocol):
    """A run of load: the tenant that it wrote for, and what became of its writes, by their kind."""

    @property
    def tenant(self) -> str: ...

    @property
    def writes(self) -> Mapping[str, Writes]: ...


def sent(result: Written) -> set[str]:
    """Return every recording that a run may have written, whether or not it was answered."""
    return {one for writes in result.writes.values() for one in (*writes.acknowledged, *writes.unknown)}


def assert_listed(site: Site, result: Written) -> None:
    """Assert that the run's tenant lists what was acknowledged, each once, and nothing that was not sent."""
    listed = site.readback.listed(result.tenant)

    assert len(listed) == len(set(listed)), "a recording is listed twice"
    acknowledged = set(result.writes["started"].acknowledged)
    missing, strange = acknowledged - set(listed), set(listed) - sent(result)
    assert not missing, f"{len(missing)} acknowledged recordings are not listed: {sorted(missing)[:SHOWN]}"
    assert not strange, f"{len(strange)} recordings are listed that nobody sent: {sorted(strange)[:SHOWN]}"
