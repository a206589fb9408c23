"""A journal that somebody has worked on: every edit is found, or it says that nobody vouches for it."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from harness import chain, journal, sealing
from harness.errors import UserError
from harness.gate import decide
from harness.journal import JournalView
from harness.verdict import Verdict
from tests.harness import make

EDITS = 2_000
CHILD = "production-7"


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("sealing") / "j"
    owner = journal.create(directory, make.run())
    child = journal.join(directory, CHILD)
    for number in range(4):
        child.write(make.finding(Verdict.FAIL, check=f"{make.CHECK}[{number}]"))
    child.end()
    owner.write(make.proof())
    owner.end()
    return directory


def key_of(view: JournalView) -> str:
    return sealing.fingerprint(view.run.signer)


def records(path: Path, link: str) -> list[tuple[str, object]]:
    lines = [item for item in chain.decode(path.read_bytes(), link) if isinstance(item, chain.Line)]
    return [(line.type, line.payload) for line in lines]


def rehashed(directory: Path, edit: Callable[[list[tuple[str, object]]], None], name: str) -> None:
    """Edit one segment, chain all of its lines anew, and let the seal say what now stands there."""
    head = journal._head_hash(directory)
    for segment in dict.fromkeys((name, journal.OWNER)):
        path = directory / f"{segment}.jsonl"
        held = records(path, chain.first_link(head, segment))
        if segment == name:
            edit(held)
        written, link = b"", chain.first_link(head, segment)
        for number, (kind, payload) in enumerate(held):
            if kind == "seal":
                assert isinstance(payload, dict)
                payload["segments"] = journal._measure(directory)
            line, link = chain.encode(link, number, kind, payload)
            written += line
        path.write_bytes(written)


def test_what_was_not_touched_is_signed(pristine: Path) -> None:
    view = journal.read(pristine)

    assert view.problems == ()
    assert sealing.described(view.run.signer).endswith("(a key made for this run)")
    assert "not signed by" not in str(decide(view, (), key=key_of(view)).why)


def test_every_random_edit_is_found(pristine: Path, tmp_path: Path) -> None:
    """Bytes, lines, whole records with all hashes made anew, records behind the end: nothing passes."""
    dice = random.Random(20261201)
    of_bytes = (_a_byte, _a_line_gone, _two_lines_swapped)
    ways = (*of_bytes, _turned_green, _proof_added, _behind_the_end, _seal_gone)
    unseen = []
    for number in range(EDITS):
        copy = tmp_path / str(number)
        shutil.copytree(pristine, copy)
        way = ways[number % len(ways)]
        way(copy, dice)
        if _differs(pristine, copy) and not _problems(copy):
            unseen.append(f"{number}: {way.__name__}")
        shutil.rmtree(copy)

    assert not unseen


def test_whoever_signs_anew_has_another_key(pristine: Path, tmp_path: Path) -> None:
    """A whole journal made up is in order by itself: only the fingerprint of the run's key tells."""
    forged = journal.create(tmp_path / "j", make.run())
    forged.write(make.finding(Verdict.PASS))
    forged.end()
    view = journal.read(tmp_path / "j")

    assert view.problems == ()
    why = decide(view, (), key=key_of(journal.read(pristine))).why
    assert f"the journal is not signed by {key_of(journal.read(pristine))}, but by {key_of(view)}" in why


def test_the_users_own_key_signs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = Ed25519PrivateKey.generate()
    file = tmp_path / "key.pem"
    file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    monkeypatch.setenv(sealing.KEY_VARIABLE, str(file))

    journal.create(tmp_path / "j", make.run()).end()

    view = journal.read(tmp_path / "j")
    assert view.problems == ()
    assert view.run.signer == {"public_key": key.public_key().public_bytes_raw().hex(), "made_for_run": False}
    assert str(file) not in sealing.described(view.run.signer)


@pytest.mark.parametrize("content", [None, b"", b"no key\n", "rsa"])
def test_a_file_without_such_a_key_is_refused(
    content: bytes | str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "key.pem"
    if content == "rsa":
        rsa = generate_private_key(public_exponent=65537, key_size=2048)
        content = rsa.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    if isinstance(content, bytes):
        file.write_bytes(content)
    monkeypatch.setenv(sealing.KEY_VARIABLE, str(file))

    with pytest.raises(UserError, match="HARNESS_SIGNING_KEY") as refused:
        journal.create(tmp_path / "j", make.run())

    assert "openssl genpkey" in refused.value.remedy
    assert not (tmp_path / "j").exists()


def _problems(directory: Path) -> object:
    try:
        return journal.read(directory).problems
    except journal.JournalError as refused:
        return refused


def _differs(one: Path, other: Path) -> bool:
    return any((other / path.name).read_bytes() != path.read_bytes() for path in one.iterdir())


def _some_file(directory: Path, dice: random.Random) -> Path:
    return dice.choice(sorted(directory.iterdir()))


def _a_byte(directory: Path, dice: random.Random) -> None:
    path = _some_file(directory, dice)
    data = bytearray(path.read_bytes())
    data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
    path.write_bytes(data)


def _a_line_gone(directory: Path, dice: random.Random) -> None:
    path = _some_file(directory, dice)
    lines = path.read_bytes().splitlines(keepends=True)
    del lines[dice.randrange(len(lines))]
    path.write_bytes(b"".join(lines))


def _two_lines_swapped(directory: Path, dice: random.Random) -> None:
    path = directory / f"{CHILD}.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    one, other = dice.sample(range(len(lines)), 2)
    lines[one], lines[other] = lines[other], lines[one]
    path.write_bytes(b"".join(lines))


def _turned_green(directory: Path, dice: random.Random) -> None:
    def edit(held: list[tuple[str, object]]) -> None:
        _, payload = held[dice.randrange(4)]
        assert isinstance(payload, dict)
        payload["verdict"], payload["message"] = "pass", ""

    rehashed(directory, edit, CHILD)


def _proof_added(directory: Path, dice: random.Random) -> None:
    def edit(held: list[tuple[str, object]]) -> None:
        held.insert(0, ("proof", make.proof(defect=f"made up {dice.random()}")))
        _, counts = held[-1]
        assert isinstance(counts, dict)
        counts["proof"] = 2

    rehashed(directory, edit, journal.OWNER)


def _behind_the_end(directory: Path, dice: random.Random) -> None:
    name = dice.choice((CHILD, journal.OWNER))
    path, link = directory / f"{name}.jsonl", ""
    for item in chain.decode(path.read_bytes(), chain.first_link(journal._head_hash(directory), name)):
        assert isinstance(item, chain.Line)
        link, count = item.sha256, item.n + 1
    line, _ = chain.encode(link, count, "proof", make.proof())
    path.write_bytes(path.read_bytes() + line)


def _seal_gone(directory: Path, dice: random.Random) -> None:
    def edit(held: list[tuple[str, object]]) -> None:
        at = next(number for number, (kind, _) in enumerate(held) if kind == "seal")
        seal, (_, counts) = held[at][1], held[-1]
        assert isinstance(seal, dict)
        assert isinstance(counts, dict)
        if dice.random() < 0.5:
            del seal["signature"]
        else:
            del held[at], counts["seal"]

    rehashed(directory, edit, journal.OWNER)
