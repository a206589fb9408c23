"""What is not one strict JSON text is refused as the client's fault."""

from __future__ import annotations

from harness import control, edit
from harness.probes import hostile
from harness.site import Site
from suites.middleware.offered import not_refused

VALIDATION = "middleware.security.validation"
STRICTNESS = "panotti/strictness.py"


@control(
    VALIDATION,
    broken_by=edit(
        "what stands behind the object is ignored",
        STRICTNESS,
        "value = _DECODER.decode(text)",
        "value, _ = _DECODER.raw_decode(text.strip())",
    ),
)
def test_malformed_json_is_refused(site: Site) -> None:
    """A body that is not one whole JSON text (RFC 8259) is refused."""
    taken = not_refused(site, hostile.bodies("malformed"))

    assert not taken, f"malformed, but not refused: {taken}"


@control(
    VALIDATION,
    broken_by=(
        edit(
            "NaN is taken",
            STRICTNESS,
            'def _constant(_text: str) -> float:\n    raise RefusedBodyError("a number is not finite")',
            "def _constant(text: str) -> float:\n    return float(text)",
        ),
        edit(
            "1e999 is taken for infinity",
            STRICTNESS,
            '    if not math.isfinite(value):\n        raise RefusedBodyError("a number is not finite")\n',
            "",
        ),
    ),
)
def test_numbers_that_are_not_finite_are_refused(site: Site) -> None:
    """NaN, the infinities, and numbers that become one are refused: JSON has none (RFC 8259 6)."""
    taken = not_refused(site, hostile.bodies("not finite"))

    assert not taken, f"not finite, but not refused: {taken}"


@control(
    VALIDATION,
    broken_by=(
        edit(
            "deep nesting gives 500",
            STRICTNESS,
            "    except RecursionError:\n        raise RefusedBodyError(",
            "    except RecursionError:\n        raise HTTPException(500, ",
        ),
        edit(
            "only the parser bounds the depth", STRICTNESS, "MAXIMUM_DEPTH = 32", "MAXIMUM_DEPTH = 1_000_000"
        ),
    ),
)
def test_deep_nesting_is_refused(site: Site) -> None:
    """A value nested hundreds of levels deep is refused, and does not break the server (CWE-674)."""
    taken = not_refused(site, hostile.bodies("too deep"))

    assert not taken, f"too deep, but not refused: {taken}"


@control(
    VALIDATION,
    broken_by=(
        edit("bad UTF-8 is replaced", STRICTNESS, 'body.decode("utf-8")', 'body.decode("utf-8", "replace")'),
        edit(
            "what is not UTF-8 is taken for Latin-1",
            STRICTNESS,
            'raise RefusedBodyError("not valid UTF-8") from None',
            'text = body.decode("latin-1")',
        ),
    ),
)
def test_bad_utf8_is_refused(site: Site) -> None:
    """Bytes that are not UTF-8 are refused, not replaced (RFC 3629, RFC 8259 8.1)."""
    taken = not_refused(site, hostile.bodies("bad UTF-8"))

    assert not taken, f"not UTF-8, but not refused: {taken}"


@control(
    VALIDATION,
    broken_by=edit(
        "of a repeated name the last value counts",
        STRICTNESS,
        "object_pairs_hook=_object, parse_int",
        "parse_int",
    ),
)
def test_repeated_names_are_refused(site: Site) -> None:
    """A name given twice in one object is refused: parsers differ in which one counts (RFC 7493 2.3)."""
    taken = not_refused(site, hostile.bodies("repeated names"))

    assert not taken, f"names given twice, but not refused: {taken}"


@control(
    VALIDATION,
    broken_by=edit(
        "integers have no bound",
        STRICTNESS,
        "    if len(text) > 20 or int(text) not in INT64:\n",
        "    if not text:\n",
    ),
)
def test_big_integers_are_refused(site: Site) -> None:
    """An integer over 64 bits is refused, and one of many digits costs the server nothing (CWE-1284)."""
    taken = not_refused(site, hostile.bodies("big integers"))

    assert not taken, f"too big, but not refused: {taken}"
