from __future__ import annotations

import json

import pytest

from harness.redaction import Vault

KEY = "Abc+/def%0123456789xyz"


@pytest.fixture
def vault():
    vault = Vault()
    vault.learn_all({"api_key": KEY, "token-key": "-----BEGIN PRIVATE KEY-----\n" + "M" * 64 + "\n-----END"})
    return vault


@pytest.mark.parametrize(
    "spelling",
    [
        KEY,
        KEY.upper(),
        "Abc%2B/def%250123456789xyz",
        "Abc%2B%2Fdef%250123456789xyz",
        f"x{KEY}y",
        "QWJjKy9kZWYlMDEyMzQ1Njc4OXh5eg",
    ],
)
def test_a_known_secret_is_hidden_however_it_is_spelt(vault, spelling):
    assert "0123456789" not in vault.text(f"before {spelling} after")
    assert "$API_KEY" in vault.text(f"before {spelling} after")


def test_a_line_of_a_private_key_is_hidden(vault):
    assert "MMMM" not in vault.text("M" * 64)


def test_a_secret_behind_base64_is_hidden_too():
    vault = Vault()
    vault.learn("c2VjcmV0LXBhc3N3b3Jk", "$PASSWORD")

    assert vault.text("secret-password") == "$PASSWORD"


def test_a_key_that_nobody_told_of_is_hidden_by_its_shape(vault):
    pem = "-----BEGIN EC PRIVATE KEY-----\nabc\n-----END EC PRIVATE KEY-----"

    assert vault.text(f"a {pem} b") == "a [redacted] b"
    assert vault.text("a eyJhbGciOiJub25lIn0.eyJzdWIi.sig b") == "a [redacted] b"


def test_too_short_a_value_is_no_secret():
    vault = Vault()
    vault.learn("admin", "$PASSWORD")

    assert vault.text("the admin") == "the admin"


@pytest.mark.parametrize(
    "name", ["Authorization", "Cookie", "X-API-Key", "X-CSRF-Token", "Proxy-Authorization"]
)
def test_secret_headers_show_the_length_of_an_unknown_value_only(vault, name):
    assert "wrong-key-value" not in vault.header(name, "Bearer wrong-key-value")
    assert "characters]" in vault.header(name, "Bearer wrong-key-value")


def test_a_known_key_shows_its_placeholder(vault):
    assert vault.header("X-API-Key", KEY) == "$API_KEY"
    assert vault.header("Authorization", f"Bearer {KEY}") == "Bearer $API_KEY"


def test_the_contracts_own_key_header_is_hidden_when_learnt(vault):
    assert vault.header("X-Door", "open-sesame") == "open-sesame"
    vault.learn_header("X-Door")

    assert "open-sesame" not in vault.header("x-door", "open-sesame")


def test_a_cookie_keeps_its_name_and_attributes(vault):
    assert vault.header("Set-Cookie", "sid=abcdef; Secure; Path=/") == "sid=[redacted]; Secure; Path=/"
    assert vault.header("Set-Cookie", "sid=; Max-Age=0") == "sid=; Max-Age=0"


def test_ordinary_headers_stay(vault):
    assert vault.header("Access-Control-Allow-Credentials", "true") == "true"
    assert vault.header("Content-Type", "text/plain") == "text/plain"


def test_fields_named_like_secrets_are_hidden_at_any_depth(vault):
    body = json.dumps(
        {"a": {"password": "hunter2"}, "token_type": "bearer", "access_token": 'q"uoted', "b": "c"}
    )

    clean = json.loads(vault.body(body))

    assert clean == {
        "a": {"password": "[redacted]"},
        "token_type": "bearer",
        "access_token": "[redacted]",
        "b": "c",
    }


def test_json_inside_a_json_string_is_hidden_too(vault):
    assert "hunter2" not in vault.body(json.dumps({"echo": json.dumps({"password": "hunter2", "x": "y"})}))


def test_a_body_cut_inside_a_secret_field_is_hidden_to_its_end(vault):
    assert vault.body('{"password": "hunt') == '{"password": "[redacted]'


def test_form_fields_and_query_parameters_are_hidden(vault):
    assert vault.body("user=ann&password=hunter2") == "user=ann&password=[redacted]"
    assert vault.url("https://h/p?api_key=abc&x=1#f") == "https://h/p?api_key=[redacted]&x=1#f"


def test_text_that_is_no_form_stays(vault):
    assert vault.body("<a href='x?token=1'>") == "<a href='x?token=1'>"
    assert vault.body("plain words") == "plain words"


def test_data_is_hidden_through_lists_and_keys(vault):
    data = {"list": [KEY, 1, None, {"secret": "s", "csrf_token": ["x", True]}], KEY: "v"}

    assert vault.data(data) == {
        "list": ["$API_KEY", 1, None, {"secret": "[redacted]", "csrf_token": ["x", True]}],
        "$API_KEY": "v",
    }


@pytest.mark.parametrize(
    "change", [str.upper, lambda key: key[:-1], lambda key: key[1:], lambda key: f"{key}00"]
)
def test_a_key_that_is_nearly_the_true_one_is_hidden_as_such(change):
    vault = Vault()
    key = "0123456789abcdefghijklmnopqrstuvwxyz"
    vault.learn(key, "$API_KEY")

    hidden = vault.text(f"refused: {change(key)} (key)")

    assert "cdefghijklm" not in hidden.lower()
    assert hidden.startswith("refused: ")


def test_a_nearly_true_key_in_an_address_leaves_its_parameter_readable():
    vault = Vault()
    vault.learn("0123456789abcdefghijklmnopqrstuvwxyz", "$API_KEY")

    assert vault.text("x=1&k=0123456789abcdefghijk") == "x=1&k=[redacted, like $API_KEY]"


def test_a_secret_of_several_words_is_hidden():
    vault = Vault()
    vault.learn("correct horse battery staple", "$PASSWORD")

    assert vault.text("the Correct Horse battery staple!") == "the $PASSWORD!"


def test_a_raw_message_loses_the_secrets_of_its_head_and_its_body(vault):
    raw = 'POST /?token=abc HTTP/1.1\r\nX-API-Key: unknown-key\r\nA:b\r\n\r\n{"password": "hunter2"}'

    clean = vault.message(raw)

    assert clean.startswith("POST /?token=[redacted]")
    assert "X-API-Key: [redacted, 11 characters]\r\nA:b" in clean
    assert "hunter2" not in clean
