"""What pytest collected, as trials: which control each decides, on what, and in which order. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

from harness.catalogue import Catalogue
from harness.declare import Declaration
from harness.declared import DeclaredCheck, base_of
from harness.errors import UserError
from harness.options import Options
from harness.planning import Need, grouped
from harness.trial import Trial


def accept(name: str, doc: str | None, declaration: Declaration | None, catalogue: Catalogue) -> Declaration:
    """Return a check's declaration. Raises `UserError` when it is missing, or decides nothing known."""
    if declaration is None:
        raise UserError(
            f"{name}: a check without a control",
            remedy='Declare it: @control("area.group.control", broken_by=setting(...)).',
        )
    try:
        catalogue[declaration.control]
    except UserError as unknown:
        raise UserError(f"{name}: {unknown.what}", remedy=unknown.remedy) from None
    if not (doc or "").strip():
        raise UserError(f"{name}: a check without a claim", remedy="Give it a docstring of one line.")
    return declaration


def claim_of(doc: str | None) -> str:
    """Return the first line of a check's docstring."""
    return (doc or "").strip().partition("\n")[0].strip()


def selected(trial: Trial, options: Options) -> bool:
    """Whether the run was asked for this trial's control, in its profile."""
    control = trial.declaration.control
    asked = not options.controls or any(fnmatchcase(control, glob) for glob in options.controls)
    profiles = options.profiles if options.selftest else options.asked_profiles
    return asked and (not profiles or trial.case.profile in profiles)


def in_order(trials: Sequence[Trial]) -> list[int]:
    """Return positions so that trials on one deployment are neighbours, a profile's own deployment first."""
    keys = [trial.need.key if isinstance(trial.need, Need) else None for trial in trials]
    positions = grouped(keys)
    return sorted(positions, key=lambda position: _apart(trials[position]))


def declared(trials: Iterable[Trial]) -> tuple[DeclaredCheck, ...]:
    """Return every check once, with the number of its cases in a profile."""
    counts = Counter((base_of(t.check), t.case) for t in trials)
    cases = {check: max(n for (c, _), n in counts.items() if c == check) for check, _ in counts}
    checks = {base_of(trial.check): trial for trial in trials}
    return tuple(
        DeclaredCheck(
            control=trial.declaration.control,
            check=check,
            claim=trial.claim,
            cases=cases[check],
            profiles=trial.declaration.profiles,
            proof_profile=trial.declaration.proof_profile,
            defects=tuple((defect.key, defect.title) for defect in trial.declaration.broken_by),
            blinding=tuple(defect.key for defect in trial.declaration.broken_by if defect.blinds),
        )
        for check, trial in checks.items()
    )


def _apart(trial: Trial) -> tuple[str, bool]:
    """Profiles one after another; within each, its own deployment before the changed ones."""
    return trial.case.profile, isinstance(trial.need, Need) and not trial.need.shared
