"""One item while it is tried: what its phases raised, what it recorded, the finding it becomes."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field

from harness.declare import Declaration
from harness.errors import HarnessError
from harness.evidence import Recorder, Use
from harness.journal import now
from harness.outcome import LeftOut, NotApplicable, NotVerified
from harness.planning import Case, Need, Refusal
from harness.records import Finding, Timing
from harness.redaction import VAULT
from harness.runtimes import CannotShow
from harness.verdict import Verdict, worst
from harness.waiver import fingerprint

NO_EVIDENCE = "no evidence was taken"
_EVIDENCE = 40  # records that a finding keeps


@dataclass(slots=True, kw_only=True)
class Trial:
    """What is known of one item.

    skipped: the exception that pytest skips with. refused: what the run's depth leaves out.
    left_out: what it would have cost; a trial that was left out has no finding.
    """

    check: str
    claim: str
    source: str
    declaration: Declaration
    case: Case
    need: Need | Refusal
    skipped: type[BaseException]
    refused: frozenset[Use] = frozenset()
    left_out: str = ""
    recorder: Recorder = field(default_factory=Recorder)
    started: str = ""
    wall_s: float = 0.0
    deployment_s: float = 0.0
    _verdicts: list[tuple[Verdict, str]] = field(default_factory=list)

    def begin(self) -> None:
        """Start the clock of a try: the same item may be tried again."""
        self.recorder = Recorder(refused=self.refused)
        self.left_out = ""
        self.started = now()
        self.wall_s = self.deployment_s = 0.0
        self._verdicts = []

    def take(self, when: str, error: BaseException | None, seconds: float) -> Verdict | None:
        """Take what a phase came to; return its verdict, None for one that decides nothing."""
        self.wall_s += seconds
        if isinstance(error, LeftOut):
            self.left_out = str(error)
            return None
        if error is not None:
            verdict, message = self._of(error)
        elif when != "call":
            return None
        elif self.recorder.total == 0:
            verdict, message = Verdict.NOT_VERIFIED, NO_EVIDENCE
        else:
            verdict, message = Verdict.PASS, ""
        self._verdicts.append((verdict, message))
        return verdict

    @property
    def spared(self) -> bool:
        """Whether it was left out, and nothing went wrong besides."""
        return bool(self.left_out) and not self._verdicts

    @property
    def verdict(self) -> Verdict:
        """The worst of all phases; an item without any is an error."""
        return worst(verdict for verdict, _ in self._verdicts)

    @property
    def message(self) -> str:
        """Why, secrets redacted; "" on pass."""
        verdict = self.verdict
        message = next((m for v, m in self._verdicts if v is verdict), "the check did not run")
        return VAULT.text(message)

    @property
    def caught(self) -> bool:
        """Whether the self-test got what it demands: `fail` with the defect, `pass` on the clean twin.

        With a defect that takes its sight away, `not-verified`: a blind check decides nothing.
        """
        planted = self.case.defect
        if planted is None:
            return self.verdict is Verdict.PASS
        return self.verdict is (Verdict.NOT_VERIFIED if planted.blinds else Verdict.FAIL)

    def finding(self, *, target: str, command: str) -> Finding:
        """Return the finding. command: how this check is run again, without its node id."""
        seconds = self.recorder.seconds()
        message = self.message
        return Finding(
            control=self.declaration.control,
            check=self.check,
            claim=self.claim,
            profile=self.case.profile,
            runtime=self.need.runtime if isinstance(self.need, Need) else "",
            target=target,
            verdict=self.verdict,
            message=message,
            evidence=self.recorder.telling(_EVIDENCE),
            evidence_total=self.recorder.total,
            timing=Timing(
                wall_s=round(self.wall_s, 4),
                deployment_s=round(self.deployment_s, 4),
                demanded_s=round(seconds.demanded_s, 4),
                target_s=round(seconds.target_s, 4),
                uses=tuple(sorted(self.recorder.uses)),
            ),
            started=self.started or now(),
            defect=self.case.defect.title if self.case.defect else "",
            defect_key=self.case.defect.key if self.case.defect else "",
            source=self.source,
            again=f"{command} {shlex.quote(self.check)}",
            fingerprint=fingerprint(
                control=self.declaration.control,
                check=self.check,
                profile=self.case.profile,
                message=message,
            ),
        )

    def _of(self, error: BaseException) -> tuple[Verdict, str]:
        match error:
            case NotVerified() | CannotShow():
                return Verdict.NOT_VERIFIED, str(error) or "no reason was given"
            case NotApplicable():
                return Verdict.NOT_APPLICABLE, str(error) or "no reason was given"
            case AssertionError():
                return Verdict.FAIL, str(error) or "the assertion does not hold"
            case HarnessError():
                return Verdict.ERROR, str(error)
            case _ if isinstance(error, self.skipped):
                return Verdict.NOT_VERIFIED, f"skipped: {error}"
            case _:
                return Verdict.ERROR, f"{type(error).__name__}: {error}"
