"""What an image is made of, layer by layer, as `docker save` writes it: deleted files included."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any, Final

from harness.errors import ProbeFailed
from harness.evidence import record, waiting_for_target
from harness.probes.keymaterial import key_material
from harness.records import Json, Observation
from harness.runtimes import Deployment

_DELETED: Final = ".wh."
_EMPTIED: Final = ".wh..wh..opq"
# What package managers keep to be quicker the next time. An empty folder is none.
_CACHES: Final = (
    *("var/lib/apt/lists/", "var/cache/apt/", "var/cache/apk/", "var/cache/dnf/", "var/cache/yum/"),
    *("root/.cache/pip/", "root/.cache/uv/", "root/.npm/_cacache/", "root/.cargo/registry/"),
)
_SHOWN: Final = 8  # files of each kind that evidence names
_WHEELS: Final = (".whl", ".deb", ".rpm", ".apk")
_SEARCHED: Final[dict[str, tuple[LayerFile, ...]]] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerFile:
    """A file of one layer. layer: from 1, the lowest; 0 before it is known.

    hidden: a later layer deletes or replaces it.
    """

    path: str
    layer: int
    size: int
    hidden: bool
    kinds: tuple[str, ...]

    def __str__(self) -> str:
        return f"/{self.path} in layer {self.layer}{', hidden by a later one' if self.hidden else ''}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageContent:
    """files, layers: how many there are. configuration: the image's own JSON, its history included."""

    layers: int
    files: int
    caches: tuple[LayerFile, ...]
    key_material: tuple[LayerFile, ...]
    configuration: Mapping[str, Any]

    @property
    def history(self) -> tuple[str, ...]:
        """The command of every step of the build, its arguments included."""
        return tuple(str(step.get("created_by", "")) for step in self.configuration.get("history", ()))


def image_content(deployment: Deployment) -> ImageContent:
    """Return what the image of a deployment is made of. Raises CannotShow where it has none."""
    with waiting_for_target():
        archive = deployment.export_image()
    content = read_image(archive)
    seen: dict[str, Json] = {
        "layers": content.layers,
        "files": content.files,
        "steps": len(content.history),
        "caches": [*map(str, content.caches[:_SHOWN])],
        "key_material": [f"{file}: {', '.join(file.kinds)}" for file in content.key_material[:_SHOWN]],
    }
    record(Observation(subject="the image's layers, searched file by file", data=seen))
    return content


@cache
def read_image(archive: Path) -> ImageContent:
    """Read an archive of `docker save` once; it is not read again. Raises ProbeFailed for anything else."""
    try:
        with tarfile.open(archive) as outer:
            manifest = json.loads(_bytes(outer, "manifest.json"))[0]
            configuration = json.loads(_bytes(outer, manifest["Config"]))
            names: list[str] = manifest["Layers"]
            digests: list[str] = configuration["rootfs"]["diff_ids"]
            found = [
                replace(item, layer=number)
                for number, (name, digest) in enumerate(zip(names, digests, strict=True), 1)
                for item in _layer(outer, name, digest)
            ]
    except (tarfile.TarError, KeyError, IndexError, ValueError) as cause:
        raise ProbeFailed(f"{archive.name} is no image as `docker save` writes it: {cause}") from None
    files = [_hidden(item, found) if item.kinds or _is_cache(item) else item for item in found]
    return ImageContent(
        layers=len(names),
        files=sum(not _whites_out(item) for item in files),
        caches=tuple(item for item in files if _is_cache(item)),
        key_material=tuple(item for item in files if item.kinds),
        configuration=configuration,
    )


def _bytes(archive: tarfile.TarFile, name: str) -> bytes:
    file = archive.extractfile(name)
    if file is None:
        raise KeyError(name)
    return file.read()


def _layer(outer: tarfile.TarFile, name: str, digest: str) -> tuple[LayerFile, ...]:
    """Search a layer once, whatever images it is in. digest: of its content, as Docker has verified it."""
    if digest not in _SEARCHED:
        _SEARCHED[digest] = tuple(_files(outer, name))
    return _SEARCHED[digest]


def _files(outer: tarfile.TarFile, name: str) -> Iterator[LayerFile]:
    with tarfile.open(fileobj=outer.extractfile(name)) as layer:
        for member in layer:
            if not member.isfile():
                continue
            path = member.name.removeprefix("./").lstrip("/")
            file = layer.extractfile(member)
            kinds = tuple(key_material(path, file.read())) if file else ()
            yield LayerFile(path=path, layer=0, size=member.size, hidden=False, kinds=kinds)


def _whites_out(item: LayerFile) -> bool:
    return PurePosixPath(item.path).name.startswith(_DELETED)


def _is_cache(item: LayerFile) -> bool:
    if item.size == 0 or _whites_out(item):
        return False
    return item.path.startswith(_CACHES) or item.path.endswith(_WHEELS)


def _hidden(item: LayerFile, found: list[LayerFile]) -> LayerFile:
    """The file, with what later layers say of it (OCI image specification, layer whiteouts)."""
    path = PurePosixPath(item.path)
    parents = [path, *path.parents]
    hiding = {item.path, *(str(p.with_name(f"{_DELETED}{p.name}")) for p in parents if p.name)}
    hiding |= {str(parent / _EMPTIED) for parent in parents[1:]}
    hidden = any(other.layer > item.layer and other.path in hiding for other in found)
    return replace(item, hidden=hidden)
