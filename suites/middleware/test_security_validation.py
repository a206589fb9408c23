"""What a field may not hold is refused as the client's fault; what is merely unusual is taken."""

from __future__ import annotations

import secrets

from harness import control, edit, floor
from harness.principals import ApiKey
from harness.probes import hostile
from harness.records import Json
from harness.site import Site
from suites.middleware.offered import not_refused

VALIDATION = "middleware.security.validation"
STRICTNESS, SCHEMAS = "panotti/strictness.py", "panotti/schemas.py"
FORBIDDEN = r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]"


@control(
    VALIDATION,
    broken_by=(
        edit(
            "any content type is taken for JSON",
            STRICTNESS,
            """            if takes_body and not _is_json(request.headers.getlist("content-type")):
                raise HTTPException(415, "The content type must be application/json.")
""",
            """            given = request.scope["headers"]
            others = [field for field in given if field[0] != b"content-type"]
            request.scope["headers"] = [*others, (b"content-type", b"application/json")]
""",
        ),
        edit(
            "whatever ends in json is JSON, in any charset",
            STRICTNESS,
            'return message.get_content_type() == "application/json" and charset in ("utf-8", "utf8")',
            'return message.get_content_type().endswith("json")',
        ),
    ),
)
def test_wrong_content_types_are_refused(site: Site) -> None:
    """A body that does not say it is JSON in UTF-8 is refused."""
    taken = not_refused(site, hostile.wrongly_typed())

    assert not taken, f"taken under a wrong content type: {taken}"


@control(
    VALIDATION,
    broken_by=(
        edit(
            "numbers are taken for strings",
            SCHEMAS,
            'extra="forbid", strict=True',
            'extra="forbid", coerce_numbers_to_str=True',
        ),
        edit(
            "a wrong type gives 500",
            SCHEMAS,
            'return value.lower().replace(" ", ".") if isinstance(value, str) else value',
            'return value.lower().replace(" ", ".")',
        ),
    ),
)
def test_wrong_types_are_refused(site: Site) -> None:
    """A field of another type than the contract's, or a missing one, is refused."""
    taken = not_refused(site, hostile.bodies("wrong types"))

    assert not taken, f"of a wrong type, but not refused: {taken}"


@control(
    VALIDATION,
    broken_by=edit(
        "unknown fields are ignored", SCHEMAS, 'extra="forbid", strict=True', 'extra="ignore", strict=True'
    ),
)
def test_unknown_fields_are_refused(site: Site) -> None:
    """A field that the contract does not have is refused, not ignored (mass assignment, API3:2023)."""
    taken = not_refused(site, hostile.bodies("unknown fields"))

    assert not taken, f"unknown fields, but not refused: {taken}"


@control(
    VALIDATION,
    broken_by=(
        edit(
            "a recording's id may have any length",
            SCHEMAS,
            'str, Field(max_length=128, pattern=r"^[A-Za-z0-9][A-Za-z0-9._:@',
            'str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:@',
        ),
        edit(
            "a path may have any length",
            SCHEMAS,
            "Field(min_length=1, max_length=1024), AfterValidator(_path)",
            "Field(min_length=1), AfterValidator(_path)",
        ),
    ),
)
def test_over_long_strings_are_refused(site: Site) -> None:
    """A string far longer than its field's meaning is refused, though the body is below its limit."""
    bodies = hostile.bodies("too long")
    limit = site.policy.server.max_body_bytes
    floor(
        all(len(body.content) < limit for body in bodies), f"the bodies are over the limit of {limit} bytes"
    )

    taken = not_refused(site, bodies)

    assert not taken, f"too long, but not refused: {taken}"


@control(
    VALIDATION,
    broken_by=(
        edit("control characters are taken", STRICTNESS, f'"{FORBIDDEN}"', r'"[\ud800-\udfff]"'),
        edit("names are not looked at", STRICTNESS, "                deeper += item.keys()\n", ""),
    ),
)
def test_control_characters_are_refused(site: Site) -> None:
    """Control characters are refused in ids, paths and metadata, raw and escaped."""
    taken = not_refused(site, hostile.bodies("control characters"))

    assert not taken, f"control characters, but not refused: {taken}"


@control(
    VALIDATION,
    broken_by=edit(
        "a lone surrogate gives 500", STRICTNESS, f'"{FORBIDDEN}"', r'"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]"'
    ),
)
def test_lone_surrogates_are_refused(site: Site) -> None:
    """Half of a surrogate pair is no character and is refused (RFC 8259 8.2)."""
    taken = not_refused(site, hostile.bodies("lone surrogates"))

    assert not taken, f"lone surrogates, but not refused: {taken}"


@control(
    VALIDATION,
    broken_by=(
        edit(
            "backslashes lead a path upwards",
            SCHEMAS,
            r'plain.replace("\\", "/").split("/")',
            'plain.split("/")',
        ),
        edit("a path is not decoded", SCHEMAS, "plain = unquote(unquote(value))", "plain = value"),
        edit(
            "a recording's id may hold a slash",
            SCHEMAS,
            'Field(max_length=128, pattern=r"^[A-Za-z0-9][A-Za-z0-9._:@+=~-]*$"), AfterValidator',
            "Field(max_length=128), AfterValidator",
        ),
    ),
)
def test_path_like_values_are_refused(site: Site) -> None:
    """An id that looks like a path, and a path that leads upwards or to a URL, are refused (CWE-22)."""
    taken = not_refused(site, hostile.bodies("path-like"))

    assert not taken, f"path-like, but not refused: {taken}"


@control(
    VALIDATION,
    broken_by=(
        edit(
            "one body is not closed",
            SCHEMAS,
            "class RecordingEnded(Body):",
            "class RecordingEnded(BaseModel):",
        ),
        edit(
            "an administrator's body is not closed",
            SCHEMAS,
            "class NewApiKey(Body):",
            "class NewApiKey(BaseModel):",
        ),
        edit("the login's body is not closed", SCHEMAS, "class Login(Body):", "class Login(BaseModel):"),
    ),
)
def test_other_routes_are_as_strict(site: Site) -> None:
    """Ending a recording, making a key and logging in refuse malformed input as starting a recording does."""
    for path, key, good in _other_routes(site):
        offered = hostile.offer(site.http, path, key, hostile.spoiled(good), good=good)
        taken = [str(one) for one in offered if not one.refused]

        assert not taken, f"POST {path}: not refused: {taken}"


@control(
    VALIDATION,
    broken_by=(
        edit("three levels are too deep", STRICTNESS, "MAXIMUM_DEPTH = 32", "MAXIMUM_DEPTH = 2"),
        edit(
            "the content type is compared as text",
            STRICTNESS,
            "    if len(values) != 1:\n",
            "    if values:\n",
        ),
        edit(
            "line feeds are control characters too",
            STRICTNESS,
            f'"{FORBIDDEN}"',
            r'"[\x00-\x1f\x7f-\x9f\ud800-\udfff]"',
        ),
    ),
)
def test_unusual_but_valid_bodies_are_taken(site: Site) -> None:
    """Strictness costs no valid client: other spellings, scripts, numbers and moderate depth are taken."""
    key, path = site.key(), site.contract.path("recordings.started")
    refused = [
        title
        for title, content_type, metadata in (
            ("a charset", "application/json; charset=UTF-8", "1"),
            ("a media type in capitals", "Application/JSON", "1"),
            ("an escaped emoji", hostile.JSON, r'"\ud83c\udfa4"'),
            ("a raw emoji and Greek", hostile.JSON, '"🎤 Πανόπτης"'),
            ("line feeds and tabs", hostile.JSON, r'"one\r\n\ttwo"'),
            ("the largest integer", hostile.JSON, "9223372036854775807"),
            ("a fraction with an exponent", hostile.JSON, "-1.5e-300"),
            ("eight levels", hostile.JSON, "[[[[[[[1]]]]]]]"),
        )
        if not site.http.post(
            path, key=key, content=_started(metadata), headers={"Content-Type": content_type}
        ).ok
    ]

    assert not refused, f"valid, but refused: {refused}"


def _other_routes(site: Site) -> list[tuple[str, ApiKey | None, dict[str, Json]]]:
    user, writer = site.user(), site.key()
    recording = site.recording(writer)
    paths: dict[str, Json] = {"systemAudioPath": "/audio/system.wav", "microphoneAudioPath": "/audio/mic.wav"}
    ended: dict[str, Json] = {"recordingId": recording, **paths, "metadata": {}}
    key: dict[str, Json] = {
        "principal": f"check-{secrets.token_hex(6)}",
        "tenant": "tenant-a",
        "role": "reader",
    }
    login: dict[str, Json] = {"username": user.username, "password": user.password}
    return [
        (site.contract.path("recordings.ended"), writer, ended),
        (site.contract.path("administration.api_keys"), site.key("admin"), key),
        (site.contract.path("sessions.login"), None, login),
    ]


def _started(metadata: str) -> bytes:
    return f'{{"recordingId":"rec-{secrets.token_hex(8)}","metadata":{{"value":{metadata}}}}}'.encode()
