"""The runtime `external`: a server that is up already is looked at, never touched."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from harness.contract import Http
from harness.defects import setting
from harness.errors import ContractError, DeploymentFailed, UserError
from harness.records import Event
from harness.runtimes import CannotShow, Deployment, Specification
from harness.runtimes.external import KEY_VARIABLE, ExternalDeployment, ExternalRuntime, on_this_machine
from harness.runtimes.process import ProcessRuntime, free_ports
from harness.target import Address, Source, parse_target
from harness.workspace import Workspace
from tests.harness.runtimes.asking import ask

PRODUCTION = Specification(profile="production")


@pytest.fixture(scope="module")
def server(small: Source, workspace: Workspace) -> Iterator[Deployment]:
    runtime = ProcessRuntime(small, workspace, lambda _: None)
    yield runtime.start(PRODUCTION)
    runtime.close()


@pytest.fixture
def contract(small: Source) -> Path:
    return small.folder / "contract.toml"


@pytest.fixture
def runtime(
    server: Deployment, contract: Path, monkeypatch: pytest.MonkeyPatch, events: list[Event]
) -> ExternalRuntime:
    monkeypatch.setenv(KEY_VARIABLE, "given-key")
    return ExternalRuntime(parse_target(server.base_url, contract), events.append)


@pytest.fixture
def deployment(runtime: ExternalRuntime) -> ExternalDeployment:
    return runtime.start(PRODUCTION)


def test_it_is_handed_out_and_left_up(
    runtime: ExternalRuntime, server: Deployment, events: list[Event]
) -> None:
    deployment = runtime.start(PRODUCTION)
    deployment.stop()
    runtime.close()

    assert (deployment.base_url, deployment.api_key) == (server.base_url, "given-key")
    assert deployment.secrets == {"api_key": "given-key"}
    assert ask(server.base_url, server.ca_file)["scheme"] == "https"
    assert [event.name for event in events] == ["deployment.ready"]


def test_its_plain_listener_is_the_one_that_the_contract_names(
    server: Deployment, contract: Path, deployment: ExternalDeployment
) -> None:
    target = parse_target(server.base_url, contract)
    assert isinstance(target, Address)
    named = replace(target, contract=replace(target.contract, http=Http(plain_url="http://panotti.example/")))

    assert deployment.plain_url is None
    assert ExternalDeployment(PRODUCTION, named, "key").plain_url == "http://panotti.example"


@pytest.mark.parametrize(
    "act",
    [
        lambda d: d.via("proxy"),
        lambda d: d.address("proxy"),
        lambda d: d.execute(["python"]),
        lambda d: d.kill(1, signal.SIGTERM),
        lambda d: d.terminate(),
        lambda d: d.wait_exit(1),
        lambda d: d.logs(),
        lambda d: d.replace_certificate(),
        lambda d: d.path("data"),
        lambda d: d.inspect(),
        lambda d: d.export_image(),
    ],
)
def test_what_needs_a_hold_on_it_cannot_be_shown(
    deployment: ExternalDeployment, act: Callable[[ExternalDeployment], object]
) -> None:
    with pytest.raises(CannotShow):
        act(deployment)


def test_it_takes_no_change_and_no_start(runtime: ExternalRuntime) -> None:
    with pytest.raises(CannotShow, match="DOCS"):
        runtime.start(replace(PRODUCTION, variation=setting(DOCS="true")))
    with pytest.raises(CannotShow, match="nothing can be started"):
        runtime.try_start(PRODUCTION, timeout_s=1)
    with pytest.raises(CannotShow, match="how it was built"):
        runtime.try_build(PRODUCTION)


def test_one_that_does_not_answer_is_said(contract: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_VARIABLE, "given-key")
    target = parse_target(f"http://127.0.0.1:{free_ports(1)[0]}", contract)

    with pytest.raises(DeploymentFailed, match="does not answer /ready"):
        ExternalRuntime(target, print).start(PRODUCTION)


def test_a_missing_key_is_asked_for(server: Deployment, contract: Path) -> None:
    with pytest.raises(UserError, match=KEY_VARIABLE):
        ExternalRuntime(parse_target(server.base_url, contract), print).prepare()


def test_another_machine_needs_the_owners_word(contract: Path) -> None:
    target = parse_target("https://192.0.2.1", contract)

    with pytest.raises(UserError, match="--i-own-this-target"):
        ExternalRuntime(target, print)
    ExternalRuntime(target, print, own_this_target=True).close()


def test_what_is_not_up_is_for_another_runtime() -> None:
    with pytest.raises(ContractError, match="not up already"):
        ExternalRuntime(parse_target("reference"), print)


@pytest.mark.parametrize(
    ("host", "here"),
    [("127.0.0.1", True), ("localhost", True), ("192.0.2.1", False), ("no-such-host.invalid", False)],
)
def test_whose_machine_it_is(host: str, here: bool) -> None:
    assert on_this_machine(host) is here
