"""Digests of the files that proofs depend on."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.ledger.tree import Tree, digest_of

PYPROJECT = '[project]\nname = "p"\n\n[tool.pytest.ini_options]\naddopts = "-q"\n'


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for path, text in {
        "suites/test_a.py": "a",
        "deploy/Dockerfile": "FROM scratch",
        "deploy/images/redis/start": "run",
        "conftest.py": "",
        "pyproject.toml": PYPROJECT,
        "README.md": "read",
    }.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    return tmp_path


def test_it_holds_what_a_proof_may_depend_on_and_nothing_else(root: Path) -> None:
    (root / "suites" / "__pycache__").mkdir()
    (root / "suites" / "__pycache__" / "test_a.cpython-311.pyc").touch()

    assert [*Tree(root).files] == [
        *("conftest.py", "deploy/Dockerfile", "deploy/images/redis/start", "pyproject.toml"),
        "suites/test_a.py",
    ]


def test_it_is_as_the_files_were_when_it_was_made(root: Path) -> None:
    tree = Tree(root)
    (root / "suites" / "test_a.py").write_text("b")

    assert tree.files["suites/test_a.py"] == digest_of(b"a")
    assert Tree(root).files["suites/test_a.py"] == digest_of(b"b")


def test_of_pyproject_only_pytests_configuration_counts(root: Path) -> None:
    before, path = Tree(root).files["pyproject.toml"], root / "pyproject.toml"

    path.write_text(PYPROJECT.replace('"p"', '"another"') + "\n# a comment\n")
    assert Tree(root).files["pyproject.toml"] == before

    path.write_text(PYPROJECT.replace("-q", "-v"))
    assert Tree(root).files["pyproject.toml"] != before


def test_whether_a_file_can_be_run_counts_too(root: Path) -> None:
    before = Tree(root).files["deploy/images/redis/start"]
    (root / "deploy/images/redis/start").chmod(0o755)

    assert Tree(root).files["deploy/images/redis/start"] != before


def test_places_are_files_and_folders(root: Path) -> None:
    tree = Tree(root)

    assert tree.below("deploy/images", "conftest.py") == ("conftest.py", "deploy/images/redis/start")
    assert tree.below("deploy/im") == ()


@pytest.mark.parametrize("change", ["edited", "renamed", "removed"])
def test_a_digest_over_files_is_of_names_and_contents(root: Path, change: str) -> None:
    paths, file = ("conftest.py", "suites/test_a.py"), root / "suites" / "test_a.py"
    before = Tree(root).digest(paths)
    match change:
        case "edited":
            file.write_text("b")
        case "renamed":
            file.rename(file.with_name("test_b.py"))
            paths = ("conftest.py", "suites/test_b.py")
        case "removed":
            file.unlink()

    assert Tree(root).digest(paths) != before
