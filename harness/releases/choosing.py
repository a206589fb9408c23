"""Which releases may be put into service, and which may be returned to. Pure."""

from __future__ import annotations

from harness.errors import ReleaseError
from harness.releases.entries import State
from harness.releases.stage import Release
from harness.tomlfile import nearest


def check_new(state: State, release: Release) -> None:
    """Refuse a release that cannot be put into service. Raises `ReleaseError`."""
    known = state.releases.get(release.version)
    if known is not None and known != release:
        raise ReleaseError(
            f"version {release.version} is used already: it is {known.told}, and this is {release.told}",
            remedy="Give the release a version of its own.",
        )
    if release.version == state.serving:
        raise ReleaseError(f"{release.version} serves already", remedy="There is nothing to do.")
    _check_schema(state, release)


def check_kept(state: State, version: str) -> None:
    """Refuse a version that cannot be returned to. Raises `ReleaseError`."""
    if version not in state.releases:
        raise ReleaseError(
            f"there is no release {version}",
            remedy=nearest(version, state.taken) if state.taken else "No release has served yet.",
        )
    if version not in state.taken:
        raise ReleaseError(
            f"release {version} has never served: there is nothing to return to",
            remedy=f"Returned to can be: {', '.join(state.taken)}.",
        )
    if version == state.serving:
        raise ReleaseError(f"{version} serves already", remedy="There is nothing to do.")
    _check_schema(state, state.releases[version])


def version_before(state: State) -> str:
    """Return the version that a rollback without one goes to. Raises `ReleaseError` where there is none."""
    found = state.previous()
    if found is None:
        raise ReleaseError(
            f"no release served before {state.serving or 'any'}",
            remedy="Put another one into service: harness release VERSION.",
        )
    return found


def _check_schema(state: State, release: Release) -> None:
    if state.outgrown(release):
        raise ReleaseError(
            f"the schema was contracted to {state.contracted}; release {release.version} knows "
            f"{release.schema} and nothing newer: it cannot serve on it",
            remedy=f"Choose a release that knows {state.contracted}.",
        )
