"""No write is lost or doubled, whatever is released and returned from, and the schema serves both."""

from __future__ import annotations

from typing import Final

from harness import defect, edit, floor, rollout
from harness.defects import remade
from harness.releases.history import Answered
from harness.site import Site
from suites.releases import DESTRUCTIVE, GOOD, WRITTEN, released, taken_there_and_back, there_and_back

DATA: Final = "process.rollback.data"
HEAD: Final = (
    "async def _record(request: Request, event: Event, key: str | None, document: dict[str, str])"
    " -> Response:\n"
)
ACKNOWLEDGES_FIRST: Final = edit(
    "",
    "panotti/routes/recordings.py",
    HEAD,
    f"{HEAD}"
    "    await request.body()\n"
    '    asyncio = __import__("asyncio")\n'
    "    asyncio.get_running_loop().call_later(\n"
    "        0.5, lambda: _late.append(asyncio.ensure_future(_stored(request, event, key, document)))\n"
    "    )\n"
    "    return encoded(orjson.dumps(document))\n\n\n"
    "_late: list[Any] = []\n\n\n"
    f"{HEAD.replace('_record', '_stored')}",
)

LOST: Final = defect(
    "a write is acknowledged half a second before it is stored, and replicas are killed at the switch",
    rollout("", "abrupt"),
    remade("", GOOD, ACKNOWLEDGES_FIRST),
)


@released(DATA, broken_by=(LOST,))
def test_every_write_is_there_once_after_a_release_and_a_rollback(site: Site) -> None:
    """Each write that was acknowledged before, during or after a release and its rollback is there once."""
    seen = there_and_back(site)
    acknowledged = sum(write.answered is Answered.ACKNOWLEDGED for write in seen.writing.writes)
    floor(acknowledged >= WRITTEN, f"{acknowledged} writes were acknowledged, {WRITTEN} are the least")

    broken = seen.judged.broken
    assert not broken, f"{len(broken)} of {len(seen.writing.writes)} writes: {'; '.join(broken[:3])}"
    taken_there_and_back(seen)


@released(DATA, broken_by=(DESTRUCTIVE,))
def test_the_schema_serves_both_releases_at_once(site: Site) -> None:
    """From the migration to the end of the rollback no write fails, whichever release it meets."""
    seen = there_and_back(site)
    floor(len(seen.writing.writes) >= WRITTEN, f"{len(seen.writing.writes)} writes, {WRITTEN} are the least")

    failed = seen.writing.failed
    assert not failed, f"{len(failed)} of {len(seen.writing.writes)} writes failed: {seen.writing.told()}"
    taken_there_and_back(seen)
