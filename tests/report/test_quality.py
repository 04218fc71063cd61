"""Quality by hour, and what a person is told of it."""

import numpy as np
import pytest
from rich.console import Console

from somnolens.read.montage import find_montage
from somnolens.recording import Recording, Signal
from somnolens.report.quality import explain_quality, format_quality, measure_quality

RATE_HZ = 128


@pytest.fixture(scope="module")
def told():
    """Two hours: F4 is good, C4 is flat in the second, E1 clipped in the first, the chin hums, O2 is too small."""
    rng = np.random.default_rng(0)
    n, hour = 2 * 3600 * RATE_HZ, 3600 * RATE_HZ
    noise = {name: rng.normal(0, 20, n) for name in ("F4-M1", "C4-M1", "O2-M1", "E1-M2", "EMG chin")}
    noise["C4-M1"][hour:] = 0
    noise["E1-M2"][: hour // 2] = np.where(np.arange(hour // 2) % 200 < 100, 100.0, -100.0)
    noise["O2-M1"] *= 1e-3
    noise["EMG chin"] += 40 * np.sin(2 * np.pi * 50 * np.arange(n) / RATE_HZ)
    signals = tuple(
        Signal(name, values.astype(np.float32), float(RATE_HZ), (-100.0, 100.0)) for name, values in noise.items()
    )
    recording = Recording("night", signals, 7200.0)
    montage = find_montage(recording)
    qualities = measure_quality(recording, montage)
    console = Console(width=120)
    with console.capture() as capture:
        console.print(format_quality(qualities))
    return {one.derivation.name: one for one in qualities}, " ".join(explain_quality(qualities, montage)), capture.get()


def test_each_hour_has_its_own_trouble(told):
    worst = {name: [hour.worst for hour in one.hours] for name, one in told[0].items()}
    assert worst == {
        "F4-M1": ["", ""],
        "C4-M1": ["", "flat"],
        "O2-M1": ["flat", "flat"],
        "E1-M2": ["clipped", ""],
        "chin EMG": ["hum 50 Hz", "hum 50 Hz"],
    }


def test_a_person_reads_what_is_wrong_why_and_which_stage_suffers(told):
    _, text, _ = told
    assert "E2-M2 is missing. R, and W with open eyes, are told by eye movements" in text
    assert (
        "C4-M1 is flat in hour 2: the electrode was off, or the channel not connected. N2 is told by spindles" in text
    )
    assert "chin EMG has mains hum 50 Hz in hour 1, 2: an electrode with a bad contact. It is filtered out." in text
    assert "F4-M1" not in text


def test_the_table_has_a_column_for_each_hour(told):
    assert "C4-M1" in told[2]
    assert "flat" in told[2]


def test_a_wrong_unit_shows_in_the_amplitude():
    samples = np.random.default_rng(0).normal(0, 2e4, 600 * RATE_HZ).astype(np.float32)
    recording = Recording("night", (Signal("C4-M1", samples / 1e4, float(RATE_HZ)),), 600.0)
    montage = find_montage(recording)
    text = " ".join(explain_quality(measure_quality(recording, montage), montage))
    assert "C4-M1 has 1.47 microvolts (median rms); 3 to 120 are usual. Check its unit and gain" in text
