"""Bodies that a strict server refuses: each with one fault, and with a mark of its own.

Most are of `recording-started`, as the public contract has it. The faults are those of RFC 8259, RFC 7493
(I-JSON) and of the field's meaning. Every body is well below any limit of size.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from harness.evidence import record
from harness.outcome import NotVerified
from harness.principals import ApiKey
from harness.probes.http import HttpProbe
from harness.probes.reply import Reply
from harness.records import Json, Observation

_MARK: Final = b"MARK"
_LONG: Final = b"x" * 100_000
JSON: Final = "application/json"
_FOR_THE_SENDER: Final = {401, 403, 429}


@dataclass(frozen=True, slots=True, kw_only=True)
class Hostile:
    """A body and its content type (None: no such header). mark: a text that occurs in this body alone."""

    title: str
    content: bytes
    mark: str
    content_type: str | None = JSON

    @property
    def recording_id(self) -> str:
        """The id under which it would be stored, "" where its id is the fault."""
        return self.mark if f'"recordingId":"{self.mark}"'.encode() in self.content else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offered:
    """A body and what it was answered."""

    body: Hostile
    reply: Reply

    @property
    def refused(self) -> bool:
        """Whether the answer puts the fault on the client."""
        return 400 <= self.reply.status < 500

    def __str__(self) -> str:
        return f"{self.body.title} ({self.reply.status or self.reply.error})"


def offer(
    http: HttpProbe, path: str, key: ApiKey | None, bodies: Iterable[Hostile], *, good: Mapping[str, Json]
) -> list[Offered]:
    """Send each of `bodies` with `key`; return what became of them, in order.

    good: a body that must be taken first. Raises NotVerified when it is not, or when a body is refused for
    its sender: such a refusal proves nothing.
    """
    twin = http.post(path, key=key, json={**good})
    if not twin.ok:
        raise NotVerified(f"POST {path}: a good body was not taken either: {twin.status or twin.error}")
    offered = [
        Offered(body=body, reply=http.post(path, key=key, content=body.content, headers=_headers(body)))
        for body in bodies
    ]
    if others := [str(one) for one in offered if one.reply.status in _FOR_THE_SENDER]:
        raise NotVerified(f"POST {path}: refused for their sender, not for what they hold: {others}")
    passed: list[Json] = [str(one) for one in offered if not one.refused]
    subject = f"{len(offered)} hostile bodies, {len(passed)} not refused"
    record(Observation(subject=subject, data={"not_refused": passed}))
    return offered


def good() -> dict[str, Json]:
    """Return a good body of `recording-started`."""
    return {"recordingId": f"rec-{secrets.token_hex(8)}", "metadata": {"level": [1, 2.5, "ä"]}}


def bodies(group: str) -> list[Hostile]:
    """Return the bodies of one of GROUPS, with fresh marks."""
    return [_hostile(title, content) for title, content in GROUPS[group].items()]


def wrongly_typed() -> list[Hostile]:
    """Return a good body under content types that are not JSON in UTF-8."""
    text = b'{"recordingId":"MARK"}'
    return [_hostile(content_type or "no content type", text, content_type) for content_type in CONTENT_TYPES]


def spoiled(whole: Mapping[str, Json]) -> list[Hostile]:
    """Return `whole`, a good body of any route, with the faults that do not depend on its fields."""
    text = json.dumps(whole).encode()
    start, (name, value) = text[:-1], next(iter(whole.items()))
    again = json.dumps({name: value}).encode()[1:]
    made = {
        "another field": start + b',"nickname":"MARK"}',
        "NaN": start + b',"nickname":NaN}',
        "a name twice": start + b"," + again,
        "cut off": start,
        "text behind it": text + b"MARK",
        "in an array": b"[" + text + b"]",
        "bad UTF-8": start + b',"nickname":"MARK\xff"}',
        "deep nesting": start + b',"nickname":' + b"[" * 2_000 + b"]" * 2_000 + b"}",
    }
    bodies = [_hostile(title, content) for title, content in made.items()]
    return [*bodies, _hostile("as plain text", text, "text/plain")]


def _hostile(title: str, content: bytes, content_type: str | None = JSON) -> Hostile:
    mark = f"mark{secrets.token_hex(8)}"
    return Hostile(
        title=title, content=content.replace(_MARK, mark.encode()), mark=mark, content_type=content_type
    )


def _headers(body: Hostile) -> dict[str, str]:
    return {"Content-Type": body.content_type} if body.content_type is not None else {}


def _metadata(value: bytes) -> bytes:
    return b'{"recordingId":"MARK","metadata":{"value":' + value + b"}}"


def _audio(path: str) -> bytes:
    return f'{{"recordingId":"MARK","system_audio_path":"{path}"}}'.encode()


def _identity(recording: str) -> bytes:
    return f'{{"recordingId":"{recording}","metadata":{{"mark":"MARK"}}}}'.encode()


CONTENT_TYPES: Final = (
    None,
    "",
    "text/plain",
    "text/json",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "application/octet-stream",
    "application/xml",
    "application/jsonx",
    "application/merge-patch+json",
    "application/json; charset=utf-16",
    "text/plain; application/json",
    "text/plain, application/json",
)

GROUPS: Final[Mapping[str, Mapping[str, bytes]]] = {
    "malformed": {
        "nothing": b"",
        "white space": b" \n ",
        "a cut-off object": b'{"recordingId":"MARK"',
        "a cut-off string": b'{"recordingId":"MARK',
        "a comma at the end": b'{"recordingId":"MARK",}',
        "single quotes": b"{'recordingId':'MARK'}",
        "a name without quotes": b'{recordingId:"MARK"}',
        "a comment": b'{"recordingId":"MARK"/* a comment */}',
        "text behind the object": b'{"recordingId":"MARK"} MARK',
        "two objects": b'{"recordingId":"MARK"}{"recordingId":"MARK"}',
        "a form": b"recordingId=MARK",
        "XML": b'<?xml version="1.0"?><recordingId>MARK</recordingId>',
    },
    "wrong types": {
        "null": b"null",
        "a string": b'"MARK"',
        "an array": b'[{"recordingId":"MARK"}]',
        "no recordingId": b'{"metadata":{"mark":"MARK"}}',
        "recordingId null": b'{"recordingId":null,"metadata":{"mark":"MARK"}}',
        "recordingId a number": b'{"recordingId":20261125,"metadata":{"mark":"MARK"}}',
        "recordingId true": b'{"recordingId":true,"metadata":{"mark":"MARK"}}',
        "recordingId an array": b'{"recordingId":["MARK"]}',
        "recordingId an object": b'{"recordingId":{"id":"MARK"}}',
        "recordingId empty": b'{"recordingId":"","metadata":{"mark":"MARK"}}',
        "metadata a string": b'{"recordingId":"MARK","metadata":"{}"}',
        "metadata an array": b'{"recordingId":"MARK","metadata":[]}',
        "timestamp no time": b'{"recordingId":"MARK","timestamp":"the 31st of June MARK"}',
        "timestamp an object": b'{"recordingId":"MARK","timestamp":{}}',
        "event a number": b'{"recordingId":"MARK","event":1}',
        "event of another kind": b'{"recordingId":"MARK","event":"recording.deleted MARK"}',
        "a path that is a number": b'{"recordingId":"MARK","system_audio_path":7}',
    },
    "unknown fields": {
        "another field": b'{"recordingId":"MARK","nickname":"MARK"}',
        "the owner": b'{"recordingId":"MARK","tenant":"tenant-b","owner":"MARK"}',
        "the state": b'{"recordingId":"MARK","state":"completed"}',
        "a right": b'{"recordingId":"MARK","is_admin":true}',
        "a name in other case": b'{"recordingId":"MARK","RecordingID":"MARK"}',
        "the prototype": b'{"recordingId":"MARK","__proto__":{"mark":"MARK"}}',
        "a field without a name": b'{"recordingId":"MARK","":"MARK"}',
    },
    "too long": {
        "recordingId": b'{"recordingId":"MARK' + _LONG + b'"}',
        "timestamp": b'{"recordingId":"MARK","timestamp":"20261125' + b"0" * 10_000 + b'"}',
        "a path": b'{"recordingId":"MARK","system_audio_path":"/audio/MARK' + _LONG + b'"}',
        "a string in metadata": _metadata(b'"MARK' + _LONG + b'"'),
        "a name in metadata": b'{"recordingId":"MARK","metadata":{"MARK' + _LONG + b'":1}}',
    },
    "not finite": {
        "NaN": _metadata(b"NaN"),
        "Infinity": _metadata(b"Infinity"),
        "-Infinity": _metadata(b"-Infinity"),
        "a number over every double": _metadata(b"1e999"),
        "NaN in an array": _metadata(b"[1,NaN]"),
        "NaN for a time": b'{"recordingId":"MARK","timestamp":NaN}',
    },
    "too deep": {
        "200 arrays": _metadata(b"[" * 200 + b"]" * 200),
        "2,000 arrays": _metadata(b"[" * 2_000 + b"]" * 2_000),
        "100,000 arrays": _metadata(b"[" * 100_000 + b"]" * 100_000),
        "20,000 objects": _metadata(b'{"a":' * 20_000 + b"1" + b"}" * 20_000),
        "100,000 arrays, none closed": _metadata(b"[" * 100_000),
    },
    "bad UTF-8": {
        "a byte that never occurs": _metadata(b'"MARK\xff"'),
        "an overlong NUL": _metadata(b'"MARK\xc0\x80"'),
        "an encoded surrogate": _metadata(b'"MARK\xed\xa0\x80"'),
        "a cut-off character": _metadata(b'"MARK\xe2\x82"'),
        "beyond U+10FFFF": _metadata(b'"MARK\xf4\x90\x80\x80"'),
        "Latin-1": _metadata(b'"MARK caf\xe9"'),
        "in the recordingId": b'{"recordingId":"MARK\xff"}',
        "UTF-16": '{"recordingId":"in-utf-16"}'.encode("utf-16"),
    },
    "control characters": {
        "NUL in the recordingId": b'{"recordingId":"MARK\\u0000"}',
        "a line feed in the recordingId": b'{"recordingId":"MARK\\n"}',
        "NUL in metadata": _metadata(b'"MARK\\u0000"'),
        "BEL in metadata": _metadata(b'"MARK\\u0007"'),
        "ESC in metadata": _metadata(b'"MARK\\u001b[2J"'),
        "DEL in metadata": _metadata(b'"MARK\\u007f"'),
        "C1 in metadata": _metadata(b'"MARK\\u0085"'),
        "NUL in a name of metadata": b'{"recordingId":"MARK","metadata":{"a\\u0000":1}}',
        "NUL deep in metadata": _metadata(b'[[{"a":["MARK\\u0000"]}]]'),
        "a raw line feed": _metadata(b'"MARK\n"'),
        "a raw NUL": _metadata(b'"MARK\x00"'),
        "NUL in a path": _audio("/audio/MARK\\u0000.wav"),
    },
    "lone surrogates": {
        "a high one in metadata": _metadata(b'"MARK\\ud800"'),
        "a low one in metadata": _metadata(b'"MARK\\udfff"'),
        "two in the wrong order": _metadata(b'"MARK\\udc00\\ud800"'),
        "in a name of metadata": b'{"recordingId":"MARK","metadata":{"a\\ud800":1}}',
        "in the recordingId": b'{"recordingId":"MARK\\ud800"}',
        "in a path": _audio("/audio/MARK\\ud800"),
    },
    "path-like": {
        "recordingId upwards": _identity("../../etc/passwd"),
        "recordingId that is upwards": _identity(".."),
        "recordingId absolute": _identity("/etc/passwd"),
        "recordingId with a folder": _identity("a/b"),
        "recordingId with backslashes": _identity("..\\\\..\\\\windows\\\\win.ini"),
        "recordingId encoded": _identity("%2e%2e%2fetc%2fpasswd"),
        "a path upwards": _audio("../../etc/passwd?MARK"),
        "a path upwards in its middle": _audio("/audio/MARK/../../etc/passwd"),
        "a path that ends upwards": _audio("/audio/MARK/.."),
        "a path with backslashes": _audio("C:\\\\audio\\\\..\\\\..\\\\MARK"),
        "a path encoded": _audio("/audio/%2e%2e%2f%2e%2e%2fMARK"),
        "a path encoded twice": _audio("/audio/%252e%252e%252fMARK"),
        "a path with an encoded NUL": _audio("/audio/MARK%00.wav"),
        "a file URL": _audio("file:///etc/MARK"),
        "a web address": _audio("http://169.254.169.254/MARK"),
    },
    "repeated names": {
        "recordingId twice": b'{"recordingId":"MARK","recordingId":"MARK"}',
        "recordingId twice, differently": b'{"recordingId":"MARK","recordingId":"MARK2"}',
        "once escaped": b'{"recordingId":"MARK","recording\\u0049d":"MARK2"}',
        "metadata twice": b'{"recordingId":"MARK","metadata":{},"metadata":{"a":1}}',
        "in metadata": b'{"recordingId":"MARK","metadata":{"a":1,"a":2}}',
        "deep in metadata": _metadata(b'[{"a":1,"b":2,"a":1}]'),
    },
    "big integers": {
        "2 to the 64th": _metadata(b"18446744073709551616"),
        "below 64 bits": _metadata(b"-9223372036854775809"),
        "400 digits": _metadata(b"9" * 400),
        "5,000 digits": _metadata(b"9" * 5_000),
        "200,000 digits": _metadata(b"9" * 200_000),
    },
}
