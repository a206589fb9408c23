"""The runtime `process`: real processes of a small application, and of the reference."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from harness.defects import setting
from harness.errors import ContractError, DeploymentFailed, ProbeFailed, RuntimeUnavailable
from harness.records import Event
from harness.runtimes import CannotShow, Deployment, Specification, process
from harness.runtimes.listening import listens
from harness.runtimes.process import ProcessRuntime, free_ports, with_python
from harness.target import Source, parse_target
from harness.watchdog import RUN_VARIABLE
from harness.workspace import Workspace
from tests.harness.runtimes.asking import ask

TESTING = Specification(profile="testing")
PRODUCTION = Specification(profile="production")


@pytest.fixture
def runtime(small: Source, workspace: Workspace, events: list[Event]) -> Iterator[ProcessRuntime]:
    made = ProcessRuntime(small, workspace, events.append)
    yield made
    made.close()


@pytest.fixture
def deployment(runtime: ProcessRuntime) -> Deployment:
    return runtime.start(TESTING)


def _alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def test_it_is_ready_when_it_is_handed_out(deployment: Deployment, events: list[Event]) -> None:
    assert ask(deployment.base_url)["client"] == "127.0.0.1"
    assert [(event.name, event.profile) for event in events] == [("deployment.ready", "testing")]
    assert deployment.started_in_s == events[0].seconds > 0
    assert (deployment.plain_url, deployment.ca_file) == (None, None)


def test_several_run_side_by_side_in_closed_folders(runtime: ProcessRuntime) -> None:
    one, other = runtime.start(TESTING), runtime.start(replace(TESTING, instance="other"))

    assert ask(one.base_url)["pid"] != ask(other.base_url)["pid"]
    assert one.path("data") != other.path("data")
    assert one.api_key != other.api_key


def test_its_environment_is_clean(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEAKED", "yes")

    names = set(deployment.execute(["python", "-c", "import os; print(*os.environ)"]).stdout.split())

    assert names >= {"PATH", "SECRETS", "DATA", "DENIED", RUN_VARIABLE}
    assert "LEAKED" not in names


def test_commands_run_where_it_runs(deployment: Deployment) -> None:
    script = "import os, sys; print(open(os.environ['SECRETS'] + '/api_key').read(), sys.stdin.read())"

    done = deployment.execute(["python", "-c", script], stdin="hello")

    assert done.stdout == f"{deployment.api_key} hello\n"
    assert deployment.execute(["python", "-c", "raise SystemExit(3)"]).status == 3


def test_a_command_that_fails_to_end_or_to_exist_is_said(deployment: Deployment) -> None:
    with pytest.raises(ProbeFailed, match=r"did not end within 0\.2 s"):
        deployment.execute(["sleep", "60"], timeout_s=0.2)
    with pytest.raises(ProbeFailed, match="no such command"):
        deployment.execute(["no-such-command"])


@pytest.mark.parametrize(
    ("name", "address"), [("proxy", "127.0.0.9"), ("denied", "127.0.0.66"), ("stranger", "127.0.0.77")]
)
def test_named_addresses_are_what_the_server_sees(deployment: Deployment, name: str, address: str) -> None:
    assert deployment.address(name) == address
    assert ask(deployment.via(name))["client"] == address


def test_the_direct_address_is_this_machine(deployment: Deployment) -> None:
    assert deployment.address("direct") == ask(deployment.base_url)["client"]


def test_where_loopback_is_narrow_an_address_cannot_be_shown(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(process.LOOPBACK, "stranger", "192.0.2.1")

    with pytest.raises(CannotShow, match=r"192\.0\.2\.1"):
        deployment.via("stranger")


def test_with_tls_it_shows_a_certificate_of_the_runs_root(runtime: ProcessRuntime) -> None:
    deployment = runtime.start(PRODUCTION)

    assert deployment.base_url.startswith("https://127.0.0.1:")
    assert ask(deployment.base_url, deployment.ca_file)["scheme"] == "https"
    assert ask(deployment.via("proxy"), deployment.ca_file)["client"] == "127.0.0.9"


def test_a_stopped_one_leaves_neither_process_nor_file(runtime: ProcessRuntime) -> None:
    deployment = runtime.start(TESTING)
    pid, data = ask(deployment.base_url)["pid"], Path(deployment.path("data"))
    deployment.via("proxy")

    deployment.stop()
    deployment.stop()

    assert not _alive(pid)
    assert not data.exists()
    assert "starting" in deployment.logs()


def test_closing_the_runtime_stops_all(small: Source, workspace: Workspace) -> None:
    runtime = ProcessRuntime(small, workspace, lambda _: None)
    pids = [ask(runtime.start(TESTING).base_url)["pid"] for _ in range(2)]

    runtime.close()
    runtime.close()

    assert not any(_alive(pid) for pid in pids)


def test_only_its_own_processes_are_signalled(deployment: Deployment) -> None:
    deployment.kill(ask(deployment.base_url)["pid"], signal.SIGTERM)
    assert deployment.wait_exit(10) in {0, -signal.SIGTERM}

    with pytest.raises(ProbeFailed, match="does not belong"):
        deployment.kill(os.getpid(), signal.SIGTERM)
    with pytest.raises(ProbeFailed, match="no process"):
        deployment.kill(2**22 - 1, signal.SIGTERM)


def test_it_ends_on_request(deployment: Deployment) -> None:
    with pytest.raises(ProbeFailed, match="still runs"):
        deployment.wait_exit(0.05)

    deployment.terminate()

    assert deployment.wait_exit(10) in {0, -signal.SIGTERM}


def test_an_end_before_readiness_carries_the_last_lines(runtime: ProcessRuntime, events: list[Event]) -> None:
    with pytest.raises(DeploymentFailed, match="ended with status 1") as refusal:
        runtime.start(replace(TESTING, variation=setting(FAIL="no database")))

    assert "| panic: no database" in str(refusal.value)
    assert [event.name for event in events] == ["deployment.failed"]


def test_an_expected_refusal_is_returned_whole(runtime: ProcessRuntime) -> None:
    failure = runtime.try_start(replace(TESTING, variation=setting(FAIL="no database")), timeout_s=20)

    assert failure is not None
    assert failure.status == 1
    assert failure.output == "starting\npanic: no database\n"


def test_one_that_is_never_ready_is_ended(runtime: ProcessRuntime) -> None:
    failure = runtime.try_start(replace(TESTING, variation=setting(NEVER_READY="1")), timeout_s=1)

    assert failure is not None
    assert failure.status is None
    assert runtime._up == []


def test_a_start_that_succeeds_against_expectation_is_none(runtime: ProcessRuntime) -> None:
    assert runtime.try_start(TESTING, timeout_s=20) is None
    assert runtime._up == []


def test_a_port_taken_in_between_is_replaced(
    runtime: ProcessRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ports = iter([[taken.getsockname()[1], 0]])
        monkeypatch.setattr(process, "free_ports", lambda count: next(ports, None) or free_ports(count))

        deployment = runtime.start(TESTING)

        assert ask(deployment.base_url)["scheme"] == "http"
        assert not deployment.base_url.endswith(f":{taken.getsockname()[1]}")


class _Willing(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        return None


def test_another_server_on_its_port_is_not_taken_for_it(
    runtime: ProcessRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    with HTTPServer(("127.0.0.1", 0), _Willing) as other:
        threading.Thread(target=other.serve_forever, daemon=True).start()
        ports = iter([[other.server_port, 0]])
        monkeypatch.setattr(process, "free_ports", lambda count: next(ports, None) or free_ports(count))

        deployment = runtime.start(TESTING)

        assert ask(deployment.base_url)["scheme"] == "http"
        other.shutdown()


def test_a_listener_is_known_by_the_session_of_its_process(deployment: Deployment) -> None:
    port = int(deployment.base_url.rpartition(":")[2])
    leader = ask(deployment.base_url)["pid"]

    assert listens(os.getsid(int(leader)), port)
    assert not listens(os.getsid(0), port)
    assert not listens(os.getsid(int(leader)), 1)


def test_what_only_containers_have_cannot_be_shown(deployment: Deployment) -> None:
    for act in (deployment.inspect, deployment.export_image, deployment.replace_certificate):
        with pytest.raises(CannotShow):
            act()


def test_an_image_or_a_url_is_not_for_this_runtime(workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text('name = "x"', encoding="utf-8")
    image = parse_target("image:x", tmp_path / "c.toml")
    url = parse_target("http://127.0.0.1:1", tmp_path / "c.toml")

    with pytest.raises(RuntimeUnavailable, match="--runtime containers"):
        ProcessRuntime(image, workspace, print).prepare()
    with pytest.raises(ContractError, match="--runtime external"):
        ProcessRuntime(url, workspace, print).prepare()


def test_a_command_of_the_contract_is_run_with_the_interpreter() -> None:
    assert with_python(("python", "-m", "x"), "/venv/python") == ("/venv/python", "-m", "x")
    assert with_python(("serve", "python"), "/venv/python") == ("serve", "python")
