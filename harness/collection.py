"""What pytest collected, as trials: which control each decides, on what, and in which order. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from fnmatch import fnmatchcase

from harness.catalogue import Catalogue
from harness.costs import CLASSES, LEFT_OUT, CostClass, Costs
from harness.declare import Declaration
from harness.declared import DeclaredCheck, base_of
from harness.defects import CLEAN
from harness.errors import UserError
from harness.options import Options, read_due
from harness.planning import Need, grouped
from harness.pool import Unit
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
    if options.due is not None and not _is_due(trial, read_due(options.due)):
        return False
    control = trial.declaration.control
    asked = not options.controls or any(fnmatchcase(control, glob) for glob in options.controls)
    profiles = options.profiles if options.selftest else options.asked_profiles
    return asked and (not profiles or trial.case.profile in profiles)


def left_out(trial: Trial, options: Options, costs: Costs) -> CostClass | None:
    """Return the cost class for which the run's depth leaves a trial out, None where it does not."""
    cost = costs.class_of(trial.check)
    return cost if cost in LEFT_OUT[options.depth] and not options.selftest else None


def in_order(trials: Sequence[Trial], costs: Costs) -> list[int]:
    """Return positions so that trials on one deployment are neighbours, a profile's own deployment first.

    Of those on one deployment, the ones that try it as it is come before those for which a defect is planted
    in it, and before those that dirty it: what they leave behind meets as few others as possible.
    Measurements come last.
    """
    undisturbed_first = sorted(grouped(map(_planted, trials)), key=lambda at: _dirties(trials[at]))
    keys = [need.key if isinstance(need := trials[at].need, Need) else None for at in undisturbed_first]
    positions = [undisturbed_first[at] for at in grouped(keys)]
    return sorted(positions, key=lambda position: _apart(trials[position], costs))


def units(trials: Sequence[Trial], costs: Costs) -> tuple[Unit, ...]:
    """Return what one worker tries at a time: all trials of a changed deployment, one of a shared one.

    Trials that need no deployment are one unit.
    """
    members: dict[str, list[int]] = {}
    for position, trial in enumerate(trials):
        members.setdefault(_group(trial) or f"item {position}", []).append(position)
    return tuple(_unit([(at, trials[at]) for at in places], costs) for places in members.values())


def _is_due(trial: Trial, due: Collection[tuple[str, str]]) -> bool:
    planted = trial.case.defect
    return (base_of(trial.check), planted.key if planted else "") in due


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


def _unit(members: Sequence[tuple[int, Trial]], costs: Costs) -> Unit:
    classes = [costs.class_of(trial.check) for _, trial in members]
    need = members[0][1].need
    return Unit(
        items=tuple(position for position, _ in members),
        home=need.group if isinstance(need, Need) and need.shared else "",
        late=_dirties(members[0][1]),
        cost=max(classes, key=CLASSES.index),
        seconds=sum(costs.seconds(t.check, t.case.profile) for _, t in members if isinstance(t.need, Need)),
    )


def _group(trial: Trial) -> str:
    """Return what a trial's unit is known by, "" where it is a unit of its own."""
    if not isinstance(trial.need, Need):
        return "no deployment"
    return "" if trial.need.shared else trial.need.group


def _dirties(trial: Trial) -> bool:
    return isinstance(trial.need, Need) and trial.need.fresh


def _planted(trial: Trial) -> tuple[str] | None:
    """What tells trials apart for which a defect is planted, None where there is none."""
    planted = trial.need.planted if isinstance(trial.need, Need) else CLEAN
    return (planted.key,) if planted.changes else None


def _apart(trial: Trial, costs: Costs) -> tuple[bool, str, bool]:
    """Measurements last; profiles one after another; in each its own deployment before the changed ones."""
    measures = costs.class_of(trial.check) == "measuring"
    return measures, trial.case.profile, isinstance(trial.need, Need) and not trial.need.shared
