"""Every peer learns what can be learnt, and answers in the same form."""

import numpy as np
import pytest

from somnolens.errors import MissingDerivationError
from somnolens.evaluate.evaluation import NightResult, name_stages
from somnolens.evaluate.peers.boosting import Boosting
from somnolens.evaluate.peers.convolution import Convolution
from somnolens.evaluate.peers.majority import Majority
from somnolens.evaluate.peers.yasa import Yasa
from somnolens.evaluate.systems import Shown, count_stages
from somnolens.read.montage import find_montage
from somnolens.recording import Recording
from tests.evaluate.toy_nights import make_night, make_nights


@pytest.fixture(scope="module")
def nights():
    return make_nights(n_training=4)


def measure_kappa(system, night) -> float:
    probabilities = system.stage(night.read())
    assert probabilities.shape == (len(night.codes), 5)
    assert np.allclose(probabilities.sum(axis=1), 1)
    return NightResult(night.known, name_stages(night.known, probabilities, system.name)).agreement.kappa


@pytest.mark.parametrize(
    "make",
    [
        lambda: Boosting(n_rounds=4, gain_range=1.2),
        pytest.param(lambda: Convolution(passes=4, patience=4, batch_size=8, gain_range=1.2), marks=pytest.mark.slow),
    ],
    ids=["boosting", "convolution"],
)
def test_a_peer_that_learns_tells_waves_apart(nights, make):
    system = make()
    system.fit(nights.training, nights.validation)
    assert measure_kappa(system, nights.test[0]) > 0.8
    assert system.shares.sum() == pytest.approx(1)
    assert system.n_parameters > 0
    assert system.chosen


def test_the_network_keeps_its_best_pass_and_answers_for_every_epoch():
    few = make_nights(n_training=1, n_test=1, n_epochs=8)
    system = Convolution(passes=2, batch_size=8)
    system.fit(few.training, few.validation)
    assert 1 <= system.chosen["passes"] <= 2
    assert measure_kappa(system, few.test[0]) <= 1
    assert np.array_equal(system.stage(few.test[0].read()), system.stage(few.test[0].read()))


def test_boosting_stages_a_night_with_a_derivation_lost(nights):
    system = Boosting(n_rounds=2)
    system.fit(nights.training, nights.validation)
    shown = nights.test[0].read()
    fewer = shown.recording.signals[1:]
    lost = Shown(shown.recording, find_montage(Recording("night", fewer, shown.recording.duration_s)))
    assert system.stage(lost).shape == (30, 5)


def test_the_majority_is_the_commonest_training_stage(nights):
    system = Majority()
    system.fit(nights.training, nights.validation)
    counts = count_stages(nights.training)
    assert counts.sum() == 4 * 29
    assert system.stage(nights.test[0].read())[7].argmax() == counts.argmax()
    assert measure_kappa(system, nights.test[0]) == pytest.approx(0, abs=1e-9)


@pytest.mark.slow
def test_yasa_stages_from_the_first_epoch_that_is_scored():
    night = make_night(3, n_epochs=14)
    whole = night.read()
    later = Shown(whole.recording, whole.montage, start_s=60.0)
    assert Yasa().stage(whole).shape == (14, 5)
    assert Yasa().stage(later).shape == (12, 5)


def test_yasa_without_an_eeg_says_what_it_looked_for():
    whole = make_night(3, n_epochs=2).read()
    eyes = Recording("night", whole.recording.signals[3:], 60.0)
    with pytest.raises(MissingDerivationError, match="no central EEG for YASA"):
        Yasa().stage(Shown(eyes, find_montage(eyes)))
