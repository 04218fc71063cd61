"""A morning report of a short simulated night, made once: by the real readers, detectors and drawing."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from somnolens.hypnogram import Hypnogram
from somnolens.prepare.night import prepare_epochs
from somnolens.read.montage import find_montage
from somnolens.report.morning import MorningReport, Seen, make_report
from somnolens.score.night import SIMULATION_NOTE, ScoredNight, describe_reader
from somnolens.score.reader import NightReader, load_reader
from somnolens.simulate.night import simulate_night
from somnolens.simulate.subject import draw_subject
from tests.report.browser import Page, find_browser, open_browser

SCORED = ("W",) * 6 + ("N1",) * 2 + ("N2",) * 10 + ("UNSCORED",) + ("R",) * 5
"""What the model of these tests said: 24 epochs."""

CORRECTED = ("W",) * 6 + ("N2",) * 12 + ("R",) * 4
"""What a person made of it, who left off two epochs before the end."""


@pytest.fixture(scope="session")
def reader() -> NightReader:
    return load_reader("embedded")


@pytest.fixture(scope="session")
def seen() -> Seen:
    """A night of 24 epochs without a chin EMG, its C4 flat for three minutes."""
    recording, _ = simulate_night(draw_subject(3), hours=0.2, seed=3)
    recording = replace(recording, name="night <7>", signals=recording.signals[:-1])
    central = recording.signals[1]
    central.samples_uv[: round(180 * central.sampling_rate_hz)] = 0.0
    montage = find_montage(recording)
    return Seen(recording, montage, prepare_epochs(recording, montage))


@pytest.fixture(scope="session")
def scored(seen: Seen, reader: NightReader) -> ScoredNight:
    """Sure of everything but the second and third epoch, of which it named the likelier stage."""
    codes = Hypnogram(SCORED).codes()
    probabilities = 0.0125 + 0.9375 * np.eye(5)[np.maximum(codes, 0)]
    probabilities[1:3] = [0.5, 0.4, 0.05, 0.025, 0.025]
    epochs = seen.epochs
    hypnogram = Hypnogram(SCORED, "somnolens", 0.0, probabilities, (*epochs.notes, SIMULATION_NOTE))
    derivations = dict(zip(epochs.derivations, epochs.sources, strict=True))
    return ScoredNight(hypnogram, seen.recording.start, derivations, epochs.quality, describe_reader(reader))


@pytest.fixture(scope="session")
def report(seen: Seen, scored: ScoredNight, reader: NightReader) -> MorningReport:
    return make_report(seen, scored, reader, "lab/registry#wide-2026", n_pictures=2)


@pytest.fixture(scope="session")
def corrected_report(seen: Seen, scored: ScoredNight, reader: NightReader) -> MorningReport:
    return make_report(seen, scored, reader, "embedded", corrected=Hypnogram(CORRECTED), age=25, n_pictures=2)


@pytest.fixture(scope="session")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """A tab of the Chromium on the PATH, for all tests that look at a page."""
    if find_browser() is None:
        pytest.skip("no Chromium or Chrome is on the PATH")
    folder: Path = tmp_path_factory.mktemp("browser")
    with open_browser(folder) as opened:
        yield opened
