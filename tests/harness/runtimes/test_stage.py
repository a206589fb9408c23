"""The stage of the reference's topology: releases that come, serve and fail, and what clients meet of it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from harness import places
from harness.errors import ReleaseError, StageError
from harness.load.order import reach_of
from harness.probes.stream import StreamProbe
from harness.probes.waiting import eventually
from harness.releases.stage import Colour
from harness.runtimes import Specification
from harness.runtimes.containers import ContainersRuntime
from harness.runtimes.factory import silent
from harness.runtimes.stage import attached
from harness.target import parse_target
from tests.harness.runtimes.conftest import needs_docker

pytestmark = needs_docker
MIGRATIONS = "storage/migrations/versions"
EXPANDS = """
import sqlalchemy as sa
from alembic import op

PHASE, revision, down_revision = "expand", "0002", "0001"


def upgrade():
    op.add_column("recording_events", sa.Column("received_by", sa.String(64)))
"""
CONTRACTS = """
from alembic import op

PHASE, revision, down_revision = "contract", "0003", "0002"


def upgrade():
    op.execute("UPDATE recording_events SET received_by = 'nobody' WHERE received_by IS NULL")
    op.alter_column("recording_events", "received_by", nullable=False, server_default="somebody")
"""
READY = "if services_of(request.scope).monitor.ready else"


@pytest.fixture(scope="module")
def runtime(workspace) -> Iterator[ContainersRuntime]:
    runtime = ContainersRuntime(parse_target("reference"), workspace, silent)
    yield runtime
    runtime.close()


@pytest.fixture(scope="module")
def deployment(runtime):
    up = runtime.start(Specification(profile="production"))
    yield up
    up.stop()


@pytest.fixture(scope="module")
def stage(deployment):
    return deployment.stage()


@pytest.fixture(scope="module")
def first(stage):
    found = stage.release_of(Colour.BLUE)
    assert found is not None
    return found


@pytest.fixture(scope="module")
def made(runtime, stage, first):
    """Makes a release of the reference with other files; its image goes at the end."""
    tags = []

    def make(version, **files):
        context = runtime.workspace.folder("release")
        for path, text in files.items():
            file = context / "package" / path
            file.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        (context / "Dockerfile").write_text(
            f"FROM {runtime.image}\nCOPY --chown=0:0 package/ {runtime.target.contract.launch.paths.code}/\n"
        )
        tag = f"panotti-staged-{runtime.workspace.run_id.lower()}:{version}"
        runtime.engine.build(context, tag, {})
        tags.append(tag)
        return stage.identify(version, tag, f"{first.configuration}# {version}\n")

    yield make
    for tag in tags:
        runtime.engine.remove_image(tag)


@pytest.fixture(scope="module")
def good(made):
    return made("1.1.0", **{f"{MIGRATIONS}/0002_more.py": EXPANDS, f"{MIGRATIONS}/0003_less.py": CONTRACTS})


@pytest.fixture(scope="module")
def unready(made):
    text = (places.PACKAGE / "routes" / "health.py").read_text(encoding="utf-8")
    assert READY in text
    return made("1.2.0", **{"routes/health.py": text.replace(READY, "if False else")})


@contextmanager
def clients(deployment):
    """Requests at an even pace, whose answers tell who gave them; none may fail."""
    parts = {"key": deployment.api_key}
    with StreamProbe(deployment)("/health/detail", per_s=15, each=lambda _: parts) as stream:
        yield stream
    assert len(stream.passed) > 10
    assert not stream.failed, stream.told()


@pytest.fixture
def timed(record_testsuite_property):
    """Takes a step, and has in the report how many seconds it took."""

    def take(what, step, *given):
        began = time.monotonic()
        step(*given)
        record_testsuite_property(f"{what}_s", round(time.monotonic() - began, 2))

    return take


def test_what_was_brought_up_is_a_release_by_what_it_says_itself(stage, first, runtime):
    assert stage.serving() is Colour.BLUE
    assert first.image == runtime.engine.image_id(runtime.image)
    assert (first.version, first.schema) == ("0.1.0", "0001")
    assert 'profile = "production"' in first.configuration
    assert stage.release_of(Colour.GREEN) is None


def test_clients_go_to_a_release_and_back_without_a_failed_request(deployment, stage, first, good, timed):
    with clients(deployment) as stream:
        timed("expand", stage.migrate, good, "expand")
        timed("start", stage.start, Colour.GREEN, good)
        timed("verify", stage.verify, Colour.GREEN)
        old = set(stream.hosts())
        timed("switch", stage.switch, Colour.GREEN)
        switched = time.monotonic()
        samples = [*stage.watch(1.5)]
        new = set(stream.hosts(since=switched))
        timed("switch_back", stage.switch, Colour.BLUE)

    assert new
    assert not new & old
    assert new | old == {part.host for part in deployment.replicas}
    assert stage.serving() is Colour.BLUE
    assert stage.release_of(Colour.GREEN) == good
    assert good.schema == "0003"
    green = [sample.traffic[Colour.GREEN] for sample in samples]
    assert sum(one.requests for one in green) > len(samples), "the edge is asked, by the watch itself too"
    assert not sum(sample.traffic[Colour.BLUE].requests for sample in samples)
    assert not sum(one.errors for one in green)
    assert any(one.latency_ms > 0 for one in green)
    stage.verify(Colour.BLUE)
    assert stage.release_of(Colour.BLUE) == first


def test_a_release_of_which_a_part_is_missing_is_completed_by_whoever_comes_next(
    deployment, runtime, stage, good
):
    stage.start(Colour.GREEN, good)
    deployment.replicas[-1].remove()
    assert stage.release_of(Colour.GREEN) is None

    reach = reach_of(deployment, deployment.plan.contract)
    with attached_to(deployment, runtime, reach) as other:
        other.start(Colour.GREEN, good)

    assert stage.release_of(Colour.GREEN) == good
    standing = [one.told["Id"] for one in stage._colours.at(Colour.GREEN)]
    stage.start(Colour.GREEN, good)
    assert [one.told["Id"] for one in stage._colours.at(Colour.GREEN)] == standing


def attached_to(deployment, runtime, reach):
    return attached(runtime.workspace.run_id, deployment.plan.contract, reach)


def test_a_release_that_never_gets_ready_meets_no_client(deployment, stage, unready):
    with clients(deployment), pytest.raises(StageError) as failure:
        stage.start(Colour.GREEN, unready)

    assert "1.2.0" in failure.value.what
    assert '"route":"/health/ready","status":503' in failure.value.what
    assert stage.serving() is Colour.BLUE
    with pytest.raises(StageError, match="not ready"):
        stage.verify(Colour.GREEN)
    stage.retire(Colour.GREEN)
    assert stage.release_of(Colour.GREEN) is None
    with pytest.raises(StageError, match="finds no replica of green ready"):
        stage.switch(Colour.GREEN)
    assert stage.serving() is Colour.BLUE


def test_what_serves_is_neither_replaced_nor_retired(stage, good):
    with pytest.raises(StageError, match="blue serves"):
        stage.retire(Colour.BLUE)
    with pytest.raises(StageError, match="blue serves"):
        stage.start(Colour.BLUE, good)
    with pytest.raises(ReleaseError, match="there is no image"):
        stage.identify("9.9.9", "panotti:nobody-built-it", "")


def test_a_schema_that_was_contracted_ends_the_release_before(deployment, stage, first, good):
    """Last but one: there is no way back."""
    stage.start(Colour.GREEN, good)
    stage.switch(Colour.GREEN)
    stage.retire(Colour.BLUE)
    stage.migrate(good, "contract")

    with pytest.raises(StageError) as failure:
        stage.start(Colour.BLUE, first)

    assert "ended with status 2" in failure.value.what
    assert (
        "the schema is at revision 0003, newer than this release, whose newest is 0001" in failure.value.what
    )
    stage.verify(Colour.GREEN)


def test_the_edge_begins_again_with_the_colour_that_serves(deployment, stage):
    """Last: its published ports are others afterwards."""
    (edge,) = deployment.parts("edge")
    edge.signal("SIGKILL")
    assert eventually(lambda: edge.exit_status() is not None)
    edge.start()

    assert eventually(lambda: serving(stage), timeout_s=10.0) is Colour.GREEN


def serving(stage):
    try:
        return stage.serving()
    except StageError:
        return None
