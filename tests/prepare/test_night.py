"""From a recording to epochs that can be drawn."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from somnolens.aasm import RECOMMENDED_DERIVATIONS
from somnolens.epochs import CLIPPED, DETACHED, FLAT, GOOD, MISSING, NOT_A_NUMBER, Epochs
from somnolens.errors import MismatchedHypnogramError, UnreadableRecordingError
from somnolens.hypnogram import Hypnogram
from somnolens.prepare.cut import cut_epochs
from somnolens.prepare.night import align, prepare_epochs
from somnolens.prepare.quality import share_per_epoch
from somnolens.read.montage import find_montage
from somnolens.read.night import read_drawn
from somnolens.recording import Recording, Signal

RATE_HZ = 256.0


def make_noise(seconds=300, rate_hz=RATE_HZ, seed=0):
    return np.random.default_rng(seed).normal(0, 20, int(seconds * rate_hz)).astype(np.float32)


def record(seconds=300, rate_hz=RATE_HZ, physical_range_uv=(-3276.8, 3276.7), **samples_uv):
    signals = tuple(Signal(name, samples, rate_hz, physical_range_uv) for name, samples in samples_uv.items())
    return Recording("night", signals, float(seconds))


def prepare(recording, **settings):
    return prepare_epochs(recording, find_montage(recording), **settings)


def test_epochs_of_all_derivations_at_one_rate():
    signals = tuple(Signal(name, make_noise(95, rate), rate) for name, rate in (("F4-M1", 256.0), ("LOC", 128.0)))
    epochs = prepare(Recording("night", signals, 95.0))
    assert (epochs.signals_uv.shape, epochs.signals_uv.dtype) == ((3, 6, 3000), np.float32)
    assert epochs.derivations == tuple(RECOMMENDED_DERIVATIONS)
    assert epochs.sources == ("F4-M1", None, None, "LOC", None, None)
    assert epochs.present.tolist() == [True, False, False, True, False, False]


def test_a_missing_derivation_is_zero_and_marked():
    epochs = prepare(record(C4=make_noise()))
    assert not epochs.signals_uv[:, 0].any()
    assert (epochs.quality[:, 0] == MISSING).all()
    assert (epochs.quality[:, 1] == GOOD).all()
    assert any(note.startswith("F4-M1 is missing: looked for 'F4-M1'") for note in epochs.notes)


def test_two_electrodes_are_subtracted():
    active, reference = make_noise(seed=1), make_noise(seed=2)
    apart = prepare(record(C4=active, M1=reference)).signals_uv[:, 1]
    together = prepare(record(**{"C4-M1": active - reference})).signals_uv[:, 1]
    np.testing.assert_allclose(apart, together, atol=1e-3)


def test_a_derivation_the_other_way_round_is_turned():
    one_way, other_way = (prepare(record(**{name: make_noise()})).signals_uv[:, 1] for name in ("C4-M1", "M1-C4"))
    np.testing.assert_array_equal(one_way, -other_way)


def test_epochs_start_where_the_scoring_starts():
    """A pulse 5 s after scoring starts at 17 s lies 5 s into the first epoch."""
    samples = np.zeros(int(120 * RATE_HZ), np.float32)
    samples[int(22 * RATE_HZ)] = 5000
    epochs = prepare(record(120, C4=samples), start_s=17.0)
    assert (len(epochs), epochs.start_s) == (3, 17.0)
    assert np.argmax(epochs.signals_uv[0, 1]) == 500


def test_scoring_that_starts_before_the_signal_keeps_its_grid():
    assert prepare(record(120, C4=make_noise(120)), start_s=-10.0).start_s == 20.0


def test_no_number_is_bridged_and_its_epochs_are_marked():
    samples = make_noise()
    samples[int(40 * RATE_HZ)] = np.nan
    samples[int(100 * RATE_HZ) : int(101 * RATE_HZ)] = np.inf
    epochs = prepare(record(C4=samples))
    assert np.isfinite(epochs.signals_uv).all()
    assert epochs.quality[:, 1].tolist() == [0, NOT_A_NUMBER, 0, NOT_A_NUMBER, 0, 0, 0, 0, 0, 0]
    assert "C4-M1 is not a number in 2 of 10 epochs." in epochs.notes
    clean = prepare(record(C4=make_noise())).signals_uv
    np.testing.assert_allclose(epochs.signals_uv[5:], clean[5:], atol=1e-2)
    assert np.isnan(samples).sum() == 1, "the recording itself is left as it is"


def test_a_signal_without_any_number_is_zero_and_marked():
    epochs = prepare(record(C4=np.full(int(300 * RATE_HZ), np.nan, np.float32)))
    assert not epochs.signals_uv.any()
    assert (epochs.quality[:, 1] == NOT_A_NUMBER).all()


def test_flat_clipped_and_detached_epochs_are_marked():
    samples = make_noise()
    time_s = np.arange(len(samples)) / RATE_HZ
    samples[(time_s >= 60) & (time_s < 90)] = 7.0
    samples[(time_s >= 120) & (time_s < 150)] *= 200
    samples[(time_s >= 180) & (time_s < 182)] = 3276.7
    samples = np.clip(samples, -3276.8, 3276.7).astype(np.float32)
    samples[(time_s >= 240) & (time_s < 270)] = 1500 * np.sin(2 * np.pi * 3 * time_s[:7680])
    assert prepare(record(C4=samples)).quality[:, 1].tolist() == [0, 0, FLAT, 0, CLIPPED, 0, CLIPPED, 0, DETACHED, 0]


def test_a_short_movement_is_not_a_detached_electrode():
    samples = make_noise()
    samples[int(40 * RATE_HZ) : int(44 * RATE_HZ)] *= 40
    assert not prepare(record(C4=samples)).quality[:, 1].any()


def test_mains_is_notched_only_where_it_is():
    noise, time_s = make_noise(seed=3), np.arange(int(300 * RATE_HZ)) / RATE_HZ
    hum = 10 * np.sin(2 * np.pi * 50 * time_s).astype(np.float32)
    epochs = prepare(record(C4=make_noise(), EMG=noise + hum), sampling_rate_hz=200.0)
    without = prepare(record(EMG=noise), sampling_rate_hz=200.0, mains_hz="50")
    assert [note for note in epochs.notes if "hum" in note] == ["Mains hum of 50 Hz was removed from chin EMG."]
    assert np.std(epochs.signals_uv[:, 5] - without.signals_uv[:, 5]) < 0.02 * np.std(hum)


@pytest.mark.parametrize(("mains_hz", "is_left"), [("none", True), ("50", False), ("60", True)])
def test_the_mains_can_be_given(mains_hz, is_left):
    time_s = np.arange(int(300 * RATE_HZ)) / RATE_HZ
    recording = record(EMG=(10 * np.sin(2 * np.pi * 50 * time_s)).astype(np.float32))
    loudness_uv = prepare(recording, sampling_rate_hz=200.0, mains_hz=mains_hz).signals_uv[2:-2, 5].std()
    assert bool(loudness_uv > 5) == is_left


def test_a_recording_shorter_than_an_epoch_is_refused():
    with pytest.raises(UnreadableRecordingError) as caught:
        prepare(record(40, C4=make_noise(40)), start_s=17)
    assert str(caught.value) == (
        "night holds 40 s of signal, of which staging would begin at 17 s: not one epoch of 30 s. "
        "Name a longer recording."
    )


@pytest.mark.parametrize("rate_hz", [199.8, 1000 / 3, 50.0, 511.97])
def test_odd_rates_give_whole_epochs(rate_hz):
    samples = make_noise(300, rate_hz)
    recording = record(len(samples) / rate_hz, rate_hz, C4=samples)
    assert len(prepare(recording)) == int((len(samples) / rate_hz + 1e-6) // 30)


def test_the_same_night_gives_the_same_bytes():
    first, second = (prepare(record(C4=make_noise())).signals_uv.tobytes() for _ in range(2))
    assert first == second


def test_the_real_excerpt_keeps_its_amplitudes(psg_folder):
    recording, montage = read_drawn(psg_folder / "short_psg.edf")
    epochs = prepare_epochs(recording, montage)
    assert epochs.signals_uv.shape == (10, 6, 3000)
    raw_uv = recording["EEG Fpz-Cz"].samples_uv.reshape(10, 3000)
    agreement = np.corrcoef(epochs.signals_uv[:, 0].ravel(), raw_uv.ravel())[0, 1]
    assert agreement > 0.95
    assert not epochs.quality[:, [0, 2, 3]].any()


@pytest.mark.timeout(60)
def test_an_hour_of_six_derivations_takes_far_less_than_a_second_of_a_core():
    """8 h take 0.8 s on one core; the limit leaves room for a busy machine."""
    names = ("F4-M1", "C4-M1", "O2-M1", "E1-M2", "E2-M2", "EMG chin")
    recording = record(3600, **{name: make_noise(3600, seed=seed) for seed, name in enumerate(names)})
    start = time.process_time()
    prepare(recording)
    assert time.process_time() - start < 0.6


def make_epochs(n_epochs, start_s=0.0):
    quality = np.zeros((n_epochs, 1), np.uint8)
    return Epochs("night", np.zeros((n_epochs, 1, 10), np.float32), ("C4-M1",), 100.0, quality, ("C4",), start_s)


def test_a_longer_scoring_loses_its_tail():
    epochs, hypnogram = align(make_epochs(3), Hypnogram(("W", "N1", "N2", "UNSCORED", "UNSCORED")))
    assert hypnogram.stages == ("W", "N1", "N2")
    assert hypnogram.notes == ("2 of 5 scored epochs lie outside the signal and were dropped.",)
    assert len(epochs) == 3


def test_a_shorter_scoring_leaves_the_rest_unscored():
    _, hypnogram = align(make_epochs(3), Hypnogram(("W",)))
    assert hypnogram.stages == ("W", "UNSCORED", "UNSCORED")
    assert hypnogram.notes == ("2 of 3 epochs of the signal are not scored.",)


def test_a_scoring_that_starts_later_or_earlier_is_shifted():
    assert align(make_epochs(3), Hypnogram(("W", "R"), start_s=30))[1].stages == ("UNSCORED", "W", "R")
    assert align(make_epochs(2, start_s=17), Hypnogram(("W", "R", "N1"), start_s=-13))[1].stages == ("R", "N1")


def test_probabilities_move_with_their_stages():
    probabilities = np.eye(5)[:2]
    _, hypnogram = align(make_epochs(2), Hypnogram(("W", "N1"), start_s=30, probabilities=probabilities))
    np.testing.assert_allclose(hypnogram.probabilities, [[0.2] * 5, probabilities[0]])


def test_no_common_stretch_of_time_is_refused():
    with pytest.raises(MismatchedHypnogramError) as caught:
        align(make_epochs(3), Hypnogram(("W",), start_s=90))
    assert str(caught.value) == (
        "night: the signal runs from 0 to 90 s, the scoring from 90 to 120 s: they share no epoch. "
        "Check that the two files belong together."
    )


def test_another_grid_is_refused():
    with pytest.raises(MismatchedHypnogramError, match=r"13 s off the 30-s grid. Prepare the epochs with start_s=17\."):
        align(make_epochs(3), Hypnogram(("W",), start_s=17))


@given(n_epochs=st.integers(1, 20), n_scored=st.integers(1, 20), shift=st.integers(-25, 25))
def test_after_alignment_every_epoch_has_the_stage_of_its_time(n_epochs, n_scored, shift):
    scored = Hypnogram(tuple(np.random.default_rng(n_scored).choice(["W", "N2", "R"], n_scored)), start_s=30.0 * shift)
    try:
        _, aligned = align(make_epochs(n_epochs), scored)
    except MismatchedHypnogramError:
        assert shift >= n_epochs or shift + n_scored <= 0
        return
    expected = [scored.stages[i - shift] if 0 <= i - shift < n_scored else "UNSCORED" for i in range(n_epochs)]
    assert list(aligned.stages) == expected


@settings(deadline=None)
@given(seconds=st.integers(0, 200), start_s=st.integers(0, 100), rate_hz=st.sampled_from([1.0, 2.0, 10.0]))
def test_every_sample_of_a_whole_epoch_is_in_one_epoch(seconds, start_s, rate_hz):
    samples = np.arange(int(seconds * rate_hz))[None]
    epochs = cut_epochs(samples, rate_hz, start_s)
    n_epochs = max(0, (seconds - start_s) // 30)
    begin = int(start_s * rate_hz)
    np.testing.assert_array_equal(epochs.reshape(-1), samples[0, begin : begin + int(n_epochs * 30 * rate_hz)])


def test_marked_samples_are_counted_in_their_epoch():
    marked = np.array([0, 50, 100, 399, 400, 1000])
    np.testing.assert_allclose(share_per_epoch(marked, 10.0, 10.0, 2) * 300, [2, 1])
