"""Features against what is known of plain waves."""

import numpy as np
import pytest

from somnolens.aasm import RECOMMENDED_DERIVATIONS
from somnolens.epochs import FLAT, Epochs
from somnolens.evaluate.peers.spectra import AROUND_EPOCHS, measure_features

NAMES = tuple(RECOMMENDED_DERIVATIONS)
N = 9


@pytest.fixture
def epochs() -> Epochs:
    rng = np.random.default_rng(0)
    times_s = np.arange(3000) / 100
    waves = np.stack([50 * np.sin(2 * np.pi * hz * times_s) for hz in (0.7, 2, 6, 10, 14, 20)])
    signals_uv = (waves[None] + rng.normal(0, 0.5, (N, 6, 3000))).astype(np.float32)
    return Epochs("night", signals_uv, NAMES, 100.0, np.zeros((N, 6), np.uint8), NAMES)


def column(features, name):
    return features.values[:, features.names.index(name)]


def test_the_loudest_band_is_the_one_the_wave_is_in(epochs):
    features = measure_features(epochs)
    for derivation, band in (("F4-M1", "slow"), ("C4-M1", "delta"), ("O2-M1", "theta"), ("E1-M2", "alpha")):
        others = [other for other in ("slow", "delta", "theta", "alpha", "sigma", "beta") if other != band]
        loudest = column(features, f"{derivation} {band}")
        assert all((loudest > column(features, f"{derivation} {other}") + 1).all() for other in others)


def test_the_share_of_tall_seconds_is_that_of_the_manual(epochs):
    assert column(measure_features(epochs), "C4-M1 tall seconds") == pytest.approx(1.0)
    low = Epochs("night", epochs.signals_uv / 2, NAMES, 100.0, epochs.quality, NAMES)
    assert column(measure_features(low), "C4-M1 tall seconds") == pytest.approx(0.0)


def test_neighbours_are_those_before_and_after(epochs):
    features = measure_features(epochs)
    alone, before, after = (column(features, f"F4-M1 total{part}") for part in ("", " before", " after"))
    assert np.array_equal(before[1:], alone[:-1])
    assert np.array_equal(after[:-1], alone[1:])
    assert np.isnan([before[0], after[-1]]).all()


def test_a_flat_derivation_is_not_a_number_and_its_neighbours_fill_the_minutes_around(epochs):
    quality = epochs.quality.copy()
    quality[4, 1] = FLAT
    features = measure_features(Epochs("night", epochs.signals_uv, NAMES, 100.0, quality, NAMES))
    assert np.isnan(column(features, "C4-M1 theta")).tolist() == [place == 4 for place in range(N)]
    assert np.isfinite(column(features, f"C4-M1 theta around {AROUND_EPOCHS}")).all()
    assert np.isfinite(column(features, "F4-M1 theta")).all()


def test_the_past_holds_this_epoch_and_those_before_it(epochs):
    louder = epochs.signals_uv.copy()
    louder[5] *= 4
    past = column(measure_features(Epochs("night", louder, NAMES, 100.0, epochs.quality, NAMES)), "F4-M1 total past 4")
    assert past[5] > past[4] + 0.1
    assert past[9 - 1] > past[4] + 0.1


def test_hiding_a_derivation_takes_all_that_was_made_from_it(epochs):
    features = measure_features(epochs)
    hidden = np.zeros((N, 6), dtype=bool)
    hidden[2, NAMES.index("E1-M2")] = True
    lost = np.isnan(features.hide(hidden)) & np.isfinite(features.values)
    names = {features.names[place] for place in np.flatnonzero(lost[2])}
    assert names
    assert all(name.startswith(("E1-M2", "eyes")) for name in names)
    assert not lost[[0, 1, 3]].any()
