"""Any kept release can be returned to, exactly."""

from __future__ import annotations

from typing import Final

from harness import Observation, floor, record, rollout
from harness.site import Site
from suites.releases import FORGETTING, GOOD, made, released, taken
from suites.replicas import detail, looks

VERSIONS: Final = "process.rollback.versions"
ASKED: Final = 12  # requests through the edge, which find every replica that serves

BY_TAG: Final = rollout("a rollback starts what the release's tag means by now", "by tag")
NEW_SETTINGS: Final = rollout("a rollback keeps the settings of what served", "new settings")


@released(VERSIONS, broken_by=(BY_TAG, NEW_SETTINGS))
def test_a_kept_release_comes_back_with_its_image_and_settings(site: Site) -> None:
    """A rollback to a version runs the image and the settings that it had, whatever its tag means by now."""
    rollouts, base, kept = site.rollout, site.rollout.home(), made(site, GOOD)
    first = _running(site)
    if GOOD not in rollouts.state.taken:
        taken(rollouts.release(kept), rollouts.rollback(base.version))
    assert rollouts.serving() == base, f"what serves after the return is not {base.told}"
    rollouts.move_tag(kept, made(site, FORGETTING))
    rollouts.cool()

    forward = rollouts.rollback(kept.version)
    taken(forward)
    assert _running(site) == {(kept.image, kept.configuration)}, f"what runs is not {kept.told}"

    back = rollouts.rollback(base.version)
    taken(back)
    assert _running(site) == first, f"what runs is not {base.told}, as it ran at first"


def _running(site: Site) -> set[tuple[str, str]]:
    """Image id and settings of every container that answers clients, as Docker and its files have them."""
    burst = site.burst(ASKED, detail(site), each=looks(site))
    hosts = {reply.string("worker", "host") for reply in burst.of(200)}
    parts = [part for part in site.topology.replicas() if part.host in hosts]
    floor(len(parts) == len(hosts) > 0, f"{hosts} answered, of which {len(parts)} are known")
    settings = ("cat", site.deployment.path("config"))
    found = {(part.attributes()["Image"], part.execute(settings).stdout) for part in parts}
    record(
        Observation(
            subject=f"{len(parts)} containers answer clients",
            data={"images": [image for image, _ in sorted(found)], "hosts": [*sorted(hosts)]},
        )
    )
    return found
