"""What an adapter gets after its training: the night-level step that its settings ask for, and calibration."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from somnolens.model.adapter_card import AdapterCard
from somnolens.score.engine import load_engine
from somnolens.score.fitting import calibrate_adapter, finish_adapter
from somnolens.score.probe import check_answers
from somnolens.score.reader import load_reader
from somnolens.score.recurrent import WEIGHTS_FILE, RecurrentStep
from somnolens.score.sequence import SequenceStep

pytestmark = pytest.mark.slow

STEPS = {"chain": SequenceStep, "recurrent": RecurrentStep, "none": type(None)}


@pytest.fixture(scope="module", params=STEPS)
def kind(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def finished(adapter_folder, kind, small_dataset, tmp_path_factory) -> tuple[Path, AdapterCard]:
    """An adapter as training leaves it, with no night-level step yet; finished."""
    folder = shutil.copytree(adapter_folder, tmp_path_factory.mktemp("finished") / "adapter")
    card = json.loads((folder / "somnolens.json").read_text())
    card["settings"]["train"]["night_step"] = kind
    (folder / "somnolens.json").write_text(json.dumps(card | {"sequence": {}}))
    return folder, finish_adapter(folder, small_dataset)


def test_the_step_that_was_asked_for_is_fitted_kept_and_used(finished, kind, small_dataset):
    adapter, card = finished
    engine, reader = load_engine(adapter), load_reader(adapter)
    assert type(engine.sequence) is type(reader.sequence) is STEPS[kind]
    assert (adapter / WEIGHTS_FILE).is_file() == (kind == "recurrent")
    (night,) = small_dataset.nights("validation")
    readings = engine.look(small_dataset.read_pictures(night), 8)
    assert readings.shape == (8, 5 + (engine.looker.n_hidden if kind == "recurrent" else 0))
    np.testing.assert_allclose(readings[:, :5], engine.score_pictures(small_dataset.read_pictures(night), 8), atol=1e-6)
    told = reader.read_night(readings)
    np.testing.assert_allclose(told.sum(axis=1), 1)
    scored = small_dataset.read_stages(night) >= 0
    right = np.mean(told.argmax(1)[scored] == small_dataset.read_stages(night)[scored])
    assert right == pytest.approx(card.metrics["validation.night.accuracy"])


def test_calibrated_anew_the_step_stays(finished, small_dataset):
    adapter, before = finished
    after = calibrate_adapter(adapter, small_dataset)
    assert (after.sequence, after.calibration) == (before.sequence, before.calibration)
    assert after.probe == before.probe


def test_the_card_holds_its_own_answers_to_known_pictures(finished):
    assert "get the answers of the training" in check_answers(load_engine(finished[0]))


def test_the_step_can_be_left_out(finished):
    assert load_engine(finished[0], sequence_step=False).sequence is None
