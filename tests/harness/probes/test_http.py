from __future__ import annotations

import socket
import threading
from dataclasses import replace

import pytest

from harness.errors import ProbeFailed
from harness.outcome import NotVerified
from harness.principals import ApiKey, BrowserSession, Tokens
from harness.probes.http import HttpProbe
from harness.redaction import VAULT


@pytest.fixture
def http(secure):
    probe = HttpProbe(secure)
    yield probe
    probe.close()


def sent(little):
    return little.seen[-1]


def fields(little, name):
    return [value for key, value in sent(little)["headers"] if key == name]


def test_an_answer_over_tls_is_verified_against_the_runs_root(http, recorder):
    reply = http.get("/echo")

    assert reply.status == 200
    assert reply.ok
    assert reply.media_type == "application/json"
    assert reply.headers["X-Request-Id"] == "abc-12345"
    assert reply.elapsed_s > 0
    assert recorder.total == 1


def test_host_header_is_the_name_of_the_certificate_with_the_port(http, little, secure):
    http.get("/echo")

    assert fields(little, "host") == [secure.base_url.replace("https://127.0.0.1", "panotti.test")]


def test_the_path_goes_out_as_it_was_written(http, little):
    http.get("/a/../%2e%2e//b?x=1&x=%zz")

    assert sent(little)["path"] == "/a/../%2e%2e//b"
    assert sent(little)["query"] == "x=1&x=%zz"


def test_redirects_are_not_followed_and_cookies_not_kept(http, little):
    reply = http.get("/moved")
    http.get("/echo")

    assert reply.status == 307
    assert reply.headers.get_list("set-cookie") == ["a=1", "b=2; Secure"]
    assert fields(little, "cookie") == []


def test_credentials_go_where_they_belong(http, little):
    session = BrowserSession(name="sid", value="value-of-the-session", csrf="value-of-the-token")
    http.post(
        "/echo",
        key=ApiKey(value="a-key-0123456789"),
        token=Tokens(access="an-access-token", refresh="r"),
        session=session,
        cookies={"other": "1"},
        origin="https://app.example",
        json={"a": 1},
    )

    assert fields(little, "x-api-key") == ["a-key-0123456789"]
    assert fields(little, "authorization") == ["Bearer an-access-token"]
    assert fields(little, "cookie") == ["other=1; sid=value-of-the-session"]
    assert fields(little, "x-csrf-token") == ["value-of-the-token"]
    assert fields(little, "origin") == ["https://app.example"]
    assert fields(little, "content-type") == ["application/json"]
    assert sent(little)["body"] == '{"a": 1}'


def test_a_session_carries_no_token_on_a_safe_method(http, little):
    http.get("/echo", session=BrowserSession(name="sid", value="value", csrf="token"))

    assert fields(little, "x-csrf-token") == []


def test_a_repeated_header_field_goes_out_twice(http, little):
    http.get("/echo", headers=[("X-API-Key", "one"), ("X-API-Key", b"t\xffo")])

    assert fields(little, "x-api-key") == ["one", "t\xffo"]


def test_a_preflight_asks_as_a_browser_does(http, little):
    http.preflight(
        "/echo", "https://app.example", "PUT", ["X-API-Key", "Content-Type"], extra={"Cookie": "a=1"}
    )

    assert sent(little)["method"] == "OPTIONS"
    assert fields(little, "access-control-request-method") == ["PUT"]
    assert fields(little, "access-control-request-headers") == ["content-type,x-api-key"]
    assert fields(little, "cookie") == ["a=1"]


def test_a_kept_connection_is_used_again_and_a_new_one_is_new(http, little):
    for connection in ("kept", "kept", "new"):
        assert http.get("/echo", connection=connection).status == 200

    first, second, third = (request["client"] for request in little.seen)
    assert first == second != third


def test_the_other_methods_are_sent(http, little):
    http.put("/echo", content="text")
    http.delete("/echo")

    assert [request["method"] for request in little.seen] == ["PUT", "DELETE"]


def test_the_plain_listener_is_reached_without_tls(http, little, secure):
    http.get("/echo", base="plain")

    assert secure.plain_url is not None
    assert fields(little, "host") == [secure.plain_url.replace("http://127.0.0.1", "panotti.test")]


def test_a_missing_plain_listener_is_not_verified(plain):
    with pytest.raises(NotVerified, match="no plain HTTP listener"):
        HttpProbe(plain).get("/", base="plain")


def test_a_client_address_goes_through_its_relay_under_the_same_name(secure, little, serve, authority):
    secure.relays["stranger"] = serve(little, authority)
    http = HttpProbe(secure)
    reply = http.get("/echo", via="stranger")
    http.close()

    assert reply.status == 200
    assert fields(little, "host") == [secure.base_url.replace("https://127.0.0.1", "panotti.test")]


def test_an_address_the_runtime_lacks_is_not_verified(http):
    with pytest.raises(NotVerified, match="no client address 'denied'"):
        http.get("/echo", via="denied")


def test_no_answer_is_a_reply_of_status_0_with_the_reason(plain, recorder):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    reply = HttpProbe(replace(plain, base_url=f"http://127.0.0.1:{port}")).get("/")

    assert not reply
    assert "ConnectError" in reply.error
    (exchange,) = recorder.telling()
    assert exchange.status == 0
    assert "ConnectError" in exchange.error


def test_a_certificate_that_does_not_verify_gives_no_answer_unless_told(secure, tmp_path, serve, little):
    wrong = replace(secure, host_name="other.test")
    http = HttpProbe(wrong)

    refused, taken = http.get("/echo"), http.get("/echo", verify=False)
    http.close()

    assert refused.status == 0
    assert "CERTIFICATE_VERIFY_FAILED" in refused.error
    assert taken.status == 200


def test_an_answer_that_does_not_end_is_cut_off_at_the_deadline(plain):
    stop = threading.Event()

    def drip(server):
        client, _ = server.accept()
        with client:
            client.recv(65536)
            client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            while not stop.wait(0.02):
                try:
                    client.sendall(b"x")
                except OSError:
                    return

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=drip, args=(server,))
        thread.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        reply = HttpProbe(replace(plain, base_url=url)).get("/", connection="new", timeout_s=0.2)
        stop.set()
        thread.join()

    assert reply.status == 0
    assert "ReadTimeout" in reply.error


def test_what_http_cannot_carry_is_the_checks_mistake(http):
    with pytest.raises(ProbeFailed, match="cannot be sent as HTTP"):
        http.get("/echo", headers={"X-Bad": "a\r\nb: c"})


def test_evidence_holds_no_secret_and_a_command_to_see_it_again(http, secure, recorder):
    VAULT.learn(secure.api_key, "$API_KEY")
    http.post("/echo", key=secure.api_key, json={"password": "hunter2hunter2", "a": "it's $5"})

    (exchange,) = recorder.telling()
    assert secure.api_key not in repr(exchange)
    assert "hunter2" not in repr(exchange)
    assert ("X-API-Key", "$API_KEY") in exchange.request_headers
    assert '--cacert "$CA_FILE"' in exchange.curl
    assert (
        f"--connect-to {secure.base_url.replace('https://127.0.0.1', 'panotti.test')}:127.0.0.1:"
        in exchange.curl
    )
    assert '-H "X-API-Key: $API_KEY"' in exchange.curl
    assert "[redacted]" in exchange.request_body
