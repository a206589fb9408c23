"""How a check declares itself: the control it decides, what must break it, and the deployment it needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, cast

from harness.defects import CLEAN, Variation

ATTRIBUTE = "__check__"
F = TypeVar("F", bound=Callable[..., object])


@dataclass(frozen=True, slots=True, kw_only=True)
class Declaration:
    """One check's declaration, as the decorator wrote it.

    control: the id it decides, or a part of it.
    broken_by: the defects that must make it fail, at least one; beside them those that take its sight away.
    setup: a variation of the deployment that the check needs; CLEAN shares the profile's deployment.
    fresh: the check dirties its deployment (kills, faults, exhausted stores): it comes after those that do
        not, and the deployment is renewed, or replaced, for the next check.
    group: it dirties its deployment as others of that name do, and shares one with those alone.
    image: the check looks at the server's image alone, for which no deployment is brought up.
    profiles: where the check means something; empty = in every profile.
    runtimes: runtimes that can show it; empty = all. Elsewhere it is `not-verified` with `why_not`.
    intrusive: sends floods, brute force or faults: on `external` only with leave.
    prove_in: the profile in which the self-test tries its defects; empty = the first of `profiles`, else
        production.
    """

    control: str
    broken_by: tuple[Variation, ...]
    setup: Variation = CLEAN
    fresh: bool = False
    group: str = ""
    image: bool = False
    profiles: tuple[str, ...] = ()
    runtimes: tuple[str, ...] = ()
    why_not: str = ""
    intrusive: bool = False
    prove_in: str = ""

    @property
    def proof_profile(self) -> str:
        """The profile in which the self-test tries the defects."""
        return self.prove_in or (self.profiles[0] if self.profiles else "production")


class _Declared(Protocol):
    __check__: Declaration


def control(
    control_id: str,
    *,
    broken_by: Variation | tuple[Variation, ...],
    setup: Variation = CLEAN,
    fresh: bool = False,
    group: str = "",
    image: bool = False,
    profiles: tuple[str, ...] = (),
    runtimes: tuple[str, ...] = (),
    why_not: str = "",
    intrusive: bool = False,
    prove_in: str = "",
) -> Callable[[F], F]:
    """Declare a check of `control_id`. See `Declaration` for the arguments."""
    defects = broken_by if isinstance(broken_by, tuple) else (broken_by,)
    if all(planted.blinds for planted in defects):
        raise ValueError(
            f"check of {control_id}: declare at least one defect that must make it fail (broken_by)"
        )
    if runtimes and not why_not:
        raise ValueError(f"check of {control_id}: say why other runtimes cannot show it (why_not)")
    declaration = Declaration(
        control=control_id,
        broken_by=defects,
        setup=setup,
        fresh=fresh,
        group=group,
        image=image,
        profiles=profiles,
        runtimes=runtimes,
        why_not=why_not,
        intrusive=intrusive,
        prove_in=prove_in,
    )

    def declare(function: F) -> F:
        cast("Any", function).__check__ = declaration
        return function

    return declare


def declaration_of(function: object) -> Declaration | None:
    """Return the declaration a check carries, or None for a plain function."""
    return getattr(function, ATTRIBUTE, None)
