"""No file stops the shift, and none is silently read wrong."""

import pytest

from somnolens.config import PrepareSettings, RenderSettings
from somnolens.render.style import Style
from tests.fuzz import Outcome, list_mutants, try_mutants

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory) -> list[Outcome]:
    style = Style(RenderSettings(), PrepareSettings())
    return list(try_mutants(list_mutants(), style, tmp_path_factory.mktemp("fuzz")))


def test_no_changed_file_is_a_crash_or_takes_too_long(outcomes):
    assert [(o.mutant.name, o.report.error) for o in outcomes if o.is_crash] == []


def test_no_changed_file_is_silently_read_wrong(outcomes):
    assert [(o.mutant.kind, o.mutant.name, o.stages) for o in outcomes if o.is_silently_wrong] == []


def test_every_refusal_says_what_to_do(outcomes):
    refused = [o.report.error for o in outcomes if o.report.error]
    assert len(refused) > 50
    assert [error for error in refused if not error.endswith(".") or len(error) < 40] == []


def test_changes_that_do_no_harm_are_read(outcomes):
    read = {o.mutant.name for o in outcomes if o.stages is not None}
    assert {"R&K texts", "stage 4", "byte order mark", "semicolons", "carriage returns", "rows reversed"} <= read
