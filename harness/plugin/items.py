"""From pytest's items to trials: which of them are checks, and what each tries."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness import collection
from harness.assembly import Assembly
from harness.costs import LEFT_OUT
from harness.declare import declaration_of
from harness.planning import Case
from harness.trial import Trial

SUITES = "suites"


def collects_suites(config: pytest.Config) -> bool:
    """Whether anything of the suites is among what pytest was asked for."""
    suites = config.rootpath / SUITES
    for argument in config.args:
        path = (config.invocation_params.dir / argument.partition("::")[0]).resolve()
        if path == suites or suites in path.parents or path in suites.parents:
            return suites.is_dir()
    return False


def is_whole(config: pytest.Config) -> bool:
    """Whether nothing is chosen of the suites."""
    chosen = config.getoption("controls") or config.getoption("keyword") or config.getoption("maxfail")
    suites = config.rootpath / SUITES
    return not chosen and all((config.invocation_params.dir / a).resolve() == suites for a in config.args)


def in_suites(config: pytest.Config, path: Path) -> bool:
    """Whether this file is one of the suites'."""
    return config.rootpath / SUITES in path.parents


def is_check(item: pytest.Item) -> bool:
    """Whether pytest's item is a check tried once."""
    return isinstance(item, pytest.Function) and in_suites(item.config, item.path)


def trial_of(item: pytest.Item, assembly: Assembly) -> Trial:
    """Return what a check's item tries, and on which deployment."""
    assert isinstance(item, pytest.Function)
    declaration = declaration_of(item.function)
    assert declaration is not None, "collection refuses a check without one"
    case = item.callspec.params["profile"]
    assert isinstance(case, Case)
    path, line, _ = item.reportinfo()
    return Trial(
        check=item.nodeid,
        claim=collection.claim_of(item.function.__doc__),
        source=f"{Path(path).relative_to(item.config.rootpath)}:{(line or 0) + 1}",
        declaration=declaration,
        case=case,
        need=assembly.need(declaration, case),
        skipped=pytest.skip.Exception,
        refused=frozenset() if assembly.options.selftest else LEFT_OUT[assembly.options.depth],
    )
