"""What systems lose: the definition of the lost channel, pairing, seeds."""

import numpy as np
import pytest

from somnolens.evaluate.comparison import Contestant
from somnolens.evaluate.corruptions import list_corruptions
from somnolens.evaluate.robustness import (
    CHANNEL_LOSS,
    CLEAN,
    cut_night,
    find_mixed,
    find_spoilt,
    measure_loss,
    measure_robustness,
    plan_losses,
    plan_trials,
)
from tests.evaluate.test_comparison import Oracle
from tests.evaluate.toy_nights import make_night


class NeedsC4(Oracle):
    """Right where C4 is not flat, else always W."""

    name = "needs C4"

    def stage(self, shown) -> np.ndarray:
        probabilities = super().stage(shown)
        flat = np.ptp(shown.prepare().signals_uv[:, 1, 1500:], axis=1) < 1
        probabilities[flat] = np.eye(5)[0]
        return probabilities


@pytest.fixture(scope="module")
def nights():
    return [make_night(seed, n_epochs=20) for seed in (1, 2)]


def test_each_channel_is_lost_in_turn_and_only_who_needs_it_pays(nights):
    contestants = [Contestant("needs C4", NeedsC4())]
    results = measure_robustness(contestants, nights, plan_losses((0.5,)))
    clean, lost = (find_spoilt(results, "needs C4", *which) for which in ((CLEAN,), (CHANNEL_LOSS, 0.5)))
    assert clean.by_subject.sum() == 2 * 19
    assert lost.by_subject.sum() == 6 * 2 * 19
    right_clean, right_lost = (int(np.trace(one.by_subject.sum(axis=0))) for one in (clean, lost))
    pairs = [(night.truth.codes(), night.scored.codes()) for night in clean.nights]
    spared = [(truth == named) & ((np.arange(20) < 10) | (truth == 0)) for truth, named in pairs]
    spared_right = sum(int(one.sum()) for one in spared)
    wrong_w = sum(int(((truth == 0) & (named != 0) & (np.arange(20) >= 10)).sum()) for truth, named in pairs)
    assert right_lost == 5 * right_clean + spared_right + wrong_w


def test_the_loss_is_the_difference_in_points(nights):
    results = measure_robustness([Contestant("o", NeedsC4())], nights, plan_losses((1.0,)))
    clean, lost = find_spoilt(results, "o", CLEAN), find_spoilt(results, "o", CHANNEL_LOSS, 1.0)
    loss = measure_loss(clean, lost)
    difference = clean.intervals["balanced_accuracy"].value - lost.intervals["balanced_accuracy"].value
    assert loss.value == pytest.approx(100 * difference)
    assert loss.low <= loss.value <= loss.high
    assert loss.value > 5
    assert measure_loss(clean, clean).value == 0


def test_every_system_is_shown_the_same_corrupted_signal(nights):
    seen: dict[str, list[bytes]] = {"a": [], "b": []}

    class Witness(Oracle):
        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

        def stage(self, shown) -> np.ndarray:
            seen[self.name].append(b"".join(one.samples_uv.tobytes() for one in shown.recording))
            return super().stage(shown)

    trials = plan_trials([list_corruptions()["white noise"]])
    contestants = [Contestant(name, Witness(name)) for name in ("a", "b")]
    measure_robustness(contestants, nights[:1], trials)
    assert len(seen["a"]) == 3
    assert len(set(seen["a"])) == 3
    assert seen["a"] == seen["b"]
    again = measure_robustness(contestants[:1], nights[:1], trials)
    assert seen["a"][:3] == seen["a"][3:]
    assert [one.severity for one in again] == [0.0, 10.0, 0.0]


def test_the_stretch_is_the_most_evenly_mixed_and_belongs_to_its_signal(nights):
    night = nights[0]
    first = find_mixed(night.codes, 8)
    stretch = cut_night(night, 8)
    assert np.array_equal(stretch.codes, night.codes[first : first + 8])
    whole_uv = night.read().recording["EEG C4-M1"].samples_uv
    cut_uv = stretch.read().recording["EEG C4-M1"].samples_uv
    assert np.array_equal(cut_uv, whole_uv[first * 3000 : (first + 8) * 3000])
    assert stretch.read().prepare().signals_uv.shape == (8, 6, 3000)
    assert cut_night(night, 0) is night
    assert cut_night(night, 20) is night
