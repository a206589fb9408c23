"""What is to be tried, and on which deployment: from declarations to cases and needs. Pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from harness.declare import Declaration
from harness.defects import CLEAN, Variation
from harness.runtimes import IMAGE, RuntimeName, Specification

_TITLE = 40  # characters of a defect's title that a node id carries
CHEAPEST_FIRST: tuple[RuntimeName, ...] = ("process", "containers")


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A check tried once: in a profile; in the self-test on the clean twin (defect None) or with a defect."""

    profile: str
    defect: Variation | None = None
    selftest: bool = False

    @property
    def id(self) -> str:
        """What stands in the node id: `production`, `production-clean`, `production-any-origin-1a2b3c`."""
        if not self.selftest:
            return self.profile
        if self.defect is None:
            return f"{self.profile}-clean"
        slug = re.sub(r"[^a-z0-9]+", "-", self.defect.title.lower()).strip("-")[:_TITLE].strip("-")
        return f"{self.profile}-{slug}-{self.defect.key[:6]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """The deployment that an item is to be tried on.

    planted: what differs while the item is tried, and is taken back: the edge, how releases are made and
        driven.
    fresh: the item dirties it, so that it is renewed, or replaced, for whoever needs it next.
    """

    runtime: RuntimeName
    specification: Specification
    planted: Variation = CLEAN
    fresh: bool = False

    @property
    def key(self) -> tuple[str, ...]:
        return (self.runtime, *self.specification.key)

    @property
    def shared(self) -> bool:
        """Whether it is the profile's own deployment, which stays up for the whole session.

        Several workers may have such a deployment each, and share its items between them.
        """
        return not self.specification.variation.changes and self.specification.instance == "shared"

    @property
    def group(self) -> str:
        """A short name for it: the items of one that cannot be divided belong in the same worker."""
        short = hashlib.sha256(repr(self.key).encode()).hexdigest()[:6]
        return f"{self.specification.profile}-{short}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """No runtime at hand can show it; the reason becomes the `not-verified` reason."""

    reason: str


def cases(declaration: Declaration, profiles: Sequence[str], *, selftest: bool) -> tuple[Case, ...]:
    """Return a check's cases: its profiles of those asked for, or its clean twin and its defects."""
    if selftest:
        profile = declaration.proof_profile
        return tuple(
            Case(profile=profile, defect=defect, selftest=True) for defect in (None, *declaration.broken_by)
        )
    return tuple(Case(profile=p) for p in profiles if not declaration.profiles or p in declaration.profiles)


def need(declaration: Declaration, case: Case, runtimes: Sequence[RuntimeName]) -> Need | Refusal:
    """Return the deployment for a case on the first of `runtimes` that can show it, or why none can."""
    planted = (declaration.setup, *([case.defect] if case.defect else ()))
    for runtime in runtimes:
        if not _why_not(declaration, planted, runtime):
            own = _instance(declaration)
            variation = variation_for(case.profile, planted)
            specification = Specification(
                profile=case.profile,
                variation=variation.brought_up,
                instance=own if own and runtime != "external" else "shared",
            )
            return Need(
                runtime=runtime,
                specification=specification,
                planted=variation.planted,
                fresh=declaration.fresh and runtime != "external",
            )
    return Refusal(reason=_why_not(declaration, planted, runtimes[0]))


def _instance(declaration: Declaration) -> str:
    """What a check's deployment is kept apart by, "" for one that it shares with others."""
    return IMAGE if declaration.image else declaration.group


def twin(declaration: Declaration, case: Case, profile: str, runtime: RuntimeName) -> Need:
    """Return the deployment of another profile beside a case's own.

    It has the check's setup; a defect only where it is titled for that very profile.
    """
    defect = case.defect if case.defect and case.defect.profile == profile else None
    planted = (declaration.setup, *([defect] if defect else ()))
    return Need(
        runtime=runtime,
        specification=Specification(profile=profile, variation=variation_for(profile, planted).of_deployment),
    )


def variation_for(profile: str, planted: Iterable[Variation]) -> Variation:
    """Return what of `planted` is meant for this profile, as one variation."""
    parts = [v for v in planted if v.profile in (None, profile) and v.changes]
    if not parts:
        return CLEAN
    changes = tuple(change for part in parts for change in part.changes)
    return Variation(title="; ".join(part.title for part in parts if part.title), changes=changes)


def grouped(needs: Iterable[tuple[str, ...] | None]) -> list[int]:
    """Return positions in an order that keeps equal keys together, each at its first appearance.

    None stands for "needs no deployment" and comes first.
    """
    places: dict[tuple[str, ...] | None, list[int]] = {None: []}
    for position, key in enumerate(needs):
        places.setdefault(key, []).append(position)
    return [position for positions in places.values() for position in positions]


def upcoming(keys: Iterable[tuple[str, ...]], limit: int) -> Iterator[tuple[str, ...]]:
    """Yield the first `limit` distinct keys."""
    seen: set[tuple[str, ...]] = set()
    for key in keys:
        if key in seen:
            continue
        if len(seen) == limit:
            return
        seen.add(key)
        yield key


def _why_not(declaration: Declaration, planted: Iterable[Variation], runtime: RuntimeName) -> str:
    if declaration.runtimes and runtime not in declaration.runtimes:
        return declaration.why_not
    for variation in planted:
        if variation.needs_containers and runtime != "containers":
            return f"the runtime `{runtime}` cannot bring up a deployment with: {variation.title}"
        if variation.changes and runtime == "external":
            return f"a deployment that is up already cannot be changed: {variation.title}"
    return ""
