"""The `harness` program as a user meets it: real commands on a real server, and what it says of mistakes."""

from __future__ import annotations

import gc
import json
import os
import re
import shutil
import sys
import warnings
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import docker
import pytest

from harness import cli, journal, places, standing, watchdog
from harness.commands import keeping
from harness.redaction import VAULT
from harness.workspace import DIRECTORY_VARIABLE, Workspace
from tests.harness.runtimes.conftest import needs_docker

URL = ("--target", "https://192.0.2.1", "--contract", str(places.CONTRACT))
PLAIN = Path(__file__).parents[2] / "targets" / "plain"
HIDDEN = "-".join(("what", "nobody", "is", "to", "read", "here"))
CHECKS = '''
from harness import control, floor, setting

DOCS_ON = setting(title="documentation on", DOCS="true")

@control("monitoring.health.service", broken_by=DOCS_ON, prove_in="testing")
def test_the_documentation_is_absent(site):
    """The documentation is not served."""
    floor(site.http.get(site.contract.path("health.live")).ok, "the server does not answer")
    assert site.http.get("/docs").status == 404, "it is served"
'''


@dataclass(frozen=True)
class Said:
    """What a command came to."""

    status: int
    out: str
    err: str


Harness = Callable[..., Said]


@pytest.fixture
def harness(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Harness:
    """Run the program in this process, as from a shell outside of any run."""
    monkeypatch.delenv(watchdog.RUN_VARIABLE, raising=False)
    monkeypatch.delenv(DIRECTORY_VARIABLE, raising=False)

    def run(*words: str) -> Said:
        monkeypatch.setattr(sys, "argv", ["harness", *words])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        out, err = capfd.readouterr()
        return Said(int(ended.value.code or 0), out, err)

    return run


@pytest.fixture
def suites(tmp_path: Path) -> Path:
    """A suites folder with one check and one defect."""
    folder = tmp_path / "project" / "suites"
    folder.mkdir(parents=True)
    (folder / "test_docs.py").write_text(CHECKS)
    (folder.parent / "pytest.ini").write_text("[pytest]\naddopts = --import-mode=importlib\n")
    return folder


def test_a_verification_ends_in_a_table_a_journal_and_reports(
    harness: Harness, suites: Path, tmp_path: Path
) -> None:
    said = harness(
        *("verify", "-p", "testing", "--runtime", "process", "-c", "monitoring.health.service"),
        *("--suites", str(suites), "--journal", str(tmp_path / "j")),
    )

    assert said.status == 0, said.out + said.err
    assert "1 pass" in said.out
    assert "Time:" in said.out
    view = journal.read(tmp_path / "j")
    assert view.complete
    assert [finding.verdict for finding in view.findings] == ["pass"]

    said = harness("report", str(tmp_path / "j"), "--out", str(tmp_path / "r"))

    assert said.status == 0
    assert {path.name for path in (tmp_path / "r").iterdir()} == {
        "report.html",
        "report.json",
        "summary.md",
        "junit.xml",
        "report.sarif",
    }
    said = harness("gate", str(tmp_path / "j"))
    assert said.status == 2
    assert "could not decide" in said.out


def test_a_verification_with_reports_ends_with_the_gate(
    harness: Harness, suites: Path, tmp_path: Path
) -> None:
    said = harness(
        *("verify", "-p", "testing", "--runtime", "process", "--suites", str(suites), "--report"),
        *("--journal", str(tmp_path / "j"), "--out", str(tmp_path / "r")),
    )

    assert said.status == 2, "every other required control was not verified"
    assert (tmp_path / "r" / "report.html").is_file()
    assert "The gate is could not decide" not in said.out
    assert "The gate could not decide" in said.out


def test_the_self_test_says_what_was_caught(harness: Harness, suites: Path, tmp_path: Path) -> None:
    matrix = tmp_path / "matrix.json"

    said = harness("selftest", "-n", "1", "--suites", str(suites), "--json", str(matrix))

    assert said.status == 0, said.out + said.err
    assert "1 defects: 1 caught, 0 missed, 0 error" in said.out
    told = json.loads(matrix.read_text())
    assert told["totals"] == {"defects": 1, "caught": 1, "missed": 0, "error": 0, "clean": 1}


@needs_docker
def test_an_image_is_prepared_where_it_was_missing_and_nothing_else_stays(
    harness: Harness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "application"
    shutil.copytree(PLAIN, folder)
    (folder / "new.txt").write_text(str(tmp_path))  # no image has this
    words = ("prepare", "--target", f"source:{folder}", "--contract", str(PLAIN / "contract.toml"))
    opened: list[Workspace] = []

    def opening() -> Workspace:
        opened.append(Workspace.open())
        return opened[-1]

    monkeypatch.setattr(keeping, "Workspace", SimpleNamespace(open=opening))

    first = harness(*words)
    image = re.findall(r"image\.built (panotti-source:\S+)", first.out)[0]
    with closing(docker.from_env()) as client:
        assert image in client.images.get(image).tags
        second = harness(*words)
        client.images.remove(image)

    assert (first.status, second.status) == (0, 0), first.err + second.err
    assert "image.built" not in second.out
    assert len(opened) == 2
    for run in opened:
        assert not run.root.exists()
        assert watchdog.remove_docker_objects(run.run_id) == 0


def test_what_cannot_be_prepared_is_said_with_status_2(
    harness: Harness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")

    said = harness("prepare", "--runtime", "containers")

    assert said.status == 2
    assert "Docker does not answer" in said.err
    assert "is there" not in said.out


def test_what_is_up_stays_until_it_is_taken_down(
    harness: Harness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(standing, "KEPT", tmp_path / "up")

    said = harness("up", "testing", "--runtime", "process")
    with warnings.catch_warnings():  # Python warns of a child that is meant to go on
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()

    assert said.status == 0, said.err
    (kept,) = (tmp_path / "up").iterdir()
    told = json.loads(kept.read_text())
    key = next(line.split("│")[2].strip() for line in said.out.splitlines() if "administrator" in line)
    assert len(key) > 32
    assert key not in kept.read_text()
    assert _mine(kept.stem)
    assert harness("down", "--dry-run").out.startswith("Would remove")
    assert _mine(kept.stem)
    assert harness("down", "nothing").status == 2
    assert harness("down", kept.stem).out.startswith(f"Removed {kept.stem}")
    assert not _mine(kept.stem)
    assert not Path(told["directory"]).exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("verify", "-p", "produktion"), 'there is no profile "produktion"'),
        (("verify", "--runtime", "podman"), 'there is no runtime "podman"'),
        (("verify", "-c", "middleware.corse.*"), "middleware.corse.*"),
        (("verify", "--target", "ftp://x"), "is not a target"),
        (("verify", "--target", "source:nowhere"), "there is no such folder"),
        (("verify", "--target", "image:nothing"), "no contract file"),
        (("verify", "-p", "production", *URL), "not on this machine"),
        (("verify", *URL), "in which profile"),
        (("verify", "--contract", "absent.toml"), "absent.toml"),
        (("verify", "--policy", "absent.toml"), "absent.toml"),
        (("verify", "--waivers", "absent.toml"), "absent.toml"),
        (("verify", "--advisories", "absent.tar"), "absent.tar"),
        (("verify", "--suites", "/nowhere"), "there is no such folder of checks"),
        (("selftest", "-p", "nowhere"), 'there is no profile "nowhere"'),
        (("up", "nowhere"), 'there is no profile "nowhere"'),
        (("gate", "/nowhere"), "no journal here"),
        (("report", "/nowhere"), "no journal here"),
        (("catalogue", "-c", "nothing.*"), "nothing.*"),
        (("verify", "--target", "http://[::1"), "is not the URL of a server"),
        (("load", "--rate", "nan"), "--rate nan: it has to be above 0"),
        (("load", "--rate", "1e300"), "--rate 1e+300: it has to be above 0"),
        (("load", "--for", "inf"), "--for inf: it has to be above 0"),
    ],
)
def test_a_mistake_is_one_message_and_status_2(harness: Harness, words: tuple[str, ...], told: str) -> None:
    said = harness(*words)

    assert said.status == 2
    assert told in said.err
    assert "→" in said.err
    assert "Traceback" not in said.err


def test_a_report_in_an_unknown_format_names_the_known_ones(harness: Harness, tmp_path: Path) -> None:
    said = harness("report", str(tmp_path), "-f", "docx")

    assert said.status == 2
    assert "Traceback" not in said.err


def test_the_catalogue_has_every_control(harness: Harness) -> None:
    said = harness("catalogue", "--json", "--suites", "/nowhere")

    rows = json.loads(said.out)
    assert len(rows) == 112
    assert all(row["requirement"] and row["references"] for row in rows)


def test_the_doctor_names_runtimes(harness: Harness) -> None:
    said = harness("doctor")

    assert said.status == 0
    assert "process" in said.out.splitlines()[-1]


def test_a_contract_that_is_nested_too_deeply_is_named(harness: Harness, tmp_path: Path) -> None:
    deep = tmp_path / "deep.toml"
    deep.write_text(f"a = {'[' * 5000}{']' * 5000}\n")

    said = harness("verify", "--contract", str(deep))

    assert (said.status, "deep.toml: nested too deeply" in said.err) == (2, True)


def test_what_is_remembered_of_a_deployment_and_cannot_be_read_is_named(
    harness: Harness, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(standing, "KEPT", tmp_path)
    (tmp_path / "run.json").write_text("[1, 2]")

    said = harness("down")

    assert (said.status, "run.json: it does not say what stands" in said.err) == (2, True)


def test_what_nobody_foresaw_is_one_line_and_its_details_are_kept(
    harness: Harness, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def break_down(*_: object, **__: object) -> None:
        raise ZeroDivisionError(f"with {HIDDEN}")

    VAULT.learn(HIDDEN, "$API_KEY")
    monkeypatch.setattr(places, "BUILD", tmp_path)
    monkeypatch.setattr(keeping, "down", break_down)

    said = harness("down")

    assert said.status == 2
    assert said.err.startswith("harness: a fault of the harness itself: ZeroDivisionError: with $API_KEY\n")
    (details,) = (tmp_path / "errors").iterdir()
    assert str(details) in said.err
    assert "Traceback" in details.read_text()
    assert HIDDEN not in details.read_text()
    assert details.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "verb", ["doctor", "prepare", "up", "down", "verify", "selftest", "report", "gate", "catalogue"]
)
def test_every_verb_teaches_by_example(harness: Harness, verb: str) -> None:
    said = harness(verb, "--help")

    assert said.status == 0
    assert f"harness {verb}" in said.out.partition("Example")[2]


def _mine(run_id: str) -> list[int]:
    """Processes that carry the run's mark."""
    mark = f"{watchdog.RUN_VARIABLE}={run_id}".encode()
    found = []
    for pid in (int(name) for name in os.listdir("/proc") if name.isdigit()):  # noqa: PTH208
        try:
            environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if mark in environment:
            found.append(pid)
    return found
