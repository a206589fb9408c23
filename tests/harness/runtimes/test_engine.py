"""What is said when Docker refuses, fills up, or goes away; and which runtime is chosen."""

from __future__ import annotations

from pathlib import Path

import pytest
from docker.errors import APIError
from requests import Response
from requests.exceptions import ConnectionError as Unreachable

from harness.errors import RuntimeUnavailable
from harness.runtimes import factory
from harness.runtimes.containers import ContainersRuntime
from harness.runtimes.engine import Engine, Request, asking, docker_answers
from harness.runtimes.external import KEY_VARIABLE, ExternalRuntime
from harness.runtimes.factory import detect, runtime_for
from harness.runtimes.process import ProcessRuntime
from harness.target import parse_target
from harness.workspace import Workspace
from tests.harness.runtimes.conftest import needs_docker


def _refusal(text: str) -> APIError:
    response = Response()
    response.status_code = 500
    return APIError("refused", response=response, explanation=text)


@pytest.mark.parametrize(
    ("cause", "said"),
    [
        (_refusal("write /x: no space left on device"), "disk is full"),
        (_refusal("port is already allocated"), "port is already allocated"),
        (Unreachable("connection aborted"), "Docker does not answer"),
        (ConnectionRefusedError("refused"), "Docker does not answer"),
    ],
)
def test_a_refusal_becomes_a_message_with_a_remedy(cause: Exception, said: str) -> None:
    with pytest.raises(RuntimeUnavailable, match=said) as refusal, asking("starting a container"):
        raise cause

    assert refusal.value.what.startswith("starting a container")
    assert refusal.value.remedy


def test_docker_that_is_not_there_is_noticed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")

    assert not docker_answers()
    assert detect() == "process"
    with pytest.raises(RuntimeUnavailable, match="does not answer"):
        Engine("run")


def test_a_runtime_that_this_machine_cannot_do_is_refused(
    monkeypatch: pytest.MonkeyPatch, workspace: Workspace
) -> None:
    monkeypatch.setattr(factory, "docker_answers", lambda: False)

    with pytest.raises(RuntimeUnavailable, match="--runtime process"):
        runtime_for("containers", parse_target("reference"), workspace)


def test_the_runtime_asked_for_is_made(
    monkeypatch: pytest.MonkeyPatch, workspace: Workspace, tmp_path: Path
) -> None:
    (tmp_path / "c.toml").write_text('name = "x"', encoding="utf-8")
    url = parse_target("http://127.0.0.1:1", tmp_path / "c.toml")
    monkeypatch.setattr(factory, "docker_answers", lambda: True)
    monkeypatch.setenv(KEY_VARIABLE, "k")

    assert isinstance(runtime_for("process", parse_target("reference"), workspace), ProcessRuntime)
    assert isinstance(runtime_for("containers", parse_target("reference"), workspace), ContainersRuntime)
    assert isinstance(runtime_for("external", url, workspace), ExternalRuntime)
    assert (detect(url), detect()) == ("external", "containers")


@needs_docker
class TestDocker:
    """Against the real daemon."""

    def test_a_build_that_fails_shows_its_last_lines(self, small_image: str, tmp_path: Path) -> None:
        engine = Engine("test")
        (tmp_path / "Dockerfile").write_text(
            f"FROM {small_image}\nRUN echo wrong; exit 3\n", encoding="utf-8"
        )

        with pytest.raises(
            RuntimeUnavailable, match=r"panotti-test:1 failed(?s:.*)returned a non-zero code: 3"
        ):
            engine.build(tmp_path, "panotti-test:1", {})
        engine.close()

    def test_a_command_that_is_not_there_leaves_no_container(self, small_image: str) -> None:
        engine = Engine("test-no-command")
        network = engine.network()

        with pytest.raises(RuntimeUnavailable, match="no-such-command"):
            engine.run(Request(image=small_image, command=("no-such-command",)), network)

        network.remove()
        network.remove()
        engine.close()

    def test_a_log_is_read_from_where_it_was_left(self, small_image: str) -> None:
        engine = Engine("test-log")
        network = engine.network()
        script = "for n in range(1000): print(n)"
        box = engine.run(Request(image=small_image, command=("python3", "-c", script)), network)
        box.wait(30.0)

        lines = box.log_after("")
        assert [text for _, text in lines] == [str(number) for number in range(1000)]
        assert box.log_after(lines[-1][0]) == []
        assert box.log_after(lines[499][0]) == [line for line in lines if line[0] > lines[499][0]]

        box.remove()
        network.remove()
        engine.close()

    def test_what_has_ended_is_found_by_its_network_and_nothing_without_one(self, small_image: str) -> None:
        engine = Engine("test-ended")
        network = engine.network()
        ended, running = (
            engine.run(Request(image=small_image, command=("sleep", seconds)), network)
            for seconds in ("0", "60")
        )
        ended.wait(30.0)

        assert {box.id for box in engine.in_networks([network.name])} == {ended.id, running.id}
        assert [box.id for box in engine.in_networks([network.name], ended=True)] == [ended.id]
        assert engine.in_networks([]) == []

        for box in (ended, running):
            box.remove()
        network.remove()
        engine.close()

    def test_a_registry_that_is_not_there_is_no_error(self) -> None:
        engine = Engine("test")

        assert not engine.pull("127.0.0.1:1/none:1", silence_s=3.0)
        assert engine.image_id("panotti-none:1") is None
        engine.close()
