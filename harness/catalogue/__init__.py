"""The controls, as data: what a PanottiServer deployment must do, one TOML file an area.

`load()` gives them all, in catalogue order. The text is the specification; checks live in `suites/`.
"""

from __future__ import annotations

from harness.catalogue.control import Control, Severity
from harness.catalogue.loader import AREAS, Catalogue, UnknownControl, load

__all__ = ["AREAS", "Catalogue", "Control", "Severity", "UnknownControl", "load"]
