"""A start that is not refused, or not by name: defects that several control groups must catch."""

from __future__ import annotations

from harness import edit

MISSING_IS_MADE_UP = edit(
    "a missing secret is made up in production",
    "panotti/secrets.py",
    'elif profile.guarded or (name == "api_key" and profile is Profile.TESTING):',
    'elif name == "api_key" and profile.guarded:',
)
MISSING_IS_NOT_NAMED = edit(
    "the refusal does not say which secret is missing",
    "panotti/secrets.py",
    'f"secret {name} is missing: put it in the file {name} in the folder PANOTTI_SECRETS_DIR"',
    '"a secret is missing"',
)
