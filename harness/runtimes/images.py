"""Application images: wheels fetched on the host, a build without a package index, and a name by content.

The name is a hash of everything that goes in: a second run builds nothing, a changed line builds anew.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
import sys
import time
import zipfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from packaging.markers import Marker

from harness import places
from harness.errors import ContractError, RuntimeUnavailable
from harness.journal import now
from harness.records import Event
from harness.runtimes.base import base_image
from harness.runtimes.engine import Engine
from harness.runtimes.files import room_on_disk
from harness.runtimes.handing import readable_to_all
from harness.runtimes.interpreter import locked, pip
from harness.runtimes.revision import revision
from harness.target import Image, Source
from harness.workspace import Workspace

PYTHON = "3.11"  # of Debian bookworm
_IMAGE = {"python_version": PYTHON, "python_full_version": "3.11.2"}
_GLIBC = 36  # 2.36: the newest manylinux tag that bookworm's C library can load
_PULL_SILENCE_S = 10.0
_IGNORED = shutil.ignore_patterns(".git", ".venv", "venv", "__pycache__", "*.pyc", "node_modules")
_SOURCE_RECIPE = """\
ARG BASE
FROM ${BASE} AS build
RUN apt-get update && apt-get install --yes --no-install-recommends python3 python3-venv
COPY wheels/ /build/wheels/
COPY requirements.txt /build/
RUN python3 -m venv /opt/application && /opt/application/bin/pip install --no-index \\
    --find-links /build/wheels --no-cache-dir --disable-pip-version-check \\
    -r /build/requirements.txt uvicorn \\
    && /opt/application/bin/pip uninstall --yes --quiet setuptools pip

FROM ${BASE}
RUN if [ ! -x /usr/bin/python3 ]; then apt-get update \\
    && apt-get install --yes --no-install-recommends python3 && rm -rf /var/lib/apt/lists/*; fi
COPY --from=build /opt/application/ /opt/application/
COPY source/ /app/
ENV PATH=/opt/application/bin:/usr/local/bin:/usr/bin:/bin PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /app
USER 10001:10001
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Builder:
    """Makes the images of one run."""

    engine: Engine
    workspace: Workspace
    progress: Callable[[Event], None]

    def reference(self, recipe: str | None = None) -> str:
        """Return the reference's image, by its recipe or an edited one."""
        own = places.DOCKERFILE.read_text(encoding="utf-8")
        text = recipe if recipe is not None else own
        base = base_image(self.engine, self.workspace, self.progress)
        parts = (
            text.encode(),
            revision().encode(),
            places.REQUIREMENTS.read_bytes(),
            *_contents(places.PACKAGE),
        )
        name = f"panotti:{self._digest(base, parts)}"
        if more := steps_at_the_end(own, text):
            return self._built(name, self.reference(), lambda context: _continue(more, context))
        return self._built(name, base, lambda context: self._fill(context, text))

    def refusal_of_another_wheel(self, recipe: str | None = None) -> str | None:
        """Build the reference's packages with a wheel that is not the lock's, of the same name and version.

        Return the last lines of the build that refused it, None when it was built. A refusal of that wheel is
        kept: the same base, recipe and lock come to the same.
        """
        text = recipe if recipe is not None else places.DOCKERFILE.read_text(encoding="utf-8")
        base = base_image(self.engine, self.workspace, self.progress)
        digest = self._digest(base, (text.encode(), places.REQUIREMENTS.read_bytes()))
        kept = places.BUILD / "trials" / f"{digest}.txt"
        if kept.is_file():
            return kept.read_text(encoding="utf-8")
        name = f"panotti-other-wheel:{self.workspace.folder('other').name.lower()}"
        context = self.workspace.folder("context")
        with room_on_disk(context):
            self._fill(context, text)
            wheels = (context / "wheels").glob("*.whl")
            wheel = min(wheels, key=lambda wheel: (wheel.stat().st_size, wheel.name))
            alter(wheel)
        try:
            self.engine.build(context, name, {"BASE": base}, stage="packages")
        except RuntimeUnavailable as refusal:
            if hashlib.sha256(wheel.read_bytes()).hexdigest() in refusal.what:
                _keep(kept, f"{refusal.what}\n(tried at {now()})")
            return refusal.what
        finally:
            shutil.rmtree(context)
        self.engine.remove_image(name)
        return None

    def _fill(self, context: Path, recipe: str) -> None:
        wheels = fetch_wheels(places.REQUIREMENTS, ("--require-hashes",), self.progress)
        _copy_wheels(wheels, context)
        shutil.copytree(places.PACKAGE, context / places.PACKAGE.name, ignore=_IGNORED)
        (context / "requirements").mkdir()
        shutil.copy(places.REQUIREMENTS, context / "requirements" / places.REQUIREMENTS.name)
        (context / "Dockerfile").write_text(recipe, encoding="utf-8")

    def component(self, name: str, edited: Mapping[str, str]) -> str:
        """Return the image of a part of the topology, by the recipe in deploy/images/`name`.

        edited: new texts by path below the project.
        """
        folder = places.DEPLOY / "images" / name
        base = base_image(self.engine, self.workspace, self.progress)
        below = f"deploy/images/{name}/"
        texts = {path.removeprefix(below): text for path, text in edited.items() if path.startswith(below)}
        parts = (*_contents(folder), *(f"{path}\0{text}".encode() for path, text in sorted(texts.items())))
        image = f"panotti-{name}:{self._digest(base, parts)}"

        def fill(context: Path) -> None:
            shutil.copytree(folder, context, dirs_exist_ok=True)
            for path, text in texts.items():
                (context / path).write_text(text, encoding="utf-8")

        return self._built(image, base, fill)

    def source(self, target: Source) -> str:
        """Return the image of a source folder: its requirements from wheels, its files below /app."""
        base = base_image(self.engine, self.workspace, self.progress)
        name = f"panotti-source:{self._digest(base, (_SOURCE_RECIPE.encode(), *_contents(target.folder)))}"

        def fill(context: Path) -> None:
            requirements = target.folder / "requirements.txt"
            _copy_wheels(fetch_wheels(requirements, ("uvicorn",), self.progress), context)
            shutil.copytree(target.folder, context / "source", ignore=_IGNORED)
            shutil.copy(requirements, context / "requirements.txt")
            (context / "Dockerfile").write_text(_SOURCE_RECIPE, encoding="utf-8")

        return self._built(name, base, fill)

    def given(self, target: Image) -> str:
        """Return a user's image, pulled where it is not here. Raises `ContractError` where nobody has it."""
        here = self.engine.image_id(target.name) is not None
        if not here and not self.engine.pull(target.name, silence_s=_PULL_SILENCE_S):
            raise ContractError(
                f"image:{target.name}: it is not on this machine, and no registry that answers has it",
                remedy="Build or load it first (`docker images` lists what is here), or correct its name.",
            )
        return target.name

    def laid_over(self, image: str, texts: Mapping[str, str], recipe: str) -> str:
        """Return an image with files laid over it, by a recipe that copies them from `package`.

        texts: by path below the folder that the recipe copies them to.
        """
        files = (f"{path}\0{text}".encode() for path, text in sorted(texts.items()))
        name = f"panotti-laid-over:{self._digest(image, (recipe.encode(), *files))}"

        def fill(context: Path) -> None:
            for path, text in texts.items():
                file = context / "package" / path
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(text, encoding="utf-8")
            (context / "Dockerfile").write_text(recipe, encoding="utf-8")

        return self._built(name, image, fill)

    def _digest(self, base: str, parts: Iterable[bytes]) -> str:
        digest = hashlib.sha256((self.engine.image_id(base) or "").encode())
        for part in parts:
            digest.update(hashlib.sha256(part).digest())
        return digest.hexdigest()[:12]

    def _built(self, name: str, base: str, fill: Callable[[Path], None]) -> str:
        if self.engine.image_id(name) is not None:
            return name
        with locked(name.replace(":", "-")):
            if self.engine.image_id(name) is None:
                began = time.monotonic()
                self.progress(Event(name="image.building", detail={"image": name}, at=now()))
                context = self.workspace.folder("context")
                with room_on_disk(context):
                    fill(context)
                readable_to_all(context)
                arguments = {"BASE": base, "VERSION": _version(), "REVISION": revision()}
                self.engine.build(context, name, arguments)
                shutil.rmtree(context)
                seconds = time.monotonic() - began
                self.progress(Event(name="image.built", seconds=seconds, detail={"image": name}, at=now()))
        return name


def steps_at_the_end(recipe: str, edited: str) -> str:
    """Return what an edited recipe does after all that the recipe does, "" where it differs before."""
    more = edited.removeprefix(recipe.rstrip("\n"))
    # The value of a build's argument does not reach a build that begins with an image.
    return more.strip() if more != edited and more.startswith("\n") and "$" not in more else ""


def _continue(steps: str, context: Path) -> None:
    """Begin with the image that is built already: nothing of its own context has to be packed and sent."""
    (context / "Dockerfile").write_text(f"ARG BASE\nFROM ${{BASE}}\n{steps}\n", encoding="utf-8")


def fetch_wheels(
    requirements: Path, extra: tuple[str, ...], progress: Callable[[Event], None]
) -> tuple[Path, ...]:
    """Return the wheels for the image's Python, fetched once and kept below build/wheels."""
    digest = hashlib.sha256(requirements.read_bytes() + repr((extra, _IMAGE)).encode()).hexdigest()[:12]
    folder = places.BUILD / "wheels" / digest
    with locked(f"wheels-{digest}"):
        if not (folder / "complete").is_file():
            began = time.monotonic()
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            _download(requirements, extra, folder)
            (folder / "complete").touch()
            progress(Event(name="wheels.fetched", seconds=time.monotonic() - began, at=now()))
    return tuple(sorted(folder.glob("*.whl")))


def _download(requirements: Path, extra: tuple[str, ...], folder: Path) -> None:
    if "--require-hashes" in extra:
        # pip takes a lock's markers for the Python that it runs on, which may be newer than the image's.
        text = _for_the_image(requirements.read_text(encoding="utf-8"))
        requirements = folder / "wanted.txt"
        requirements.write_text(text, encoding="utf-8")
    tags = [f"manylinux_2_{minor}_{platform.machine()}" for minor in range(_GLIBC, 4, -1)]
    pip(
        sys.executable,
        *("download", "--quiet", "--only-binary", ":all:", "--dest", str(folder)),
        *("--python-version", PYTHON, "--implementation", "cp"),
        *(word for tag in (*tags, f"linux_{platform.machine()}") for word in ("--platform", tag)),
        *("--requirement", str(requirements), *extra),
    )


def _for_the_image(requirements: str) -> str:
    """Return those of the requirements that the image's Python needs, without their markers."""
    kept = []
    for line in re.split(r"(?<!\\)\n", requirements):
        found = re.match(r"(?P<what>[^;#]+);(?P<marker>[^\\]*?)(?P<rest>(\s*\\\n.*)?)$", line, re.DOTALL)
        if found is None:
            kept.append(line)
        elif Marker(found["marker"].strip()).evaluate(_IMAGE):
            kept.append(found["what"].rstrip() + found["rest"])
    return "\n".join(kept)


def _keep(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(f".{os.getpid()}")
    fresh.write_text(text, encoding="utf-8")
    fresh.replace(path)


def alter(wheel: Path) -> None:
    """Give a wheel another hash, and nothing else that its installation would notice."""
    with zipfile.ZipFile(wheel, "a") as archive:
        archive.comment = b"not the file that was locked"


def _copy_wheels(wheels: Iterable[Path], context: Path) -> None:
    (context / "wheels").mkdir()
    for wheel in wheels:
        shutil.copy(wheel, context / "wheels")


def _contents(folder: Path) -> Iterable[bytes]:
    """Name and content of every file that goes into an image, in a stable order."""
    ignored = {".git", ".venv", "venv", "__pycache__", "node_modules"}
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        if path.is_file() and not ignored.intersection(relative.parts) and path.suffix != ".pyc":
            yield str(relative).encode() + b"\0" + path.read_bytes()


def _version() -> str:
    try:
        return version("panotti-compliance")
    except PackageNotFoundError:
        return "0"
