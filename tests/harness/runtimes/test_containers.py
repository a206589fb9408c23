"""The runtime `containers`: the reference and a small application in real containers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tarfile
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, cast

import pytest

from harness.defects import CLEAN, Variation, container, edit, secret, setting
from harness.disturbance import watching
from harness.errors import ContractError, DeploymentFailed, HarnessError, ProbeFailed
from harness.runtimes import IMAGE, CannotShow, Deployment, Specification, containers
from harness.runtimes.containers import ContainersRuntime
from harness.runtimes.witness_containers import container_witness
from harness.target import Source, parse_target
from harness.watchdog import RUN_LABEL
from harness.workspace import Workspace
from tests.harness.runtimes.asking import ask, shown_fingerprint
from tests.harness.runtimes.conftest import needs_docker

pytestmark = needs_docker
TESTING = Specification(profile="testing")
PRODUCTION = Specification(profile="production")


@pytest.fixture(scope="module")
def reference(workspace: Workspace) -> Iterator[ContainersRuntime]:
    made = ContainersRuntime(parse_target("reference"), workspace, lambda _: None)
    yield made
    made.close()


@pytest.fixture(scope="module")
def production(reference: ContainersRuntime) -> Deployment:
    return reference.start(PRODUCTION)


@pytest.fixture(scope="module")
def own(small: Source, workspace: Workspace) -> Iterator[ContainersRuntime]:
    made = ContainersRuntime(small, workspace, lambda _: None)
    yield made
    made.close()


def _varied(variation: Variation) -> Specification:
    return replace(TESTING, variation=variation)


def test_the_image_alone_is_looked_into_while_nothing_runs(
    reference: ContainersRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reference, "_launch", lambda plan: pytest.fail("it was brought up"))
    labelled = edit("a label more", "deploy/Dockerfile", "USER 10001", "LABEL more=1\nUSER 10001")
    own, other = (
        reference.start(Specification(profile="production", variation=variation, instance=IMAGE))
        for variation in (CLEAN, labelled)
    )
    try:
        described = [cast("dict[str, Any]", one.inspect()["image"]) for one in (own, other)]
        assert [image["Config"]["Labels"].get("more") for image in described] == [None, "1"]
        with tarfile.open(own.export_image()) as archive:
            assert "manifest.json" in archive.getnames()
        for ask_it in (own.logs, own.members, own.serving):
            with pytest.raises(CannotShow):
                ask_it()
    finally:
        reference.engine.remove_image(cast("str", described[1]["RepoTags"][0]))
        own.stop()


def test_production_speaks_tls_and_has_a_plain_door(production: Deployment) -> None:
    answer = ask(production.base_url, production.ca_file, "/health/live")

    assert answer == {"status": "ok"}
    assert production.base_url.startswith("https://127.0.0.1:")
    assert production.plain_url is not None


def test_it_is_hardened_and_marked(production: Deployment, workspace: Workspace) -> None:
    described = production.inspect()["container"]
    assert isinstance(described, dict)
    host, config = described["HostConfig"], described["Config"]

    assert host["ReadonlyRootfs"]
    assert host["CapDrop"] == ["ALL"]
    assert host["SecurityOpt"] == ["no-new-privileges"]
    assert host["Memory"] > 0
    assert host["NanoCpus"] > 0
    assert host["PidsLimit"] > 0
    assert config["User"] == "10001:10001"
    assert config["Labels"][RUN_LABEL] == workspace.run_id
    assert not any(described["NetworkSettings"]["Ports"].values()), "only the edge publishes"


def test_its_secrets_are_files_for_its_user_alone(production: Deployment) -> None:
    script = "import os, sys; s = os.stat(sys.argv[1]); print(oct(s.st_mode & 0o777), s.st_uid)"
    key = f"{production.path('secrets')}/api_key"

    assert production.execute(["python", "-c", script, key]).stdout == "0o400 10001\n"
    described = json.dumps(production.inspect())
    assert not any(value in described for value in production.secrets.values())


def test_a_witness_of_one_server_is_a_container_in_its_network(own: ContainersRuntime) -> None:
    deployment = own.start(TESTING)
    before = {box.id for box in own.engine.boxes()}

    with deployment.witness() as witness:
        assert witness.how == "a container in the target's network"
        assert ask(witness.base_url, None, "/written") == {}
        assert len({box.id for box in own.engine.boxes()} - before) == 1
    assert {box.id for box in own.engine.boxes()} == before
    deployment.stop()


@pytest.mark.parametrize("this_run", [True, False])
def test_what_runs_in_a_container_is_the_runs_own_work_by_its_label(
    production: Deployment, workspace: Workspace, *, this_run: bool
) -> None:
    container = production.inspect()["container"]
    assert isinstance(container, dict)
    pid = str(container["State"]["Pid"])
    processes = watching.Processes(workspace.run_id if this_run else "another-run")

    assert processes._is_own((pid, watching._stat(pid)[20]), "python") is this_run


def test_where_the_image_has_no_python_the_witness_is_a_process(
    own: ContainersRuntime, small_image: str
) -> None:
    own.prepare()

    with container_witness(own.engine, small_image, own.network.name, {}) as witness:
        assert witness.how == "a process of this machine (the image has no Python)"
        assert ask(witness.base_url, None, "/") == {}


def test_its_paths_are_there(production: Deployment) -> None:
    paths = [production.path(name) for name in ("data", "state", "code", "config", "secrets")]
    script = "import os, sys; print([path for path in sys.argv[1:] if not os.path.exists(path)])"

    assert production.execute(["python", "-c", script, *paths]).stdout == "[]\n"


def test_commands_run_where_it_runs(production: Deployment) -> None:
    script = (
        "import os, sys; print(os.getuid(), sys.stdin.read()); print('aside', file=sys.stderr); sys.exit(3)"
    )

    done = production.execute(["python", "-c", script], stdin="hello")

    assert (done.status, done.stdout, done.stderr) == (3, "10001 hello\n", "aside\n")
    with pytest.raises(ProbeFailed, match="did not end"):
        production.execute(["sleep", "60"], timeout_s=0.3)


def test_a_certificate_is_replaced_in_the_running_server(production: Deployment) -> None:
    before = shown_fingerprint(production.base_url)

    fresh = production.replace_certificate()

    deadline = time.monotonic() + 20
    while (shown := shown_fingerprint(production.base_url)) == before and time.monotonic() < deadline:
        continue
    assert shown == fresh


def test_the_image_is_exported_once(production: Deployment) -> None:
    path = production.export_image()

    with tarfile.open(path) as archive:
        assert "manifest.json" in archive.getnames()
    assert production.export_image() == path


def test_a_worker_is_killed_by_the_pid_it_reports(production: Deployment) -> None:
    workers = "import os; print(*[p for p in os.listdir('/proc') if p.isdigit() and p != '1'])"
    pid = int(production.execute(["python", "-c", workers]).stdout.split()[0])

    production.kill(pid, signal.SIGKILL)

    with pytest.raises(ProbeFailed, match="signal 9"):
        production.kill(4_000_000, signal.SIGKILL)


def test_a_missing_secret_stops_its_start(reference: ContainersRuntime) -> None:
    failure = reference.try_start(replace(PRODUCTION, variation=secret("api_key", None)), timeout_s=30)

    assert failure is not None
    assert failure.status == 2
    assert "api_key" in failure.output


def test_an_edit_runs_in_place_of_the_code(reference: ContainersRuntime) -> None:
    patched = edit("shout", "panotti/__main__.py", "from panotti", "print('patched')\nfrom panotti")

    deployment = reference.start(_varied(patched))

    assert deployment.logs().startswith("patched\n")
    assert deployment.path("code").startswith("/overlay")
    deployment.stop()


def test_an_edited_recipe_makes_another_image(reference: ContainersRuntime) -> None:
    rooted = edit("no user", "deploy/Dockerfile", "USER 10001:10001", "USER 0:0")

    deployment = reference.start(_varied(rooted))

    image = deployment.inspect()["image"]
    assert isinstance(image, dict)
    assert image["Config"]["User"] == "0:0"
    deployment.stop()


def test_an_option_can_be_changed(reference: ContainersRuntime) -> None:
    deployment = reference.start(_varied(container("root, writable", user="0:0", read_only=False)))

    assert deployment.execute(["python", "-c", "import os; print(os.getuid())"]).stdout == "0\n"
    deployment.stop()


def test_an_option_that_nobody_knows_is_named(reference: ContainersRuntime) -> None:
    with pytest.raises(HarnessError, match='did you mean "read_only"'):
        reference.start(_varied(container("typo", readonly=False)))


@pytest.mark.parametrize("name", ["proxy", "denied", "stranger"])
def test_named_addresses_are_what_the_server_sees(own: ContainersRuntime, name: str) -> None:
    deployment = own.start(replace(TESTING, instance=name))

    assert ask(deployment.via(name))["client"] == deployment.address(name)
    assert ask(deployment.base_url)["client"] == deployment.address("direct")
    deployment.stop()


def test_an_application_of_ones_own_runs_from_its_source(own: ContainersRuntime) -> None:
    deployment = own.start(PRODUCTION)

    assert ask(deployment.base_url, deployment.ca_file)["scheme"] == "https"
    assert deployment.execute(["python", "-c", "import os; print(os.getcwd())"]).stdout == "/app\n"
    deployment.stop()
    assert "starting" in deployment.logs()


def test_an_end_before_readiness_carries_the_last_lines(own: ContainersRuntime) -> None:
    with pytest.raises(DeploymentFailed, match=r"ended with status 1(?s:.*)\| panic: no database"):
        own.start(_varied(setting(FAIL="no database")))


def test_one_that_is_never_ready_is_removed(own: ContainersRuntime) -> None:
    failure = own.try_start(_varied(setting(NEVER_READY="1")), timeout_s=2)

    assert failure is not None
    assert failure.status is None
    assert own.try_start(TESTING, timeout_s=20) is None
    assert own._up == []


def test_it_ends_on_request_and_by_its_first_process(own: ContainersRuntime) -> None:
    deployment = own.start(TESTING)
    with pytest.raises(ProbeFailed, match="still runs"):
        deployment.wait_exit(0.2)
    deployment.terminate()
    assert deployment.wait_exit(10) in {0, 128 + signal.SIGTERM}
    deployment.stop()

    other = own.start(TESTING)
    other.kill(1, signal.SIGKILL)
    assert other.wait_exit(10) == 128 + signal.SIGKILL
    other.stop()
    other.stop()


def test_without_tls_no_certificate_can_be_replaced(own: ContainersRuntime) -> None:
    deployment = own.start(TESTING)

    with pytest.raises(CannotShow):
        deployment.replace_certificate()
    deployment.stop()


def test_an_image_that_nobody_has_is_named(workspace: Workspace, small: Source) -> None:
    contract = small.folder / "contract.toml"
    target = parse_target("image:panotti-nobody-has-this:1", contract)

    with pytest.raises(ContractError, match=r"panotti-nobody-has-this:1(?s:.*)docker images"):
        ContainersRuntime(target, workspace, lambda _: None).prepare()


def test_an_image_of_ones_own_runs_and_is_hardened(
    own: ContainersRuntime, workspace: Workspace, small: Source
) -> None:
    own.prepare()
    contract = small.folder / "image.toml"
    text = (small.folder / "contract.toml").read_text(encoding="utf-8")
    command = ["python", "-m", "uvicorn", "small:app", "--host", "${host}", "--port", "${port}"]
    contract.write_text(text.replace('app = "small:app"', f"command = {command}"), encoding="utf-8")
    runtime = ContainersRuntime(parse_target(f"image:{own.image}", contract), workspace, lambda _: None)

    deployment = runtime.start(TESTING)

    assert ask(deployment.base_url)["client"] == deployment.address("direct")
    described = deployment.inspect()["container"]
    assert isinstance(described, dict)
    assert described["HostConfig"]["ReadonlyRootfs"]
    runtime.close()


def test_a_url_is_not_for_this_runtime(workspace: Workspace, small: Source) -> None:
    target = parse_target("http://127.0.0.1:1", small.folder / "contract.toml")

    with pytest.raises(ContractError, match="--runtime external"):
        ContainersRuntime(target, workspace, lambda _: None).prepare()


def test_without_root_secrets_are_read_by_group(
    own: ContainersRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(containers.os, "geteuid", lambda: 1000)

    deployment = own.start(replace(PRODUCTION, instance="group"))

    script = (
        "import os; s = os.stat(os.environ['SECRETS'] + '/api_key'); print(oct(s.st_mode & 0o777), s.st_uid)"
    )
    assert deployment.execute(["python", "-c", script]).stdout == f"0o440 {os.getuid()}\n"
    assert ask(deployment.base_url, deployment.ca_file)["scheme"] == "https"
    deployment.stop()


def test_closing_leaves_no_container_and_no_network(small: Source, workspace: Workspace) -> None:
    runtime = ContainersRuntime(small, workspace, lambda _: None)
    box = runtime.start(TESTING)
    box.via("proxy")
    name = runtime.network.name

    runtime.close()
    runtime.close()

    listed = subprocess.run(["docker", "network", "ls"], capture_output=True, text=True, check=True).stdout
    assert name not in listed
