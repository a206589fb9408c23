"""Which modules run for a check: in a small project, and in this one."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from harness import places
from harness.errors import UserError
from harness.ledger.imports import SITE as SITE_MODULE
from harness.ledger.imports import Reach

SITE = """
from typing import TYPE_CHECKING
from harness.probes.http import Http
from harness.probes.load import Load
from harness.probes.keys import Keys
if TYPE_CHECKING:
    from harness.probes.tls import Tls

class Site:
    def __init__(self):
        self.http = Http()
        self.keys = Keys(self.http)
        self.load = Load()

    @property
    def tls(self):
        from harness.probes.tls import Tls
        return Tls(self)

    def settle(self):
        self.http.close()

    def key(self):
        return self.keys.one()
"""
SMALL: Mapping[str, str] = {
    "pyproject.toml": '[project.entry-points."harness.writers"]\nall = "reports.all:write"\n',
    "harness/__init__.py": "from harness.declare import control\n",
    "harness/declare.py": "",
    "harness/plugin.py": "import harness.session\nimport harness.summary\n",
    "harness/session.py": "from harness.site import Site\n\ndef run(site):\n    site.settle()\n",
    "harness/site.py": SITE,
    "harness/proof.py": "",
    "harness/summary.py": "import harness.table\n",
    "harness/table.py": "",
    "harness/ledger/__init__.py": "",
    "harness/commands.py": "import harness.plugin\n",
    "harness/probes/__init__.py": "",
    "harness/probes/http.py": "",
    "harness/probes/keys.py": "",
    "harness/probes/tls.py": "import harness.handshake\n",
    "harness/probes/load.py": "import harness.engine\n",
    "harness/probes/writing.py": 'GROUP = "harness.writers"\n',
    "harness/handshake.py": "",
    "harness/engine.py": 'PROGRAM = "harness.child"\nWHERE = "scenarios"\n',
    "harness/child.py": "import harness.inside\nimport harness.forking.client\n",
    "harness/forking/__init__.py": "",
    "harness/forking/client.py": 'SERVER = Path(__file__).parent / "server.py"\n',
    "harness/forking/server.py": "",
    "harness/forking/other.py": "",
    "harness/inside/__init__.py": "HERE = __file__\n",
    "harness/inside/program.py": "",
    "scenarios/__init__.py": "",
    "scenarios/steady.py": "",
    "reports/__init__.py": "",
    "reports/all.py": "",
    "suites/__init__.py": "",
    "suites/helper.py": "def look(site):\n    return site.tls\n",
    "suites/test_plain.py": "from harness import control\n\ndef test(site):\n    site.http.get()\n",
    "suites/test_tls.py": "from suites.helper import look\n",
    "suites/test_load.py": "def test(site):\n    site.load\n",
    "suites/test_key.py": "def test(site):\n    site.key()\n",
    "suites/test_reports.py": "import harness.probes.writing\n",
}
CORE = {
    *("harness", "harness.declare", "harness.plugin", "harness.session", "harness.site", "harness.proof"),
    *("harness.probes", "harness.probes.http"),
}


@pytest.fixture
def small(tmp_path: Path) -> Path:
    for path, text in SMALL.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    return tmp_path


def test_the_core_is_what_runs_for_every_check(small: Path) -> None:
    assert Reach(small).core == CORE


@pytest.mark.parametrize(
    ("suite", "further"),
    [
        ("test_plain", set()),
        ("test_tls", {"suites.helper", "harness.probes.tls", "harness.handshake"}),
        (
            "test_load",
            {
                *("harness.probes.load", "harness.engine", "harness.child", "scenarios", "scenarios.steady"),
                *("harness.inside", "harness.inside.program"),
                *("harness.forking", "harness.forking.client", "harness.forking.server"),
            },
        ),
        ("test_key", {"harness.probes.keys"}),
        ("test_reports", {"harness.probes.writing", "reports", "reports.all"}),
    ],
)
def test_a_check_adds_its_suite_and_what_it_looks_with(small: Path, suite: str, further: set[str]) -> None:
    assert Reach(small).of(f"suites.{suite}") == {"suites", f"suites.{suite}", *further}


def test_what_is_imported_for_types_alone_does_not_run(small: Path) -> None:
    (small / "suites" / "test_plain.py").write_text(
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import harness.handshake\n"
    )

    assert Reach(small).of("suites.test_plain") == {"suites", "suites.test_plain"}


def test_a_module_that_python_does_not_understand_is_a_users_mistake(small: Path) -> None:
    (small / "suites" / "test_plain.py").write_text("def test(:\n")

    with pytest.raises(UserError, match=r"test_plain\.py"):
        Reach(small)


class TestThisProject:
    def test_probes_that_are_imported_where_they_are_used_are_not_in_the_core(self, reach: Reach) -> None:
        lazy = {f"harness.probes.{name}" for name in ("tls", "scans", "rollout", "browser", "load", "fuzz")}

        assert not lazy & reach.core

    def test_only_what_decides_no_trial_is_bound_to_nothing(self, reach: Reach) -> None:
        suites = [_module(path) for path in places.SUITES.rglob("test_*.py")]
        bound = reach.core.union(*(reach.of(suite) for suite in suites))
        modules = {_module(path) for path in (places.PROJECT / "harness").rglob("*.py")}
        free = re.compile(
            r"harness\.(__main__|cli|commands|ledger|summary|console|plugin\.registry|load\.comparison)(\..*)?"
        )

        assert [module for module in sorted(modules - bound) if not free.fullmatch(module)] == []
        assert len(suites) > 50

    def test_whoever_is_given_a_site_names_its_type_so_that_its_mentions_count(self) -> None:
        unnamed = []
        for path in (places.PROJECT / "harness").rglob("*.py"):
            text = path.read_text()
            given = {node.arg for node in ast.walk(ast.parse(text)) if isinstance(node, ast.arg)}
            if "site" in given and SITE_MODULE not in text:
                unnamed.append(path)

        assert unnamed == []


@pytest.fixture(scope="module")
def reach() -> Reach:
    return Reach(places.PROJECT)


def _module(path: Path) -> str:
    return ".".join(path.relative_to(places.PROJECT).with_suffix("").parts).removesuffix(".__init__")
