"""A cohort of a kind not yet there is one file, and nothing else changes."""

import pickle
import sys

import pytest

from somnolens.config import PrepareSettings
from somnolens.dataset.rows import read_night
from somnolens.read import cohorts
from somnolens.read.cohorts import find_nights, list_cohorts
from tests.fake_cohorts.files import spread, write_edf, write_text
from tests.fake_cohorts.hmc import MIXES, STAGES
from tests.fake_cohorts.signals import Channel

MODULE = '''
"""Our lab: a folder for each night, runs of stages in hypnogram.ids."""

from pathlib import Path

from somnolens.hypnogram import Hypnogram
from somnolens.read.folders import list_files, require_nights
from somnolens.read.labels import Lead
from somnolens.read.night import Night, Scoring
from somnolens.read.runs import Run, cut_runs
from somnolens.read.stage_texts import parse_stage
from somnolens.recording import Recording


def find_nights(folder: Path) -> list[Night]:
    """Find the nights below a folder: person/visit/psg.edf with person/visit/hypnogram.ids."""
    files = list_files(folder)
    nights = [_describe(path) for path in files if path.name == "psg.edf"]
    return require_nights(nights, folder, "person/visit/psg.edf", len(files))


def _describe(path: Path) -> Night:
    person, visit = path.parts[-3:-1]
    scoring = Scoring(path.with_name("hypnogram.ids"), "expert", read_ids)
    return Night("our_lab", person, f"{person}-{visit}", path, (scoring,), leads={"Kinn": Lead("CHIN")})


def read_ids(path: Path, recording: Recording) -> Hypnogram:
    """Read lines of onset, duration and stage."""
    rows = [line.split(",") for line in path.read_text().splitlines()]
    runs = [Run(float(onset), float(lasting), parse_stage(text) or "UNSCORED", text) for onset, lasting, text in rows]
    stages, start_s, notes = cut_runs(runs, path.name)
    return Hypnogram(stages, start_s=start_s, notes=notes)
'''
"""What a person writes."""


@pytest.fixture
def our_lab(tmp_path, monkeypatch):
    """The module where cohorts lie, and two nights of one person."""
    write_text(tmp_path / "modules" / "our_lab.py", MODULE)
    monkeypatch.setattr(cohorts, "__path__", [*cohorts.__path__, str(tmp_path / "modules")])
    channels = [Channel(label.replace("EMG chin", "Kinn"), 256, {mix: 1}) for label, mix in MIXES.items()]
    for visit in ("1", "2"):
        folder = tmp_path / "nights" / "p07" / visit
        write_edf(folder / "psg.edf", channels)
        lines = [f"{at},{lasting},{stage}" for at, lasting, stage in spread(STAGES, {stage: stage for stage in STAGES})]
        write_text(folder / "hypnogram.ids", "\n".join(lines))
    yield tmp_path / "nights"
    sys.modules.pop("somnolens.read.cohorts.our_lab", None)


def test_a_new_cohort_is_found_and_read(our_lab):
    assert "our_lab" in list_cohorts()
    nights = find_nights(our_lab, "our_lab")
    assert [(night.subject, night.night) for night in nights] == [("p07", "p07-1"), ("p07", "p07-2")]
    scored = read_night(nights[0], PrepareSettings())
    assert scored.hypnogram.stages == STAGES
    assert scored.epochs.sources[-1] == "Kinn"
    assert pickle.loads(pickle.dumps(nights)) == nights
