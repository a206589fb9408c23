"""Failures that are kept: found again, without secrets, and with a message for what cannot be read."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness.errors import UserError
from harness.fuzz.corpus import Corpus
from harness.redaction import VAULT
from tests.harness.fuzz.test_parts import failure

WHERE = {"target": "reference", "profile": "testing", "seed": 7}


def test_what_was_kept_comes_back_to_its_target(tmp_path: Path) -> None:
    corpus = Corpus(tmp_path / "fuzz")
    assert corpus.of("reference") == ()

    corpus.keep([failure(), failure(detail="503")], **WHERE)  # type: ignore[arg-type]
    corpus.keep([failure()], **WHERE)  # type: ignore[arg-type]

    assert {kept.failure.detail for kept in corpus.of("reference")} == {"500", "503"}
    assert corpus.of("another") == ()
    kept = corpus.get(failure().id)
    assert (kept.failure, kept.seed, kept.profile) == (failure(), 7, "testing")


def test_secrets_are_not_kept(tmp_path: Path) -> None:
    VAULT.learn("a-refresh-token-of-this-test", "$REFRESH_TOKEN")
    secret = replace(failure().message, body='{"refresh_token": "a-refresh-token-of-this-test"}')
    corpus = Corpus(tmp_path)

    corpus.keep([replace(failure(), message=secret)], **WHERE)  # type: ignore[arg-type]

    assert "of-this-test" not in (tmp_path / f"{failure().id}.json").read_text()
    assert corpus.of("reference")[0].failure.message.body == '{"refresh_token": "$REFRESH_TOKEN"}'


def test_an_unknown_failure_names_the_nearest(tmp_path: Path) -> None:
    corpus = Corpus(tmp_path)
    with pytest.raises(UserError, match="it keeps what it finds"):
        corpus.get("0123456789")
    corpus.keep([failure()], **WHERE)  # type: ignore[arg-type]

    with pytest.raises(UserError) as refusal:
        corpus.get(f"{failure().id[:-1]}x")

    assert failure().id in refusal.value.remedy


@pytest.mark.parametrize("text", ["{", "{}", '{"failure": 1}'])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "broken.json").write_text(text)

    with pytest.raises(UserError, match=r"broken\.json") as refusal:
        Corpus(tmp_path).of("reference")

    assert refusal.value.remedy.startswith("Remove the file")
