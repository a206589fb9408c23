from __future__ import annotations

import hashlib
import io
import json
import secrets
import tarfile
from pathlib import Path

import pytest

from harness.errors import ProbeFailed
from harness.probes import layers
from harness.probes.layers import read_image

KEY = secrets.token_urlsafe(48)


def archive(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def image(folder: Path, *contents: dict[str, bytes]) -> Path:
    names = [f"{number}/layer.tar" for number in range(len(contents))]
    packed = [archive(files) for files in contents]
    configuration = {
        "history": [{"created_by": "RUN echo"}, {}],
        "config": {"Env": []},
        "rootfs": {"diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}" for layer in packed]},
    }
    path = folder / "image.tar"
    path.write_bytes(
        archive(
            {
                **dict(zip(names, packed, strict=True)),
                "config.json": json.dumps(configuration).encode(),
                "manifest.json": json.dumps([{"Config": "config.json", "Layers": names}]).encode(),
            }
        )
    )
    return path


def test_a_key_that_a_later_layer_deletes_is_still_found(tmp_path):
    content = read_image(image(tmp_path, {"etc/app/key": KEY.encode()}, {"etc/app/.wh.key": b""}))

    (found,) = content.key_material
    assert (found.path, found.layer, found.hidden) == ("etc/app/key", 1, True)
    assert str(found) == "/etc/app/key in layer 1, hidden by a later one"
    assert (content.layers, content.files) == (2, 1)
    assert content.history == ("RUN echo", "")


@pytest.mark.parametrize("later", ["etc/app/key", "etc/.wh.app", ".wh.etc", "etc/app/.wh..wh..opq"])
def test_what_hides_a_file_is_known(tmp_path, later):
    (found,) = read_image(image(tmp_path, {"./etc/app/key": KEY.encode()}, {later: b""})).key_material

    assert found.hidden


def test_a_layer_that_two_images_have_is_searched_once(tmp_path, monkeypatch):
    searched, search = [], layers.key_material
    monkeypatch.setattr(
        layers, "key_material", lambda path, content: searched.append(path) or search(path, content)
    )
    common, own = {"opt/common": KEY.encode() + tmp_path.name.encode()}, {"opt/own": tmp_path.name.encode()}
    (tmp_path / "other").mkdir()

    for made in (image(tmp_path, common), image(tmp_path / "other", own, common)):
        (found,) = read_image(made).key_material
        assert (found.path, found.layer) == ("opt/common", 1 if made.parent == tmp_path else 2)
    assert searched == ["opt/common", "opt/own"]


def test_a_file_of_an_earlier_layer_hides_nothing(tmp_path):
    (found,) = read_image(image(tmp_path, {"etc/.wh.key": b""}, {"etc/key": KEY.encode()})).key_material

    assert not found.hidden


def test_caches_are_files_not_empty_folders(tmp_path):
    layer = {
        "var/lib/apt/lists/deb.example_InRelease": b"Origin: Debian",
        "var/lib/apt/lists/lock": b"",
        "var/cache/apt/.wh.archives": b"x",
        "opt/app/wheels/x-1.whl": b"PK",
        "opt/app/x.py": b"pass",
    }

    paths = [file.path for file in read_image(image(tmp_path, layer)).caches]
    assert paths == ["var/lib/apt/lists/deb.example_InRelease", "opt/app/wheels/x-1.whl"]


@pytest.mark.parametrize(
    "content", [b"", b"no archive", archive({"a": b""}), archive({"manifest.json": b"[]"})]
)
def test_anything_else_is_named(tmp_path, content):
    path = tmp_path / "image.tar"
    path.write_bytes(content)

    with pytest.raises(ProbeFailed, match=r"image\.tar is no image"):
        read_image(path)
