from __future__ import annotations

import base64
from urllib.parse import quote

import pytest

from harness.probes.leaks import leaks

SECRET = 'pnk_a/Secret+Value~0123456789="and more'
SECRETS = {"the key": SECRET}


@pytest.mark.parametrize(
    "written",
    [
        SECRET,
        SECRET.upper(),
        quote(SECRET, safe=""),
        quote(SECRET, safe="").lower(),
        SECRET.replace('"', '\\"'),
        SECRET.encode().hex(),
        SECRET[: len(SECRET) // 2],
        SECRET[len(SECRET) // 2 :],
        *(
            base64.b64encode(f"{before}{SECRET}{after}".encode()).decode()
            for before in ("", "a:", "user:")
            for after in ("", "b", "cd")
        ),
        base64.urlsafe_b64encode(f"user:{SECRET}".encode()).decode(),
    ],
)
def test_a_secret_is_found_in_every_spelling(written):
    (found,) = leaks(f'{{"event":"x","value":"{written}"}}', SECRETS)

    assert found.startswith("the key (")
    assert SECRET not in found


def test_what_is_not_there_is_not_found():
    assert leaks("pnk_a/Sec and another text", SECRETS) == []
    assert leaks("", SECRETS) == []
