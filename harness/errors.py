"""Every error the harness raises on purpose, drawn here.

HarnessError
├── UserError          a user's mistake: exit 2, one message, no traceback
│   ├── PolicyError      a policy, catalogue or profile file
│   ├── ContractError    a target or its contract file
│   ├── WaiverError      a waiver file
│   ├── AdvisoriesError  a snapshot of advisories
│   ├── TriageError      a triage file of a source tree
│   ├── ReleaseError     a release, or the ledger of releases
│   └── JournalError     a journal that is missing, cut off or edited
├── RuntimeUnavailable  this machine cannot bring the deployment up (no Docker, port taken, disk full)
├── DeploymentFailed    the target started and failed, or never got ready
├── StageError          a release could not be started, migrated, verified or switched to
└── ProbeFailed         a probe could not take its evidence
"""

from __future__ import annotations


class HarnessError(Exception):
    """Base of all; `remedy` says what to do about it."""

    def __init__(self, what: str, *, remedy: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.what}\n  → {self.remedy}" if self.remedy else self.what


class UserError(HarnessError):
    """Something the user gave is wrong; the message names it, where it stands, and the remedy."""


class PolicyError(UserError):
    """A policy, catalogue or profile is wrong."""


class ContractError(UserError):
    """A target, or its contract file, is wrong."""


class WaiverError(UserError):
    """A waiver file is wrong."""


class AdvisoriesError(UserError):
    """A snapshot of advisories is missing, cut off, or none."""


class TriageError(UserError):
    """A triage file is wrong."""


class ReleaseError(UserError):
    """A release does not exist, cannot be what it is said to be, or its ledger is wrong."""


class JournalError(UserError):
    """A journal is missing, cut off or edited."""


class RuntimeUnavailable(HarnessError):
    """This machine cannot bring up the deployment."""


class DeploymentFailed(HarnessError):
    """The target started and failed, or never became ready; carries its last log lines."""


class StageError(HarnessError):
    """A step of a rollout did not succeed; carries the last log lines of the component that failed."""


class ProbeFailed(HarnessError):
    """A probe could not take its evidence."""
