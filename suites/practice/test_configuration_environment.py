"""Settings come from where the documentation says."""

from __future__ import annotations

from harness import control, edit
from harness.site import Site

PRECEDENCE_REVERSED = edit(
    "the settings file goes before the environment",
    "panotti/settings.py",
    "return init_settings, _Environment(settings_cls), *toml",
    "return init_settings, *toml, _Environment(settings_cls)",
)
PRECEDENCE_MISTOLD = edit(
    "the documented precedence is another one",
    "panotti/settings.py",
    'PRECEDENCE = ("environment", "secret files", "settings file", "defaults")',
    'PRECEDENCE = ("settings file", "secret files", "environment", "defaults")',
)


@control("practice.configuration.environment-variables", broken_by=(PRECEDENCE_REVERSED, PRECEDENCE_MISTOLD))
def test_precedence_is_as_documented(site: Site) -> None:
    """The server documents the order of its sources, and the environment really goes before the file."""
    variable = f"{site.contract.launch.settings_prefix}CORS_ORIGINS"
    given = ["https://by-variable.panotti.test"]

    usual = site.described.document
    changed = site.described.document_with(**{variable: given[0]})

    documented = tuple(usual.get("precedence", ()))
    assert documented == site.policy.environment.precedence, f"documented is: {', '.join(documented)}"
    origins = [document.get("settings", {}).get("cors_origins") for document in (usual, changed)]
    assert set(origins[0] or ()) == set(site.policy.cors.origins), (
        "the settings file does not go before the default"
    )
    assert origins[1] == given, "the variable does not go before the settings file"
