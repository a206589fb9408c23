from __future__ import annotations

import pytest

from harness.outcome import NotVerified
from harness.probes.files import FileProbe
from harness.probes.needles import needles


@pytest.fixture
def code(plain):
    folder = plain.directory / "code"
    folder.mkdir()
    (folder / "a.py").write_text("one\ntwo = 'planted-value'\n")
    (folder / "b.py").write_bytes(b"\xff\xfe")
    (folder / "b.py").chmod(0o400)
    return folder


def test_a_tree_tells_names_modes_and_contents(plain, code, recorder):
    tree = FileProbe(plain).tree("code")

    assert {name: mode & 0o077 for name, mode in tree.modes.items()} == {"a.py": 0o044, "b.py": 0}
    assert not tree.read_only
    before = tree.digest
    (code / "a.py").write_text("other")
    assert FileProbe(plain).tree("code").digest != before
    assert recorder.total == 2


def test_compiled_files_are_no_difference(plain, code):
    before = FileProbe(plain).tree("code")
    (code / "__pycache__").mkdir()
    (code / "__pycache__" / "a.pyc").write_bytes(b"compiled")

    assert FileProbe(plain).tree("code") == before


def test_files_that_hold_a_secret_are_named_with_it(plain, code):
    wanted = needles({"password": "planted-value", "other": "not-there-at-all"})

    assert FileProbe(plain).holding(wanted, "code") == {str(code / "a.py"): ["password"]}


def test_the_line_of_what_matches_is_told(plain, code):
    assert FileProbe(plain).matching("code", r"two\s*=") == [f"{code / 'a.py'}:2"]


def test_the_folder_of_the_settings_file_is_searched(plain):
    (plain.directory / "config").write_text("password = 'planted-value'")

    assert FileProbe(plain).holding(needles({"password": "planted-value"}), "config")


def test_a_search_of_nothing_proves_nothing(plain):
    (plain.directory / "data").mkdir()

    with pytest.raises(NotVerified, match="no file in data"):
        FileProbe(plain).holding(needles({"password": "planted-value"}), "data")
    with pytest.raises(NotVerified):
        FileProbe(plain).tree("state")


def test_a_folder_that_is_missing_holds_no_secret(plain, code):
    wanted = needles({"password": "planted-value"})

    assert FileProbe(plain).holding(wanted, "state", "code") == {str(code / "a.py"): ["password"]}
    with pytest.raises(NotVerified):
        FileProbe(plain).holding(wanted, "state")
