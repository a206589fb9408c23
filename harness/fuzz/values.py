"""Values that this domain's servers have stumbled over, as Hypothesis strategies, by what they try.

RFC 8259 and RFC 7493 (JSON), RFC 3339 (time stamps), RFC 3986 (paths), Unicode TR 36 and TR 39 (look-alikes).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from hypothesis import strategies as st

_WORD: Final = st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=12, max_size=16)


def _with(*parts: str) -> st.SearchStrategy[str]:
    """A word with one of `parts` before, within or behind it: what is refused can be told from the rest."""
    return st.builds(
        lambda word, part, at: word[:at] + part + word[at:], _WORD, st.sampled_from(parts), st.integers(0, 12)
    )


def _nested(depth: int, kind: str) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value] if kind == "array" else {"a": value}
    return value


TEXTS: Final[Mapping[str, st.SearchStrategy[Any]]] = {
    "plain": _WORD,
    "empty": st.sampled_from(("", " ", "\t")),
    "lone surrogates": _with("\ud800", "\udfff", "\udc00\ud800", "\ud83d"),
    "NUL": _with("\x00", "%00", "\\0"),
    "control characters": _with("\x01", "\x07", "\x1b[2J", "\x7f", "\x85", "\r\n", "\n", "\u2028"),
    "not a character": _with("\ufffe", "\uffff", "\U0010ffff", "\ufdd0"),
    "direction": _with("\u202e", "\u2066", "\u200f"),
    "joined": _with("\u200b", "\u200d", "\ufeff", "e" + "\u0301" * 40),
    "look-alikes": _with("\u0430", "\uff0e\uff0e\uff0f", "\u2215", "\uff07", "\u212a", "\u0131", "\ufb01"),
    "emoji": _with("\U0001f469\u200d\U0001f467", "\U0001f3f4\U000e0067\U000e007f", "\u2764\ufe0f"),
    "SQL": _with("'", "\\'", "';--", "')--", "'\"`%_", "' OR 'a'='a", "'||'"),
    "shell": _with("$(id)", "`id`", ";id", "|id", "&&id", "\n id", "${IFS}"),
    "template": _with("{{7*7}}", "${7*7}", "<%= 7*7 %>", "#{7*7}", "{0.__class__}", "%s%n", "%(x)s"),
    "markup": _with("<script>", "</title>", "<!--", "]]>", "&#0;", "<!ENTITY a 'b'>"),
    "path": _with(
        "../../etc/passwd", "..\\", "%2e%2e%2f", "..;/", "/./", "//", "\\\\host\\share", "file:///"
    ),
    "long": st.sampled_from((129, 1_025, 8_193, 40_000)).map(lambda size: "q" * size),
    "times": st.sampled_from(
        (
            *("0000-00-00T00:00:00Z", "9999-12-31T23:59:60Z", "2026-02-30T00:00:00Z", "2026-13-01T25:61:61Z"),
            *("2026-11-25T10:00:00+99:99", "2026-11-25T10:00:00.123456789012Z", "20261125250000", "-1"),
            *("99999999999999", "1e400", "1e18", "NaN", "inf", "-0", "0x7fffffff", "253402300800"),
            *("-62135596801", "2026-11-25", "\u0662\u0660\u0662\u0666", "20261125100000Z", "now"),
        )
    ),
}
VALUES: Final[Mapping[str, st.SearchStrategy[Any]]] = {
    **TEXTS,
    "no value": st.sampled_from((None, True, False, [], {}, [None], {"": None})),
    "numbers": st.sampled_from(
        (0, -1, 2**31, 2**53 + 1, 2**63, -(2**63) - 1, 2**64, 10**40, 10**400, 1.5, -0.0, 1e308, 5e-324)
    ),
    "deep": st.builds(_nested, st.sampled_from((3, 33, 65, 200, 500)), st.sampled_from(("array", "object"))),
    "wide": st.sampled_from((300, 3_000)).map(lambda size: {f"n{number}": number for number in range(size)}),
    "names": _with("\x00", "\ud800", "__proto__", "constructor", "$ne", ".").map(lambda name: {name: 1}),
}
# Bodies that are no JSON, or not only that: around a valid one.
BODIES: Final[Mapping[str, st.SearchStrategy[bytes]]] = {
    "not finite": st.sampled_from((b'{"a":NaN}', b'{"a":1e999}', b'{"a":-Infinity}')),
    "not UTF-8": st.sampled_from(
        (b'{"a":"\xff"}', b'{"a":"\xed\xa0\x80"}', b'{"a":"\xc0\x80"}', b"\xff\xfe{\x00}\x00")
    ),
    "very deep": st.sampled_from((b"[" * 5_000, b'{"a":' * 5_000, b"[" * 50_000 + b"]" * 50_000)),
    "cut off": st.sampled_from((b"", b"{", b'{"a"', b'{"a":', b'{"a":"\\', b'{"a":"\\u12', b"nul", b"-")),
    "twice": st.sampled_from((b'{"a":1,"a":2}', b"{}{}", b"{} x", b"[{}]", b'"x"', b"null", b"0")),
    "long numbers": st.sampled_from((b'{"a":' + b"9" * 5_000 + b"}", b'{"a":1' + b"0" * 400 + b"}")),
}
HEADERS: Final[Mapping[str, st.SearchStrategy[str]]] = {
    "Content-Type": st.sampled_from(
        (
            "",
            "application/json; charset=utf-16",
            "text/plain",
            "multipart/form-data",
            "application/json;" + "a" * 500,
        )
    ),
    "Accept": st.sampled_from(("", "text/html", "*/*;q=2", "application/xml", ",,," * 50)),
    "X-Request-ID": st.sampled_from(
        ("", "x", "a" * 300, "${jndi:ldap://127.0.0.1/a}", "\u00e4\u00f6", "../../x")
    ),
    "Idempotency-Key": st.sampled_from(("", "a" * 300, "'; --", "\u00e4", "%00", "{}")),
    "Cookie": st.sampled_from(("a", "=", "a=b; " * 100, "__Host-x=\u00e4", ";;;")),
    "Authorization": st.sampled_from(("Bearer", "Bearer ", "Basic ===", "Bearer a.b.c", "x" * 500)),
    "Origin": st.sampled_from(("null", "http://", "https://[", "\u00e4", "a" * 300)),
    "X-Forwarded-For": st.sampled_from(("", "::ffff:1.2.3.4.5", "999.999.999.999", "a," * 100, "[")),
    "Range": st.sampled_from(("bytes=", "bytes=-1", "bytes=0-" + "9" * 30)),
    "If-None-Match": st.sampled_from(('"', "W/", "*" * 100)),
}
