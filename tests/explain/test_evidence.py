"""What is measured in an epoch is what was put there."""

import numpy as np
import pytest

from somnolens.explain.events import join_epochs
from somnolens.explain.evidence import measure_night
from somnolens.simulate.waveforms import make_k_complex
from tests.plain_nights import RATE_HZ, make_plain_night


def test_a_spindle_is_found_with_its_onset_duration_and_frequency():
    (spindle,) = measure_night(make_plain_night().add_spindle(65).cut())[2].spindles
    assert spindle.start_s == pytest.approx(65.2, abs=0.3)
    assert spindle.duration_s == pytest.approx(1.0, abs=0.4)
    assert spindle.frequency_hz == pytest.approx(13.0, abs=0.4)


def test_a_wave_alone_that_stands_out_is_a_k_complex_and_a_train_is_not():
    night = make_plain_night().add("F4-M1", 70, 150 * make_k_complex(RATE_HZ, 1.2)).add_slow_waves(121, 10)
    measured = measure_night(night.cut())
    assert len(measured[2].k_complexes) == 1
    assert measured[2].k_complexes[0].start_s == pytest.approx(70.1, abs=0.4)
    assert measured[4].k_complexes == ()


def test_slow_waves_fill_the_seconds_that_were_put_there():
    evidence = measure_night(make_plain_night().add_slow_waves(61, 12, 130.0).cut())
    assert evidence[2].slow_wave_share == pytest.approx(12 / 30, abs=0.07)
    assert evidence[1].slow_wave_share == 0


def test_seconds_of_alpha_are_counted():
    measured = measure_night(make_plain_night().add_alpha(62, 10).cut())
    assert measured[2].alpha_s == pytest.approx(10, abs=1)
    assert sum(event.duration_s for event in measured[2].alpha) == measured[2].alpha_s


def test_rapid_and_slow_eye_movements_are_told_apart():
    night = make_plain_night().add_rapid_movement(70).add_roll(92, 15)
    measured = measure_night(night.cut())
    assert len(measured[2].rapid) == 1
    assert measured[3].rapid == ()
    assert measured[3].rolls_s >= 10
    assert measured[2].rolls_s <= 2


def test_waves_in_phase_in_both_eyes_are_no_eye_movements():
    """Frontal slow waves reach both eyes alike."""
    night = make_plain_night()
    for name in ("E1-M2", "E2-M2"):
        night.add(name, 60, 100 * np.sin(2 * np.pi * 0.8 * np.arange(3000) / RATE_HZ))
    measured = measure_night(night.cut())[2]
    assert (measured.rapid, measured.rolls_s) == ((), 0.0)


def test_chin_tone_is_told_relative_to_the_lowest_of_the_night():
    measured = measure_night(make_plain_night().set_tone(4, 3.0).cut())
    assert measured[4].tone_ratio == pytest.approx(3.0, rel=0.1)
    assert measured[1].tone_ratio == pytest.approx(1.0, rel=0.1)


def test_what_a_missing_derivation_would_tell_is_none_and_no_rule_speaks_of_it():
    from somnolens.explain.night import explain_night

    epochs = make_plain_night().cut(hidden=("E1-M2", "chin EMG"))
    said = explain_night(epochs, ("R",) * 6).epochs[2]
    assert said.measured.rapid is None
    assert said.measured.tone_ratio is None
    assert not any("chin" in reason or "eye" in reason for reason in said.reasons)


def test_a_bad_epoch_is_not_measured():
    epochs = make_plain_night().add_slow_waves(61, 12).cut()
    epochs.quality[2, 0] = 2
    measured = measure_night(epochs)
    assert measured[2].slow_wave_share is None
    assert measured[1].slow_wave_share == 0


def test_overlapping_epochs_are_joined_without_repeating_anything():
    """Epochs of 30 s every 20 s: 0, 1, 2, ... seconds, each once."""
    from dataclasses import replace

    ramp = np.repeat(np.arange(70.0), 100)
    pieces = np.stack([ramp[first : first + 3000] for first in (0, 2000, 4000)])
    epochs = make_plain_night(3).cut()
    overlapping = replace(epochs, signals_uv=np.repeat(pieces[:, None], 6, axis=1), step_s=20.0)
    assert np.array_equal(join_epochs(overlapping), np.tile(ramp, (6, 1)))
