"""The switch between colours: atomic for clients, quickly undone."""

from __future__ import annotations

from typing import Final

from harness import Measurement, edit, floor, prompt, record, rollout
from harness.releases.entries import Step
from harness.site import Site
from suites.releases import (
    GOOD,
    answered_after_switches,
    met_a_switch,
    released,
    taken_there_and_back,
    there_and_back,
)
from suites.replicas import EDGE

MET: Final = 8  # requests that were under way at a switch, or nearly
SWITCH: Final = "future.deployment.blue-green"
CHOICE: Final = "    use_backend %[str(colour),map(/etc/haproxy/serving/serving.map,blue)] if HTTP\n"
GREEN: Final = "{ str(colour),map(/etc/haproxy/serving/serving.map,blue) -m str green }"

BOTH: Final = edit(
    "both colours serve after the switch",
    EDGE,
    CHOICE,
    f"    use_backend blue if HTTP {GREEN} {{ rand(4) eq 0 }}\n{CHOICE}",
)
COLD: Final = rollout("the old colour is stopped at the switch", "cold")
ABRUPT: Final = rollout("the old colour is killed at the switch, with what it was answering", "abrupt")


@released(SWITCH, broken_by=(BOTH, ABRUPT))
def test_clients_go_to_the_other_colour_in_one_moment(site: Site) -> None:
    """After a switch no request goes to the old colour, and no request fails by it, there and back."""
    seen = there_and_back(site)
    met = met_a_switch(seen)
    floor(len(met) >= MET, f"{len(met)} writes were under way at a switch, {MET} are the least")

    failed = [write.attempts[0] for write in met if write.disturbed]
    told = ", ".join(sorted({str(one.status or one.error) for one in failed}))
    assert not failed, f"{len(failed)} of {len(met)} requests failed that met a switch: {told}"
    taken_there_and_back(seen)
    for answered in answered_after_switches(seen):
        floor(any(answered.values()), "between two switches nobody asked for anything")
        both = ", ".join(f"{colour} {count}" for colour, count in answered.items())
        assert 0 in answered.values(), f"after a switch both colours answered requests: {both}"


@released(SWITCH, broken_by=COLD)
def test_switching_back_takes_seconds(site: Site) -> None:
    """A switch, and one back to the colour that was kept warm, each take no longer than promised."""
    seen = there_and_back(site)
    taken_there_and_back(seen)
    bound = site.policy.releases.switch_s
    for outcome in seen.outcomes:
        spent = outcome.seconds(Step.SWITCH)
        assert spent is not None, "an operation was taken without a switch"
        record(
            Measurement(
                name=f"switch: {outcome.operation} of {outcome.version}",
                value=round(spent, 2),
                unit="s",
                samples=1,
                bound=f"at most {bound:g}",
            )
        )
        prompt(spent <= bound, f"the switch to {outcome.version} took {spent:.1f} s, {bound:g} are allowed")
    before, there, *_ = seen.stood
    assert there.beside == before.serving, f"beside {GOOD}, what served before was not kept warm"
