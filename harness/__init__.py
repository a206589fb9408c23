"""The library: a deployment goes in, a verdict that can be trusted comes out.

These are the words in which a check is written. Everything else it needs is a method of the `site` it is
given.
"""

from __future__ import annotations

from harness.declare import control
from harness.defects import (
    CLEAN,
    added,
    blinding,
    certificate,
    container,
    defect,
    edit,
    remade,
    rollout,
    scanner,
    secret,
    secret_files,
    setting,
)
from harness.evidence import record
from harness.outcome import Absent, floor, in_time, not_applicable, not_verified, prompt
from harness.records import Chart, Diagram, Hop, Line, Mark, Measurement, Node, Observation, Table

__all__ = [
    "CLEAN",
    "Absent",
    "Chart",
    "Diagram",
    "Hop",
    "Line",
    "Mark",
    "Measurement",
    "Node",
    "Observation",
    "Table",
    "added",
    "blinding",
    "certificate",
    "container",
    "control",
    "defect",
    "edit",
    "floor",
    "in_time",
    "not_applicable",
    "not_verified",
    "prompt",
    "record",
    "remade",
    "rollout",
    "scanner",
    "secret",
    "secret_files",
    "setting",
]
