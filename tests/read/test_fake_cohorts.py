"""Every cohort, written by us as the real one is laid out, is read back as it was written."""

import pickle
from collections import Counter

import numpy as np
import pytest

from somnolens.config import PrepareSettings
from somnolens.dataset.rows import read_night
from somnolens.read.cohorts import find_nights, list_cohorts
from somnolens.read.night import Night, read_drawn, read_scorings, read_stages
from somnolens.read.recordings import read_facts
from tests.fake_cohorts import WRITERS
from tests.fake_cohorts.dod import CONSENSUS
from tests.fake_cohorts.signals import MIRROR_OF, draw_component
from tests.fake_cohorts.truth import Truth

COHORTS = sorted(WRITERS)


@pytest.fixture(scope="session")
def cohorts(tmp_path_factory) -> dict[str, tuple[dict[str, Night], list[Truth]]]:
    """Nights found by their names, and the truth about them, of every cohort."""
    found = {}
    for cohort, write in WRITERS.items():
        folder = tmp_path_factory.mktemp(cohort)
        truths = write(folder)
        found[cohort] = {night.night: night for night in find_nights(folder, cohort)}, truths
    return found


@pytest.fixture(params=COHORTS)
def cohort(request, cohorts) -> tuple[dict[str, Night], list[Truth]]:
    return cohorts[request.param]


def test_every_cohort_has_a_fake_one():
    assert set(WRITERS) | {"simulated"} == set(list_cohorts())


def test_nights_and_subjects_are_all_found_and_no_other(cohort):
    nights, truths = cohort
    assert {night.night: night.subject for night in nights.values()} == {t.night: t.subject for t in truths}


def test_stages_of_every_scorer_are_exact(cohort):
    nights, truths = cohort
    for truth in truths:
        facts = read_facts(nights[truth.night].recording_path)
        found = read_scorings(nights[truth.night], facts)
        cut = {one.scorer: one.cut(facts.duration_s) for one in found}
        assert {scorer: one.stages for scorer, one in cut.items()} == truth.scorers
        assert all((one.start_s, one.step_s) == (truth.start_s, truth.step_s) for one in cut.values())


def test_stage_counts_of_the_epochs_are_exact(cohort):
    """Through signals and alignment, as a dataset is built."""
    nights, truths = cohort
    for truth in truths:
        scored = read_night(nights[truth.night], PrepareSettings())
        epochs, hypnogram = scored.epochs, scored.hypnogram
        assert len(epochs) == len(hypnogram)
        n_outside = len(epochs) - len(next(iter(truth.scorers.values()), ()))
        counts = Counter(hypnogram.stages)
        counts["UNSCORED"] -= n_outside
        expected = {1: truth.counts[:1], 2: truth.counts[:1], 5: [Counter(CONSENSUS)], 0: [Counter()]}
        assert [+counts] == [+one for one in expected[len(truth.scorers)]]
        assert epochs.start_s + (len(epochs) - 1) * epochs.step_s + 30 <= 300


def test_derivations_are_made_of_the_right_signals(cohort):
    nights, truths = cohort
    for truth in truths:
        night = nights[truth.night]
        assert read_drawn(night.recording_path, night.channels, night.leads)[1].sources == truth.sources


def test_derivations_hold_the_right_voltages(cohort):
    """Signs, units and references: the sum of the parts is the simulated derivation itself."""
    nights, truths = cohort
    truth = truths[-1]
    night = nights[truth.night]
    recording, montage = read_drawn(night.recording_path, night.channels, night.leads)
    checked = 0
    for derivation in montage.derivations:
        if derivation.parts:
            total = sum(sign * recording[name].samples_uv for name, sign in derivation.parts)
            rate_hz = round(recording[derivation.parts[0][0]].sampling_rate_hz)
            checked += any(is_close(total, draw_component(name, rate_hz)) for name in list_rightful(derivation.name))
    linked_ears = 3 if truth.night == "01-05-0020" else 0  # no ear is recorded: nothing to subtract
    assert checked == len([one for one in montage.derivations if one.parts]) - linked_ears


def list_rightful(derivation: str) -> list[str]:
    return [derivation, *(left for left, right in MIRROR_OF.items() if right == derivation)]


def is_close(found_uv: np.ndarray, true_uv: np.ndarray) -> bool:
    return bool(np.abs(found_uv - true_uv).max() < 1.0)


def test_a_night_of_any_cohort_can_be_sent_to_another_process(cohort):
    nights, _ = cohort
    assert pickle.loads(pickle.dumps([*nights.values()])) == [*nights.values()]


def notes_of(cohorts, cohort: str, night: str) -> str:
    found = cohorts[cohort][0][night]
    facts = read_facts(found.recording_path)
    return " ".join((*facts.notes, *read_stages(found, facts)[0].notes))


def test_the_reading_of_what_is_unconfirmed_is_told(cohorts):
    assert "30 epoch(s) more than the signal" in notes_of(cohorts, "isruc", "I-1")
    assert "as long as the signal" in notes_of(cohorts, "isruc", "I-37")


def test_epochs_of_20_s_are_widened_and_it_is_told(cohorts):
    assert (
        "Scored in epochs of 20 s: each is drawn with 5 s of signal before and after; 1 at the beginning and 0 at the "
        "end, which would reach out of the signal, were left out."
    ) in notes_of(cohorts, "mass", "01-02-0007")
    assert "0 at the beginning and 1 at the end" in notes_of(cohorts, "mass", "01-05-0020")


def test_widened_epochs_show_the_signal_around_their_own(cohorts):
    night = cohorts["mass"][0]["01-05-0020"]
    epochs = read_night(night, PrepareSettings()).epochs
    overlap = round(10 * epochs.sampling_rate_hz)
    assert epochs.step_s == 20
    np.testing.assert_array_equal(epochs.signals_uv[0, :, -overlap:], epochs.signals_uv[1, :, :overlap])


def test_movement_unscored_and_artefact_of_shhs_are_told_apart_in_the_notes(cohorts):
    told = notes_of(cohorts, "shhs", "shhs1-200001")
    for word in ("movement", "unscored", "artefact"):
        assert f"'{word}' left 1 epoch(s) UNSCORED." in told
    assert "'AUX' was left out: the physical range of signal 10 (AUX) is 0 to 0: it has no height." in told


def test_the_envelope_of_the_cassette_chin_is_not_drawn_and_said(cohorts):
    night = cohorts["sleep_edf"][0]["SC4011"]
    _, montage = read_drawn(night.recording_path)
    assert "'EMG submental' is sampled at 1 Hz: an envelope, not a waveform" in montage.missing[-1].reason


def test_five_scorers_become_a_consensus_with_soft_labels(cohorts):
    night = cohorts["dod_h"][0]["119f9726-a"]
    hypnogram, _ = read_stages(night, read_facts(night.recording_path))
    assert (hypnogram.stages, hypnogram.scorer) == (CONSENSUS, "consensus of 5")
    assert hypnogram.probabilities[1].tolist() == [0.6, 0.4, 0, 0, 0]
    assert hypnogram.probabilities[0].tolist() == [1, 0, 0, 0, 0]
