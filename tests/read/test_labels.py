"""What labels of public cohorts say."""

import pytest

from somnolens.read.labels import Lead, parse_label
from somnolens.read.units import is_voltage, microvolts_per_unit


@pytest.mark.parametrize(
    ("label", "active", "reference"),
    [
        ("EEG F4-M1", "F4", "M1"),
        ("F4-A1", "F4", "M1"),
        ("f4_a1", "F4", "M1"),
        ("C4A1", "C4", "M1"),
        ("C4:M1", "C4", "M1"),
        ("EEG Fpz-Cz", "FPZ", "CZ"),
        ("EEG C3-CLE", "C3", "CLE"),
        ("EEG A1-CLE", "M1", "CLE"),
        ("POL C4", "C4", None),
        ("M1", "M1", None),
        ("EEG", "EEG", None),
        ("EEG(sec)", "EEG2", None),
        ("EEG 2", "EEG2", None),
        ("EEG T3-LER", "T7", "LER"),
        ("LOC-A2", "E1", "M2"),
        ("EOG ROC-A1", "E2", "M1"),
        ("EOG(L)", "E1", None),
        ("E-1", "E1", None),
        ("EOG Left Horiz", "E1", None),
        ("RightEye", "E2", None),
        ("EOG horizontal", "EOGH", None),
        ("EMG chin", "CHIN", None),
        ("Chin EMG", "CHIN", None),
        ("CHIN", "CHIN", None),
        ("EMG submental", "CHIN", None),
        ("X1", "CHIN", None),
        ("Chin1-Chin2", "CHIN1", "CHIN2"),
        ("EMG Chin 1-Chin 2", "CHIN1", "CHIN2"),
        ("CHIN1-2", "CHIN1", "CHIN2"),
        ("EMG Chin1", "CHIN1", None),
        ("L Chin", "CHINL", None),
        ("RCHIN", "CHINR", None),
        ("EMG1-EMG2", "EMG1", "EMG2"),
        ("EMG 2", "EMG2", None),
    ],
)
def test_labels_of_the_staging_montage(label, active, reference):
    assert parse_label(label) == Lead(active, reference)


@pytest.mark.parametrize(
    "label",
    ["ECG", "EMG tibialis", "LEG L", "SaO2", "THOR RES", "C3 THERM", "EOG vertical", "H.R.", "", "24"],
)
def test_labels_of_something_else(label):
    assert parse_label(label) is None


def test_a_blank_unit_is_a_voltage_only_on_an_electrode():
    assert is_voltage("EOG(L)", "")
    assert not is_voltage("Resp oro-nasal", "")
    assert not is_voltage("EEG C4-M1", "%")


def test_units_are_read_without_letter_case():
    assert [microvolts_per_unit(unit, -1, 1)[0] for unit in ("UV", "mv", "MV", "Volt", "μV")] == [1, 1e3, 1e3, 1e6, 1]
