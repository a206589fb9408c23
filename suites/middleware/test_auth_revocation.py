"""A key that is revoked takes along what it issued, also what it was issuing at that moment."""

from __future__ import annotations

from collections.abc import Sequence

from harness import control, defect, edit, floor
from harness.credentials import tokens_in
from harness.principals import Tokens
from harness.probes.burst import BurstResult
from harness.probes.reply import Reply
from harness.site import Site

REFUSED = (401, 403)
ROUNDS = 6
CLIENTS = 12
ISSUES = 48  # asked of one key in a round: they go on for longer than its revocation takes
BEGUN_AT = 6  # the revocation begins when so many were issued

CALLERS = "panotti/storage/callers.py"
