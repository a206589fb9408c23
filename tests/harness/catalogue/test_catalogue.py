from __future__ import annotations

import re
from collections import Counter
from itertools import pairwise

import pytest

from harness.catalogue import AREAS, Catalogue, UnknownControl, load
from harness.catalogue.loader import read_area
from harness.errors import PolicyError
from harness.profiles import PROFILES

# Areas and their size, as the control specification counts them.
SIZES = {
    "deployment": 16,
    "middleware": 16,
    "scaling": 12,
    "monitoring": 16,
    "security": 12,
    "process": 12,
    "practice": 16,
    "future": 12,
}

CONTROL = """
[[control]]
id = "future.deployment.automated"
title = "One command leads to a release"
requirement = "One command leads from a revision to a verified release."
severity = "low"
remedy = "Chain the steps in one command."
"""


@pytest.fixture
def area(tmp_path):
    """Writes the file of the area `future` and reads it."""

    def read(text):
        path = tmp_path / "future.toml"
        path.write_text(text, encoding="utf-8")
        return read_area(path)

    return read


def test_the_catalogue_holds_exactly_112_controls():
    assert len(load()) == 112
    assert Counter(control.area for control in load().values()) == SIZES


def test_areas_stand_in_the_order_of_the_specification():
    seen = list(dict.fromkeys(control.area for control in load().values()))

    assert seen == list(AREAS) == list(SIZES)


def test_a_group_stands_together_and_has_four_controls():
    groups = [control.group for control in load().values()]

    assert set(Counter(groups).values()) == {4}
    assert len(set(groups)) == 1 + sum(a != b for a, b in pairwise(groups))


@pytest.mark.parametrize("control", load().values(), ids=lambda control: control.id)
def test_a_control_says_what_is_asked_and_what_to_do(control):
    assert re.fullmatch(r"[a-z]+\.[a-z]+\.[a-z-]+", control.id)
    assert not control.title.endswith(".")
    assert control.requirement.endswith(".")
    assert control.remedy.endswith(".")
    assert "\n" not in control.requirement + control.remedy
    assert control.references
    assert len(set(control.references)) == len(control.references)


def test_titles_and_texts_are_not_copied_between_controls():
    controls = load().values()

    for field in ("title", "requirement", "remedy"):
        assert max(Counter(getattr(control, field) for control in controls).values()) == 1


def test_an_environment_control_belongs_to_its_own_profile_and_the_others_to_all():
    for control in load().values():
        name = control.id.rpartition(".")[2]
        own = (name,) if control.group == "deployment.environments" else PROFILES
        assert control.profiles == own


def test_it_is_read_once():
    assert load() is load()


def test_a_glob_spans_dots_and_keeps_catalogue_order():
    catalogue = load()

    found = [control.id for control in catalogue.match(["monitoring.health.service", "middleware.*"])]

    assert len(found) == 17
    assert found == sorted(found, key=list(catalogue).index)
    assert found[-1] == "monitoring.health.service"


def test_overlapping_globs_name_a_control_once():
    assert len(load().match(["middleware.cors.*", "middleware.cors.origins"])) == 4


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("middleware.cors.origin", "middleware.cors.origins"),
        ("deploymet.server.*", "deployment.server.*"),
        ("middleware", "middleware.*"),
        ("middleware.cors", "middleware.cors.*"),
    ],
)
def test_an_unknown_name_is_refused_with_the_one_that_was_meant(name, meant):
    with pytest.raises(UnknownControl) as refusal:
        load().match([name])

    assert f'"{name}"' in refusal.value.what
    assert f'did you mean "{meant}"?' in refusal.value.remedy


def test_one_glob_among_good_ones_that_names_nothing_is_refused():
    with pytest.raises(UnknownControl, match="nothing"):
        load().match(["middleware.*", "nothing.at.all"])


def test_a_name_like_no_other_is_answered_with_where_to_look():
    with pytest.raises(UnknownControl) as refusal:
        load()["0000"]

    assert refusal.value.remedy == "`harness catalogue` lists every control."


def test_looking_up_behaves_as_a_mapping():
    catalogue = load()

    assert "middleware.cors.origins" in catalogue
    assert "middleware.cors.origin" not in catalogue
    assert catalogue.get("middleware.cors.origin") is None
    assert catalogue["middleware.cors.origins"].group == "middleware.cors"


def test_a_control_that_stands_twice_is_refused():
    control = load()["middleware.cors.origins"]

    with pytest.raises(PolicyError, match=r"middleware\.cors\.origins stands twice"):
        Catalogue([control, control])


def test_a_files_wrapped_lines_become_running_text(area):
    (control,) = area(
        CONTROL.replace("One command leads from", "One command\n    leads from", 1)
        .replace('"One command\n', '"""\nOne command\n')
        .replace('release."', 'release.\n"""')
    )

    assert control.requirement == "One command leads from a revision to a verified release."


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("severity", "severty", 'control.0.severty: unknown key; did you mean "severity"?'),
        ('severity = "low"', "", "control.0.severity: missing"),
        ('"low"', '"harmless"', "control.0.severity: should be"),
        ("future.deployment.automated", "Future/Automated", "control.0.id"),
        ('"low"', '"low"\nreferences = ["ASVS 3.4.2"]', "control.0.references.0"),
        ('"low"', '"low"\nprofiles = ["produktion"]', "control.0.profiles.0"),
        ('"low"', '"low"\nprofiles = []', "control.0.profiles"),
        ('"Chain the steps in one command."', '" "', "control.0.remedy"),
        ('"Chain the steps in one command."', "4", "control.0.remedy: should be a valid string, not 4"),
        ("[[control]]", "[[controls]]", 'controls: unknown key; did you mean "control"?'),
    ],
)
def test_a_wrong_key_names_file_key_and_remedy(area, tmp_path, old, new, said):
    with pytest.raises(PolicyError) as refusal:
        area(CONTROL.replace(old, new, 1))

    assert refusal.value.what.startswith(f"{tmp_path / 'future.toml'}:")
    assert said in refusal.value.what
    assert refusal.value.remedy


def test_a_control_in_the_file_of_another_area_is_refused(area):
    with pytest.raises(PolicyError) as refusal:
        area(CONTROL.replace("future.", "process."))

    assert "process.deployment.automated is of another area" in refusal.value.what
    assert "process.toml" in refusal.value.remedy
