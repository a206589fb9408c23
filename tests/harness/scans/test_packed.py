"""A packed page as text: searched for what it says, not for what its bytes happen to look like."""

from __future__ import annotations

import base64
import zlib

from harness.scans.packed import unpacked

TEXT = b'{"body":"' + b"x" * 5000 + b'","key":"key-of-this-run"}'


def page(packed: bytes) -> bytes:
    return b'<p>one</p>\n<script type="text/plain" data-block="a.b">' + packed + b"</script>\n<p>two</p>"


def test_blocks_are_read_and_the_rest_is_kept() -> None:
    packed = base64.b64encode(zlib.compress(TEXT))

    assert unpacked(page(packed)) == page(TEXT.replace(b'","key"', b'",\n"key"'))


def test_a_page_without_blocks_stays_as_it_is() -> None:
    assert unpacked(page(b"")) == page(b"")
