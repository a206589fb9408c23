"""Application images: what goes into the build, named by content, built once."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from harness import places
from harness.defects import added, edit
from harness.errors import ContractError, HarnessError, RuntimeUnavailable
from harness.records import Event
from harness.runtimes import images
from harness.runtimes.base import BASE
from harness.runtimes.images import Builder, alter, steps_at_the_end
from harness.runtimes.workshop import Workshop
from harness.target import Image, Source
from harness.workspace import Workspace


class _Daemon:
    """Stands for Docker: it has the base image, and keeps what it was given to build."""

    def __init__(self) -> None:
        self.built: dict[str, dict[str, str]] = {BASE: {}}
        self.arguments: Mapping[str, str] = {}
        self.pulled: list[str] = []
        self.removed: list[str] = []
        self.refusal = self.stage = ""
        self.tagged: dict[str, str] = {}

    def tag(self, name: str, new: str) -> None:
        self.tagged[new] = name

    def remove_image(self, name: str) -> None:
        self.removed.append(name)

    def image_id(self, name: str) -> str | None:
        return f"id of {name}" if name in self.built else None

    def pull(self, name: str, *, silence_s: float) -> bool:
        self.pulled.append(name)
        if name.startswith("known"):
            self.built[name] = {}
        return name in self.built

    def build(self, context: Path, name: str, arguments: Mapping[str, str], stage: str = "") -> None:
        if self.refusal:
            raise RuntimeUnavailable(self.refusal)
        self.stage = stage
        files = (path for path in context.rglob("*") if path.is_file())
        self.built[name] = {
            str(path.relative_to(context)): path.read_text(encoding="utf-8", errors="replace")
            for path in files
        }
        self.arguments = arguments


@pytest.fixture
def daemon() -> _Daemon:
    return _Daemon()


@pytest.fixture
def builder(
    daemon: _Daemon,
    workspace: Workspace,
    events: list[Event],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Builder:
    def download(requirements: Path, extra: tuple[str, ...], folder: Path) -> None:
        with zipfile.ZipFile(folder / "some-1-py3-none-any.whl", "w") as wheel:
            wheel.writestr("some.py", "wheel")

    monkeypatch.setattr(places, "BUILD", tmp_path / "build")
    monkeypatch.setattr(images, "_download", download)
    return Builder(engine=daemon, workspace=workspace, progress=events.append)  # type: ignore[arg-type]


def test_the_reference_is_built_of_its_package_and_wheels(builder: Builder, daemon: _Daemon) -> None:
    context = daemon.built[builder.reference()]

    assert {"Dockerfile", "requirements/server.txt", "wheels/some-1-py3-none-any.whl"} <= set(context)
    assert "panotti/__main__.py" in context
    assert not any("__pycache__" in path for path in context)
    assert set(daemon.arguments) == {"BASE", "VERSION", "REVISION"}


def test_a_second_run_builds_nothing(builder: Builder, events: list[Event]) -> None:
    assert builder.reference() == builder.reference()

    assert [event.name for event in events] == ["image.building", "wheels.fetched", "image.built"]


def test_an_edited_recipe_is_another_image_of_the_same_wheels(
    builder: Builder, daemon: _Daemon, events: list[Event]
) -> None:
    own, edited = builder.reference(), builder.reference("FROM nothing\n")

    assert own != edited
    assert daemon.built[edited]["Dockerfile"] == "FROM nothing\n"
    assert [event.name for event in events].count("wheels.fetched") == 1


def test_steps_at_the_end_of_a_recipe_are_built_on_the_image_that_is_there(
    builder: Builder, daemon: _Daemon
) -> None:
    recipe = places.DOCKERFILE.read_text(encoding="utf-8")
    own, longer = builder.reference(), builder.reference(f"{recipe}USER root\n")

    assert own != longer
    assert daemon.built[longer] == {"Dockerfile": "ARG BASE\nFROM ${BASE}\nUSER root\n"}
    assert daemon.arguments["BASE"] == own


@pytest.mark.parametrize(
    ("edited", "steps"),
    [
        ("FROM a\nRUN b\nRUN c\n", "RUN c"),
        ("FROM a\nRUN b\n", ""),
        ("FROM a\nRUN b --again\n", ""),
        ("FROM a\nRUN c\nRUN b\n", ""),
        ("FROM a\nRUN b\nLABEL c=${REVISION}\n", ""),
    ],
)
def test_only_whole_steps_after_all_others_are_at_the_end(edited: str, steps: str) -> None:
    assert steps_at_the_end("FROM a\nRUN b\n", edited) == steps


def test_a_build_with_another_wheel_is_refused_or_removed_again(builder: Builder, daemon: _Daemon) -> None:
    own = daemon.built[builder.reference()]

    assert builder.refusal_of_another_wheel() is None
    (name,) = daemon.removed
    other = daemon.built[name]
    wheel = "wheels/some-1-py3-none-any.whl"
    assert daemon.stage == "packages"
    assert other[wheel] != own[wheel]
    assert {**other, wheel: ""} == {**own, wheel: ""}
    daemon.refusal = "THESE PACKAGES DO NOT MATCH THE HASHES"
    assert builder.refusal_of_another_wheel("FROM nothing\n") == daemon.refusal


def test_the_refusal_of_a_wheel_is_kept_for_its_recipe(
    builder: Builder, daemon: _Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(context: Path, *_: object, **__: object) -> None:
        (wheel,) = (context / "wheels").glob("*.whl")
        raise RuntimeUnavailable(f"Got {hashlib.sha256(wheel.read_bytes()).hexdigest()}")

    with monkeypatch.context() as patched:
        patched.setattr(daemon, "build", refuse)
        refusal = builder.refusal_of_another_wheel()

    assert refusal is not None
    assert (builder.refusal_of_another_wheel() or "").startswith(f"{refusal}\n(tried at 2")
    assert builder.refusal_of_another_wheel("FROM nothing\n") is None


def test_another_reason_for_a_refusal_is_not_kept(builder: Builder, daemon: _Daemon) -> None:
    daemon.refusal = "the disk is full"
    assert builder.refusal_of_another_wheel() == daemon.refusal

    daemon.refusal = ""

    assert builder.refusal_of_another_wheel() is None


def test_another_wheel_differs_in_its_hash_alone(tmp_path: Path) -> None:
    wheel = tmp_path / "a.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("a.py", "x = 1")
    before = hashlib.sha256(wheel.read_bytes()).digest()

    alter(wheel)

    assert hashlib.sha256(wheel.read_bytes()).digest() != before
    with zipfile.ZipFile(wheel) as archive:
        assert archive.testzip() is None
        assert archive.read("a.py") == b"x = 1"


def test_a_source_folder_is_built_with_what_it_requires(
    builder: Builder, daemon: _Daemon, small: Source
) -> None:
    context = daemon.built[builder.source(small)]

    assert context["source/small.py"] == (small.folder / "small.py").read_text(encoding="utf-8")
    assert context["requirements.txt"] == "uvicorn\n"
    assert "USER 10001:10001" in context["Dockerfile"]


def test_an_image_that_is_not_here_is_pulled(builder: Builder, daemon: _Daemon, small: Source) -> None:
    here = Image(name=BASE, contract=small.contract)
    known = Image(name="known:1", contract=small.contract)

    assert (builder.given(here), builder.given(known)) == (BASE, "known:1")
    assert daemon.pulled == ["known:1"]
    with pytest.raises(ContractError, match="docker images"):
        builder.given(Image(name="nobody:1", contract=small.contract))


def test_wheels_are_those_that_the_images_python_needs():
    locked = (
        "old==1 ; python_full_version < '3.11.3' \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb\n"
        "win==2 ; sys_platform == 'win32' \\\n    --hash=sha256:cc\n"
        "any==3 \\\n    --hash=sha256:dd\n"
    )

    assert images._for_the_image(locked) == (
        "old==1 \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb\nany==3 \\\n    --hash=sha256:dd\n"
    )


def test_what_is_laid_over_an_image_is_copied_into_its_package(builder: Builder, daemon: _Daemon) -> None:
    daemon.built["panotti:1"] = {}
    shop = Workshop(builder=builder, image="panotti:1", folder="/site-packages", profile="production")
    changes = [edit("", "panotti/errors.py", "class StartError", "class Renamed")]
    new = added("", "panotti/new.py", "x = 1\n")

    name = shop.build([*changes[0].changes, *new.changes])  # type: ignore[list-item]

    files = daemon.built[name]
    assert files["package/panotti/new.py"] == "x = 1\n"
    assert "class Renamed" in files["package/panotti/errors.py"]
    assert files["Dockerfile"].endswith("COPY package/ /site-packages/\n")
    assert daemon.arguments["BASE"] == "panotti:1"
    assert shop.build([*changes[0].changes]) != name  # type: ignore[list-item]


def test_a_release_that_is_tried_changes_the_package_alone(builder: Builder) -> None:
    shop = Workshop(builder=builder, image="panotti:1", folder="/site-packages", profile="production")
    changes = edit("", "deploy/compose.yaml", "scale: 2", "scale: 3").changes

    with pytest.raises(HarnessError, match="nothing but the package"):
        shop.build([*changes])  # type: ignore[list-item]


def test_tags_are_the_daemons(builder: Builder, daemon: _Daemon) -> None:
    shop = Workshop(builder=builder, image="panotti:1", folder="/site-packages", profile="production")

    shop.tag("panotti:1", "tried:1")
    shop.untag("tried:1")

    assert daemon.tagged == {"tried:1": "panotti:1"}
    assert daemon.removed == ["tried:1"]
