"""Images of releases that a check tries: the target's own, with edits and files laid into its package."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from harness.defects import Added, Edit
from harness.errors import HarnessError
from harness.runtimes.images import Builder
from harness.runtimes.overlay import lay

# Compiled files are checked by the hash of their source: what is laid over one is compiled anew.
_RECIPE: Final = "ARG BASE\nFROM ${{BASE}}\nCOPY package/ {folder}/\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Workshop:
    """Makes images. image: the target's own. folder: in which its package stands there."""

    builder: Builder
    image: str
    folder: str
    profile: str

    def build(self, changes: Sequence[Edit | Added]) -> str:
        """Build the target's image with changes of its package; return its name."""
        laid = lay(changes, self.profile)
        if laid.settings is not None or laid.dockerfile is not None or laid.topology:
            raise HarnessError("a release that is tried can change nothing but the package")
        return self.builder.laid_over(self.image, laid.package, _RECIPE.format(folder=self.folder))

    def tag(self, image: str, tag: str) -> None:
        """Let a tag mean an image from now on."""
        self.builder.engine.tag(image, tag)

    def untag(self, tag: str) -> None:
        """Forget a tag."""
        self.builder.engine.remove_image(tag)
