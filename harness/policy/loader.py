"""Reads policies: the four shipped ones, and a user's own file in place of one of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.catalogue import Control, load
from harness.errors import PolicyError
from harness.policy.schema import Policy
from harness.profiles import PROFILES
from harness.tomlfile import nearest, read_toml, to_record

_HERE = Path(__file__).parent
_REMEDY = (
    "Correct this; harness/policy/production.toml has every key, the records in harness/policy explain them."
)


def load_policy(wanted: str | Path) -> Policy:
    """Return the policy of a profile, or of a TOML file.

    A file with `extends = "production"` holds only what differs from that profile's policy: tables are
    merged, values and lists replace. Raises `PolicyError` that names file, key and remedy.
    """
    name = str(wanted)
    if name in PROFILES:
        return _policy(_HERE / f"{name}.toml", source=f"harness/policy/{name}.toml")
    if isinstance(wanted, str) and not name.endswith(".toml") and "/" not in name:
        raise PolicyError(
            f'unknown profile "{name}": {nearest(name, PROFILES)}', remedy="Name a profile or a file."
        )
    return _policy(Path(wanted), source=name)


def load_policies(file: Path | None = None) -> Mapping[str, Policy]:
    """Return the policy of every profile; `file`, if given, takes the place of its profile's."""
    policies: dict[str, Policy] = {name: load_policy(name) for name in PROFILES}
    if file is not None:
        own = _policy(file, source=str(file))
        policies[own.profile] = own
    return policies


def _policy(path: Path, *, source: str) -> Policy:
    tables = _tables(path, source)
    given = tables.get("not_applicable", {})
    tables = {"not_applicable": {}, **tables, "source": source}
    if isinstance(given, dict):
        tables["not_applicable"] = {**_of_other_profiles(tables.get("profile")), **given}
    policy = to_record(Policy, tables, source=source, remedy=_REMEDY, error=PolicyError)
    _check_controls(policy)
    return policy


def _tables(path: Path, source: str) -> dict[str, Any]:
    tables = read_toml(path, error=PolicyError)
    if "source" in tables:
        raise PolicyError(f"{source}: source: unknown key", remedy="Remove it.")
    base = tables.pop("extends", None)
    if base is None:
        return tables
    if base not in PROFILES:
        raise PolicyError(
            f'{source}: extends: unknown profile "{base}"; {nearest(str(base), PROFILES)}', remedy=_REMEDY
        )
    return _merged(_tables(_HERE / f"{base}.toml", base), tables)


def _merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in changes.items():
        below = merged.get(key)
        merged[key] = _merged(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return merged


def _of_other_profiles(profile: object) -> dict[str, str]:
    return {control.id: _belongs(control) for control in load().values() if profile not in control.profiles}


def _belongs(control: Control) -> str:
    return f"this control is about the profile {' and '.join(control.profiles)} only"


def _check_controls(policy: Policy) -> None:
    catalogue = load()
    for key, names in (("gate.required", policy.gate.required), ("not_applicable", policy.not_applicable)):
        for name in names:
            try:
                _ = catalogue.match([name]) if key == "gate.required" else catalogue[name]
            except PolicyError as unknown:
                raise PolicyError(f"{policy.source}: {key}: {unknown.what}", remedy=unknown.remedy) from None
