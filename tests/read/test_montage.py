"""Which signals are drawn as which derivation."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from somnolens.aasm import RECOMMENDED_DERIVATIONS
from somnolens.errors import MissingDerivationError, SettingsError
from somnolens.read.labels import Lead
from somnolens.read.montage import find_montage
from somnolens.recording import OtherSignal, Recording, Signal

NAMES = tuple(RECOMMENDED_DERIVATIONS)


def record(*labels: str, others=(), **rates_hz: float) -> Recording:
    signals = tuple(Signal(label, np.empty(0), rates_hz.get(label, 100.0)) for label in labels)
    return Recording("night", signals, 0.0, others=others)


def sources_of(*labels: str, **rates_hz: float) -> tuple[str | None, ...]:
    return find_montage(record(*labels, **rates_hz)).sources


def test_the_recommended_montage_is_taken_as_it_is():
    labels = ("EMG chin", "EOG E2-M2", "EEG O2-M1", "EEG F4-M1", "EOG E1-M2", "EEG C4-M1", "ECG")
    montage = find_montage(record(*labels))
    assert montage.names == NAMES
    assert montage.sources == ("EEG F4-M1", "EEG C4-M1", "EEG O2-M1", "EOG E1-M2", "EOG E2-M2", "EMG chin")
    assert montage.missing == ()
    assert montage.derivations[0].reason == "as recommended"


@pytest.mark.parametrize(
    ("cohort", "labels", "expected"),
    [
        (
            "Sleep-EDF cassette",
            ("EEG Fpz-Cz", "EEG Pz-Oz", "EOG horizontal"),
            ("EEG Fpz-Cz", None, "EEG Pz-Oz", "EOG horizontal", None, None),
        ),
        (
            "ISRUC",
            ("F3-A2", "C3-A2", "O1-A2", "F4-A1", "C4-A1", "O2-A1", "LOC-A2", "ROC-A1", "X1", "X2"),
            ("F4-A1", "C4-A1", "O2-A1", "LOC-A2", "ROC-A1", "X1"),
        ),
        (
            "HMC",
            ("EEG F4-M1", "EEG C4-M1", "EEG O2-M1", "EEG C3-M2", "EMG chin", "EOG E1-M2", "EOG E2-M2", "ECG"),
            ("EEG F4-M1", "EEG C4-M1", "EEG O2-M1", "EOG E1-M2", "EOG E2-M2", "EMG chin"),
        ),
        ("SHHS", ("EEG(sec)", "ECG", "EMG", "EOG(L)", "EOG(R)", "EEG"), (None, "EEG", None, "EOG(L)", "EOG(R)", "EMG")),
        (
            "MASS",
            ("EEG C3-CLE", "EEG C4-CLE", "EEG O2-CLE", "EOG Left Horiz", "EOG Right Horiz", "EMG Chin1", "EMG Chin2"),
            (None, "EEG C4-CLE", "EEG O2-CLE", "EOG Left Horiz", "EOG Right Horiz", "EMG Chin1 - EMG Chin2"),
        ),
    ],
)
def test_cohorts(cohort, labels, expected):
    assert sources_of(*labels) == expected


def test_separate_electrodes_are_rereferenced():
    montage = find_montage(record("F4", "C4", "O2", "E1", "E2", "M1", "M2", "Chin1", "Chin2"))
    assert montage.sources == ("F4 - M1", "C4 - M1", "O2 - M1", "E1 - M2", "E2 - M2", "Chin1 - Chin2")
    assert montage.derivations[0].parts == (("F4", 1), ("M1", -1))
    assert montage.derivations[0].reason == "as recommended; re-referenced here from two signals"
    assert montage.signal_names == ("F4", "M1", "C4", "O2", "E1", "M2", "E2", "Chin1", "Chin2")


def test_electrodes_on_one_common_reference_are_rereferenced():
    assert sources_of("EEG C4-CLE", "EEG A1-CLE")[1] == "EEG C4-CLE - EEG A1-CLE"


def test_electrodes_on_two_references_are_not():
    assert sources_of("EEG C4-CLE", "EEG A1-LER")[1] == "EEG C4-CLE"


def test_electrodes_at_two_rates_are_not():
    assert sources_of("C4", "M1", M1=200.0)[1] == "C4"


def test_two_derivations_that_share_an_electrode_make_a_third():
    """O2-M1 = (F4-M1) - (F4-O2), and F4-M1 = (F4-O2) + (O2-M1): Kirchhoff."""
    montage = find_montage(record("F4_M1", "F4_O2", "C3_M2"))
    assert montage.derivations[2].parts == (("F4_O2", -1), ("F4_M1", 1))
    assert sources_of("F4_O2", "O2_M1", "F3_M2")[:3] == ("F4_O2 + O2_M1", None, "O2_M1")


def test_of_several_signals_alike_the_fastest_is_taken_and_it_is_said():
    montage = find_montage(record("EEG C4-A1", "C4-M1", **{"C4-M1": 256.0}))
    assert montage.sources[1] == "C4-M1"
    assert montage.derivations[1].reason == "as recommended; of 2 alike, the first with the highest rate"
    assert sources_of("EEG C4-A1", "C4-M1")[1] == "EEG C4-A1"


def test_a_cohort_may_say_what_its_labels_mean():
    recording = record("EEG", "EEG (SEC)", "24")
    leads = {"EEG": Lead("C4", "M1"), "EEG(sec)": Lead("F3", "M2"), "24": Lead("CHIN")}
    montage = find_montage(recording, leads=leads)
    assert montage.sources == ("EEG (SEC)", "EEG", None, None, None, "24")
    assert [one.is_recommended for one in montage.derivations] == [False, True, False, False, False, True]
    assert find_montage(recording).sources == (None, "EEG", None, None, None, None)


def test_a_second_eeg_without_a_place_stands_in_for_the_first():
    assert sources_of("EEG(sec)")[1] == "EEG(sec)"


def test_what_is_to_be_avoided_is_not_drawn_unless_it_is_named():
    recording = record("C4-M1", "C3-M2")
    assert find_montage(recording, avoid=["C4-M1"]).sources[1] == "C3-M2"
    assert find_montage(recording, {"C4-M1": "C4-M1"}, avoid=["C4-M1"]).sources[1] == "C4-M1"


def test_one_horizontal_eog_is_drawn_once():
    montage = find_montage(record("EOG horizontal", "C4-M1"))
    assert montage.sources[3:5] == ("EOG horizontal", None)
    assert montage.derivations[3].reason == "one horizontal EOG: left against right eye"


def test_the_mirrored_derivation_stands_in():
    montage = find_montage(record("F3-M2", "C3-A2", "O1-A2"))
    assert montage.sources[:3] == ("F3-M2", "C3-A2", "O1-A2")
    assert "back-up" in montage.derivations[0].reason


def test_the_alternative_montage_of_the_manual():
    """AASM III.A: Fz-Cz, Cz-Oz, C4-M1."""
    assert sources_of("Cz-Oz", "Fz-Cz", "C4-M1")[:3] == ("Fz-Cz", "C4-M1", "Cz-Oz")


def test_a_derivation_the_other_way_round_is_turned():
    derivation = find_montage(record("M1-C4")).derivations[1]
    assert (derivation.parts, derivation.source) == ((("M1-C4", -1),), "- M1-C4")
    assert derivation.reason == "as recommended; turned upside down"


def test_one_signal_is_not_drawn_twice():
    assert sources_of("Fz-Cz", "Cz-Oz")[:3] == ("Fz-Cz", None, "Cz-Oz")


def test_an_envelope_is_not_drawn_and_said():
    montage = find_montage(record("C4-M1", "EMG submental", **{"EMG submental": 1.0}))
    assert montage.sources[5] is None
    assert montage.missing[-1].reason == (
        "looked for 'EMG chin', 'Chin1-Chin2', 'EMG submental', 'EMG'; "
        "'EMG submental' is sampled at 1 Hz: an envelope, not a waveform"
    )


def test_a_signal_in_another_unit_is_a_near_miss():
    montage = find_montage(record("C4-M1", others=(OtherSignal("EMG chin", "%", 100.0),)))
    assert "'EMG chin' is in '%', not a voltage" in montage.missing[-1].reason


def test_nothing_to_draw_says_what_was_looked_for_and_what_is_there():
    recording = record("ECG", "EMG chin", **{"EMG chin": 1.0}, others=(OtherSignal("SaO2", "%", 1.0),))
    with pytest.raises(MissingDerivationError) as caught:
        find_montage(recording)
    message = str(caught.value)
    assert message.startswith(
        "night has no derivation that can be drawn. Looked for F4-M1: 'F4-M1', 'F3-M2', 'Fz-Cz', 'Fpz-Cz'; C4-M1: "
    )
    assert "The file has 'ECG', 'EMG chin', 'SaO2'." in message
    assert "Near misses: 'EMG chin' is sampled at 1 Hz: an envelope, not a waveform." in message
    assert message.endswith("Name its signals by hand, for example C4-M1=EEG.")


def test_signals_can_be_named_by_hand():
    names = {"C4-M1": "EEG(sec)", "chin EMG": ("EMG a", "EMG b"), "E1-M2": None}
    montage = find_montage(record("EEG(sec)", "EMG a", "EMG b", "E1"), names)
    assert montage.sources == (None, "EEG(sec)", None, None, None, "EMG a - EMG b")
    assert montage.derivations[1].reason == "named by hand"
    assert montage.derivations[3].reason == "left out by hand"


def test_what_is_named_by_hand_is_not_drawn_twice():
    assert find_montage(record("C4-M1"), {"F4-M1": "C4-M1"}).sources[:2] == ("C4-M1", None)


def test_a_label_named_by_hand_must_be_there():
    with pytest.raises(MissingDerivationError) as caught:
        find_montage(record("C4-M1", "EEG 3"), {"F4-M1": "EEG3"})
    assert str(caught.value) == (
        "night has no signal 'EEG3', named for F4-M1. The file has 'C4-M1', 'EEG 3'. Name one of these."
    )


def test_signals_named_by_hand_must_be_waveforms_of_one_rate():
    with pytest.raises(MissingDerivationError, match="have different rates"):
        find_montage(record("a", "b", b=200.0), {"chin EMG": ("a", "b")})
    with pytest.raises(MissingDerivationError, match="'b' is sampled at 1 Hz"):
        find_montage(record("a", "b", b=1.0), {"chin EMG": "b"})


def test_only_drawn_derivations_can_be_named():
    with pytest.raises(SettingsError, match="'P4' is no derivation that is drawn; there are 'F4-M1'"):
        find_montage(record("C4-M1"), {"P4": "C4-M1"})


PLACES = ["F4", "F3", "Fz", "Fpz", "C4", "C3", "Cz", "O2", "O1", "E1", "E2", "EEG", "EMG", "Chin1", "ECG", "M1", "M2"]
LABELS = st.sampled_from([f"{place}{end}" for place in PLACES for end in ("", "-M1", "-A2", "-Cz")])


@given(labels=st.lists(LABELS, min_size=1, max_size=12, unique=True))
def test_whatever_the_labels_no_signal_is_drawn_as_two_derivations(labels):
    try:
        montage = find_montage(record(*labels))
    except MissingDerivationError:
        return
    drawn = [derivation.parts[0][0] for derivation in montage.derivations if derivation.parts]
    assert len(drawn) == len(set(drawn))
    assert montage.names == NAMES
    assert set(montage.signal_names) <= set(labels)
