"""What every kind of start shares: one deployment, planned before anything of it is started."""

from __future__ import annotations

import json
import re
import secrets as randomness
import string
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeGuard

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from harness import places
from harness.contract import Contract, Launch, Replicated, SecretKind
from harness.defects import (
    Added,
    Certificate,
    Change,
    Container,
    Edit,
    Secret,
    SecretFiles,
    Setting,
    Variation,
)
from harness.errors import ContractError
from harness.runtimes import CannotShow, Specification
from harness.runtimes.files import SECRET_MODE
from harness.runtimes.overlay import Overlay, lay
from harness.runtimes.pki import Authority, Leaf
from harness.target import Reference, Target

API_KEY = "api_key"
ADDRESSES = ("proxy", "denied", "stranger")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One deployment as it is to be, before anything is started.

    environment: values still carry ${placeholders}; the runtime knows the addresses and paths.
    secret_files: by name, what stands in the folder of secrets. secrets: everything secret that it is given.
    secret_mode: of the secret files. settings: content of the settings file, None where the target has none.
    leaf: None without TLS.
    compose: text of the topology's Compose file, None where the target is one container. The environment is
    then what a variation adds to the application's own, and removed what it takes away. made: the secrets
    without a variation's changes, as every other part of the topology has them.
    """

    specification: Specification
    contract: Contract
    environment: Mapping[str, str]
    settings: str | None
    secret_files: Mapping[str, str]
    secrets: Mapping[str, str]
    secret_mode: int
    leaf: Leaf | None
    redirects: bool
    overlay: Overlay
    options: tuple[Container, ...]
    compose: str | None = None
    made: Mapping[str, str] = field(default_factory=dict)
    removed: frozenset[str] = frozenset()

    @property
    def launch(self) -> Launch:
        return self.contract.launch

    @property
    def scheme(self) -> str:
        return "https" if self.leaf else "http"

    @property
    def api_key(self) -> str:
        return self.secrets.get(API_KEY, "")


def plan(
    target: Target,
    specification: Specification,
    authority: Authority,
    *,
    replicated: bool = False,
    made: Mapping[str, str] | None = None,
) -> Plan:
    """Decide a deployment of `target`. Raises `CannotShow` for a change that the target cannot carry.

    replicated: the runtime can bring a topology up, where the contract has one for the profile.
    made: the secrets of a deployment that this one joins; it gets fresh ones without.
    """
    launch, variation = target.contract.launch, specification.variation
    _refuse_impossible(target, variation)
    overlay = lay((c for c in variation.changes if _is_laid(c)), specification.profile)
    settings = _settings_text(target, specification.profile, overlay)
    topology = launch.topology if replicated and isinstance(target, Reference) else None
    compose = _compose_text(topology, specification.profile, overlay)
    environment = dict(launch.env) if compose is None else {}
    uses_tls = specification.profile in launch.tls.profiles
    if uses_tls and compose is None:
        environment |= launch.tls.env
    for change in variation.changes:
        if isinstance(change, Setting):
            settings = _apply(change, launch.settings_prefix, environment, settings)
    if made is None:
        more = topology.secrets if topology and compose is not None else {}
        made = {name: _generate(kind) for name, kind in {**launch.secrets, **more}.items()}
    files, given = _secrets(launch, made, variation, environment)
    modes = [change.mode for change in variation.changes if isinstance(change, SecretFiles)]
    if compose is None:
        uses_tls = _mentions(environment, "tls_cert")
    faults = [change.kind for change in variation.changes if isinstance(change, Certificate)]
    if faults and not uses_tls:
        raise CannotShow(f"the profile {specification.profile} has no TLS: no certificate to be replaced")
    return Plan(
        specification=specification,
        contract=target.contract,
        environment=environment,
        settings=settings,
        secret_files=files,
        secrets=given,
        secret_mode=modes[-1] if modes else SECRET_MODE,
        leaf=authority.issue(faults[-1] if faults else None) if uses_tls else None,
        redirects=uses_tls
        and launch.redirect_port > 0
        and (compose is not None or _mentions(environment, "redirect_port")),
        overlay=overlay,
        options=tuple(c for c in variation.changes if isinstance(c, Container)),
        compose=compose,
        made=made,
        removed=frozenset(
            _variable(c, launch.settings_prefix)
            for c in variation.changes
            if isinstance(c, Setting) and c.value is None
        ),
    )


def resolve(environment: Mapping[str, str], values: Mapping[str, str]) -> dict[str, str]:
    """Fill the placeholders in. Raises `ContractError` naming a variable whose placeholder is unknown."""
    resolved = {}
    for name, text in environment.items():
        try:
            resolved[name] = string.Template(text).substitute(values)
        except (KeyError, ValueError):
            raise ContractError(
                f"launch.env.{name}: {text!r} has a placeholder that this deployment cannot fill",
                remedy=f"Known here: {', '.join(f'${{{value}}}' for value in sorted(values))}.",
            ) from None
    return resolved


def _is_laid(change: Change) -> TypeGuard[Edit | Added]:
    """Whether it is laid over the reference; other files are added where the scanners look, not here."""
    return isinstance(change, Edit) or (isinstance(change, Added) and change.place == "packages")


def _refuse_impossible(target: Target, variation: Variation) -> None:
    if not isinstance(target, Reference) and any(_is_laid(c) for c in variation.changes):
        raise CannotShow("a text edit can be laid over the reference only, not over a target of your own")


def _settings_text(target: Target, profile: str, overlay: Overlay) -> str | None:
    if not isinstance(target, Reference):
        return None
    if overlay.settings is not None:
        return overlay.settings
    path = places.SETTINGS / f"{profile}.toml"
    try:
        return path.read_text(encoding="utf-8")
    except OSError as cause:
        raise ContractError(
            f"{path}: {cause.strerror}", remedy="The profile's settings file belongs to the project."
        ) from None


def _compose_text(topology: Replicated | None, profile: str, overlay: Overlay) -> str | None:
    if topology is None or profile not in topology.profiles:
        if overlay.topology:
            raise CannotShow(f"the profile {profile} has no topology here: {', '.join(overlay.topology)}")
        return None
    path = places.DEPLOY / topology.file
    try:
        return overlay.topology.get(f"deploy/{topology.file}") or path.read_text(encoding="utf-8")
    except OSError as cause:
        raise ContractError(
            f"{path}: {cause.strerror}",
            remedy="launch.topology.file names a file beside deploy/contract.toml.",
        ) from None


def _variable(change: Setting, prefix: str) -> str:
    return change.key if change.key.startswith(prefix) else f"{prefix}{change.key}"


def _apply(change: Setting, prefix: str, environment: dict[str, str], settings: str | None) -> str | None:
    name = _variable(change, prefix)
    if change.value is not None:
        environment[name] = change.value
        return settings
    environment.pop(name, None)
    return without_key(settings, name.removeprefix(prefix).lower()) if settings is not None else None


def without_key(text: str, key: str) -> str:
    """Return the text of a flat TOML file without one key; unchanged when the key is not there."""
    table = tomllib.loads(text)
    if key not in table:
        return text
    # What a flat settings file holds (texts, numbers, switches, lists of them) JSON writes as TOML does.
    return "".join(
        f"{name} = {json.dumps(value, ensure_ascii=False)}\n" for name, value in table.items() if name != key
    )


def _secrets(
    launch: Launch, made: Mapping[str, str], variation: Variation, environment: dict[str, str]
) -> tuple[dict[str, str], dict[str, str]]:
    """Return the secret files, and every secret by name; a key given by the environment is put there."""
    files = dict(made)
    for change in variation.changes:
        if isinstance(change, Secret):
            files.pop(change.name, None)
            if change.value is not None:
                files[change.name] = change.value
    given = dict(files)
    if launch.api_key.secret:
        if launch.api_key.secret in files:
            given[API_KEY] = files[launch.api_key.secret]
    else:
        given[API_KEY] = environment.setdefault(launch.api_key.env, _generate("random"))
    return files, given


def _generate(kind: SecretKind) -> str:
    match kind:
        case "random":
            return randomness.token_urlsafe(48)
        case "ec-p256":
            key = ec.generate_private_key(ec.SECP256R1())
            return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def _mentions(environment: Mapping[str, str], placeholder: str) -> bool:
    pattern = re.compile(rf"\$\{{?{placeholder}\b")
    return any(pattern.search(value) for value in environment.values())
