"""What can be asked about a kept night is what the library says of it."""

import csv
import io
import json
import zipfile

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from somnolens.aasm import STAGES
from somnolens.config import DatasetSettings
from somnolens.dataset.rows import build_shard
from somnolens.evaluate.totals import measure_totals
from somnolens.explain.night import explain_night
from somnolens.explain.occlusion import occlude_signal
from somnolens.hypnogram import Hypnogram
from somnolens.read.edf import read_facts
from somnolens.read.night import Night, Scoring
from somnolens.read.scoring import read_hypnogram
from somnolens.render.pictures import render_epochs
from somnolens.score.night import read_epochs, score_epochs
from somnolens.score.review import list_reviews
from somnolens.serve.messages.night_schema import EpochExplanation, NightSpectrogram, NightStatistic, ReviewList
from somnolens.serve.messages.schema import Problem
from tests.small_cohort import find_shard


@pytest.fixture(scope="module")
def epochs(night_path, engine):
    return read_epochs(night_path, engine.style)


@pytest.fixture(scope="module")
def offline(epochs, engine):
    return score_epochs(epochs[0], engine, batch_size=8, start=epochs[1])


def ask(client, id: str, path: str, **params):
    answer = client.get(f"/v1/nights/{id}/{path}", params=params)
    assert answer.status_code == 200, answer.text
    return answer


def correct(client, id: str, stages: dict[str, str], scorer: str = "AB"):
    return client.put(f"/v1/nights/{id}/corrections", json={"scorer": scorer, "stages": stages})


@pytest.fixture
def corrected(client, kept, offline):
    """The night with epochs 3 to 5 given another stage; taken back afterwards."""
    changed = {epoch: "R" if offline.hypnogram.stages[epoch] != "R" else "N2" for epoch in (3, 4, 5)}
    assert correct(client, kept, {str(epoch): stage for epoch, stage in changed.items()}).status_code == 200
    stages = list(offline.hypnogram.stages)
    for epoch, stage in changed.items():
        stages[epoch] = stage
    yield tuple(stages)
    correct(client, kept, {})


def test_a_picture_is_the_one_that_the_model_saw(client, kept, epochs, engine):
    answer = ask(client, kept, "epochs/7/picture")
    assert answer.headers["content-type"] == "image/png"
    drawn = render_epochs(epochs[0], engine.style, 7, 8)[0]
    picture = Image.open(io.BytesIO(answer.content)).convert("RGB")
    np.testing.assert_array_equal(np.asarray(picture), engine.style.palette[drawn])


def test_an_explanation_is_that_of_the_library(client, lean, lean_path, engine):
    told = EpochExplanation(**ask(client, lean, "epochs/4/explanation").json())
    epochs, start = read_epochs(lean_path, engine.style)
    hypnogram = score_epochs(epochs, engine, batch_size=8, start=start).hypnogram
    assert told.stage == hypnogram.stages[4]
    heat = occlude_signal(epochs, 4, engine, told.stage)
    np.testing.assert_allclose(told.cells.values, heat.values, atol=2e-3)
    assert np.shape(told.cells.values) == (len(told.cells.derivations), told.cells.seconds)
    assert np.abs(heat.values[1]).max() > 1e-3
    probabilities = [told.probabilities[name] for name in STAGES]
    np.testing.assert_allclose(probabilities, hypnogram.probabilities[4], atol=2e-5)
    evidence = explain_night(epochs, hypnogram).epochs[4]
    assert sorted(told.evidence_for + told.evidence_against) == sorted(evidence.list_reasons(told.stage))
    assert all(sentence.startswith(f"For {told.stage}") for sentence in told.evidence_for)
    assert len(told.rules) == len(evidence.findings)


def test_an_epoch_that_the_night_has_not_is_told(client, kept):
    for path in ("epochs/20/picture", "epochs/20/explanation"):
        answer = client.get(f"/v1/nights/{kept}/{path}")
        assert (answer.status_code, "epochs 0 to 19" in Problem(**answer.json()).detail) == (404, True)
    assert client.get(f"/v1/nights/{kept}/epochs/4/explanation", params={"stage": "S5"}).status_code == 422
    assert client.get(f"/v1/nights/{kept}/epochs/-1/picture").status_code == 422


def test_the_list_of_doubtful_epochs_is_that_of_the_library(client, kept, epochs, offline):
    told = ReviewList(**ask(client, kept, "review").json()).epochs
    reasons = explain_night(epochs[0], offline.hypnogram).disagreements
    reviews = list_reviews(offline.hypnogram.probabilities, offline.quality, epochs[0].derivations, reasons)
    assert [one.index for one in told] == [one.epoch for one in reviews]
    assert told[0].priority == reviews[0].priority
    assert all(sentence.endswith(".") and sentence[0].isupper() for one in told for sentence in one.reasons)


def test_statistics_are_those_of_the_hypnogram_that_counts(client, kept, offline, corrected):
    for stages, wanted in ((corrected, "true"), (offline.hypnogram.stages, "false")):
        told = [NightStatistic(**one) for one in ask(client, kept, "statistics", corrected=wanted).json()]
        totals = measure_totals(Hypnogram(stages))
        by_name = {one.name: one for one in told}
        assert by_name["Total sleep time"].value == pytest.approx(totals.tst_min, abs=0.01)
        assert by_name["N2"].value == pytest.approx(totals.percent["N2"], abs=0.01)
        assert by_name["Time in bed"].normal is None


def test_the_spectrogram_has_a_value_for_each_time_and_frequency(client, kept):
    told = NightSpectrogram(**ask(client, kept, "spectrogram").json())
    assert np.shape(told.power_db) == (20, 50)
    assert told.times_s[:2] == [15.0, 45.0]
    assert told.frequencies_hz == sorted(told.frequencies_hz)


def test_a_report_is_a_page_or_a_pdf(client, kept, corrected):
    page = ask(client, kept, "report", format="html")
    assert page.headers["content-type"].startswith("text/html")
    assert "corrected by a person" in page.text
    assert "Signal quality" in page.text
    pdf = ask(client, kept, "report", format="pdf")
    assert pdf.headers["content-type"] == "application/pdf"
    assert pdf.headers["content-disposition"] == 'attachment; filename="night.pdf"'
    assert pdf.content.startswith(b"%PDF")


def test_every_export_reads_back_with_the_corrections_in_it(client, kept, offline, corrected, tmp_path):
    start = offline.start
    for format, name in (("edf", "h.edf"), ("csv", "h.csv"), ("json", "h.json")):
        for wanted, stages in (("true", corrected), ("false", offline.hypnogram.stages)):
            path = tmp_path / f"{wanted}-{name}"
            path.write_bytes(ask(client, kept, "hypnogram", format=format, corrected=wanted).content)
            assert read_hypnogram(path, start).stages == tuple(stages), (format, wanted)
    told = json.loads((tmp_path / "true-h.json").read_text())
    assert (told["scorer"], told["made_by"]["corrected_epochs"]) == ("AB", [3, 4, 5])


def test_files_of_bids_come_with_their_sidecars(client, kept, corrected, tmp_path):
    answer = ask(client, kept, "hypnogram", format="bids")
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        names = archive.namelist()
        archive.extractall(tmp_path)
    assert names == [
        f"sub-night_task-sleep_{what}" for what in ("events.json", "events.tsv", "hypnogram.json", "hypnogram.tsv")
    ]
    rows = list(csv.DictReader((tmp_path / names[3]).read_text().splitlines(), delimiter="\t"))
    assert tuple(row["stage"] for row in rows) == corrected
    assert ask(client, kept, "hypnogram", format="bids").content == answer.content


def test_corrections_replace_each_other_and_are_read_back(client, kept, offline):
    assert client.get(f"/v1/nights/{kept}/corrections").json()["stages"] == {}
    assert correct(client, kept, {"1": "N3", "2": "N3"}).status_code == 200
    assert correct(client, kept, {"2": "W"}, "CD").json() == {"scorer": "CD", "stages": {"2": "W"}}
    assert client.get(f"/v1/nights/{kept}/corrections").json() == {"scorer": "CD", "stages": {"2": "W"}}
    assert correct(client, kept, {}).status_code == 200
    told = ask(client, kept, "hypnogram", format="json").json()
    assert told["stages"] == list(offline.hypnogram.stages)


@pytest.mark.parametrize(
    ("stages", "scorer"), [({"20": "N2"}, "AB"), ({"x": "N2"}, "AB"), ({"1": "S2"}, "AB"), ({"1": "N2"}, "<script>")]
)
def test_corrections_that_cannot_be_are_refused(client, kept, stages, scorer):
    assert correct(client, kept, stages, scorer).status_code == 422
    assert client.get(f"/v1/nights/{kept}/corrections").json()["stages"] == {}


def test_a_corrected_night_joins_a_training_set(client, kept, corrected, night_path, engine, tmp_path):
    path = tmp_path / "SIM001-corrected.edf"
    path.write_bytes(ask(client, kept, "hypnogram", format="edf").content)
    assert read_hypnogram(path, read_facts(night_path).start).start_s == 0.0
    night = Night("service", "SIM001", "SIM001", night_path, (Scoring(path, scorer="AB"),))
    report = build_shard(night, "train", engine.style, tmp_path / "dataset", DatasetSettings())
    assert (report.error, report.n_epochs, report.n_unscored) == ("", 20, 0)
    rows = pq.read_table(find_shard(tmp_path / "dataset", "SIM001"), partitioning=None)
    assert tuple(rows["stage"].to_pylist()) == corrected
    assert rows["scorers"].to_pylist() == [["AB"]] * 20
    picture = ask(client, kept, "epochs/3/picture").content
    assert rows["image"][3].as_py()["bytes"] == picture
