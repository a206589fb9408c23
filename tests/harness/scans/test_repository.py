"""What a tree holds and what its history ever held, by git for real."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from harness.scans.repository import clone, commit, history, tree


def git(root: Path, *words: str) -> None:
    subprocess.run(
        ["git", "-c", "user.name=t", "-c", "user.email=t@t", "-c", "commit.gpgsign=false", *words],
        cwd=root,
        check=True,
        capture_output=True,
    )


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    root = tmp_path / "repository"
    root.mkdir()
    git(root, "init", "--quiet", "--initial-branch=main")
    (root / "a.txt").write_text("one\ntwo\n")
    (root / "gone.env").write_text("deleted later\n")
    (root / ".gitignore").write_text("ignored\n")
    git(root, "add", ".")
    git(root, "commit", "--quiet", "-m", "first")
    (root / "gone.env").unlink()
    (root / "a.txt").write_text("two\nthree\n")
    git(root, "commit", "--quiet", "--all", "-m", "second")
    return root


def lines(root: Path, workspace: Path) -> dict[str, list[str]]:
    workspace.mkdir(exist_ok=True)
    found = history(root, workspace)
    assert found is not None
    held: dict[str, list[str]] = {}
    for text in found.texts:
        held.setdefault(text.place.rpartition(" ")[2], []).extend(text.file.read_text().splitlines())
    return held


def test_a_tree_is_what_git_does_not_ignore(repository: Path) -> None:
    (repository / "new.txt").write_text("not yet committed")
    (repository / "ignored").write_text("of no interest")

    assert [text.place for text in tree(repository)] == [".gitignore", "a.txt", "new.txt"]


def test_without_git_it_is_what_stands_there(tmp_path: Path) -> None:
    for name in ("app.py", "deep/er.py", ".venv/lib/x.py", "__pycache__/app.pyc"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x = 1")

    assert [text.place for text in tree(tmp_path)] == ["app.py", "deep/er.py"]
    assert history(tmp_path, tmp_path) is None
    assert clone(tmp_path, tmp_path / "copy") is None


def test_history_holds_every_line_once_and_deleted_ones_too(repository: Path, tmp_path: Path) -> None:
    held = lines(repository, tmp_path / "w")

    assert held["gone.env"] == ["deleted later"]
    assert sorted(held["a.txt"]) == ["one", "three", "two"]
    found = history(repository, tmp_path / "w2")
    assert found is not None
    assert (found.commits, found.cut) == (2, False)


def test_other_branches_and_merges_are_history_too(repository: Path, tmp_path: Path) -> None:
    git(repository, "checkout", "--quiet", "-b", "aside")
    (repository / "aside.txt").write_text("on a branch\n")
    git(repository, "add", ".")
    git(repository, "commit", "--quiet", "-m", "aside")
    git(repository, "checkout", "--quiet", "main")
    (repository / "main.txt").write_text("on main\n")
    git(repository, "add", ".")
    git(repository, "commit", "--quiet", "-m", "main")
    git(repository, "merge", "--quiet", "--no-commit", "aside")
    (repository / "merge.txt").write_text("only in the merge\n")
    git(repository, "add", ".")
    git(repository, "commit", "--quiet", "-m", "merge")
    git(repository, "checkout", "--quiet", "-b", "unmerged")
    (repository / "unmerged.txt").write_text("never merged\n")
    git(repository, "add", ".")
    git(repository, "commit", "--quiet", "-m", "unmerged")
    git(repository, "checkout", "--quiet", "main")

    held = lines(repository, tmp_path / "w")

    assert held["aside.txt"] == ["on a branch"]
    assert held["merge.txt"] == ["only in the merge"]
    assert held["unmerged.txt"] == ["never merged"]


def test_a_shallow_clone_says_that_it_is_cut(repository: Path, tmp_path: Path) -> None:
    git(tmp_path, "clone", "--quiet", "--depth", "1", f"file://{repository}", "shallow")
    (tmp_path / "w").mkdir()
    found = history(tmp_path / "shallow", tmp_path / "w")

    assert found is not None
    assert found.cut


def test_a_folder_within_a_repository_has_its_own_history(repository: Path, tmp_path: Path) -> None:
    (repository / "app").mkdir()
    (repository / "app" / "main.py").write_text("x = 1\n")
    git(repository, "add", ".")
    git(repository, "commit", "--quiet", "-m", "app")

    assert lines(repository / "app", tmp_path / "w") == {"app/main.py": ["x = 1"]}


def test_lines_that_look_like_heads_of_a_patch_are_lines(repository: Path, tmp_path: Path) -> None:
    (repository / "odd.txt").write_text("++ b/other\n++ more\nplain\n")
    git(repository, "add", ".")
    git(repository, "commit", "--quiet", "-m", "odd")

    held = lines(repository, tmp_path / "w")

    assert held["odd.txt"] == ["++ b/other", "++ more", "plain"]


def test_a_defect_is_committed_in_a_copy_alone(repository: Path, tmp_path: Path) -> None:
    copy = clone(repository, tmp_path / "copy")
    assert copy is not None
    (copy / "planted.txt").write_text("planted\n")
    commit(copy, "planted")

    assert lines(copy, tmp_path / "w")["planted.txt"] == ["planted"]
    assert "planted.txt" not in lines(repository, tmp_path / "w2")
