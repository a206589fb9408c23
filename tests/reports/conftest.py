"""The sample run's model and its report, made once."""

from __future__ import annotations

from pathlib import Path

import pytest

from reports import as_html, as_json, as_junit, as_markdown, as_sarif
from reports.model import ReportModel
from tests.reports import sample


@pytest.fixture(scope="session")
def model() -> ReportModel:
    return sample.model()


@pytest.fixture(scope="session")
def report(model: ReportModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the five files."""
    out = tmp_path_factory.mktemp("report")
    for form in (as_html, as_json, as_junit, as_markdown, as_sarif):
        form.write(model, out)
    return out
