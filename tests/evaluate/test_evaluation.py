"""An adapter on a small dataset, from pictures to figures."""

import numpy as np
import pytest

from somnolens.aasm import STAGES
from somnolens.dataset.manifest import Dataset
from somnolens.evaluate.evaluation import Evaluation, evaluate_adapter, evaluate_system, read_known_nights
from somnolens.evaluate.summary import Summary, summarise
from somnolens.score.calibration import scale
from somnolens.score.engine import Engine, load_engine
from tests.evaluate.nights import draw_nights, make_night
from tests.small_cohort import N_EPOCHS
from tests.small_cohort import STAGES as SMALL_STAGES


@pytest.fixture(scope="module")
def engine(adapter_folder) -> Engine:
    return load_engine(adapter_folder)


@pytest.fixture(scope="module")
def evaluation(engine: Engine, small_dataset: Dataset) -> Evaluation:
    return evaluate_adapter(engine, small_dataset, "train")


def test_what_is_known_of_a_night_is_what_its_shard_holds(small_dataset):
    (known,) = read_known_nights(small_dataset, "test")
    assert known.truth.stages == SMALL_STAGES
    assert (known.cohort, known.night, known.subject) == ("simulated", *[small_dataset.nights("test")[0]] * 2)
    assert known.quality.shape == (N_EPOCHS, 6)
    assert known.derivations[-1] == "chin EMG"
    assert known.scorers == ()


def test_traits_come_from_the_table_beside_the_dataset(small_dataset):
    table = small_dataset.folder / "subjects.csv"
    table.write_text(f"subject,age\n{small_dataset.subjects('test')[0]},61\n")
    try:
        assert read_known_nights(small_dataset, "test")[0].traits == {"age": 61.0}
    finally:
        table.unlink()


def test_every_night_is_staged_and_the_unscored_epoch_is_left_out(evaluation, small_dataset):
    assert [night.night for night in evaluation.nights] == small_dataset.nights("train")
    assert evaluation.pooled.n_epochs == 3 * (N_EPOCHS - 1)
    assert evaluation.pooled.n_left_out == 3
    assert evaluation.subjects == [f"simulated/{name}" for name in small_dataset.subjects("train")]


def test_probabilities_are_those_of_the_engine(evaluation, engine, small_dataset):
    night = evaluation.nights[0]
    alone = engine.score_pictures(small_dataset.read_pictures(night.night), 4)
    np.testing.assert_allclose(night.probabilities, engine.read_night(alone), atol=1e-6)
    np.testing.assert_allclose(night.alone, scale(alone, engine.calibration.picture), atol=1e-6)


def test_any_system_can_be_held_to_the_same_nights(small_dataset):
    done = []

    def guess(known):
        return make_night(known.truth.codes(), [2] * len(known), known.night, cohort=known.cohort)

    guessed = evaluate_system("always N2", guess, read_known_nights(small_dataset, "train"), done.append)
    assert guessed.pooled.accuracy == pytest.approx(SMALL_STAGES.count("N2") / (N_EPOCHS - 1))
    assert (guessed.system, done) == ("always N2", small_dataset.nights("train"))


def test_a_summary_tells_everything_in_plain_values(evaluation):
    import json

    told = summarise(evaluation).to_dict()
    json.dumps(told, allow_nan=False)
    assert told["intervals"]["method"] == "BCa over subjects"
    assert set(told["nights"]) == {night.night for night in evaluation.nights}
    assert told["calibration"]["n_epochs"] == 3 * (N_EPOCHS - 1)
    assert {line["accuracy"] for line in told["review"]} == {0.85, 0.9, 0.95, 0.98}
    assert told["subjects"] == 3
    assert "scorers" not in told


def test_a_system_without_probabilities_has_a_summary_without_calibration():
    summary = summarise(draw_nights(3, 60))
    assert isinstance(summary, Summary)
    assert (summary.calibration, summary.review, summary.picture_calibration) == (None, None, None)
    assert "review" not in summary.to_dict()
    assert summary.intervals["accuracy"].value == pytest.approx(summary.evaluation.pooled.accuracy)


def test_stages_of_a_night_have_the_order_of_the_manual(evaluation):
    night = evaluation.nights[0]
    assert [STAGES[code] for code in night.probabilities.argmax(1)] == list(night.scored.stages)
