"""A lock as pip reads it, and whose lock a deployment was built from."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness import places
from harness.contract import Contract
from harness.runtimes import CannotShow, RuntimeName
from harness.scans.lock import Pin, lock_of, read_lock
from harness.target import Address, Image, Reference, Source, Target

HASH = "--hash=sha256:" + "0" * 64
CONTRACT = Contract(name="any")


def read(tmp_path: Path, text: str, more: str = "") -> dict[str, Pin]:
    (tmp_path / "lock.txt").write_text(text)
    return dict(read_lock(tmp_path / "lock.txt", more).pins)


def test_pins_with_hashes_markers_and_extras(tmp_path: Path) -> None:
    text = f"""\
# a comment
Left_Pad[x]==1.0 ; python_version >= "3.0" \\
    {HASH} \\
    {HASH}
    # via something
other==2.0 ; sys_platform == "no-such-system" {HASH}
other==3.0 {HASH}
"""
    assert read(tmp_path, text) == {
        "left-pad": Pin(name="left-pad", version="1.0", hashes=2),
        "other": Pin(name="other", version="3.0", hashes=1),
    }


def test_what_applies_is_decided_by_the_servers_python(tmp_path: Path) -> None:
    (tmp_path / "lock.txt").write_text(
        'old==1 ; python_version < "3.5"\nnew==1 ; python_full_version >= "3.5"\n'
    )

    assert list(read_lock(tmp_path / "lock.txt").pins) == ["new"]
    assert list(read_lock(tmp_path / "lock.txt", python="3.4.10").pins) == ["old"]


@pytest.mark.parametrize("loose", ["a", "a>=1", "a==1.*", "a==1,!=2", "a~=1.0"])
def test_what_pins_no_version_has_none(tmp_path: Path, loose: str) -> None:
    assert read(tmp_path, f"{loose}\n")["a"] == Pin(name="a", version="", hashes=0)


def test_lines_more_are_its_last_ones(tmp_path: Path) -> None:
    assert list(read(tmp_path, f"a==1 {HASH}", "b==2")) == ["a", "b"]


@pytest.mark.parametrize(
    "line", ["-r other.txt", "--index-url https://index.example", "a @ git+https://x/y", "!!"]
)
def test_what_names_no_package_of_an_index_is_told(tmp_path: Path, line: str) -> None:
    (tmp_path / "lock.txt").write_text(f"{line}\n")

    assert read_lock(tmp_path / "lock.txt").others == (line,)


def test_the_projects_own_locks_are_whole() -> None:
    for name in ("server.txt", "all.txt"):
        lock = read_lock(places.REQUIREMENTS.with_name(name))
        assert len(lock.pins) > 30
        assert lock.others == ()
        assert all(pin.version and pin.hashes for pin in lock.pins.values())


@pytest.mark.parametrize(
    ("target", "runtime", "name"),
    [
        (Reference(contract=CONTRACT), "containers", "requirements/server.txt"),
        (Reference(contract=CONTRACT), "process", "requirements/all.txt"),
        (Source(folder=Path("/app"), contract=CONTRACT), "containers", "/app/requirements.txt"),
        (Source(folder=Path("/app"), contract=CONTRACT), "process", "/app/requirements.txt"),
    ],
)
def test_each_deployment_has_the_lock_it_was_built_from(
    target: Target, runtime: RuntimeName, name: str
) -> None:
    assert str(lock_of(target, runtime)).endswith(name)


@pytest.mark.parametrize(
    ("target", "runtime"),
    [
        (Image(name="app:1", contract=CONTRACT), "containers"),
        (Address(url="https://127.0.0.1:1", contract=CONTRACT), "external"),
        (None, "external"),
    ],
)
def test_where_it_is_not_known_it_says_so(target: Target | None, runtime: RuntimeName) -> None:
    with pytest.raises(CannotShow):
        lock_of(target, runtime)
